ml2_test(ovsdb_values_test LABEL unit
  SOURCES ovsdb_datum_test.cc ovsdb_row_test.cc ovsdb_vswitch_test.cc ovsdb_vswitch_reading_test.cc ovsdb_ml2_rows_test.cc
  LINK ml2_ovsdb_values nlohmann_json::nlohmann_json)
