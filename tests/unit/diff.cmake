ml2_test(diff_test LABEL unit SOURCES diff_flows_test.cc diff_rows_test.cc diff_takeover_test.cc diff_taken_bridge_test.cc LINK ml2_ovs_model)
