# Needs ovsdb-server, ovs-vswitchd, ovs-vsctl and ovs-ofctl; no root.
ml2_library(ml2_switch_rig
  SOURCES switch_rig.cc
  LINK ml2_fake_switch ml2_openflow_rconn ml2_poll_loop fmt::fmt)
ml2_test(switch_contract_test LABEL contract SOURCES switch_contract_test.cc LINK ml2_switch_rig)
