// The fault menu of FakeSwitch; what it has in common with a real switch is in the contract suite.
#include <gtest/gtest.h>

#include "tests/fakes/fake_switch.h"

namespace ml2::of {
namespace {

const FlowKey kKey{0, 1, ""};
const FlowBody kBody{"drop"};
const Bundle kBundle{{{.command = FlowMod::Command::Add, .key = kKey, .body = kBody}}};

// Connects and reads.
void settle(FakeSwitch& fake) {
  fake.run();
  fake.run();
}

TEST(FakeSwitch, ADisconnectedSwitchKeepsItsFlows) {
  FakeSwitch fake;
  fake.put(kKey, kBody);
  settle(fake);
  ASSERT_NE(fake.flows(), nullptr);
  fake.disconnect();
  EXPECT_NE(fake.flows(), nullptr);  // unchanged until run()
  fake.run();
  EXPECT_EQ(fake.flows(), nullptr);
  EXPECT_FALSE(fake.status().connected);
  EXPECT_NE(fake.status().error, "");
  settle(fake);
  EXPECT_EQ(fake.flows(), nullptr);
  fake.reconnect();
  settle(fake);
  ASSERT_NE(fake.flows(), nullptr);
  EXPECT_EQ(*fake.flows(), (FlowSet{{kKey, kBody}}));
}

TEST(FakeSwitch, ARestartTakesTheFlows) {
  FakeSwitch fake;
  fake.put(kKey, kBody);
  settle(fake);
  fake.restart();
  EXPECT_EQ(fake.flows()->size(), 1U);
  fake.run();
  EXPECT_EQ(fake.flows(), nullptr);
  settle(fake);
  ASSERT_NE(fake.flows(), nullptr);
  EXPECT_TRUE(fake.flows()->empty());
}

TEST(FakeSwitch, RefusesOneBundle) {
  FakeSwitch fake;
  settle(fake);
  const Error error{ErrorKind::Invalid, "table full"};
  fake.refuse_next_bundle(error);
  ASSERT_TRUE(fake.commit(kBundle));
  EXPECT_FALSE(fake.take_outcome().has_value());
  fake.run();
  const auto outcome = fake.take_outcome();
  ASSERT_TRUE(outcome.has_value());
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error(), error);
  EXPECT_TRUE(fake.table().empty());
  ASSERT_TRUE(fake.commit(kBundle));
  fake.run();
  EXPECT_TRUE(fake.take_outcome()->has_value());
  EXPECT_EQ(fake.table().size(), 1U);
  EXPECT_EQ(fake.sent().size(), 2U);
}

TEST(FakeSwitch, ALostOutcomeHidesThatTheBundleWasCarriedOut) {
  FakeSwitch fake;
  settle(fake);
  fake.lose_next_outcome();
  ASSERT_TRUE(fake.commit(kBundle));
  fake.run();
  const auto outcome = fake.take_outcome();
  ASSERT_TRUE(outcome.has_value());
  ASSERT_FALSE(outcome->has_value());
  EXPECT_EQ(outcome->error().kind, ErrorKind::Transient);
  EXPECT_EQ(fake.flows(), nullptr);
  EXPECT_EQ(fake.table().size(), 1U);
  settle(fake);
  ASSERT_NE(fake.flows(), nullptr);
  EXPECT_EQ(fake.flows()->size(), 1U);
}

}  // namespace
}  // namespace ml2::of
