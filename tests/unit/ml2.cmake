ml2_test(ml2_types_test LABEL unit SOURCES ml2_types_test.cc LINK ml2_plugin)
ml2_test(ml2_plugin_test LABEL unit SOURCES ml2_plugin_test.cc LINK ml2_plugin ml2_fake_database)
ml2_test(ml2_mechanism_test LABEL unit SOURCES ml2_mechanism_test.cc LINK ml2_plugin ml2_fake_database)
