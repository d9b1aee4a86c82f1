ml2_test(ovsdb_idl_unit_test LABEL unit SOURCES ovsdb_idl_unit_test.cc LINK ml2_ovsdb_idl)
