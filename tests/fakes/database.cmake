ml2_library(ml2_fake_database
  SOURCES fake_database.cc fake_database_server.cc fake_database_schema.cc
  LINK ml2_ovsdb_values ml2_poll_loop nlohmann_json::nlohmann_json)
