// agent/reconcile/spoof_drops: a port says in its report what anti-spoofing drops of its frames, while it does.
#include <gmock/gmock.h>

#include "agent/reconcile/reconciler.h"
#include "datapath/compile/compile.h"
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
  // `packets` of the port's have hit the drop flow of `table`.
  void drop(const Uuid& port, std::uint8_t table, std::uint64_t packets) {
    const OfPort ofport = *node_.agent().desired().port_states.at(port).ofport;
    node_.of_switch("br-int").count({table, 1, "in_port=" + to_string(ofport)}, packets);
  }
  void pass(std::chrono::milliseconds time) {
    node_.clock().advance(time);
    node_.run();
  }
  const intent::PortReport& row(const Uuid& port) { return node_.source().last_report().ports.at(port); }

  FakeNode node_;
};

TEST_F(SpoofDropsTest, WhatIsDroppedIsInThatPortsReportAndNotInTheOthers) {
  pass(SpoofDrops::kEvery);
  const std::size_t transactions = node_.transactions(), bundles = node_.bundles();
  drop(kFirst, 25, 3);
  pass(SpoofDrops::kEvery);
  EXPECT_EQ(row(kFirst).status, intent::PortStatus::Active);
  EXPECT_THAT(row(kFirst).reason, AllOf(HasSubstr("anti-spoofing drops frames from MACs"), HasSubstr("since 20"),
                                        HasSubstr("--allowed-address"), Not(HasSubstr("ARP"))));
  EXPECT_EQ(row(kSecond), (intent::PortReport{intent::PortStatus::Active, ""}));
  EXPECT_EQ(node_.agent().spoofed_frames(node_.agent().desired().port_states.at(kFirst)), 3U);

  // More of the same changes the count, not the sentence: no row is written for it.
  const std::string sentence = row(kFirst).reason;
  drop(kFirst, 25, 4);
  pass(SpoofDrops::kEvery);
  EXPECT_EQ(row(kFirst).reason, sentence);
  EXPECT_EQ(node_.agent().spoofed_frames(node_.agent().desired().port_states.at(kFirst)), 7U);

  drop(kFirst, 24, 1);
  pass(SpoofDrops::kEvery);
  EXPECT_THAT(row(kFirst).reason, AllOf(HasSubstr("drops frames from MACs"), HasSubstr("drops ARP")));
  EXPECT_EQ(node_.transactions(), transactions);
  EXPECT_EQ(node_.bundles(), bundles);
}

TEST_F(SpoofDropsTest, WhoLooksSeesItAtOnce) {
  pass(SpoofDrops::kEvery);
  drop(kFirst, 25, 3);
  node_.run();
  EXPECT_EQ(row(kFirst).reason, "") << "seldom";
  node_.agent().look_for_drops();
  node_.run();
  EXPECT_NE(row(kFirst).reason, "");
}

TEST_F(SpoofDropsTest, ItIsOverWhenNothingMoreIsDropped) {
  pass(SpoofDrops::kEvery);
  drop(kFirst, 25, 3);
  pass(SpoofDrops::kEvery);
  ASSERT_NE(row(kFirst).reason, "");
  pass(SpoofDrops::kQuiet);
  EXPECT_EQ(row(kFirst), (intent::PortReport{intent::PortStatus::Active, ""}));
  EXPECT_EQ(node_.agent().spoofed_frames(node_.agent().desired().port_states.at(kFirst)), 0U);
  drop(kFirst, 25, 1);
  pass(SpoofDrops::kEvery);
  EXPECT_NE(row(kFirst).reason, "");
  EXPECT_EQ(node_.agent().spoofed_frames(node_.agent().desired().port_states.at(kFirst)), 1U);
}

TEST_F(SpoofDropsTest, WhatWasDroppedBeforeTheAgentsStartIsNotNews) {
  drop(kFirst, 25, 3);
  node_.start_agent();
  node_.run();
  pass(SpoofDrops::kEvery);
  EXPECT_EQ(row(kFirst).reason, "");
  drop(kFirst, 25, 1);
  pass(SpoofDrops::kEvery);
  EXPECT_NE(row(kFirst).reason, "");
  EXPECT_EQ(node_.agent().spoofed_frames(node_.agent().desired().port_states.at(kFirst)), 1U);
}

TEST_F(SpoofDropsTest, ASwitchThatWasAwayIsAskedAgain) {
  pass(SpoofDrops::kEvery);
  node_.of_switch("br-int").disconnect();
  pass(SpoofDrops::kEvery);
  drop(kFirst, 25, 2);
  node_.of_switch("br-int").reconnect();
  pass(SpoofDrops::kEvery);
  EXPECT_EQ(node_.agent().spoofed_frames(node_.agent().desired().port_states.at(kFirst)), 2U);
}

}  // namespace
}  // namespace ml2::reconcile
