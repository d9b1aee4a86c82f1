ml2_test(reconciler_test LABEL unit SOURCES reconciler_test.cc reconciler_fast_path_test.cc LINK ml2_fake_node)
