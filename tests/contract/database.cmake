ml2_test(database_contract_test LABEL contract
  SOURCES database_contract_test.cc database_contract_rules_test.cc database_server.cc
  LINK ml2_fake_database ml2_ovsdb_remote)
ml2_test(database_remote_test LABEL contract
  SOURCES database_remote_test.cc database_cluster_test.cc database_server.cc
  LINK ml2_ovsdb_remote)
ml2_test(database_script_test LABEL contract
  SOURCES database_script_test.cc database_server.cc
  LINK ml2_base nlohmann_json::nlohmann_json)
