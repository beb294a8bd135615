# cmake --install build --prefix DIR: bin/clipsweep, lib/libclipsweep_cuda.so, share/clipsweep/.
include(GNUInstallDirs)
set_target_properties(clipsweep PROPERTIES
  INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${LIBTORCH_LIBRARY_DIR}")
install(TARGETS clipsweep RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(CLIPSWEEP_HAS_CUDA)
  set_target_properties(clipsweep_cuda PROPERTIES INSTALL_RPATH "${LIBTORCH_LIBRARY_DIR}")
  install(TARGETS clipsweep_cuda LIBRARY DESTINATION lib)
endif()
install(PROGRAMS launch/convert_checkpoint.py launch/export_adapter.py launch/import_tip_adapter.py
  DESTINATION share/clipsweep)
install(FILES launch/imagenet-rn50.ini launch/script_tools.py launch/nightly/nightly.ini docs/results.schema.json
  DESTINATION share/clipsweep)
install(FILES LICENSE extract/data/LICENSE.clip-vocabulary extract/data/LICENSE.html-entities
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/clipsweep)
