ml2_library(ml2_fake_node
  SOURCES fake_node.cc
  LINK ml2_reconcile ml2_fake_database ml2_fake_kernel ml2_fake_switch ml2_fake_fastpath)
