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

  ovsdb::FakeDatabase database{ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema"};
  FakeClock clock;
  Ml2DbSource source{database,
                     clock,
                     {.node = {.host = "hv1", .tunnel_types = {NetworkType::Vxlan}},
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

}  // namespace
}  // namespace ml2::intent
