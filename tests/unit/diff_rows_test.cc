#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "datapath/diff/diff.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

State one_port() {
  State state = base_state().named("one port");
  state.port(1, vxlan(101, 1270)).vtep(NetworkType::Vxlan, "10.0.0.2");
  return state;
}

class DiffRows : public ::testing::Test {
 protected:
  void SetUp() override { world.become(one_port()); }
  World world;
};

TEST_F(DiffRows, EveryTransactionAsksForANewConfiguration) {
  world.ovs.port("tap1").tag = 9;
  const Plan plan = world.planned();
  EXPECT_EQ(plan.ovsdb.comment, "ml2-agent: set VLAN of tap1");
  EXPECT_THAT(plan.pending_ports, ElementsAre("tap1"));
  const auto* last = std::get_if<ovsdb::RowUpdate>(&plan.ovsdb.operations.back());
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->table, "Open_vSwitch");
  EXPECT_EQ(last->columns.front().first, "next_cfg");
  EXPECT_EQ(last->columns.front().second.integer(), world.ovs.vswitch().next_cfg + 1);
}

TEST_F(DiffRows, DamageIsRepairedAndNothingElse) {
  const std::string before = world.text();
  world.ovs.bridge("br-int").fail_mode = "standalone";
  world.ovs.flows("br-int").clear();  // ovs-vswitchd's own doing at such a change
  world.ovs.bridge("br-int").protocols = {"OpenFlow10"};
  world.ovs.bridge("br-tun").datapath_type = "";
  world.ovs.bridge("br-ex").other_config.clear();
  world.ovs.interface("vxlan-0a000002").options["remote_ip"] = "10.0.0.9";
  world.ovs.port("patch-tun").external_ids.clear();
  world.ovs.port("tap1").vlan_mode = "trunk";
  world.ovs.port("tap1").trunks = {4095};
  world.converge();
  EXPECT_EQ(world.text(), before);
}

TEST_F(DiffRows, WhatIsNotListedStays) {
  world.ovs.bridge("br-int").protocols.insert("OpenFlow15");
  world.ovs.bridge("br-int").other_config["hwaddr"] = "02:00:00:00:00:01";
  world.ovs.port("tap1").other_config["qos"] = "gold";
  world.ovs.port("vxlan-0a000002").external_ids["owner"] = "ops";
  EXPECT_TRUE(world.planned().empty());
}

TEST_F(DiffRows, KeysOfAnEarlierVlanGo) {
  world.ovs.port("tap1").other_config["qos"] = "gold";
  State state = one_port();
  state.port(1, flat(103, "physnet1"));
  world.become(state);
  const ovsdb::StringMap& config = world.ovs.port("tap1").other_config;
  EXPECT_FALSE(config.contains("segmentation_id"));
  EXPECT_EQ(config.at("qos"), "gold");
  state.intent.ports.at(uuid_of(1)).admin_state_up = false;
  world.become(state);
  EXPECT_EQ(world.ovs.port("tap1").other_config, (ovsdb::StringMap{{"qos", "gold"}}));
}

TEST_F(DiffRows, SystemIsTheDefaultDatapathType) {
  World other;
  State state = one_port();
  state.intent.node.datapath_type = "system";
  other.become(state);
  EXPECT_EQ(other.ovs.bridge("br-ex").datapath_type, "");
}

TEST_F(DiffRows, ATunnelPortGoesAfterItsFlows) {
  const std::int64_t ofport = *world.ovs.interface("vxlan-0a000002").ofport;
  const auto used = [&] {
    const auto& flows = world.ovs.flows("br-tun");
    return std::any_of(flows.begin(), flows.end(), [&](const auto& flow) {
      return flow.second.actions.view().find(fmt::format("output:{}", ofport)) != std::string_view::npos;
    });
  };
  ASSERT_TRUE(used());
  State state = one_port();
  state.without_vtep(NetworkType::Vxlan, "10.0.0.2");
  Facts facts = gather_facts(world.ovs.vswitch(), state.addresses, {});
  Plan plan = diff(compile(state.intent, facts), world.ovs.actual());
  EXPECT_THAT(plan.held, ElementsAre("delete of port vxlan-0a000002: flows of br-tun still use it"));
  EXPECT_TRUE(plan.ovsdb.empty());
  world.ovs.commit("br-tun", plan.bundles.at("br-tun"));
  EXPECT_FALSE(used());
  plan = diff(compile(state.intent, facts), world.ovs.actual());
  EXPECT_THAT(plan.held, IsEmpty());
  EXPECT_EQ(plan.ovsdb.comment, "ml2-agent: delete vxlan-0a000002");
  // Somebody else's flow is no reason to wait.
  world.ovs.flows("br-tun")[{0, 9, fmt::format("in_port={}", ofport)}] = of::FlowBody{.actions = "drop", .cookie = 1};
  EXPECT_THAT(diff(compile(state.intent, facts), world.ovs.actual()).held, IsEmpty());
}

TEST_F(DiffRows, NothingGoesUntilTheIntentIsComplete) {
  State state = one_port();
  state.without_vtep(NetworkType::Vxlan, "10.0.0.2");
  state.intent.complete = false;
  const Facts facts = gather_facts(world.ovs.vswitch(), state.addresses, {});
  Desired desired = compile(state.intent, facts);
  const Plan plan = diff(desired, world.ovs.actual());
  EXPECT_TRUE(plan.ovsdb.empty());
  EXPECT_THAT(plan.held, Contains("delete of port vxlan-0a000002: not until the intent is complete"));
}

TEST_F(DiffRows, OthersPortsStay) {
  world.ovs.add_port("br-tun", "vxlan0", "vxlan", {{"remote_ip", "10.9.9.9"}, {"local_ip", "10.0.0.1"}});
  world.ovs.add_port("br-tun", "vxlan-0a090909", "vxlan", {{"remote_ip", "10.9.9.9"}, {"local_ip", "10.0.0.77"}});
  world.ovs.add_port("br-ex", "vxlan-0a090908", "vxlan", {{"remote_ip", "10.9.9.8"}, {"local_ip", "10.0.0.1"}});
  world.ovs.add_port("br-int", "patch-to-lab", "patch", {{"peer", "lab"}});
  world.ovs.settle();
  EXPECT_TRUE(world.planned().empty());
  // The incumbent's own is left over from a host that is gone.
  world.ovs.add_port("br-tun", "vxlan-0a090907", "vxlan", {{"remote_ip", "10.9.9.7"}, {"local_ip", "10.0.0.1"}});
  world.ovs.settle();
  EXPECT_EQ(world.planned().ovsdb.comment, "ml2-agent: delete vxlan-0a090907");
}

TEST(DiffRowsConflict, APortOfThatNameElsewhere) {
  World world;
  world.ovs.add_bridge("br-ex");
  world.ovs.add_port("br-ex", "vxlan-0a000002", "vxlan", {{"remote_ip", "10.0.0.2"}});
  world.ovs.add_port("br-ex", "phy-br-ex", "internal");
  world.ovs.settle();
  const ovsdb::InterfaceRow before = world.ovs.interface("vxlan-0a000002");
  const State state = one_port();
  const auto plan = [&] {
    return diff(compile(state.intent, gather_facts(world.ovs.vswitch(), state.addresses, {})), world.ovs.actual());
  };
  for (int round = 0; round < 4; ++round) {
    const Plan next = plan();
    world.ovs.commit(next.ovsdb);
    for (const auto& [bridge, bundle] : next.bundles) world.ovs.commit(bridge, bundle);
    world.ovs.settle();
  }
  const Plan last = plan();
  EXPECT_TRUE(last.ovsdb.empty());
  EXPECT_THAT(
      last.held,
      Contains("conflict: port vxlan-0a000002 is on bridge br-ex with type \"vxlan\" and is not ours; expected "
               "type vxlan on br-tun"));
  EXPECT_THAT(last.held, Contains(HasSubstr("conflict: port phy-br-ex is on bridge br-ex with type \"internal\"")));
  EXPECT_EQ(world.ovs.interface("vxlan-0a000002"), before);
  EXPECT_THAT(world.ovs.faults, IsEmpty());
  // The rest goes on, but int-br-ex is joined to nothing.
  EXPECT_EQ(world.ovs.interface("int-br-ex").options.at("peer"), kNoPeer);
  EXPECT_EQ(world.ovs.interface("patch-tun").options.at("peer"), "patch-int");
}

TEST(DiffRowsConflict, ABridgesNameIsTaken) {
  World world;
  world.ovs.add_bridge("br-ex");
  world.ovs.add_port("br-ex", "br-int", "internal");
  world.ovs.settle();
  const State state = base_state();
  const Plan plan =
      diff(compile(state.intent, gather_facts(world.ovs.vswitch(), state.addresses, {})), world.ovs.actual());
  EXPECT_THAT(plan.held,
              Contains("conflict: bridge br-int cannot be made: a port of that name is on another bridge"));
  world.ovs.commit(plan.ovsdb);
  EXPECT_THAT(world.ovs.faults, IsEmpty());
  EXPECT_TRUE(world.ovs.vswitch().bridges.contains("br-tun"));
}

TEST(DiffRowsConflict, OursMovesToAnotherBridge) {
  World world;
  world.become(one_port());
  State state = one_port();
  state.intent.node.tunnel_bridge = "br-tun2";
  for (int round = 0; round < 8; ++round) {
    const Plan plan =
        diff(compile(state.intent, gather_facts(world.ovs.vswitch(), state.addresses, {})), world.ovs.actual());
    world.ovs.commit(plan.ovsdb);
    for (const auto& [bridge, bundle] : plan.bundles) world.ovs.commit(bridge, bundle);
    world.ovs.settle();
  }
  EXPECT_THAT(world.ovs.faults, IsEmpty());
  EXPECT_EQ(world.ovs.vswitch().port_bridge.at("vxlan-0a000002"), "br-tun2");
  EXPECT_EQ(world.ovs.vswitch().port_bridge.at("patch-int"), "br-tun2");
}

TEST(DiffRowsStart, NoRoot) {
  Actual actual;
  Desired desired;
  desired.bridges["br-int"].create = true;
  desired.vifs["tap1"].tag = 1;
  const Plan plan = diff(desired, actual);
  EXPECT_TRUE(plan.ovsdb.empty());
  EXPECT_THAT(plan.held, ElementsAre(HasSubstr("run ovs-vsctl init")));
  EXPECT_THAT(plan.pending_ports, ElementsAre("tap1"));
}

TEST(DiffRowsStart, OneTransactionMakesBridgesWithTheirPorts) {
  World world;
  const State state = base_state();
  world.ovs.add_bridge("br-ex");
  const Plan plan =
      diff(compile(state.intent, gather_facts(world.ovs.vswitch(), state.addresses, {})), world.ovs.actual());
  EXPECT_EQ(plan.ovsdb.comment,
            "ml2-agent: add int-br-ex, patch-int, patch-tun, phy-br-ex; set br-ex, br-int, br-tun");
  world.ovs.commit(plan.ovsdb);
  const ovsdb::Vswitch rows = world.ovs.vswitch();
  EXPECT_EQ(rows.port_bridge.at("br-int"), "br-int");
  EXPECT_EQ(rows.port_bridge.at("int-br-ex"), "br-int");
  EXPECT_EQ(rows.interfaces.at("br-int").type, "internal");
  EXPECT_EQ(rows.interfaces.at("int-br-ex").options.at("peer"), kNoPeer);
  EXPECT_EQ(rows.interfaces.at("patch-tun").options.at("peer"), "patch-int");
}

TEST_F(DiffRows, AJoinedPairStaysJoined) {
  // Its drop flows are lost (somebody's ovs-ofctl del-flows): they come back, the pair is not parted meanwhile.
  world.ovs.flows("br-int").clear();
  world.ovs.flows("br-ex").clear();
  const Plan plan = world.planned();
  EXPECT_TRUE(plan.ovsdb.empty());
  EXPECT_FALSE(plan.bundles.at("br-ex").empty());
}

TEST_F(DiffRows, ABridgeThatIsMappedNoMore) {
  const of::FlowKey operators{0, 50, "in_port=LOCAL"};
  world.ovs.flows("br-ex")[operators] = of::FlowBody{.actions = "NORMAL", .cookie = 0};
  State state = one_port();
  state.intent.node.bridge_mappings.clear();
  world.become(state);
  const ovsdb::Vswitch rows = world.ovs.vswitch();
  EXPECT_FALSE(rows.ports.contains("int-br-ex"));
  EXPECT_FALSE(rows.ports.contains("phy-br-ex"));
  // The operator's bridge goes on forwarding.
  const of::FlowSet& flows = world.ovs.flows("br-ex");
  EXPECT_EQ(flows.size(), 2U);
  EXPECT_TRUE(flows.contains(operators));
  EXPECT_EQ(flows.at({0, 0, ""}).actions, "NORMAL");
}

TEST_F(DiffRows, TunnelsTurnedOff) {
  State state = one_port();
  state.intent.node.tunnel_types.clear();
  state.intent.vteps.clear();
  world.become(state);
  const ovsdb::Vswitch rows = world.ovs.vswitch();
  for (const char* port : {"patch-tun", "patch-int", "vxlan-0a000002"})
    EXPECT_FALSE(rows.ports.contains(port)) << port;
  EXPECT_THAT(world.ovs.flows("br-tun"), IsEmpty());
  EXPECT_TRUE(rows.bridges.contains("br-tun"));
}

TEST_F(DiffRows, WithoutItsLocalIpTunnelsStay) {
  State state = one_port();
  state.addresses.clear();
  world.become(state);
  EXPECT_TRUE(world.ovs.vswitch().ports.contains("vxlan-0a000002"));
  state.without_vtep(NetworkType::Vxlan, "10.0.0.2");
  world.become(state);
  EXPECT_TRUE(world.ovs.vswitch().ports.contains("vxlan-0a000002"));
}

}  // namespace
}  // namespace ml2::testing
