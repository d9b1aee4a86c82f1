ml2_library(ml2_fake_fastpath
  SOURCES fake_fast_path.cc
  LINK ml2_fastpath_values ml2_fastpath_tables ml2_poll_loop)
