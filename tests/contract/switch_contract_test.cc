// What every Switch must do: the same suite on FakeSwitch and on a real ovs-vswitchd.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "datapath/openflow/codec.h"
#include "tests/contract/switch_rig.h"

namespace ml2::of {
namespace {

using Command = FlowMod::Command;

FlowMod add(std::uint8_t table, std::uint16_t priority, SharedText match, SharedText actions,
            std::uint64_t cookie = 0) {
  return {.command = Command::Add,
          .key = {.table = table, .priority = priority, .match = std::move(match)},
          .body = {.actions = std::move(actions), .cookie = cookie}};
}
FlowMod modify(std::uint8_t table, std::uint16_t priority, SharedText match, SharedText actions) {
  FlowMod mod = add(table, priority, std::move(match), std::move(actions));
  mod.command = Command::Modify;
  return mod;
}
FlowMod del(std::uint8_t table, std::uint16_t priority, SharedText match) {
  FlowMod mod = add(table, priority, std::move(match), "");
  mod.command = Command::Delete;
  return mod;
}

class SwitchContract : public testing::TestWithParam<const char*> {
 protected:
  SwitchContract() {
    if (std::string(GetParam()) == "real") {
      rig_ = make_real_rig();
    } else {
      rig_ = make_fake_rig();
    }
  }

  Switch& ready(const std::string& bridge = "br0") {
    Switch& result = rig_->open(bridge);
    EXPECT_TRUE(rig_->until([&] { return result.flows() != nullptr; })) << result.status().error;
    return result;
  }
  Status carry_out(Switch& to, const Bundle& bundle) {
    if (Status sent = to.commit(bundle); !sent) return sent;
    EXPECT_TRUE(to.busy());
    std::optional<Status> outcome;
    EXPECT_TRUE(rig_->until([&] { return (outcome = to.take_outcome()).has_value(); }));
    EXPECT_FALSE(to.busy());
    return outcome.value_or(transient("no outcome"));
  }
  std::map<FlowKey, FlowCounters> counters(Switch& of) {
    const auto request = of.request_counters(std::nullopt);
    EXPECT_TRUE(request.has_value());
    std::optional<std::map<FlowKey, FlowCounters>> result;
    EXPECT_TRUE(rig_->until([&] { return (result = of.take_counters(request.value_or(0))).has_value(); }));
    return result.value_or(std::map<FlowKey, FlowCounters>());
  }
  std::uint64_t packets(Switch& of, const FlowKey& key) { return counters(of)[key].packets; }

  std::unique_ptr<SwitchRig> rig_;
};

TEST_P(SwitchContract, BeginsWithoutFlowsAndThenHasNone) {
  Switch& sw = rig_->open("br0");
  EXPECT_EQ(sw.flows(), nullptr);
  EXPECT_EQ(sw.commit({{add(0, 1, "", "drop")}}).error().kind, ErrorKind::Transient);
  EXPECT_EQ(sw.request_counters(std::nullopt).error().kind, ErrorKind::Transient);
  ASSERT_TRUE(rig_->until([&] { return sw.flows() != nullptr; }));
  EXPECT_TRUE(sw.flows()->empty());
  EXPECT_TRUE(sw.status().connected);
  EXPECT_EQ(sw.status().error, "");
  EXPECT_EQ(sw.status().connections, 1U);
}

TEST_P(SwitchContract, ReadsBackWhatWasSentInCanonicalForm) {
  Switch& sw = ready();
  const std::uint64_t before = sw.sequence();
  ASSERT_TRUE(
      carry_out(sw, {{add(0, 1, "dl_type=0x0806,in_port=1", "mod_vlan_vid:5,normal", 7),
                      add(4, 1, "tun_id=1270", "push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10", 8)}}));
  const FlowSet expected{{{0, 1, "arp,in_port=1"}, {"push_vlan:0x8100,set_field:4101->vlan_vid,NORMAL", 7}},
                         {{4, 1, "tun_id=0x4f6"}, {"push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10", 8}}};
  EXPECT_EQ(*sw.flows(), expected);
  EXPECT_GT(sw.sequence(), before);
  EXPECT_EQ(rig_->fresh_flows("br0"), expected);
}

TEST_P(SwitchContract, CarriesOutABundleInOrder) {
  Switch& sw = ready();
  ASSERT_TRUE(carry_out(sw, {{add(0, 1, "", "drop"), del(0, 1, ""), add(0, 1, "", "NORMAL"), add(0, 2, "", "drop"),
                              modify(0, 2, "", "output:1"), del(0, 3, "")}}));
  const FlowSet expected{{{0, 1, ""}, {"NORMAL"}}, {{0, 2, ""}, {"output:1"}}};
  EXPECT_EQ(*sw.flows(), expected);
  EXPECT_EQ(rig_->fresh_flows("br0"), expected);
  EXPECT_EQ(sw.status().failures, 0U);
}

TEST_P(SwitchContract, ARefusedFlowLeavesAllAsItWas) {
  Switch& sw = ready();
  ASSERT_TRUE(carry_out(sw, {{add(0, 1, "", "drop")}}));
  const FlowSet before = *sw.flows();
  const Status outcome =
      carry_out(sw, {{del(0, 1, ""), add(0, 5, "", "drop"), add(0, 6, "", "group:77"), add(0, 7, "", "drop")}});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::Invalid);
  EXPECT_NE(outcome.error().message.find("table=0, priority=6 actions=group:77"), std::string::npos)
      << outcome.error().message;
  EXPECT_NE(outcome.error().message.find("OFPBAC_BAD_OUT_GROUP"), std::string::npos) << outcome.error().message;
  EXPECT_EQ(*sw.flows(), before);
  EXPECT_EQ(rig_->fresh_flows("br0"), before);
  // And goes on working.
  Switch& again = ready();
  EXPECT_TRUE(carry_out(again, {{add(0, 5, "", "drop")}}));
}

TEST_P(SwitchContract, TextThatDoesNotParseIsNotSent) {
  Switch& sw = ready();
  const Status status = sw.commit({{add(0, 1, "", "drop"), add(0, 2, "in_prt=3", "drop")}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::Invalid);
  EXPECT_NE(status.error().message.find("in_prt"), std::string::npos) << status.error().message;
  EXPECT_FALSE(sw.busy());
  EXPECT_TRUE(rig_->fresh_flows("br0").empty());
}

TEST_P(SwitchContract, OneBundleAtATime) {
  Switch& sw = ready();
  ASSERT_TRUE(sw.commit({{add(0, 1, "", "drop")}}));
  EXPECT_EQ(sw.commit({{add(0, 2, "", "drop")}}).error().kind, ErrorKind::Transient);
  std::optional<Status> outcome;
  ASSERT_TRUE(rig_->until([&] { return (outcome = sw.take_outcome()).has_value(); }));
  EXPECT_TRUE(outcome->has_value());
  EXPECT_FALSE(sw.take_outcome().has_value());
  EXPECT_EQ(sw.flows()->size(), 1U);
}

TEST_P(SwitchContract, DeleteTakesExactlyOneFlow) {
  Switch& sw = ready();
  ASSERT_TRUE(carry_out(
      sw, {{add(0, 1, "", "drop"), add(0, 2, "", "drop"), add(0, 1, "in_port=1", "drop"), add(1, 1, "", "drop")}}));
  ASSERT_TRUE(carry_out(sw, {{del(0, 1, "")}}));
  const FlowSet expected{{{0, 1, "in_port=1"}, {"drop"}}, {{0, 2, ""}, {"drop"}}, {{1, 1, ""}, {"drop"}}};
  EXPECT_EQ(*sw.flows(), expected);
  EXPECT_EQ(rig_->fresh_flows("br0"), expected);
}

TEST_P(SwitchContract, ModifyKeepsCookieAndTimeoutsAddSetsThemAndBothKeepCounters) {
  Switch& sw = ready();
  const FlowKey key{0, 1, "in_port=1"};
  FlowMod first = add(0, 1, "in_port=1", "drop", 0x6d6c0001);
  first.body.idle_timeout = 600;
  ASSERT_TRUE(carry_out(sw, {{first}}));
  rig_->hit("br0", key);
  ASSERT_TRUE(rig_->until([&] { return packets(sw, key) == 1; }));

  FlowMod second = modify(0, 1, "in_port=1", "NORMAL");
  second.body.cookie = 0x6d6c0002;
  ASSERT_TRUE(carry_out(sw, {{second, modify(0, 9, "", "drop")}}));
  const FlowSet expected{{key, {.actions = "NORMAL", .cookie = 0x6d6c0001, .idle_timeout = 600}}};
  EXPECT_EQ(*sw.flows(), expected);
  EXPECT_EQ(rig_->fresh_flows("br0"), expected);
  Switch& same = ready();
  EXPECT_EQ(packets(same, key), 1U);

  ASSERT_TRUE(carry_out(same, {{add(0, 1, "in_port=1", "NORMAL", 0x6d6c0002)}}));
  EXPECT_EQ(same.flows()->at(key), (FlowBody{.actions = "NORMAL", .cookie = 0x6d6c0002}));
  EXPECT_EQ(packets(same, key), 1U);
  // Only a flow that was gone begins anew.
  ASSERT_TRUE(carry_out(same, {{del(0, 1, "in_port=1"), add(0, 1, "in_port=1", "NORMAL")}}));
  EXPECT_EQ(packets(same, key), 0U);
}

TEST_P(SwitchContract, CountersAreThoseOfTheCookieThatIsAskedFor) {
  Switch& sw = ready();
  EXPECT_EQ(rig_->open("br1").request_counters(7).error().kind, ErrorKind::Transient);
  const FlowKey first{0, 1, "in_port=1"}, second{1, 1, "in_port=2"};
  ASSERT_TRUE(carry_out(sw, {{add(0, 1, "in_port=1", "drop", 7), add(1, 1, "in_port=2", "drop", 7),
                              add(0, 1, "in_port=3", "drop", 8)}}));
  rig_->hit("br0", first);
  ASSERT_TRUE(rig_->until([&] { return packets(sw, first) == 1; }));
  // Two who ask at once each get their own answer.
  const auto counters = sw.request_counters(7), none = sw.request_counters(9);
  ASSERT_TRUE(counters && none);
  std::optional<std::map<FlowKey, FlowCounters>> answer;
  ASSERT_TRUE(rig_->until([&] { return (answer = sw.take_counters(*counters)).has_value(); }));
  ASSERT_EQ(answer->size(), 2U);
  EXPECT_EQ(answer->at(first).packets, 1U);
  EXPECT_EQ(answer->at(second).packets, 0U);
  EXPECT_FALSE(sw.take_counters(*counters).has_value()) << "once";
  ASSERT_TRUE(rig_->until([&] { return (answer = sw.take_counters(*none)).has_value(); }));
  EXPECT_TRUE(answer->empty());
}

TEST_P(SwitchContract, SeesForeignEditsWithoutAsking) {
  Switch& sw = ready();
  ASSERT_TRUE(carry_out(sw, {{add(0, 1, "", "drop")}}));
  rig_->foreign_put("br0", {0, 5, "in_port=1"}, {.actions = "NORMAL", .cookie = 99});
  ASSERT_TRUE(rig_->until([&] { return sw.flows()->contains({0, 5, "in_port=1"}); }));
  EXPECT_EQ(sw.flows()->at({0, 5, "in_port=1"}), (FlowBody{.actions = "NORMAL", .cookie = 99}));
  rig_->foreign_put("br0", {0, 1, ""}, {.actions = "output:1"});
  ASSERT_TRUE(rig_->until([&] { return sw.flows()->at({0, 1, ""}).actions == "output:1"; }));
  rig_->foreign_remove("br0", {0, 5, "in_port=1"});
  ASSERT_TRUE(rig_->until([&] { return sw.flows()->size() == 1; }));
}

TEST_P(SwitchContract, SeesFlowsWithTimeoutsComeAndGo) {
  Switch& sw = ready();
  const FlowKey key{20, 1, "vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:5e:83:ae"};
  const FlowBody body{.actions = "load:0->NXM_OF_VLAN_TCI[],load:0x4f6->NXM_NX_TUN_ID[],output:2", .hard_timeout = 1};
  rig_->foreign_put("br0", key, body);
  ASSERT_TRUE(rig_->until([&] { return sw.flows()->contains(key); }));
  EXPECT_EQ(sw.flows()->at(key), body);
  rig_->let_expire("br0", key);
  EXPECT_TRUE(rig_->until([&] { return sw.flows()->empty(); }));
}

TEST_P(SwitchContract, ARestartIsANewConnectionWithoutFlows) {
  Switch& sw = ready();
  ASSERT_TRUE(carry_out(sw, {{add(0, 1, "", "drop")}}));
  const std::uint64_t before = sw.sequence();
  rig_->restart();
  ASSERT_TRUE(rig_->until([&] { return sw.flows() == nullptr; }));
  EXPECT_GT(sw.sequence(), before);
  ASSERT_TRUE(rig_->until([&] { return sw.flows() != nullptr; }));
  EXPECT_TRUE(sw.flows()->empty());
  EXPECT_EQ(sw.status().connections, 2U);
  EXPECT_TRUE(carry_out(sw, {{add(0, 1, "", "drop")}}));
}

TEST_P(SwitchContract, ALostConnectionMakesTheOutcomeTransient) {
  Switch& sw = ready();
  rig_->freeze();  // or the answer may be on its way already
  ASSERT_TRUE(sw.commit({{add(0, 1, "", "drop")}}));
  rig_->restart();
  std::optional<Status> outcome;
  ASSERT_TRUE(rig_->until([&] { return (outcome = sw.take_outcome()).has_value(); }));
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().kind, ErrorKind::Transient);
  EXPECT_FALSE(sw.busy());
}

TEST_P(SwitchContract, ASwitchThatHangsIsSilentAndLosesNothing) {
  Switch& sw = ready();
  ASSERT_TRUE(carry_out(sw, {{add(0, 1, "", "drop")}}));
  EXPECT_EQ(sw.status().silent.count(), 0);
  rig_->freeze();
  ASSERT_TRUE(rig_->until([&] { return sw.status().silent >= SwitchRig::kQuick.answers_within; }))
      << "though nobody asks for anything";
  EXPECT_TRUE(sw.status().connected);
  ASSERT_NE(sw.flows(), nullptr) << "what stands is kept";
  // What is sent meanwhile waits, and is carried out once.
  ASSERT_TRUE(sw.commit({{add(0, 2, "", "drop")}}));
  const auto counters = sw.request_counters(std::nullopt);
  ASSERT_TRUE(counters);
  EXPECT_TRUE(sw.busy());
  EXPECT_GT(sw.status().silent.count(), 0);
  rig_->thaw();
  std::optional<Status> outcome;
  ASSERT_TRUE(rig_->until([&] { return (outcome = sw.take_outcome()).has_value(); }));
  EXPECT_TRUE(outcome->has_value());
  EXPECT_TRUE(rig_->until([&] { return sw.take_counters(*counters).has_value(); }));
  EXPECT_EQ(sw.status().silent.count(), 0);
  EXPECT_EQ(sw.status().connections, 1U);
  EXPECT_EQ(sw.status().bundles, 2U);
  EXPECT_EQ(rig_->fresh_flows("br0"), *sw.flows());
}

TEST_P(SwitchContract, TenThousandFlowsInOneBundle) {
  Switch& sw = ready();
  Bundle bundle;
  FlowSet expected;
  for (unsigned i = 0; i < 10'000; ++i) {
    bundle.mods.push_back(
        add(20, 2, fmt::format("dl_vlan={},dl_dst=fa:16:3e:00:{:02x}:{:02x}", i % 100 + 1, i / 256, i % 256),
            "pop_vlan,set_field:0x4f6->tun_id,output:2", i));
    expected.emplace(bundle.mods.back().key, bundle.mods.back().body);
  }
  ASSERT_TRUE(carry_out(sw, bundle));
  EXPECT_EQ(*sw.flows(), expected);
  EXPECT_EQ(rig_->fresh_flows("br0"), expected);
  Switch& same = ready();
  EXPECT_EQ(counters(same).size(), 10'000U);
  for (FlowMod& mod : bundle.mods) mod.command = Command::Delete;
  ASSERT_TRUE(carry_out(same, bundle));
  EXPECT_TRUE(same.flows()->empty());
}

// A real switch stops telling changes when more than 128 kB of them wait to be read, and tells the rest later.
TEST_P(SwitchContract, ABundleAmongMoreForeignFlowsThanAreTold) {
  Switch& sw = ready();
  FlowSet foreign;
  for (unsigned i = 0; i < 20'000; ++i) {
    foreign.emplace(
        FlowKey{20, 2, fmt::format("dl_dst=fa:16:3e:{:02x}:{:02x}:{:02x}", i / 65536, i / 256 % 256, i % 256)},
        FlowBody{.actions = "output:1", .cookie = i});
  }
  rig_->foreign_put_all("br0", foreign);
  const FlowKey changed = foreign.begin()->first;
  const FlowKey gone = std::next(foreign.begin())->first;
  ASSERT_TRUE(carry_out(sw, {{add(0, 1, "", "drop"), modify(20, 2, changed.match, "drop"), del(20, 2, gone.match),
                              add(20, 2, std::prev(foreign.end())->first.match, "NORMAL", 5)}}));
  foreign.at(changed).actions = "drop";
  std::prev(foreign.end())->second = {.actions = "NORMAL", .cookie = 5};
  foreign.erase(gone);
  foreign.emplace(FlowKey{0, 1, ""}, FlowBody{"drop"});
  EXPECT_TRUE(*sw.flows() == foreign);
  EXPECT_TRUE(rig_->fresh_flows("br0") == foreign);
}

TEST_P(SwitchContract, TwoSwitchesInOneLoop) {
  Switch& one = ready("br0");
  Switch& two = ready("br1");
  ASSERT_TRUE(one.commit({{add(0, 1, "", "drop")}}));
  ASSERT_TRUE(two.commit({{add(0, 2, "", "NORMAL")}}));
  int outcomes = 0;
  ASSERT_TRUE(rig_->until([&] {
    for (Switch* sw : {&one, &two}) {
      if (const auto outcome = sw->take_outcome()) {
        EXPECT_TRUE(outcome->has_value());
        ++outcomes;
      }
    }
    return outcomes == 2;
  }));
  EXPECT_EQ(*one.flows(), (FlowSet{{{0, 1, ""}, {"drop"}}}));
  EXPECT_EQ(*two.flows(), (FlowSet{{{0, 2, ""}, {"NORMAL"}}}));
}

TEST(RconnSwitch, SaysWhyItIsNotConnected) {
  const auto rig = make_real_rig();
  Switch& sw = rig->open("br0");
  rig->vsctl({"set", "Bridge", "br0", "protocols=OpenFlow10,OpenFlow13"});
  ASSERT_TRUE(rig->until([&] {
    return sw.status().error.find("(only 1.3 and older): add OpenFlow14 to the protocols") != std::string::npos;
  })) << sw.status().error;
  EXPECT_FALSE(sw.status().connected);
  EXPECT_EQ(sw.flows(), nullptr);
  rig->vsctl({"add", "Bridge", "br0", "protocols", "OpenFlow14"});
  ASSERT_TRUE(rig->until([&] { return sw.flows() != nullptr; })) << sw.status().error;
  rig->vsctl({"del-br", "br0"});
  ASSERT_TRUE(rig->until([&] { return sw.status().error.find("nothing listens on") != std::string::npos; }))
      << sw.status().error;
}

TEST(RconnSwitch, TellsASwitchThatHangsFromOneThatIsNotThere) {
  const auto rig = make_real_rig();
  Switch& first = rig->open("br0");
  ASSERT_TRUE(rig->until([&] { return first.flows() != nullptr; }));
  rig->freeze();
  Switch& second = rig->open("br0");
  EXPECT_TRUE(rig->until([&] {
    return second.status().error.find("ovs-vswitchd does not answer on") != std::string::npos;
  })) << second.status().error;
  rig->thaw();
  EXPECT_TRUE(rig->until([&] { return second.flows() != nullptr; })) << second.status().error;
}

TEST(RconnSwitch, WithoutProbesIsSilentOnlyWhenItOwesAnAnswer) {
  const auto rig = make_real_rig();
  Switch& asking = rig->open("br0");
  Switch& quiet = rig->open("br0", {.quiet = std::chrono::seconds(0), .answers_within = std::chrono::seconds(1)});
  ASSERT_TRUE(rig->until([&] { return asking.flows() != nullptr && quiet.flows() != nullptr; }));
  rig->freeze();
  ASSERT_TRUE(rig->until([&] { return asking.status().silent > 2 * SwitchRig::kQuick.answers_within; }));
  EXPECT_EQ(quiet.status().silent.count(), 0) << "nobody asked it anything";
  ASSERT_TRUE(quiet.commit({{add(0, 1, "", "drop")}}));
  EXPECT_TRUE(rig->until([&] { return quiet.status().silent.count() > 0; })) << "a request of ours counts";
}

INSTANTIATE_TEST_SUITE_P(Switches, SwitchContract, testing::Values("fake", "real"),
                         [](const auto& what) { return std::string(what.param); });

}  // namespace
}  // namespace ml2::of
