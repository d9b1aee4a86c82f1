// tests/fakes/FakeDatabase: its faults, and what a test may do behind the client's back. How it carries out
// transactions is the contract suite's business (tests/contract/database_contract_test.cc).
#include <gmock/gmock.h>

#include "ovsdb/ml2_rows.h"
#include "tests/fakes/fake_database.h"

namespace ml2::ovsdb {
namespace {

Ml2Network network(const std::string& name) {
  Ml2Network row;
  row.uuid = Uuid::random();
  row.name = name;
  return row;
}

class FakeDatabaseTest : public ::testing::Test {
 protected:
  FakeDatabase db{ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema", ml2_columns()};

  Outcome commit(const Transaction& transaction) {
    const Status sent = db.commit(transaction);
    if (!sent) return {sent, {}};
    EXPECT_TRUE(db.busy());
    EXPECT_FALSE(db.take_outcome());
    db.run();
    EXPECT_FALSE(db.busy());
    return db.take_outcome().value();
  }
};

TEST_F(FakeDatabaseTest, NothingIsSeenBeforeTheFirstRun) {
  EXPECT_EQ(db.snapshot(), nullptr);
  EXPECT_FALSE(db.status().connected);
  db.run();
  ASSERT_NE(db.snapshot(), nullptr);
  EXPECT_TRUE(db.status().connected);
  EXPECT_TRUE(db.snapshot()->tables.contains("Network"));
}

TEST_F(FakeDatabaseTest, EditsOfAnotherClientAreSeenByTheNextRun) {
  db.run();
  const std::uint64_t before = db.sequence();
  const Ml2Network row = network("n1");
  db.insert("Network", to_columns(row), row.uuid);
  EXPECT_TRUE(read_ml2(*db.snapshot()).networks.empty());
  EXPECT_EQ(db.sequence(), before);
  db.run();
  EXPECT_EQ(read_ml2(*db.snapshot()).networks.at(row.uuid), row);
  EXPECT_GT(db.sequence(), before);
  db.update("Network", row.uuid, {{"name", Datum::of("n2")}});
  db.run();
  EXPECT_EQ(read_ml2(*db.snapshot()).networks.at(row.uuid).name, "n2");
  db.remove("Network", row.uuid);
  db.run();
  EXPECT_TRUE(read_ml2(*db.snapshot()).networks.empty());
}

TEST_F(FakeDatabaseTest, DisconnectedItShowsTheLastStateAndSendsNothing) {
  db.run();
  db.disconnect("gone");
  db.insert("Network", {});
  db.run();
  EXPECT_TRUE(db.snapshot()->table("Network").empty());
  EXPECT_FALSE(db.status().connected);
  EXPECT_EQ(db.status().error, "gone");
  const Outcome outcome = commit({{insert_row(network("n"))}, ""});
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Transient);
  db.reconnect();
  db.run();
  EXPECT_TRUE(db.status().connected);
  EXPECT_EQ(db.status().reconnects, 1U);
  EXPECT_EQ(db.snapshot()->table("Network").size(), 1U);
}

TEST_F(FakeDatabaseTest, WhatIsInFlightWhenTheServerGoesIsNotCarriedOut) {
  db.run();
  ASSERT_TRUE(db.commit({{insert_row(network("n"))}, ""}));
  db.disconnect();
  db.run();
  EXPECT_EQ(db.take_outcome()->status.error().kind, ErrorKind::Transient);
  EXPECT_TRUE(db.server().table("Network").empty());
  EXPECT_EQ(db.status().failures, 1U);
}

TEST_F(FakeDatabaseTest, ALostReplyIsTransientThoughTheChangeIsThere) {
  db.run();
  db.lose_next_reply();
  const Outcome outcome = commit({{insert_row(network("n"))}, ""});
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Transient);
  EXPECT_EQ(db.snapshot()->table("Network").size(), 1U);
  EXPECT_TRUE(commit({{insert_row(network("m"))}, ""}).status);
}

TEST_F(FakeDatabaseTest, FailNextCommitRefusesExactlyOne) {
  db.run();
  db.fail_next_commit({ErrorKind::Conflict, "taken"});
  EXPECT_EQ(commit({{insert_row(network("n"))}, ""}).status.error(), (Error{ErrorKind::Conflict, "taken"}));
  EXPECT_TRUE(db.snapshot()->table("Network").empty());
  EXPECT_TRUE(commit({{insert_row(network("n"))}, ""}).status);
}

TEST_F(FakeDatabaseTest, RestartBringsEveryRowBackAsANewPointer) {
  const Uuid uuid = db.insert("Network", {{"name", Datum::of("n")}});
  db.run();
  const RowPtr before = db.snapshot()->table("Network").at(uuid);
  const std::uint64_t sequence = db.sequence();
  db.restart();
  EXPECT_FALSE(db.status().connected);
  db.run();
  const RowPtr after = db.snapshot()->table("Network").at(uuid);
  EXPECT_NE(before, after);
  EXPECT_EQ(*before, *after);
  EXPECT_GT(db.sequence(), sequence);
  EXPECT_EQ(db.status().reconnects, 1U);
}

TEST(FakeDatabaseVswitch, ServesTheSchemaOfOpenVswitch) {
  FakeDatabase db(FakeDatabase::kVswitchSchema);
  const Uuid root = db.insert("Open_vSwitch", {});
  const Uuid bridge = Uuid::random();
  const Uuid port = Uuid::random();
  const Uuid interface = Uuid::random();
  const Outcome outcome = db.execute(
      {{RowInsert{"Interface", interface, {{"name", Datum::of("br-int")}, {"type", Datum::of("internal")}}},
        RowInsert{"Port", port, {{"name", Datum::of("br-int")}, {"interfaces", Datum::uuids({interface})}}},
        RowInsert{"Bridge", bridge, {{"name", Datum::of("br-int")}, {"ports", Datum::uuids({port})}}},
        RowMutate{"Open_vSwitch", root, "bridges", Datum::uuids({bridge}), {}}},
       ""});
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  db.run();
  EXPECT_NE(db.snapshot()->row("Interface", outcome.inserted.at(interface)), nullptr);
  EXPECT_NE(outcome.inserted.at(interface), interface) << "without persist_uuid the server chooses";
  db.mutate("Open_vSwitch", root, "bridges", {}, Datum::uuids({outcome.inserted.at(bridge)}));
  db.run();
  EXPECT_TRUE(db.snapshot()->table("Interface").empty()) << "what nothing refers to is collected";
}

}  // namespace
}  // namespace ml2::ovsdb
