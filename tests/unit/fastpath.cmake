ml2_test(fastpath_test LABEL unit SOURCES fastpath_tables_test.cc fastpath_walk_test.cc
  LINK ml2_fastpath_walk ml2_base)
