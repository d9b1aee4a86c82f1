// agent/reconcile/spoof_drops: a port says in its report what anti-spoofing drops of its frames, while it does.
#include <gmock/gmock.h>

#include "agent/reconcile/reconciler.h"
#include "tests/fakes/fake_node.h"

namespace ml2::reconcile {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const Uuid kFirst = *Uuid::parse("22222222-0000-4000-8000-000000000001");
const Uuid kSecond = *Uuid::parse("22222222-0000-4000-8000-000000000002");

class SpoofDropsTest : public ::testing::Test {
 protected:
  SpoofDropsTest() : node_(NodeConfig{.host = "hv1"}) {
    Intent intent{.node = NodeConfig{.host = "hv1"}, .complete = true};
    const Segment segment{.network = *Uuid::parse("11111111-0000-4000-8000-000000000001"),
                          .type = NetworkType::Local};
    intent.ports.emplace(kFirst, Port{.id = kFirst, .segment = segment, .mac = *Mac::parse("fa:16:3e:00:00:01")});
    intent.ports.emplace(kSecond, Port{.id = kSecond, .segment = segment, .mac = *Mac::parse("fa:16:3e:00:00:02")});
    node_.source().set(intent);
    node_.run();
    node_.plug("tap1", kFirst);
    node_.plug("tap2", kSecond);
    node_.run();
  }
  // `packets` of the port's have hit the drop flow of `table`, which makes the switch learn of it.
  void drop(const Uuid& port, std::uint8_t table, std::uint64_t packets, std::chrono::milliseconds ago = {}) {
    of::FakeSwitch& of_switch = node_.of_switch("br-int");
    const of::FlowKey flow{table, 1, match(port)};
    of_switch.count(flow, packets);
    if (of_switch.table().contains(learned(port, table))) return;
    of_switch.put(learned(port, table),
                  {.actions = "drop", .cookie = of_switch.table().at(flow).cookie, .idle_timeout = 60});
    of_switch.count(learned(port, table), 0, ago);
  }
  // Nothing more has come for a minute.
  void quiet(const Uuid& port, std::uint8_t table) { node_.of_switch("br-int").remove(learned(port, table)); }
  std::string match(const Uuid& port) {
    return "in_port=" + to_string(*node_.agent().desired().port_states.at(port).ofport);
  }
  of::FlowKey learned(const Uuid& port, std::uint8_t table) { return {26, table, match(port)}; }
  const intent::PortReport& row(const Uuid& port) { return node_.source().last_report().ports.at(port); }
  std::uint64_t frames(const Uuid& port) {
    return node_.agent().spoofed_frames(node_.agent().desired().port_states.at(port));
  }

  FakeNode node_;
};

const intent::PortReport kWell{intent::PortStatus::Active, ""};

TEST_F(SpoofDropsTest, WhatIsDroppedIsInThatPortsReportAndNotInTheOthers) {
  const std::size_t transactions = node_.transactions(), bundles = node_.bundles();
  drop(kFirst, 25, 3);
  node_.run();
  EXPECT_EQ(row(kFirst).status, intent::PortStatus::Active);
  EXPECT_THAT(row(kFirst).reason, AllOf(HasSubstr("anti-spoofing drops frames from MACs"), HasSubstr("since 20"),
                                        HasSubstr("--allowed-address"), Not(HasSubstr("ARP"))));
  EXPECT_EQ(row(kSecond), kWell);
  EXPECT_EQ(frames(kFirst), 3U);
  EXPECT_EQ(frames(kSecond), 0U);

  drop(kFirst, 24, 1);
  node_.run();
  EXPECT_THAT(row(kFirst).reason, AllOf(HasSubstr("drops frames from MACs"), HasSubstr("drops ARP")));
  EXPECT_EQ(node_.transactions(), transactions);
  EXPECT_EQ(node_.bundles(), bundles) << "what the switch has learned stays";
}

TEST_F(SpoofDropsTest, MoreOfTheSameChangesTheCountWhenSomebodyLooksAndNothingElse) {
  drop(kFirst, 25, 3);
  node_.run();
  const std::string sentence = row(kFirst).reason;
  drop(kFirst, 25, 4);
  node_.clock().advance(std::chrono::minutes(5));
  node_.run();
  EXPECT_EQ(frames(kFirst), 3U);
  node_.agent().look_for_drops();
  node_.run();
  EXPECT_EQ(frames(kFirst), 7U);
  EXPECT_EQ(row(kFirst).reason, sentence);
}

TEST_F(SpoofDropsTest, ItIsOverWhenNothingMoreIsDropped) {
  drop(kFirst, 24, 1);
  drop(kFirst, 25, 3);
  node_.run();
  quiet(kFirst, 24);
  node_.run();
  EXPECT_THAT(row(kFirst).reason, AllOf(HasSubstr("from MACs"), Not(HasSubstr("ARP"))));
  quiet(kFirst, 25);
  node_.run();
  EXPECT_EQ(row(kFirst), kWell);
  EXPECT_EQ(frames(kFirst), 0U);
  drop(kFirst, 25, 1);
  node_.run();
  EXPECT_NE(row(kFirst).reason, "");
  EXPECT_EQ(frames(kFirst), 5U) << "since the port was wired";
}

TEST_F(SpoofDropsTest, ARestartedAgentSaysTheSame) {
  drop(kFirst, 25, 3);
  node_.run();
  const std::string sentence = row(kFirst).reason;
  ASSERT_NE(sentence, "");
  node_.clock().advance(std::chrono::seconds(40));
  node_.of_switch("br-int").count(learned(kFirst, 25), 0, std::chrono::seconds(40));
  const std::size_t bundles = node_.bundles();
  node_.start_agent();
  node_.run();
  EXPECT_EQ(row(kFirst).reason, sentence);
  EXPECT_EQ(frames(kFirst), 3U);
  EXPECT_EQ(node_.bundles(), bundles);
}

TEST_F(SpoofDropsTest, WhileTheSwitchIsAwayWhatWasSaidStands) {
  drop(kFirst, 25, 3);
  node_.run();
  const std::string sentence = row(kFirst).reason;
  node_.of_switch("br-int").disconnect();
  node_.clock().advance(SpoofDrops::kAnswer);
  node_.run();
  EXPECT_EQ(frames(kFirst), 3U);
  drop(kSecond, 25, 2);
  node_.of_switch("br-int").reconnect();
  node_.run();
  EXPECT_EQ(row(kFirst).reason, sentence);
  EXPECT_EQ(frames(kSecond), 2U);
  EXPECT_NE(row(kSecond).reason, "");
  node_.of_switch("br-int").restart();
  node_.run();
  EXPECT_EQ(row(kFirst), kWell);
  EXPECT_EQ(row(kSecond), kWell);
}

TEST_F(SpoofDropsTest, APortThatIsCheckedNoMoreSaysNothing) {
  drop(kFirst, 25, 3);
  node_.run();
  const of::FlowKey flow = learned(kFirst, 25);
  Intent intent = *node_.source().intent();
  Port port = intent.ports.at(kFirst);
  port.port_security_enabled = false;
  intent.ports.insert_or_assign(kFirst, port);
  node_.source().set(intent);
  node_.run();
  EXPECT_FALSE(node_.of_switch("br-int").table().contains(flow));
  EXPECT_EQ(row(kFirst), kWell);
}

}  // namespace
}  // namespace ml2::reconcile
