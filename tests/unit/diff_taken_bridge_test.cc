// The operator's bridge is as it was when we go: mapped no more, or --cleanup.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datapath/diff/cleanup.h"
#include "datapath/diff/diff.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const of::FlowSet kDefault{{of::FlowKey{}, of::FlowBody{.actions = "NORMAL"}}};
const of::FlowKey kStranger{3, 7, "ip"};
const of::FlowBody kStrangersFlow{.actions = "drop", .cookie = 0x77};

State mapped() {
  State state = base_state().named("mapped");
  state.port(1, vlan(101, "physnet1", 100));
  return state;
}

State unmapped() {
  State state = mapped().named("unmapped");
  state.intent.node.bridge_mappings.clear();
  return state;
}

class TakenBridge : public ::testing::Test {
 protected:
  void SetUp() override {
    world.ovs.add_bridge("br-ex");
    world.ovs.add_port("br-ex", "eth1", "");
    world.ovs.settle();
  }
  ovsdb::BridgeRow br_ex() { return world.ovs.bridge("br-ex"); }
  // What the row says, its ports and what ovs-vswitchd writes apart.
  static std::string settings(const ovsdb::BridgeRow& row) {
    std::string text = "fail_mode=" + row.fail_mode;
    for (const auto* map : {&row.other_config, &row.external_ids}) {
      for (const auto& [key, value] : *map) text.append(" ").append(key).append("=").append(value);
    }
    return text;
  }
  // What it leaves alone, at whatever step.
  std::vector<std::string> clean() {
    std::vector<std::string> stays;
    for (int step = 0; step < 10; ++step) {
      const Cleanup cleanup = diff_to_nothing(mapped().intent.node, world.ovs.actual());
      stays.insert(stays.end(), cleanup.stays.begin(), cleanup.stays.end());
      if (cleanup.plan.empty()) return stays;
      world.ovs.commit(cleanup.plan.ovsdb);
      for (const auto& [bridge, bundle] : cleanup.plan.bundles) world.ovs.commit(bridge, bundle);
      world.ovs.settle();
      EXPECT_TRUE(world.ovs.flows("br-ex").contains(of::FlowKey{})) << "step " << step << " cuts br-ex off";
      EXPECT_THAT(world.ovs.faults, IsEmpty());
    }
    return {"no end"};
  }
  World world;
};

TEST_F(TakenBridge, MappedNoMoreItIsAsItWas) {
  world.ovs.bridge("br-ex").other_config = {{"hwaddr", "02:00:00:00:00:01"}};
  world.ovs.bridge("br-ex").external_ids = {{"bridge-id", "br-ex"}};
  const std::string before = settings(br_ex());
  world.become(mapped());
  EXPECT_EQ(br_ex().fail_mode, "secure");
  EXPECT_EQ(br_ex().external_ids.at("ml2-was-fail-mode"), "");
  world.become(unmapped());
  EXPECT_EQ(settings(br_ex()), before);
  EXPECT_EQ(world.ovs.flows("br-ex"), kDefault);
  EXPECT_TRUE(world.planned().empty());
  world.ovs.restart();
  EXPECT_EQ(world.ovs.flows("br-ex"), kDefault);
}

TEST_F(TakenBridge, TheNoteChangesNoFlow) {
  world.become(mapped());
  ovsdb::StringMap& ids = world.ovs.bridge("br-ex").external_ids;
  const ovsdb::StringMap note = ids;
  ids.clear();  // as an earlier build has left it
  const Plan plan = world.planned();
  EXPECT_THAT(plan.bundles, IsEmpty());
  EXPECT_EQ(plan.ovsdb.operations.size(), 2U);  // the note, next_cfg
  world.converge();
  EXPECT_EQ(br_ex().external_ids, note);
}

TEST_F(TakenBridge, AfterAnEarlierBuildItIsAsOpenVSwitchMakesIt) {
  const std::string before = settings(br_ex());
  world.become(mapped());
  world.ovs.bridge("br-ex").external_ids.clear();
  world.become(unmapped());
  EXPECT_EQ(settings(br_ex()), before);
  world.become(mapped());
  world.ovs.bridge("br-ex").external_ids.clear();
  EXPECT_THAT(clean(), Contains(HasSubstr("bridge br-ex is the operator's")));
  EXPECT_EQ(settings(br_ex()), before);
}

TEST_F(TakenBridge, WhatTheOperatorHadChosenComesBack) {
  ovsdb::BridgeRow& row = world.ovs.bridge("br-ex");
  row.fail_mode = "secure";
  row.other_config = {{"mac-table-size", "1000"}};
  world.ovs.flows("br-ex") = {{kStranger, kStrangersFlow}};
  const std::string before = settings(br_ex());
  world.become(mapped());
  EXPECT_NE(br_ex().other_config.at("mac-table-size"), "1000");
  world.become(unmapped());
  EXPECT_EQ(settings(br_ex()), before);
  EXPECT_TRUE(world.ovs.flows("br-ex").contains(kStranger));
  world.become(mapped());
  clean();
  EXPECT_EQ(settings(br_ex()), before);
  EXPECT_TRUE(world.ovs.flows("br-ex").contains(kStranger));
}

TEST_F(TakenBridge, ItKeepsOthersFlows) {
  const std::string before = settings(br_ex());
  world.become(mapped());
  world.ovs.flows("br-ex")[kStranger] = kStrangersFlow;
  world.become(unmapped());
  EXPECT_TRUE(world.ovs.flows("br-ex").contains(kStranger));
  EXPECT_TRUE(world.ovs.flows("br-ex").contains(of::FlowKey{}));
  EXPECT_FALSE(world.ovs.vswitch().ports.contains("phy-br-ex"));
  EXPECT_TRUE(world.planned().empty());
  EXPECT_THAT(world.planned().stays,
              ElementsAre(AllOf(HasSubstr("bridge br-ex is in bridge_mappings no more and keeps fail_mode=secure"),
                                HasSubstr("ovs-ofctl dump-flows br-ex"),
                                HasSubstr("ovs-vsctl remove Bridge br-ex external_ids ml2-taken-as"))));
  // ovs-vswitchd itself has let go of them: now nothing is in the way.
  world.ovs.restart();
  world.converge();
  EXPECT_THAT(world.planned().stays, IsEmpty());
  EXPECT_EQ(settings(br_ex()), before);
  EXPECT_EQ(world.ovs.flows("br-ex"), kDefault);
}

TEST_F(TakenBridge, AnOperatorWhoKeepsBothIsLeftAlone) {
  world.become(mapped());
  world.ovs.flows("br-ex")[kStranger] = kStrangersFlow;
  world.become(unmapped());
  world.ovs.bridge("br-ex").external_ids.erase("ml2-taken-as");  // as the problem says
  EXPECT_TRUE(world.planned().empty());
  EXPECT_THAT(world.planned().stays, IsEmpty());
  EXPECT_EQ(br_ex().fail_mode, "secure");
  EXPECT_TRUE(world.ovs.flows("br-ex").contains(kStranger));
  EXPECT_TRUE(world.ovs.flows("br-ex").contains(of::FlowKey{}));
}

TEST_F(TakenBridge, CleanupGivesItBack) {
  const std::string before = settings(br_ex());
  world.become(mapped());
  world.ovs.flows("br-ex")[kStranger] = kStrangersFlow;
  EXPECT_THAT(clean(), Contains(HasSubstr("ovs-vsctl set-fail-mode br-ex standalone")));
  EXPECT_EQ(br_ex().fail_mode, "secure");
  EXPECT_TRUE(world.ovs.flows("br-ex").contains(kStranger));
  world.ovs.flows("br-ex").erase(kStranger);
  clean();
  EXPECT_EQ(settings(br_ex()), before);
  world.ovs.restart();
  EXPECT_EQ(world.ovs.flows("br-ex"), kDefault);
}

TEST_F(TakenBridge, AnIntegrationBridgeJoinsNobodysPorts) {
  world.ovs.add_bridge("br-int");
  const std::string before = settings(world.ovs.bridge("br-int"));
  world.become(mapped());
  EXPECT_THAT(clean(), Contains(HasSubstr("bridge br-int: 1 ports on it are not ours")));
  EXPECT_EQ(world.ovs.bridge("br-int").fail_mode, "secure");
  world.ovs.del_port("tap1");
  clean();
  EXPECT_EQ(settings(world.ovs.bridge("br-int")), before);
}

}  // namespace
}  // namespace ml2::testing
