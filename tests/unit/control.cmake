ml2_test(control_test LABEL unit SOURCES control_test.cc LINK ml2_control ml2_fake_node)
