ml2_fuzz(flow_fuzz SOURCES flow_fuzz.cc LINK ml2_openflow_codec openvswitch)
