# The real thing is build/<preset>/bin/ml2-fastpath on ordinary pages; skipped where it is not built.
ml2_test(fastpath_contract_test LABEL contract SOURCES fastpath_contract_test.cc fastpath_rigs.cc
  LINK ml2_fake_fastpath ml2_fastpath_socket ml2_fastpath_control)
if(TARGET ml2-fastpath)
  add_dependencies(fastpath_contract_test ml2-fastpath)
endif()
