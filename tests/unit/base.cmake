ml2_test(base_test LABEL unit SOURCES base_test.cc LINK ml2_base)
