#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datapath/compile/compile.h"
#include "datapath/diff/diff.h"
#include "datapath/diff/parts.h"
#include "datapath/openflow/cookie.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Command = of::FlowMod::Command;

const std::uint64_t kOurs = of::cookie_of("x");

Plan plan_for(const of::FlowSet& desired_flows, const of::FlowSet& actual_flows, bool complete = true) {
  Desired desired;
  desired.complete = complete;
  desired.flows["br-int"] = desired_flows;
  Actual actual;
  actual.vswitch.root = uuid_of(1);
  actual.flows["br-int"] = &actual_flows;
  return diff(desired, actual);
}

of::FlowKey key(int table, int priority, const char* match = "") {
  return {static_cast<std::uint8_t>(table), static_cast<std::uint16_t>(priority), match};
}
of::FlowBody body(const char* actions, std::uint64_t cookie = kOurs) {
  return {.actions = actions, .cookie = cookie};
}

TEST(DiffFlows, EqualIsNothing) {
  const of::FlowSet flows{{key(60, 3), body("NORMAL")}};
  EXPECT_TRUE(plan_for(flows, flows).empty());
}

TEST(DiffFlows, ChangesKeepCountersWhereTheyCan) {
  of::FlowSet actual{
      {key(60, 3), body("drop")}, {key(61, 3), body("NORMAL", of::cookie_of("y"))}, {key(62, 3), body("NORMAL")}};
  actual.at(key(62, 3)).hard_timeout = 5;
  const Plan plan =
      plan_for({{key(60, 3), body("NORMAL")}, {key(61, 3), body("NORMAL")}, {key(62, 3), body("NORMAL")}}, actual);
  EXPECT_THAT(plan.bundles.at("br-int").mods, ElementsAre(of::FlowMod{Command::Modify, key(60, 3), body("NORMAL")},
                                                          of::FlowMod{Command::Add, key(61, 3), body("NORMAL")},
                                                          of::FlowMod{Command::Add, key(62, 3), body("NORMAL")}));
  EXPECT_THAT(plan.pending_cookies, ElementsAre(kOurs));
}

TEST(DiffFlows, AdditionsComeBeforeDeletions) {
  const Plan plan = plan_for({{key(60, 3), body("NORMAL")}}, {{key(0, 2, "in_port=3"), body("drop")}});
  EXPECT_THAT(plan.bundles.at("br-int").mods, ElementsAre(of::FlowMod{Command::Add, key(60, 3), body("NORMAL")},
                                                          of::FlowMod{Command::Delete, key(0, 2, "in_port=3"), {}}));
}

TEST(DiffFlows, FlowsOfAPortStayUntilOvsVswitchdHasLetGoOfIt) {
  const of::FlowSet actual{{key(0, 1, "in_port=3"), body("goto_table:4")},
                           {key(0, 1, "tun_src=10.0.0.2,in_port=4"), body("goto_table:4")},
                           {key(0, 1, "in_port=5"), body("goto_table:4")},
                           {key(22, 1, "dl_vlan=1"), body("output:3")}};
  Desired desired;
  desired.complete = true;
  desired.flows["br-int"];
  Actual there;
  there.vswitch.root = uuid_of(1);
  there.vswitch.next_cfg = 8;
  there.vswitch.cur_cfg = 7;
  ovsdb::InterfaceRow row;  // 5 is still in the rows, 3 and 4 have gone from them
  row.ofport = 5;
  there.vswitch.interfaces["gre-1"] = row;
  there.vswitch.interface_port["gre-1"] = "gre-1";
  there.vswitch.port_bridge["gre-1"] = "br-int";
  there.flows["br-int"] = &actual;
  Plan plan = diff(desired, there);
  EXPECT_THAT(plan.bundles.at("br-int").mods, ElementsAre(of::FlowMod{Command::Delete, key(0, 1, "in_port=5"), {}},
                                                          of::FlowMod{Command::Delete, key(22, 1, "dl_vlan=1"), {}}));
  EXPECT_THAT(plan.held,
              ElementsAre("br-int: 2 flows of ports that go; deleted when ovs-vswitchd has let go of them"));
  there.vswitch.cur_cfg = 8;
  plan = diff(desired, there);
  EXPECT_EQ(plan.bundles.at("br-int").mods.size(), 4U);
  EXPECT_THAT(plan.held, IsEmpty());
}

TEST(DiffFlows, NothingIsDeletedUntilTheIntentIsComplete) {
  const std::uint64_t port = of::cookie_of("port");
  const of::FlowSet actual{{key(0, 2, "in_port=3"), body("drop", port)},
                           {key(0, 3, "in_port=1"), body("NORMAL", of::cookie_of("segment"))}};
  const Plan plan = plan_for({}, actual, false);
  EXPECT_THAT(plan.bundles, IsEmpty());
  EXPECT_THAT(plan.held, ElementsAre("br-int: 2 flows are not wanted; not deleted until the intent is complete"));
  EXPECT_THAT(plan.pending_cookies, ElementsAre(port));  // a drop that stays keeps its port from being wired
}

TEST(DiffFlows, ForeignFlowsStay) {
  // Small cookies are people's, also that of the default flow of a standalone bridge.
  const of::FlowSet actual{{key(0, 0), body("NORMAL", 0)},
                           {key(0, 7, "in_port=9"), body("drop", 0)},
                           {key(0, 8, "in_port=9"), body("drop", 0x1234)},
                           {key(0, 9, "in_port=9"), body("drop", 0x1111111111111111)}};
  const Plan plan = plan_for({{key(0, 0), body("NORMAL")}}, actual);
  EXPECT_THAT(plan.bundles.at("br-int").mods, ElementsAre(of::FlowMod{Command::Add, key(0, 0), body("NORMAL")}));
}

TEST(DiffFlows, WhatWasHeardOfAMacGoesWhenTheIntentChangesItsEntry) {
  const of::FlowKey written = key(20, 2, "dl_vlan=1,dl_dst=fa:16:3e:00:00:02");
  const of::FlowKey heard = key(20, 3, "vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:00:00:02");
  const of::FlowKey other = key(20, 3, "vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:00:00:03");
  const of::FlowBody way = {.actions = "load:0->NXM_OF_VLAN_TCI[],load:0x4f6->NXM_NX_TUN_ID[],output:2",
                            .cookie = kOurs,
                            .hard_timeout = 300};
  of::FlowSet desired{{key(0, 1, "in_port=2"), body("goto_table:4")},
                      {key(4, 1, "tun_id=0x4f6"), body("push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10")}};
  of::FlowSet actual = desired;
  desired.emplace(written, body("output:3"));
  actual.insert({{heard, way}, {other, way}});
  // New: what was heard may be right, and stays. Changed or removed: it was true before.
  EXPECT_THAT(plan_for(desired, actual).bundles.at("br-int").mods,
              ElementsAre(of::FlowMod{Command::Add, written, body("output:3")}));
  actual.emplace(written, body("output:2"));
  EXPECT_THAT(
      plan_for(desired, actual).bundles.at("br-int").mods,
      ElementsAre(of::FlowMod{Command::Modify, written, body("output:3")}, of::FlowMod{Command::Delete, heard, {}}));
  desired.erase(written);
  EXPECT_THAT(plan_for(desired, actual).bundles.at("br-int").mods,
              ElementsAre(of::FlowMod{Command::Delete, heard, {}}, of::FlowMod{Command::Delete, written, {}}));
  EXPECT_THAT(plan_for(desired, actual, false).bundles, IsEmpty());
}

TEST(DiffFlows, TheIncumbentsFlowsGoWithOneBundle) {
  constexpr std::uint64_t kTheirs = 0x24c70b78847e2170;
  const of::FlowSet desired{{key(0, 0), body("goto_table:59")}, {key(23, 0), body("drop")}};
  const of::FlowSet actual{{key(0, 0), body("goto_table:59", kTheirs)},
                           {key(23, 0), body("drop", kTheirs)},
                           {key(71, 10, "in_port=3"), body("drop", kTheirs)},
                           {key(0, 9, "in_port=9"), body("drop", 0x1111111111111111)}};
  const Plan plan = plan_for(desired, actual);
  EXPECT_THAT(plan.bundles.at("br-int").mods,
              ElementsAre(of::FlowMod{Command::Add, key(0, 0), body("goto_table:59")},
                          of::FlowMod{Command::Add, key(23, 0), body("drop")},
                          of::FlowMod{Command::Delete, key(71, 10, "in_port=3"), {}}));
  // While the intent is not complete its flows keep the cookie by which they are known.
  const Plan early = plan_for(desired, actual, false);
  EXPECT_THAT(early.bundles, IsEmpty());
  EXPECT_EQ(early.held.size(), 2U);
}

TEST(DiffFlows, UnreadBridgesArePending) {
  Desired desired;
  desired.complete = true;
  desired.flows["br-int"] = {{key(60, 3), body("NORMAL")}};
  Actual actual;
  actual.vswitch.root = uuid_of(1);
  const Plan plan = diff(desired, actual);
  EXPECT_THAT(plan.bundles, IsEmpty());
  EXPECT_THAT(plan.held, ElementsAre("br-int: its flows have not been read yet"));
  EXPECT_THAT(plan.pending_cookies, ElementsAre(kOurs));
}

class LearnedFlows : public ::testing::Test {
 protected:
  void SetUp() override {
    State state = base_state();
    state.port(1, vxlan(101, 1270)).port(2, vxlan(102, 5)).vtep(NetworkType::Vxlan, "10.0.0.2");
    world.become(state);
    vlan101 = world.desired.local_vlans.at({uuid_of(101), 1270}).value();
    vlan102 = world.desired.local_vlans.at({uuid_of(102), 5}).value();
    tunnel = *world.ovs.interface("vxlan-0a000002").ofport;
  }
  // As the switch makes it of a frame.
  of::FlowKey learn(int vlan, const char* dl_dst, const std::string& key_of_tunnel, std::int64_t output,
                    std::uint64_t cookie = cookie_of_learned()) {
    const of::FlowKey flow{20, 1, fmt::format("vlan_tci=0x{:04x}/0x0fff,dl_dst={}", vlan, dl_dst)};
    world.ovs.flows("br-tun")[flow] = of::FlowBody{
        .actions = fmt::format("load:0->NXM_OF_VLAN_TCI[],load:{}->NXM_NX_TUN_ID[],output:{}", key_of_tunnel, output),
        .cookie = cookie,
        .hard_timeout = 300};
    return flow;
  }
  World world;
  int vlan101 = 0;
  int vlan102 = 0;
  std::int64_t tunnel = 0;
};

TEST_F(LearnedFlows, RightOnesStay) {
  learn(vlan101, "fa:16:3e:00:00:aa", "0x4f6", tunnel);
  learn(vlan102, "fa:16:3e:00:00:aa", "0x5", tunnel);
  learn(vlan102, "fa:16:3e:00:00:ab", "0x5", tunnel, 0x6fee78fa3231e704);  // the incumbent's, which goes by itself
  EXPECT_TRUE(world.planned().empty());
}

TEST_F(LearnedFlows, WrongOnesGo) {
  const std::vector<of::FlowKey> wrong{
      learn(vlan101, "fa:16:3e:00:00:01", "0x5", tunnel),        // another network's key
      learn(vlan101, "fa:16:3e:00:00:02", "0x4f6", tunnel + 7),  // a port that is no tunnel
      learn(1000, "fa:16:3e:00:00:03", "0x4f6", tunnel),         // a VLAN of nobody
      learn(vlan101, "fa:16:3e:00:00:04", "0x4f7", tunnel),      // a key of nobody
      learn(vlan101, "fa:16:3e:00:00:05", "nonsense", tunnel),
  };
  std::vector<of::FlowMod> deletes;
  for (const of::FlowKey& flow : wrong) deletes.push_back({Command::Delete, flow, {}});
  EXPECT_THAT(world.planned().bundles.at("br-tun").mods, ::testing::UnorderedElementsAreArray(deletes));
}

// Which ports send what anti-spoofing drops: said by the switch, and true of that port alone.
TEST(LearnedSpoofing, IsOfThePortThatHasTheDropFlow) {
  const of::FlowSet desired{{key(24, 1, "in_port=5"), {.actions = "drop", .cookie = kOurs}},
                            {key(25, 1, "in_port=5"), {.actions = "drop", .cookie = kOurs}},
                            {key(25, 1, "in_port=6"), {.actions = "drop", .cookie = kOurs + 1}}};
  const auto rightly = [&](std::uint16_t priority, const char* match, std::uint64_t cookie) {
    const of::FlowBody learned{.actions = "drop", .cookie = cookie, .idle_timeout = 60};
    EXPECT_TRUE(is_learned(key(26, priority, match), learned));
    return learned_rightly(key(26, priority, match), learned, desired);
  };
  EXPECT_TRUE(rightly(24, "in_port=5", kOurs));
  EXPECT_TRUE(rightly(25, "in_port=5", kOurs));
  EXPECT_TRUE(rightly(25, "in_port=6", kOurs + 1));
  EXPECT_FALSE(rightly(25, "in_port=6", kOurs)) << "the number has another port now";
  EXPECT_FALSE(rightly(24, "in_port=6", kOurs + 1)) << "its ARP is not checked";
  EXPECT_FALSE(rightly(25, "in_port=7", kOurs));
  EXPECT_FALSE(is_learned(key(26, 25, "in_port=5"), body("drop"))) << "a flow by hand";
}

// As ovs-vswitchd 3.1 prints what it learned through a port with remote_ip=flow.
TEST(LearnedAddress, OfKnownVtepsOnly) {
  const of::FlowSet desired{{key(0, 1, "tun_ipv6_src=fd00::2,in_port=2"), body("goto_table:4")},
                            {key(0, 1, "tun_src=10.0.0.2,in_port=3"), body("goto_table:4")},
                            {key(4, 1, "tun_id=0x5"), body("set_field:4099->vlan_vid,goto_table:10")}};
  const auto rightly = [&](const std::string& way) {
    const std::string actions = "load:0->NXM_OF_VLAN_TCI[],load:0x5->NXM_NX_TUN_ID[]," + way;
    return learned_rightly(key(20, 1, "vlan_tci=0x0003/0x0fff,dl_dst=fa:16:3e:00:00:01"), body(actions.c_str()),
                           desired);
  };
  const std::string net = "load:0xfd00000000000000->NXM_NX_TUN_IPV6_DST[64..127]";
  EXPECT_TRUE(rightly("load:0x2->NXM_NX_TUN_IPV6_DST[0..63]," + net + ",output:2"));
  EXPECT_FALSE(rightly("load:0x3->NXM_NX_TUN_IPV6_DST[0..63]," + net + ",output:2"));
  EXPECT_FALSE(rightly(net + ",output:2"));
  EXPECT_TRUE(rightly("load:0xa000002->NXM_NX_TUN_IPV4_DST[],output:3"));
  EXPECT_FALSE(rightly("load:0xa000003->NXM_NX_TUN_IPV4_DST[],output:3"));
  EXPECT_FALSE(rightly("output:3"));  // through it nothing can be sent without an address
}

TEST_F(LearnedFlows, AReusedVlanDoesNotLeak) {
  learn(vlan102, "fa:16:3e:00:00:aa", "0x5", tunnel);
  State state = base_state();
  state.port(1, vxlan(101, 1270)).vtep(NetworkType::Vxlan, "10.0.0.2");
  world.become(state);
  for (const auto& [flow, what] : world.ovs.flows("br-tun")) EXPECT_EQ(what.hard_timeout, 0) << to_text(flow, what);
}

TEST(RefersTo, Ports) {
  EXPECT_TRUE(refers_to(key(0, 1, "arp,in_port=3"), body("drop"), 3));
  EXPECT_FALSE(refers_to(key(0, 1, "arp,in_port=31"), body("drop"), 3));
  EXPECT_TRUE(refers_to(key(0, 1), body("pop_vlan,output:12,output:3"), 3));
  EXPECT_FALSE(refers_to(key(0, 1), body("pop_vlan,output:12,output:31"), 3));
  EXPECT_TRUE(refers_to(key(0, 1), body("clone(output:3)"), 3));
  EXPECT_FALSE(refers_to(key(0, 1), body("learn(table=20,output:OXM_OF_IN_PORT[]),output:1"), 3));
}

}  // namespace
}  // namespace ml2::testing
