ml2_library(ml2_fake_switch
  SOURCES fake_switch.cc
  LINK ml2_openflow_codec ml2_base ml2_poll_loop fmt::fmt)
