ml2_test(codec_contract_test LABEL contract SOURCES codec_contract_test.cc message_shim.cc LINK ml2_switch_rig)
