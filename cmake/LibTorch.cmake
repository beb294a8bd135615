# The CPU part of LibTorch, from the Python wheel or a LibTorch archive, as target LibTorch::cpu; and, where
# the distribution has it, LibTorch::cuda. find_package(Torch) is not used: with a CUDA wheel it stops on
# machines without the CUDA toolkit, while the CPU part needs none. CMAKE_PREFIX_PATH says where to look
# (torch.utils.cmake_prefix_path, or the folder of an unpacked archive).
find_path(LIBTORCH_INCLUDE_DIR ATen/ATen.h PATH_SUFFIXES include ../../include)
find_library(LIBTORCH_CPU_LIBRARY torch_cpu PATH_SUFFIXES lib ../../lib)
find_library(LIBTORCH_C10_LIBRARY c10 PATH_SUFFIXES lib ../../lib)
# One spelling of each, now and when the cache is read again: another one would compile everything anew.
foreach(found LIBTORCH_INCLUDE_DIR LIBTORCH_CPU_LIBRARY LIBTORCH_C10_LIBRARY)
  if(${found})
    get_filename_component(${found} "${${found}}" ABSOLUTE)
  endif()
endforeach()
if(NOT LIBTORCH_INCLUDE_DIR OR NOT LIBTORCH_CPU_LIBRARY OR NOT LIBTORCH_C10_LIBRARY)
  message(FATAL_ERROR "LibTorch not found. Give its place, as in\n"
    "  -DCMAKE_PREFIX_PATH=$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')")
endif()
get_filename_component(LIBTORCH_LIBRARY_DIR ${LIBTORCH_CPU_LIBRARY} DIRECTORY)

# Archives before 2.6 may use the old C++ ABI; TorchConfig.cmake says so.
set(LIBTORCH_ABI 1)
get_filename_component(LIBTORCH_ROOT ${LIBTORCH_LIBRARY_DIR} DIRECTORY)
set(_torch_config ${LIBTORCH_ROOT}/share/cmake/Torch/TorchConfig.cmake)
if(EXISTS ${_torch_config})
  file(STRINGS ${_torch_config} _abi_line REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  if(_abi_line)
    set(LIBTORCH_ABI 0)
  endif()
endif()

add_library(LibTorch::c10 UNKNOWN IMPORTED)
set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${LIBTORCH_C10_LIBRARY})
add_library(LibTorch::cpu UNKNOWN IMPORTED)
set_target_properties(LibTorch::cpu PROPERTIES
  IMPORTED_LOCATION ${LIBTORCH_CPU_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES "${LIBTORCH_INCLUDE_DIR};${LIBTORCH_INCLUDE_DIR}/torch/csrc/api/include"
  INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=${LIBTORCH_ABI}"
  INTERFACE_LINK_LIBRARIES LibTorch::c10)

find_library(LIBTORCH_CUDA_LIBRARY torch_cuda PATHS ${LIBTORCH_LIBRARY_DIR} NO_DEFAULT_PATH)
find_library(LIBTORCH_C10_CUDA_LIBRARY c10_cuda PATHS ${LIBTORCH_LIBRARY_DIR} NO_DEFAULT_PATH)
if(LIBTORCH_CUDA_LIBRARY AND LIBTORCH_C10_CUDA_LIBRARY)
  add_library(LibTorch::cuda UNKNOWN IMPORTED)
  set_target_properties(LibTorch::cuda PROPERTIES
    IMPORTED_LOCATION ${LIBTORCH_CUDA_LIBRARY}
    INTERFACE_LINK_LIBRARIES "${LIBTORCH_C10_CUDA_LIBRARY};LibTorch::cpu")
endif()
message(STATUS "LibTorch: ${LIBTORCH_LIBRARY_DIR}")
