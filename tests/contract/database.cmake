ml2_test(database_contract_test LABEL contract SOURCES database_contract_test.cc database_server.cc LINK
             ml2_fake_database ml2_ovsdb_idl)
