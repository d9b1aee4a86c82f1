ml2_test(fastpath_test LABEL unit SOURCES fastpath_plain_test.cc fastpath_tables_test.cc fastpath_walk_test.cc
  LINK ml2_fastpath_walk ml2_base)
# With ThreadSanitizer in every build but those that have another sanitizer; of sources, not libraries, so that all of it is
# instrumented.
if(NOT ML2_SANITIZE AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  add_executable(fastpath_race_test fastpath_race_test.cc "${CMAKE_SOURCE_DIR}/dpdk/tables/bucket_table.cc"
    "${CMAKE_SOURCE_DIR}/dpdk/walk/walk.cc")
  target_link_libraries(fastpath_race_test PRIVATE ml2_flags Threads::Threads tl::expected fmt::fmt)
  target_compile_options(fastpath_race_test PRIVATE -O1 -fsanitize=thread)
  target_link_options(fastpath_race_test PRIVATE -fsanitize=thread)
  add_test(NAME fastpath_race_test COMMAND fastpath_race_test)
  set_tests_properties(fastpath_race_test PROPERTIES LABELS unit TIMEOUT 120)
endif()
