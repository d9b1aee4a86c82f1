ml2_test(ml2_plugin_contract_test LABEL contract
  SOURCES ml2_plugin_contract_test.cc database_server.cc
  LINK ml2_plugin ml2_ovsdb_remote)
