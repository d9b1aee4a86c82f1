ml2_library(ml2_ovs_model
  SOURCES "${CMAKE_SOURCE_DIR}/tests/states/ovs_model.cc" "${CMAKE_SOURCE_DIR}/tests/states/world.cc"
          "${CMAKE_SOURCE_DIR}/tests/states/fast_path_model.cc" "${CMAKE_SOURCE_DIR}/tests/states/follower.cc" "${CMAKE_SOURCE_DIR}/tests/states/world_text.cc" "${CMAKE_SOURCE_DIR}/tests/states/state_lists.cc"
  LINK ml2_compile ml2_diff GTest::gtest)
ml2_test(states_test LABEL states SOURCES states_test.cc random_test.cc LINK ml2_ovs_model)
ml2_test(golden_test LABEL golden SOURCES golden_test.cc LINK ml2_ovs_model)
