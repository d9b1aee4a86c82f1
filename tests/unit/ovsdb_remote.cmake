ml2_test(ovsdb_remote_test LABEL unit SOURCES ovsdb_remote_test.cc LINK ml2_ovsdb_remote)
