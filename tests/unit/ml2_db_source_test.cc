// agent/intent: Ml2DbSource over a database in memory: which reports become transactions, and when.
#include "agent/intent/ml2_db_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_database.h"

namespace ml2::intent {
namespace {

using std::chrono::milliseconds;

// A node with one port, bound here and DOWN, whose first report is written.
class Ml2DbSourceTest : public testing::Test {
 protected:
  Ml2DbSourceTest() {
    const Uuid network = database.insert("Network", {{"name", ovsdb::Datum::of("net")}});
    const Uuid segment =
        database.insert("Segment", {{"network", ovsdb::Datum::of(ovsdb::Atom(network))},
                                    {"network_type", ovsdb::Datum::of("vxlan")},
                                    {"segmentation_id", ovsdb::Datum::of(ovsdb::Atom(std::int64_t{7}))}});
    port = database.insert("Port", {{"network", ovsdb::Datum::of(ovsdb::Atom(network))},
                                    {"mac_address", ovsdb::Datum::of("fa:16:3e:00:00:01")},
                                    {"status", ovsdb::Datum::of("DOWN")}});
    database.insert("Binding", {{"port", ovsdb::Datum::of(ovsdb::Atom(port))},
                                {"host", ovsdb::Datum::of("hv1")},
                                {"vif_type", ovsdb::Datum::of("ovs")},
                                {"status", ovsdb::Datum::of("ACTIVE")},
                                {"segment", ovsdb::Datum::of(ovsdb::Atom(segment))}});
    source.run();
    say({PortStatus::Down, "not plugged"}, nullptr);
    settle();
    written = database.committed().size();
  }

  void say(PortReport report, const std::set<Uuid>* changed) {
    ports[port] = std::move(report);
    source.report(&node, ports, changed);
  }
  void say(PortReport report) {
    const std::set<Uuid> changed{port};
    say(std::move(report), &changed);
  }
  void settle() {
    for (int i = 0; i < 3; ++i) source.run();
  }
  std::size_t transactions() { return database.committed().size() - written; }
  std::string reason() const { return *database.server().row("Port", port)->column("status_reason").string(); }
  std::string status() const { return *database.server().row("Port", port)->column("status").string(); }

  const ovsdb::Row& host() const {
    const ovsdb::Table& hosts = database.server().table("Host");
    EXPECT_EQ(hosts.size(), 1U);
    return *hosts.begin()->second;
  }
  std::int64_t heartbeat() const { return *host().column("heartbeat").integer(); }
  std::string owner() const { return host().column("configurations").string_map().at("switch_id"); }
  std::int64_t wall() {
    return std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
  }
  // A report of the node itself.
  void say(NodeReport report) {
    node = std::move(report);
    const std::set<Uuid> none;
    source.report(&node, ports, &none);
  }

  ovsdb::FakeDatabase database{ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema", ovsdb::ml2_agent_columns(),
                               ovsdb::ml2_agent_unread()};
  FakeClock clock;
  Ml2DbSource source{database,
                     clock,
                     {.node = {.host = "hv1", .tunnel_types = {NetworkType::Vxlan}, .l2_population = true},
                      .version = "1",
                      .report_interval = std::chrono::seconds(30)}};
  Uuid port;
  NodeReport node;
  std::map<Uuid, PortReport> ports;
  std::size_t written = 0;
};

TEST_F(Ml2DbSourceTest, TheFirstReportIsWrittenAtOnce) {
  EXPECT_EQ(status(), "DOWN");
  EXPECT_EQ(reason(), "not plugged");
}

TEST_F(Ml2DbSourceTest, APortOnItsWayIsOneTransaction) {
  say({PortStatus::Down, "no OpenFlow port yet"});
  settle();
  clock.advance(milliseconds(400));
  settle();
  say({PortStatus::Down, "its flows are on their way"});
  settle();
  EXPECT_EQ(transactions(), 0U);
  say({PortStatus::Active, ""});
  settle();
  EXPECT_EQ(transactions(), 1U);
  EXPECT_EQ(status(), "ACTIVE");
  EXPECT_EQ(reason(), "");
  clock.advance(milliseconds(2000));
  settle();
  EXPECT_EQ(transactions(), 1U);
}

TEST_F(Ml2DbSourceTest, AReasonThatStandsIsWrittenASecondAfterItsFirst) {
  say({PortStatus::Down, "no OpenFlow port yet"});
  clock.advance(milliseconds(600));
  settle();
  say({PortStatus::Down, "could not open network device tap1"});
  clock.advance(milliseconds(399));
  settle();
  EXPECT_EQ(reason(), "not plugged");
  clock.advance(milliseconds(1));
  settle();
  EXPECT_EQ(reason(), "could not open network device tap1");
  EXPECT_EQ(transactions(), 1U);
}

TEST_F(Ml2DbSourceTest, ANewStatusIsWrittenAtOnce) {
  say({PortStatus::Active, ""});
  settle();
  EXPECT_EQ(status(), "ACTIVE");
  say({PortStatus::Down, "unplugged"});
  settle();
  EXPECT_EQ(status(), "DOWN");
  EXPECT_EQ(reason(), "unplugged");
  say({PortStatus::Error, "its MAC is no MAC"});
  settle();
  EXPECT_EQ(status(), "ERROR");
}

TEST_F(Ml2DbSourceTest, APortThatGoesMeanwhileIsForgotten) {
  say({PortStatus::Down, "no OpenFlow port yet"});
  ports.erase(port);
  const std::set<Uuid> changed{port};
  source.report(nullptr, ports, &changed);
  clock.advance(milliseconds(1000));
  settle();
  EXPECT_EQ(transactions(), 0U);
  EXPECT_EQ(reason(), "not plugged");
}

TEST_F(Ml2DbSourceTest, AStatusThatSomebodyWroteOverIsPutRight) {
  say({PortStatus::Active, ""});
  settle();
  database.update("Port", port, {{"status", ovsdb::Datum::of("DOWN")}});
  settle();
  EXPECT_EQ(status(), "ACTIVE");
}

TEST_F(Ml2DbSourceTest, TheHeartbeatGoesOnAlone) {
  const std::int64_t first = heartbeat();
  EXPECT_EQ(first, wall());
  clock.advance(milliseconds(29'000));
  settle();
  EXPECT_EQ(transactions(), 0U);
  clock.advance(milliseconds(1'000));
  settle();
  EXPECT_EQ(heartbeat(), first + 30);
  ASSERT_EQ(transactions(), 1U);
  const auto& update = std::get<ovsdb::RowUpdate>(database.committed().back().operations.at(0));
  EXPECT_EQ(update.columns.size(), 1U);
  clock.advance(milliseconds(30'000));
  settle();
  EXPECT_EQ(heartbeat(), first + 60);
}

TEST_F(Ml2DbSourceTest, WhatIsNotReadBackIsWrittenOnceAndAfterAFailureAgain) {
  say(NodeReport{.problems = {"a bridge is missing"}, .switch_id = "ours", .applied = 7});
  settle();
  EXPECT_EQ(transactions(), 1U);
  EXPECT_THAT(host().column("problems").string_set(), testing::ElementsAre("a bridge is missing"));
  EXPECT_EQ(host().column("applied").integer(), 7);
  say(NodeReport{.problems = {"a bridge is missing"}, .switch_id = "ours", .applied = 7});
  settle();
  EXPECT_EQ(transactions(), 1U);
  // The answer is lost: nobody knows what the row holds.
  database.lose_next_reply();
  say(NodeReport{.switch_id = "ours", .applied = 8});
  settle();
  database.update("Host", host().uuid, {{"applied", ovsdb::Datum::of(ovsdb::Atom(std::int64_t{1}))}});
  clock.advance(milliseconds(200));
  settle();
  EXPECT_EQ(host().column("applied").integer(), 8);
  EXPECT_THAT(host().column("problems").string_set(), testing::IsEmpty());
}

TEST_F(Ml2DbSourceTest, OtherHostsComeWithoutAWriteOfOurs) {
  const Uuid other = database.insert("Host", {{"name", ovsdb::Datum::of("hv2")}});
  settle();
  EXPECT_EQ(transactions(), 0U);
  const std::uint64_t seen = database.sequence();
  database.update("Host", other, {{"heartbeat", ovsdb::Datum::of(ovsdb::Atom(std::int64_t{5}))}});
  settle();
  EXPECT_EQ(database.sequence(), seen) << "what others say of themselves wakes nobody";
}

TEST_F(Ml2DbSourceTest, AReportThatIsNotTakenIsSaidUntilOneIs) {
  database.fail_next_commit(Error{ErrorKind::Transient, "database ML2 did not answer a transaction within 10000 ms"});
  say({PortStatus::Active, ""});
  settle();
  EXPECT_TRUE(source.status().connected);
  EXPECT_EQ(
      source.status().error,
      "the ML2 database does not take this node's reports: database ML2 did not answer a transaction within 10000 "
      "ms");
  clock.advance(milliseconds(200));
  settle();
  EXPECT_EQ(status(), "ACTIVE");
  EXPECT_EQ(source.status().error, "");
}

// A port of another host gets the right to any MAC, and all is read anew meanwhile: no MAC of a port differs.
TEST_F(Ml2DbSourceTest, AReadingFromNothingTellsThatAnyMacMayBeThere) {
  const ovsdb::Ml2Endpoint endpoint{.uuid = Uuid::random(), .tunnel_type = "vxlan", .ip_address = "192.0.2.2"};
  const ovsdb::Ml2Host other{
      .uuid = Uuid::random(), .name = "hv2", .tunnel_types = {"vxlan"}, .endpoints = {endpoint.uuid}};
  ASSERT_TRUE(database.commit({.operations = {ovsdb::insert_row(endpoint), ovsdb::insert_row(other)}}));
  database.run();
  ASSERT_TRUE(database.take_outcome()->status);
  const Segment segment = source.intent()->ports.at(port).segment;
  const Uuid far = database.insert("Port", {{"network", ovsdb::Datum::of(ovsdb::Atom(segment.network))},
                                            {"mac_address", ovsdb::Datum::of("fa:16:3e:00:00:02")},
                                            {"port_security_enabled", ovsdb::Datum::of(ovsdb::Atom(true))},
                                            {"status", ovsdb::Datum::of("ACTIVE")}});
  database.insert(
      "Binding",
      {{"port", ovsdb::Datum::of(ovsdb::Atom(far))},
       {"host", ovsdb::Datum::of("hv2")},
       {"vif_type", ovsdb::Datum::of("ovs")},
       {"status", ovsdb::Datum::of("ACTIVE")},
       {"segment", ovsdb::Datum::of(ovsdb::Atom(database.server().table("Segment").begin()->second->uuid))}});
  settle();
  ASSERT_EQ(source.intent()->remote.at(segment).ports.size(), 1U);
  ASSERT_FALSE(source.intent()->remote.at(segment).any_mac);
  const std::uint64_t seen = source.sequence();
  database.update("Port", far, {{"port_security_enabled", ovsdb::Datum::of(ovsdb::Atom(false))}});
  database.insert("Host", {{"name", ovsdb::Datum::of("hv3")}});  // for which all is read
  settle();
  EXPECT_TRUE(source.intent()->remote.at(segment).any_mac);
  const IntentChanges changes = source.changes_since(seen);
  EXPECT_TRUE(changes.all || changes.remote.contains(segment) || changes.remote_ports.contains(segment));
}

// Another node has this node's name: it came first, and its last heartbeat is `age` seconds old.
class NameTakenTest : public Ml2DbSourceTest {
 protected:
  void other_node(std::int64_t age) {
    database.update("Host", host().uuid,
                    {{"configurations", ovsdb::Datum::map({{"switch_id", "theirs"}, {"tunneling_ip", "192.0.2.9"}})},
                     {"heartbeat", ovsdb::Datum::of(ovsdb::Atom(wall() - age))}});
    settle();
    written = database.committed().size();
  }
};

TEST_F(NameTakenTest, AFreshHeartbeatKeepsTheName) {
  say(NodeReport{.switch_id = "ours"});
  settle();
  EXPECT_EQ(owner(), "ours");
  other_node(10);
  EXPECT_THAT(source.status().error, testing::HasSubstr("another node reports as host hv1"));
  say({PortStatus::Active, ""});
  settle();
  EXPECT_EQ(owner(), "theirs");
  EXPECT_EQ(status(), "DOWN") << "nothing at all is written";
  EXPECT_EQ(transactions(), 0U);
}

TEST_F(NameTakenTest, ItIsAskedForOnceEveryReportInterval) {
  say(NodeReport{.switch_id = "ours"});
  settle();
  other_node(10);
  const std::uint64_t asked = database.status().commits;
  for (int second = 1; second < 30; ++second) {
    clock.advance(milliseconds(1'000));
    settle();
  }
  EXPECT_EQ(database.status().commits, asked);
  clock.advance(milliseconds(1'000));
  settle();
  EXPECT_EQ(database.status().commits, asked + 1);
  EXPECT_EQ(owner(), "theirs");
}

TEST_F(NameTakenTest, ANodeThatIsGoneLosesItsName) {
  say(NodeReport{.switch_id = "ours"});
  settle();
  other_node(10);
  say({PortStatus::Active, ""});
  for (int i = 0; i < 3; ++i) {  // 40, 70, 100 s
    EXPECT_EQ(owner(), "theirs");
    clock.advance(milliseconds(30'000));
    settle();
  }
  EXPECT_EQ(owner(), "ours");
  EXPECT_EQ(status(), "ACTIVE");
  EXPECT_EQ(heartbeat(), wall());
  EXPECT_EQ(source.status().error, "");
}

// An agent that starts on a node without its name, until the other node leaves (`ml2-agent --cleanup`).
TEST_F(NameTakenTest, AllPortsAreWrittenWhenTheOtherNodesRowGoes) {
  say(NodeReport{.switch_id = "ours"});
  settle();
  other_node(10);
  Ml2DbSource started(database, clock, {.node = {.host = "hv1"}, .report_interval = std::chrono::seconds(30)});
  const auto run = [&] {
    for (int i = 0; i < 3; ++i) started.run();
  };
  run();
  ports[port] = {PortStatus::Active, ""};
  started.report(&node, ports, nullptr);
  run();
  EXPECT_THAT(started.status().error, testing::HasSubstr("another node reports as host hv1"));
  EXPECT_EQ(status(), "DOWN");
  database.remove("Host", host().uuid);
  run();
  EXPECT_EQ(started.status().error, "");
  EXPECT_EQ(owner(), "ours");
  EXPECT_EQ(status(), "ACTIVE");
}

TEST_F(NameTakenTest, ALostAnswerSaysNothingAboutTheName) {
  say(NodeReport{.switch_id = "ours"});
  settle();
  database.update("Host", host().uuid,
                  {{"configurations", ovsdb::Datum::map({{"switch_id", "theirs"}})},
                   {"heartbeat", ovsdb::Datum::of(ovsdb::Atom(wall() - 91))}});
  database.fail_next_commit(Error{ErrorKind::Transient, "no connection"});
  settle();
  EXPECT_THAT(source.status().error, testing::Not(testing::HasSubstr("another node")));
  clock.advance(milliseconds(200));
  settle();
  EXPECT_EQ(owner(), "ours");
  EXPECT_EQ(source.status().error, "");
}

}  // namespace
}  // namespace ml2::intent
