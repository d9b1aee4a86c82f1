ml2_test(compile_test LABEL unit SOURCES compile_test.cc compile_local_vlan_test.cc compile_names_test.cc compile_fast_path_test.cc LINK ml2_compile ml2_diff)
