// What --cleanup takes out of the ML2 database.
#include "agent/intent/ml2_leave.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_database.h"

namespace ml2::intent {
namespace {

using ovsdb::Atom;
using ovsdb::Datum;
using testing::HasSubstr;

class Ml2Leave : public testing::Test {
 protected:
  Ml2Leave() {
    network = database.insert("Network", {{"name", Datum::of("net")}});
    host = database.insert("Host",
                           {{"name", Datum::of("hv1")},
                            {"configurations", Datum::map({{"switch_id", "me"}, {"tunneling_ip", "10.0.0.1"}})}});
    database.insert("Host", {{"name", Datum::of("hv2")}, {"configurations", Datum::map({{"switch_id", "other"}})}});
    here = port("hv1", "ACTIVE");
    moving = port("hv1", "INACTIVE");
    there = port("hv2", "ACTIVE");
  }
  Uuid port(const char* where, const char* binding) {
    const Uuid id = database.insert("Port", {{"network", Datum::of(Atom(network))},
                                             {"mac_address", Datum::of(std::string("fa:16:3e:00:00:0") + next_++)},
                                             {"status", Datum::of("ACTIVE")}});
    database.insert("Binding", {{"port", Datum::of(Atom(id))},
                                {"host", Datum::of(where)},
                                {"vif_type", Datum::of("ovs")},
                                {"status", Datum::of(binding)}});
    return id;
  }
  std::string leave(bool look = false) {
    return leave_ml2(database, "tcp:192.0.2.9:6640", {.host = "hv1", .switch_id = "me"}, look,
                     std::chrono::milliseconds(50));
  }
  std::string status(const Uuid& id) {
    const ovsdb::Row& row = *database.server().row("Port", id);
    return *row.column("status").string() + " " + *row.column("status_reason").string();
  }
  std::size_t hosts() { return database.server().table("Host").size(); }

  ovsdb::FakeDatabase database{ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema", leave_columns()};
  Uuid network, host, here, moving, there;
  char next_ = '1';
};

TEST_F(Ml2Leave, ItsPortsGoDownAndItsRowGoes) {
  EXPECT_EQ(leave(),
            "removed status of 1 ports (DOWN: cleaned up on hv1), in the ML2 database\n"
            "removed host hv1, in the ML2 database\n");
  EXPECT_EQ(status(here), "DOWN cleaned up on hv1");
  EXPECT_EQ(status(moving), "ACTIVE ");
  EXPECT_EQ(status(there), "ACTIVE ");
  EXPECT_EQ(hosts(), 1U);
  EXPECT_EQ(leave(), "");
}

TEST_F(Ml2Leave, ADryRunOnlySaysIt) {
  EXPECT_THAT(leave(true), HasSubstr("would remove host hv1"));
  EXPECT_EQ(status(here), "ACTIVE ");
  EXPECT_EQ(hosts(), 2U);
}

TEST_F(Ml2Leave, AnotherNodesRowStays) {
  database.update("Host", host, {{"configurations", Datum::map({{"switch_id", "x"}, {"tunneling_ip", "10.0.0.7"}})}});
  EXPECT_EQ(
      leave(),
      "left alone: host hv1 and its ports: another node reports under that name (its local_ip: 10.0.0.7), in the "
      "ML2 database\n");
  EXPECT_EQ(status(here), "ACTIVE ");
}

TEST_F(Ml2Leave, APreparedRowIsTheOperators) {
  database.update("Host", host, {{"configurations", Datum::map({})}});
  EXPECT_THAT(leave(), HasSubstr("left alone: host hv1: no agent has ever reported from it"));
  EXPECT_EQ(hosts(), 2U);
  EXPECT_EQ(status(here), "DOWN cleaned up on hv1");
}

TEST_F(Ml2Leave, WithoutAnAnswerItSaysWhatToDo) {
  database.disconnect();
  const std::string text = leave();
  EXPECT_THAT(text, HasSubstr("ML2 database at tcp:192.0.2.9:6640"));
  EXPECT_THAT(text, HasSubstr("other hosts go on sending to it"));
  EXPECT_THAT(text, HasSubstr("ml2ctl host delete hv1"));
  database.reconnect();
  EXPECT_THAT(leave(), HasSubstr("removed host hv1"));
}

}  // namespace
}  // namespace ml2::intent
