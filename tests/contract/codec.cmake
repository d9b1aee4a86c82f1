ml2_test(codec_contract_test LABEL contract SOURCES codec_contract_test.cc LINK ml2_switch_rig)
