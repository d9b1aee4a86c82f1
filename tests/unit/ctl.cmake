ml2_test(ctl_output_test LABEL unit SOURCES ctl_output_test.cc ctl_pcapng_test.cc LINK ml2_ctl_output)
ml2_test(ctl_vif_test LABEL unit SOURCES ctl_vif_test.cc LINK ml2_ctl_vif)
ml2_test(ctl_frame_test LABEL unit SOURCES ctl_frame_test.cc LINK ml2_ctl_frame)
