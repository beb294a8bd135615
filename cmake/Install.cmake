# cmake --install build --prefix DIR: bin/clipsweep, lib/libclipsweep_cuda.so, lib/clipsweep/ (LibTorch),
# share/clipsweep/ (scripts and configurations), share/doc/clipsweep/. DIR can be moved as a whole.
include(GNUInstallDirs)
option(CLIPSWEEP_INSTALL_LIBTORCH
  "Install LibTorch too (hard links where the disk allows it); OFF: the program uses it where it lies" ON)

# Wheels find their libraries by paths from one to another, so the folders stay as they are to each other:
# lib/clipsweep/torch/lib beside lib/clipsweep/nvidia/.../lib.
get_filename_component(LIBTORCH_SITE ${LIBTORCH_ROOT} DIRECTORY)
file(RELATIVE_PATH _from_site ${LIBTORCH_SITE} ${LIBTORCH_LIBRARY_DIR})
set(CLIPSWEEP_LIBTORCH_DESTINATION ${CMAKE_INSTALL_LIBDIR}/clipsweep)
if(CLIPSWEEP_INSTALL_LIBTORCH)
  set(_libtorch "$ORIGIN/../${CLIPSWEEP_LIBTORCH_DESTINATION}/${_from_site}")
else()
  set(_libtorch ${LIBTORCH_LIBRARY_DIR})
endif()
set_target_properties(clipsweep PROPERTIES
  INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${_libtorch}")
install(TARGETS clipsweep RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(CLIPSWEEP_HAS_CUDA)
  set_target_properties(clipsweep_cuda PROPERTIES INSTALL_RPATH "${_libtorch}")
  install(TARGETS clipsweep_cuda LIBRARY DESTINATION lib)
endif()
if(CLIPSWEEP_INSTALL_LIBTORCH)
  configure_file(cmake/InstallLibTorch.cmake.in InstallLibTorch.cmake @ONLY)
  install(SCRIPT ${CMAKE_CURRENT_BINARY_DIR}/InstallLibTorch.cmake)
endif()

set(_share ${CMAKE_INSTALL_DATADIR}/clipsweep)
install(PROGRAMS launch/convert_checkpoint.py launch/export_adapter.py launch/import_tip_adapter.py launch/run.sh
  DESTINATION ${_share}/launch)
install(FILES launch/script_tools.py launch/sealed_file.py launch/retry.sh launch/mpi_env.sh launch/imagenet-rn50.ini DESTINATION ${_share}/launch)
install(PROGRAMS launch/nightly/nightly.sh DESTINATION ${_share}/launch/nightly)
install(FILES launch/nightly/nightly.ini launch/nightly/nightly.sbatch launch/nightly/crontab
  launch/nightly/clipsweep-nightly.service launch/nightly/clipsweep-nightly.timer DESTINATION ${_share}/launch/nightly)
install(FILES launch/slurm/experiment.sbatch DESTINATION ${_share}/launch/slurm)
install(DIRECTORY launch/demo DESTINATION ${_share}/launch USE_SOURCE_PERMISSIONS)
install(FILES docs/results.schema.json DESTINATION ${_share})
install(FILES README.md CHANGELOG.md LICENSE extract/text/data/LICENSE.clip-vocabulary extract/text/data/LICENSE.html-entities
  DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
