ml2_fuzz(flow_fuzz SOURCES flow_fuzz.cc flow_shim.c LINK ml2_openflow_codec openvswitch)
