// The Database seam: rows in, rows out, and a server that comes and goes.
#include "tests/contract/database_contract.h"

namespace ml2::ovsdb {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

INSTANTIATE_TEST_SUITE_P(Fake, DatabaseContract, ::testing::Values("fake"));
INSTANTIATE_TEST_SUITE_P(OvsdbServer, DatabaseContract, ::testing::Values("real"));

TEST_P(DatabaseContract, EveryMonitoredTableIsThereEvenWhenEmpty) {
  for (const auto& [table, columns] : ml2_columns()) {
    EXPECT_TRUE(db().snapshot()->tables.contains(table)) << table;
    EXPECT_THAT(db().snapshot()->table(table), IsEmpty());
  }
  EXPECT_GT(db().sequence(), 0U);
  EXPECT_TRUE(db().status().connected);
  EXPECT_EQ(db().status().error, "");
}

TEST_P(DatabaseContract, RowsGoInAndComeBackWhole) {
  Ml2Network n = network("n \"quoted\" \xc3\xa9 \n");
  n.external_ids = {{"a", "1"}, {"b", ""}};
  n.shared = true;
  const Ml2Segment s = segment(n, 4294967295);
  Ml2SecurityGroupRule rule;
  rule.uuid = Uuid::random();
  rule.direction = "ingress";
  rule.ethertype = "IPv6";
  rule.port_range_min = 22;
  Ml2SecurityGroup group;
  group.uuid = Uuid::random();
  group.rules = {rule.uuid};
  Ml2Port p = port(n, "fa:16:3e:00:00:01");
  p.security_groups = {group.uuid};
  Ml2Host host;
  host.uuid = Uuid::random();
  host.name = "h1";
  host.started_at = -1;
  host.tunnel_types = {"vxlan", "geneve"};

  must_commit({insert_row(p), insert_row(group), insert_row(rule), insert_row(s), insert_row(n), insert_row(host)});
  const Ml2Rows now = rows();
  EXPECT_EQ(now.networks.at(n.uuid), n);
  EXPECT_EQ(now.segments.at(s.uuid), s);
  EXPECT_EQ(now.security_groups.at(group.uuid), group);
  EXPECT_EQ(now.security_group_rules.at(rule.uuid), rule);
  EXPECT_EQ(now.ports.at(p.uuid), p);
  EXPECT_EQ(now.hosts.at(host.uuid), host);
  EXPECT_EQ(db().status().commits, 1U);
  EXPECT_EQ(db().status().failures, 0U);
}

TEST_P(DatabaseContract, WhatAnotherClientWritesIsSeen) {
  const Ml2Network n = network("n");
  other({insert_row(n)});
  EXPECT_EQ(rows().networks.at(n.uuid), n);
  other({RowUpdate{"Network", n.uuid, {{"name", Datum::of("m")}}}});
  EXPECT_EQ(rows().networks.at(n.uuid).name, "m");
  other({RowDelete{"Network", n.uuid}});
  EXPECT_THAT(rows().networks, IsEmpty());
}

TEST_P(DatabaseContract, ARowOfNothingButDefaultsIsSeenAndMissed) {
  const Uuid uuid = Uuid::random();
  other({RowInsert{"Network", uuid, {}, true}});
  EXPECT_TRUE(rows().networks.contains(uuid));
  other({RowDelete{"Network", uuid}});
  EXPECT_FALSE(rows().networks.contains(uuid));
}

TEST_P(DatabaseContract, TheServerNamesRowsUnlessToldNotTo) {
  const Uuid named = Uuid::random();
  const Uuid kept = Uuid::random();
  const Ml2Network n = network("n");
  Ml2Segment s = segment(n, 1);
  s.network = named;  // refers to the row by the name that it has in this transaction
  const Outcome outcome = commit(
      {RowInsert{"Network", named, {{"name", Datum::of("x")}}}, insert_row(s), RowInsert{"Network", kept, {}, true}});
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  ASSERT_EQ(outcome.inserted.size(), 3U);
  EXPECT_NE(outcome.inserted.at(named), named);
  EXPECT_EQ(outcome.inserted.at(kept), kept);
  EXPECT_EQ(outcome.inserted.at(s.uuid), s.uuid);
  EXPECT_EQ(rows().networks.at(outcome.inserted.at(named)).name, "x");
  EXPECT_EQ(rows().segments.at(s.uuid).network, outcome.inserted.at(named));
}

TEST_P(DatabaseContract, ARowInsertedHereCanBeChangedInTheSameTransaction) {
  const Ml2SecurityGroup group{Uuid::random(), "g", "", "", true, {}, {}};
  Ml2SecurityGroupRule rule;
  rule.uuid = Uuid::random();
  rule.direction = "egress";
  rule.ethertype = "IPv4";
  must_commit({insert_row(group), insert_row(rule),
               RowMutate{"Security_Group", group.uuid, "rules", Datum::uuids({rule.uuid}), {}},
               RowUpdate{"Security_Group", group.uuid, {{"name", Datum::of("h")}}}});
  EXPECT_EQ(rows().security_groups.at(group.uuid).name, "h");
  EXPECT_THAT(rows().security_groups.at(group.uuid).rules, UnorderedElementsAre(rule.uuid));
}

TEST_P(DatabaseContract, UpdateReplacesTheColumnsItNames) {
  Ml2Network n = network("n");
  n.external_ids = {{"a", "1"}};
  must_commit({insert_row(n)});
  must_commit(
      {RowUpdate{"Network", n.uuid, {{"external_ids", Datum::map({{"b", "2"}})}, {"shared", Datum::of(true)}}}});
  n.external_ids = {{"b", "2"}};
  n.shared = true;
  EXPECT_EQ(rows().networks.at(n.uuid), n);
  must_commit({RowUpdate{"Network", n.uuid, {{"external_ids", Datum::none()}}}});
  EXPECT_THAT(rows().networks.at(n.uuid).external_ids, IsEmpty());
}

TEST_P(DatabaseContract, MutateAddsAndTakesMembers) {
  Ml2Host host;
  host.uuid = Uuid::random();
  host.name = "h";
  host.tunnel_types = {"vxlan", "gre"};
  host.external_ids = {{"keep", "1"}, {"drop", "2"}, {"replace", "3"}};
  must_commit({insert_row(host)});
  // The other client's member must survive: it is not in the mutation.
  other({RowMutate{"Host", host.uuid, "tunnel_types", Datum::of("other"), {}}});
  must_commit({RowMutate{"Host", host.uuid, "tunnel_types", Datum::of("geneve"), Datum::strings({"gre", "absent"})},
               RowMutate{"Host", host.uuid, "external_ids", Datum::map({{"replace", "4"}, {"new", "5"}}),
                         Datum::strings({"drop", "absent"})}});
  EXPECT_THAT(rows().hosts.at(host.uuid).tunnel_types, UnorderedElementsAre("vxlan", "geneve", "other"));
  EXPECT_EQ(rows().hosts.at(host.uuid).external_ids,
            (std::map<std::string, std::string>{{"keep", "1"}, {"replace", "4"}, {"new", "5"}}));
}

TEST_P(DatabaseContract, DeleteRemovesARootRow) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  must_commit({RowDelete{"Network", n.uuid}});
  EXPECT_THAT(rows().networks, IsEmpty());
}

TEST_P(DatabaseContract, ATransactionThatChangesNothingIsFine) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  const std::uint64_t before = db().sequence();
  must_commit({RowUpdate{"Network", n.uuid, to_columns(n)}});
  must_commit({});
  EXPECT_EQ(db().sequence(), before);
}

TEST_P(DatabaseContract, OneTransactionAtATime) {
  const Ml2Network n = network("n");
  ASSERT_TRUE(db().commit({{insert_row(n)}, ""}));
  EXPECT_TRUE(db().busy());
  EXPECT_FALSE(db().take_outcome());
  const Status second = db().commit({{insert_row(network("m"))}, ""});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::Transient);
  ASSERT_TRUE(run_until([&] { return !db().busy(); }));
  EXPECT_TRUE(rows().networks.contains(n.uuid)) << "the snapshot beside the outcome holds the change";
  EXPECT_TRUE(db().take_outcome()->status);
  EXPECT_FALSE(db().take_outcome()) << "once";
}

TEST_P(DatabaseContract, TheSnapshotStandsStillBetweenRuns) {
  const Ml2Network n = network("n");
  const Snapshot* snapshot = db().snapshot();
  ASSERT_TRUE(db().commit({{insert_row(n)}, ""}));
  EXPECT_EQ(db().snapshot(), snapshot);
  EXPECT_THAT(snapshot->table("Network"), IsEmpty()) << "not before the server said so";
  ASSERT_TRUE(run_until([&] { return !db().busy(); }));
}

TEST_P(DatabaseContract, UnchangedRowsKeepTheirPointers) {
  const Ml2Network n = network("n");
  const Ml2Network m = network("m");
  const Ml2Segment s = segment(n, 7);
  must_commit({insert_row(n), insert_row(m), insert_row(s)});
  const RowPtr before_n = pointer("Network", n.uuid);
  const RowPtr before_m = pointer("Network", m.uuid);
  const RowPtr before_s = pointer("Segment", s.uuid);
  must_commit({RowUpdate{"Network", n.uuid, {{"name", Datum::of("x")}}}});
  EXPECT_NE(pointer("Network", n.uuid), before_n);
  EXPECT_EQ(before_n->column("name").string(), "n") << "the old value stays as it was";
  EXPECT_EQ(pointer("Network", m.uuid), before_m);
  EXPECT_EQ(pointer("Segment", s.uuid), before_s) << "a change of what a row refers to is not its own";
}

TEST_P(DatabaseContract, AServerThatComesLaterIsFound) {
  begin(true);
  db().run();
  EXPECT_EQ(db().snapshot(), nullptr);
  EXPECT_FALSE(db().status().connected);
  EXPECT_NE(db().status().error, "");
  const Status sent = db().commit({{insert_row(network("n"))}, ""});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::Transient);
  backend().start_server();
  sync();
  EXPECT_EQ(db().status().reconnects, 0U);
  must_commit({insert_row(network("n"))});
}

TEST_P(DatabaseContract, ALostServerLeavesTheLastStateAndComesBack) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  backend().stop_server();
  ASSERT_TRUE(run_until([&] { return !db().status().connected; }));
  EXPECT_EQ(rows().networks.at(n.uuid), n);
  EXPECT_NE(db().status().error, "");
  const Status sent = db().commit({{RowDelete{"Network", n.uuid}}, ""});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::Transient);
  EXPECT_FALSE(db().busy());

  backend().start_server();
  sync();
  EXPECT_EQ(db().status().reconnects, 1U);
  EXPECT_EQ(rows().networks.at(n.uuid), n);
  const std::uint64_t before = db().sequence();
  must_commit({insert_row(network("m"))});
  EXPECT_GT(db().sequence(), before);
  EXPECT_EQ(rows().networks.size(), 2U);
}

}  // namespace
}  // namespace ml2::ovsdb
