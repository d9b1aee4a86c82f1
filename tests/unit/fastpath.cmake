ml2_test(fastpath_test LABEL unit SOURCES fastpath_plain_test.cc fastpath_burst_test.cc fastpath_tables_test.cc fastpath_walk_test.cc
  fastpath_sender_test.cc fastpath_packet_test.cc
  fastpath_offload_test.cc fastpath_learn_test.cc fastpath_capture_test.cc
  LINK ml2_fastpath_control ml2_fastpath_walk ml2_base)
ml2_test(fastpath_options_test LABEL unit SOURCES fastpath_options_test.cc LINK ml2_fastpath_options)
# With ThreadSanitizer in every build but those that have another sanitizer; of sources, not libraries, so that all of it is
# instrumented.
if(NOT ML2_SANITIZE AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  add_custom_target(tsan-tests)
  function(ml2_race_test name)
    add_executable(${name} ${name}.cc "${CMAKE_SOURCE_DIR}/dpdk/walk/walk.cc" ${ARGN})
    target_link_libraries(${name} PRIVATE ml2_flags ml2_base Threads::Threads tl::expected fmt::fmt)
    target_compile_options(${name} PRIVATE -O1 -fsanitize=thread)
    target_link_options(${name} PRIVATE -fsanitize=thread)
    add_dependencies(tsan-tests ${name})
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "unit;tsan" TIMEOUT 120)
  endfunction()
  file(GLOB tables "${CMAKE_SOURCE_DIR}/dpdk/tables/*.cc")
  ml2_race_test(fastpath_race_test "${CMAKE_SOURCE_DIR}/dpdk/tables/bucket_table.cc")
  ml2_race_test(fastpath_walk_race_test ${tables})
endif()
