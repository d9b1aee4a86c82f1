ml2_test(config_test LABEL unit
  SOURCES config_ini_test.cc config_value_test.cc config_mappings_test.cc config_load_test.cc config_hints_test.cc
          config_old_names_test.cc config_output_test.cc config_files_test.cc config_fast_path_test.cc
  LINK ml2_config ml2_node_config)
target_link_libraries(config_test PRIVATE nlohmann_json::nlohmann_json)
