// agent/reconcile: neighbours that do not answer, or are away: said, and nothing else is done about it.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/fakes/fake_node.h"

namespace ml2::reconcile {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Uuid kPort = *Uuid::parse("22222222-0000-4000-8000-000000000001");
const Uuid kOther = *Uuid::parse("22222222-0000-4000-8000-000000000002");

NodeConfig node() { return {.host = "hv1"}; }

Intent intent_of(const std::set<Uuid>& ports) {
  Intent intent{.node = node(), .complete = true};
  for (const Uuid& id : ports) {
    intent.ports.emplace(id, Port{.id = id,
                                  .segment = {.network = kPort, .type = NetworkType::Local},
                                  .mac = *Mac::parse("fa:16:3e:00:00:01")});
  }
  return intent;
}

class Neighbours : public ::testing::Test {
 protected:
  Neighbours() : node_(node()) {
    node_.source().set(intent_of({kPort}));
    node_.run();
    node_.plug("tap1", kPort);
    node_.run();
    EXPECT_TRUE(node_.agent().converged());
    EXPECT_THAT(node_.agent().problems(), IsEmpty());
  }
  void pass(std::chrono::seconds time) {
    node_.clock().advance(time);
    node_.run(2);
  }
  [[nodiscard]] std::vector<std::string> connection_events() {
    std::vector<std::string> texts;
    for (const Event& event : node_.agent().journal().events()) {
      if (event.kind == Event::Kind::Connection) texts.push_back(event.subject + ": " + event.text);
    }
    return texts;
  }
  [[nodiscard]] const std::set<std::string>& reported() { return node_.source().last_report().problems; }

  FakeNode node_;
};

TEST_F(Neighbours, ASwitchThatDoesNotAnswerIsAProblemUntilItDoes) {
  const std::uint64_t steps = node_.agent().counters().steps;
  node_.of_switch("br-int").hang(std::chrono::seconds(7));
  node_.run(2);
  EXPECT_THAT(node_.agent().problems(),
              Contains(HasSubstr("bridge br-int: ovs-vswitchd has not answered since 2023-11-14T22:13:1")));
  EXPECT_THAT(node_.agent().out_of_reach(), Contains("ovs-vswitchd does not answer"));
  EXPECT_THAT(connection_events(), Contains("br-int: ovs-vswitchd has not answered for 7 s"));
  const std::set<std::string> problems = node_.agent().problems();
  node_.of_switch("br-int").hang(std::chrono::seconds(9));
  pass(std::chrono::seconds(2));
  EXPECT_EQ(node_.agent().problems(), problems) << "the sentence stays, or each second were news";
  EXPECT_THAT(reported(), Contains(HasSubstr("has not answered since")));
  EXPECT_EQ(node_.agent().counters().steps, steps) << "no reading has changed";

  node_.of_switch("br-int").answer();
  node_.run(2);
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
  EXPECT_THAT(node_.agent().out_of_reach(), IsEmpty());
  EXPECT_THAT(reported(), IsEmpty());
  EXPECT_THAT(connection_events(), Contains("br-int: ovs-vswitchd answers again after 9 s"));
}

TEST_F(Neighbours, WhatIsAskedForOfASwitchThatDoesNotAnswerIsSentOnce) {
  node_.of_switch("br-int").hang();
  node_.source().set(intent_of({kPort, kOther}));
  node_.plug("tap2", kOther);
  const std::size_t bundles = node_.bundles();
  for (int i = 0; i < 10; ++i) pass(std::chrono::seconds(5));
  EXPECT_FALSE(node_.agent().converged());
  EXPECT_EQ(node_.agent().port_reports().at(kPort).status, intent::PortStatus::Active) << "what stands is kept";
  EXPECT_LE(node_.bundles(), bundles + 1);
  node_.of_switch("br-int").answer();
  node_.run();
  EXPECT_TRUE(node_.agent().converged());
  EXPECT_EQ(node_.agent().port_reports().at(kOther).status, intent::PortStatus::Active);
  EXPECT_EQ(node_.of_switch("br-int").status().connections, 1U);
}

TEST_F(Neighbours, ADatabaseThatIsAwayIsAProblemAndAnEventUntilItIsBack) {
  const std::size_t bundles = node_.bundles();
  node_.source().disconnect("connection refused");
  node_.vswitch().disconnect("end of file");
  node_.run(2);
  EXPECT_THAT(node_.agent().problems(), IsEmpty()) << "the next leader of a cluster may be there in a second";
  EXPECT_THAT(connection_events(), Contains("test: the connection is lost: connection refused"));
  EXPECT_THAT(connection_events(), Contains(HasSubstr("Open_vSwitch database: the connection is lost: ")));
  pass(std::chrono::seconds(3));
  EXPECT_THAT(node_.agent().problems(),
              Contains(AllOf(HasSubstr("test at memory not connected since 2023-11-14T22:13:2"),
                             HasSubstr(": connection refused; what stands is kept"))));
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("Open_vSwitch database at ")));
  EXPECT_THAT(node_.agent().out_of_reach(), Contains("test not connected"));
  EXPECT_EQ(node_.agent().port_reports().at(kPort).status, intent::PortStatus::Active);
  pass(std::chrono::seconds(3));
  EXPECT_THAT(reported(), Contains(HasSubstr("not connected since")));

  node_.source().reconnect();
  node_.vswitch().reconnect();
  node_.run();
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
  EXPECT_THAT(node_.agent().out_of_reach(), IsEmpty());
  EXPECT_THAT(connection_events(), Contains("test: connected after 6 s"));
  EXPECT_TRUE(node_.agent().converged());
  EXPECT_EQ(node_.bundles(), bundles);
}

TEST_F(Neighbours, NetlinkThatCannotBeReadIsAProblemUntilItCan) {
  node_.kernel().overrun();
  node_.kernel().fail_next_read();
  node_.run(1);
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("netlink: ")));
  EXPECT_TRUE(node_.agent().in_sync());
  node_.run(2);
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
}

TEST_F(Neighbours, AProblemOfTheProcessIsOneOfThem) {
  node_.agent().set_process_problem("metrics_listen: taken");
  node_.run(1);
  EXPECT_THAT(node_.agent().problems(), Contains("metrics_listen: taken"));
  pass(std::chrono::seconds(2));
  EXPECT_THAT(reported(), Contains("metrics_listen: taken"));
  node_.agent().set_process_problem("");
  node_.run(1);
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
  EXPECT_THAT(reported(), IsEmpty());
}

}  // namespace
}  // namespace ml2::reconcile
