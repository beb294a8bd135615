# A folder of sources is a room: one library, described by the CMakeLists.txt in the folder.
#
#   clipsweep_room(
#     SOURCES one.cpp two.cpp ..     one a line
#     USES common/disk ..            rooms whose headers it includes, and what those use
#     LIBRARIES HDF5::HDF5 ..        what is not ours
#     OPTIONS -O3 ..)                compiler options of its own; such a room goes without the precompiled header
#
# USES is the whole of what a room may include: tests/cli/test_rooms.py holds every #include to it, and a room that
# uses one which stands above it does not configure, for the rooms are added from the lowest to the highest.

# LibTorch's headers cost seconds a file. Those that are used are compiled once, here, and read by all targets of ours.
# (With Boost's and the JSON library's in it too, GCC took minutes to write the precompiled header.)
file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cpp.new "")
file(COPY_FILE ${CMAKE_BINARY_DIR}/precompiled.cpp.new ${CMAKE_BINARY_DIR}/precompiled.cpp ONLY_IF_DIFFERENT)
add_library(clipsweep_precompiled STATIC ${CMAKE_BINARY_DIR}/precompiled.cpp)
target_link_libraries(clipsweep_precompiled PRIVATE clipsweep_flags)
target_precompile_headers(clipsweep_precompiled PRIVATE "${PROJECT_SOURCE_DIR}/common/compute/tensors.h" <fmt/format.h>)

function(clipsweep_library_of room result)
  string(REPLACE "/" "_" name ${room})
  set(${result} clipsweep_${name} PARENT_SCOPE)
endfunction()

function(clipsweep_room)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES;LIBRARIES;OPTIONS" ${ARGN})
  file(RELATIVE_PATH room ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  clipsweep_library_of(${room} target)
  add_library(${target} STATIC ${ROOM_SOURCES})
  target_link_libraries(${target} PUBLIC clipsweep_flags ${ROOM_LIBRARIES})
  foreach(used IN LISTS ROOM_USES)
    clipsweep_library_of(${used} library)
    if(NOT TARGET ${library})
      message(FATAL_ERROR "${room} uses ${used}, which is not a room below it")
    endif()
    target_link_libraries(${target} PUBLIC ${library})
  endforeach()
  if(ROOM_OPTIONS)
    target_compile_options(${target} PRIVATE ${ROOM_OPTIONS})
  else()
    target_precompile_headers(${target} REUSE_FROM clipsweep_precompiled)
  endif()
endfunction()
