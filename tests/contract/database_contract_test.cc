// The Database seam: one suite for FakeDatabase and for IdlDatabase with a real ovsdb-server.
#include <gmock/gmock.h>

#include <memory>

#include "datapath/base/poll_loop.h"
#include "ovsdb/blocking.h"
#include "ovsdb/idl_database.h"
#include "ovsdb/ml2_rows.h"
#include "tests/contract/database_server.h"
#include "tests/fakes/fake_database.h"

namespace ml2::ovsdb {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr const char* kSchema = ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema";

// A server of the ML2 database, one client under test, and another client.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Database& client() = 0;
  virtual Outcome other_client(const Transaction& transaction) = 0;
  virtual void stop_server() = 0;
  virtual void start_server() = 0;
};

class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(bool away) {
    if (away) fake_.disconnect();
  }
  Database& client() override { return fake_; }
  Outcome other_client(const Transaction& transaction) override { return fake_.execute(transaction); }
  void stop_server() override { fake_.disconnect(); }
  void start_server() override { fake_.reconnect(); }

 private:
  FakeDatabase fake_{kSchema, ml2_columns()};
};

class RealBackend final : public Backend {
 public:
  explicit RealBackend(bool away) {
    must_run({"ovsdb-tool", "create", directory_ / "ml2.db", kSchema});
    server_.add_file(directory_ / "ml2.db");
    if (!away) server_.start();
    client_ = open();
  }
  Database& client() override { return *client_; }
  Outcome other_client(const Transaction& transaction) override {
    const std::unique_ptr<Database> other = open();
    if (Status synced = wait_until_synced(*other, seconds(30)); !synced) return {synced, {}};
    return commit_and_wait(*other, transaction, seconds(30));
  }
  void stop_server() override { server_.stop(); }
  void start_server() override { server_.start(); }

 private:
  std::unique_ptr<Database> open() {
    IdlDatabase::Options options;
    options.database = "ML2";
    options.remotes = server_.remote();
    options.columns = ml2_columns();
    auto opened = IdlDatabase::open(std::move(options));
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }

  TempDir directory_;
  OvsdbServer server_{directory_};
  std::unique_ptr<Database> client_;
};

class DatabaseContract : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { begin(false); }

  void begin(bool away) {
    backend_.reset();
    if (GetParam() == "fake") {
      backend_ = std::make_unique<FakeBackend>(away);
    } else {
      backend_ = std::make_unique<RealBackend>(away);
    }
    if (!away) sync();
  }
  void sync() {
    const Status synced = wait_until_synced(db(), seconds(30));
    ASSERT_TRUE(synced) << synced.error().message;
  }
  Database& db() { return backend_->client(); }
  Backend& backend() { return *backend_; }
  Outcome commit(std::vector<Operation> operations) {
    return commit_and_wait(db(), {std::move(operations), "database_contract_test"}, seconds(30));
  }
  void must_commit(std::vector<Operation> operations) {
    const Outcome outcome = commit(std::move(operations));
    ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  }
  // By another client, and seen by ours.
  void other(std::vector<Operation> operations) {
    const std::uint64_t before = db().sequence();
    const Outcome outcome = backend().other_client({std::move(operations), ""});
    ASSERT_TRUE(outcome.status) << outcome.status.error().message;
    ASSERT_TRUE(run_until([&] { return db().sequence() > before; }));
  }
  template <class Done>
  bool run_until(Done done) {
    const long long deadline = ml2_time_msec() + 30000;
    for (;;) {
      db().run();
      if (done()) return true;
      if (ml2_time_msec() > deadline) return false;
      db().wait();
      ml2_poll_timer(deadline - ml2_time_msec());
      ml2_poll_block();
    }
  }
  Ml2Rows rows() { return read_ml2(*db().snapshot()); }
  RowPtr pointer(const char* table, const Uuid& uuid) { return db().snapshot()->table(table).at(uuid); }

  static Ml2Network network(const std::string& name) {
    Ml2Network row;
    row.uuid = Uuid::random();
    row.name = name;
    row.mtu = 1450;
    return row;
  }
  static Ml2Segment segment(const Ml2Network& of, std::int64_t id) {
    Ml2Segment row;
    row.uuid = Uuid::random();
    row.network = of.uuid;
    row.network_type = "vxlan";
    row.segmentation_id = id;
    return row;
  }
  static Ml2Port port(const Ml2Network& of, const std::string& mac) {
    Ml2Port row;
    row.uuid = Uuid::random();
    row.network = of.uuid;
    row.mac_address = mac;
    return row;
  }

 private:
  std::unique_ptr<Backend> backend_;
};

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
  host.heartbeat = -1;
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

TEST_P(DatabaseContract, VerifyHoldsAChangeToWhatWasRead) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  must_commit(
      {RowVerify{"Network", n.uuid, "name"}, RowUpdate{"Network", n.uuid, {{"mtu", Datum::of(std::int64_t{9})}}}});
  EXPECT_EQ(rows().networks.at(n.uuid).mtu, 9);

  // The other client is faster, and we have not heard of it.
  ASSERT_TRUE(backend().other_client({{RowUpdate{"Network", n.uuid, {{"name", Datum::of("m")}}}}, ""}).status);
  ASSERT_EQ(rows().networks.at(n.uuid).name, "n");
  const Outcome outcome =
      commit({RowVerify{"Network", n.uuid, "name"}, RowUpdate{"Network", n.uuid, {{"name", Datum::of("mine")}}}});
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Transient) << outcome.status.error().message;
  ASSERT_TRUE(run_until([&] { return rows().networks.at(n.uuid).name == "m"; }));
  EXPECT_EQ(db().status().failures, 1U);
}

TEST_P(DatabaseContract, VerifyFailsWhenTheRowIsGone) {
  const Ml2Network n = network("n");
  const Ml2Network m = network("m");
  must_commit({insert_row(n), insert_row(m)});
  ASSERT_TRUE(backend().other_client({{RowDelete{"Network", n.uuid}}, ""}).status);
  const Outcome outcome =
      commit({RowVerify{"Network", n.uuid, "name"}, RowUpdate{"Network", m.uuid, {{"name", Datum::of("x")}}}});
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Transient);
  EXPECT_EQ(rows().networks.at(m.uuid).name, "m");
}

TEST_P(DatabaseContract, AChangeToARowThatIsGoneIsLost) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  ASSERT_TRUE(backend().other_client({{RowDelete{"Network", n.uuid}}, ""}).status);
  must_commit({RowUpdate{"Network", n.uuid, {{"name", Datum::of("x")}}}});
  EXPECT_THAT(rows().networks, IsEmpty());
}

TEST_P(DatabaseContract, ATakenIndexIsAConflictThatNamesIt) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n), insert_row(segment(n, 7))});
  const Outcome outcome = commit({insert_row(segment(n, 7))});
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Conflict);
  EXPECT_THAT(outcome.status.error().message,
              AllOf(HasSubstr("Segment"), HasSubstr("network_type"), HasSubstr("physical_network"),
                    HasSubstr("segmentation_id"), HasSubstr("vxlan"), HasSubstr("7")));
  EXPECT_EQ(rows().segments.size(), 1U);
}

TEST_P(DatabaseContract, OfTwoThatTakeTheSameSegmentOneGetsIt) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  const Ml2Segment theirs = segment(n, 7);
  ASSERT_TRUE(backend().other_client({{insert_row(theirs)}, ""}).status);
  ASSERT_THAT(rows().segments, IsEmpty()) << "we have not heard of it";
  EXPECT_EQ(commit({insert_row(segment(n, 7))}).status.error().kind, ErrorKind::Conflict);
  ASSERT_TRUE(run_until([&] { return rows().segments.contains(theirs.uuid); }));
}

TEST_P(DatabaseContract, TheUuidOfAnotherRowIsAConflict) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  EXPECT_EQ(commit({insert_row(n)}).status.error().kind, ErrorKind::Conflict);
  const Ml2Network m = network("m");
  ASSERT_TRUE(backend().other_client({{insert_row(m)}, ""}).status);
  const Outcome outcome = commit({insert_row(m)});
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Conflict) << outcome.status.error().message;
}

TEST_P(DatabaseContract, AReferenceToNothingIsRefused) {
  const Outcome outcome = commit({insert_row(segment(network("not inserted"), 7))});
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Invalid);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("references nonexistent row"));
}

TEST_P(DatabaseContract, ARowInUseCannotBeDeleted) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n), insert_row(segment(n, 7))});
  const Outcome outcome = commit({RowDelete{"Network", n.uuid}});
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Invalid) << outcome.status.error().message;
  EXPECT_TRUE(rows().networks.contains(n.uuid));
}

TEST_P(DatabaseContract, ARowOfANonRootTableGoesWithItsLastReference) {
  const Ml2Network n = network("n");
  Ml2Port p = port(n, "fa:16:3e:00:00:01");
  const Ml2AddressPair used{Uuid::random(), std::nullopt, "10.0.0.1"};
  const Ml2AddressPair unused{Uuid::random(), "fa:16:3e:00:00:02", "10.0.0.2"};
  p.allowed_address_pairs = {used.uuid};
  must_commit({insert_row(n), insert_row(p), insert_row(used), insert_row(unused)});
  EXPECT_EQ(rows().address_pairs.size(), 1U) << "nothing refers to the other";
  EXPECT_EQ(rows().address_pairs.at(used.uuid), used);

  must_commit({RowDelete{"Address_Pair", used.uuid}});
  EXPECT_TRUE(rows().address_pairs.contains(used.uuid)) << "the port still refers to it";
  must_commit({RowMutate{"Port", p.uuid, "allowed_address_pairs", {}, Datum::uuids({used.uuid})}});
  EXPECT_THAT(rows().address_pairs, IsEmpty());
}

TEST_P(DatabaseContract, WeakReferencesGoWithTheirTarget) {
  Ml2SecurityGroupRule rule;
  rule.uuid = Uuid::random();
  rule.direction = "ingress";
  rule.ethertype = "IPv4";
  Ml2SecurityGroup holder;
  holder.uuid = Uuid::random();
  holder.rules = {rule.uuid};
  Ml2SecurityGroup target;
  target.uuid = Uuid::random();
  rule.remote_group = target.uuid;
  must_commit({insert_row(rule), insert_row(holder), insert_row(target)});
  EXPECT_EQ(rows().security_group_rules.at(rule.uuid).remote_group, target.uuid);
  must_commit({RowDelete{"Security_Group", target.uuid}});
  EXPECT_EQ(rows().security_group_rules.at(rule.uuid).remote_group, std::nullopt);
}

TEST_P(DatabaseContract, AnImmutableColumnStaysAsItWasInserted) {
  const Ml2Network n = network("n");
  Ml2Segment s = segment(n, 7);
  must_commit({insert_row(n), insert_row(s)});
  s.name = "renamed";
  must_commit({RowUpdate{"Segment", s.uuid, to_columns(s)}});  // the immutable ones are written as they are
  EXPECT_EQ(rows().segments.at(s.uuid).name, "renamed");
  const Outcome outcome = commit({RowUpdate{"Segment", s.uuid, {{"network_type", Datum::of("geneve")}}}});
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Invalid);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("immutable column network_type"));
}

TEST_P(DatabaseContract, RangesAndEnumsAreHeld) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  const auto refused = [&](std::vector<Operation> operations, const char* words) {
    const Outcome outcome = commit(std::move(operations));
    ASSERT_FALSE(outcome.status) << words;
    EXPECT_EQ(outcome.status.error().kind, ErrorKind::Invalid);
    EXPECT_THAT(outcome.status.error().message, HasSubstr(words));
  };
  refused({RowUpdate{"Network", n.uuid, {{"mtu", Datum::of(std::int64_t{65536})}}}},
          "65536 is not in the valid range");
  Ml2Segment s = segment(n, 7);
  s.network_type = "token-ring";
  refused({insert_row(s)}, "is not one of the allowed values");
  refused({RowUpdate{"Network", n.uuid, {{"name", Datum::of("\xff\xfe")}}}}, "UTF-8");
  EXPECT_EQ(db().status().failures, 3U);
  EXPECT_TRUE(db().status().connected) << "a refusal costs no connection";
}

TEST_P(DatabaseContract, ATableHoldsNoMoreThanItsMaximum) {
  const std::vector<Operation> insert{RowInsert{"ML2_Global", Uuid::random(), {}, true}};
  must_commit(insert);
  const Outcome outcome = commit({RowInsert{"ML2_Global", Uuid::random(), {}, true}});
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::Invalid);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("limit of 1 row"));
}

TEST_P(DatabaseContract, WhatCannotBeSentIsRefusedAtOnce) {
  const Ml2Network n = network("n");
  must_commit({insert_row(n)});
  const std::uint64_t commits = db().status().commits;
  const Uuid nowhere = Uuid::random();
  const std::vector<Operation> wrong{
      RowInsert{"Net", nowhere, {}, true},
      RowInsert{"Network", nowhere, {{"colour", Datum::of("red")}}, true},
      RowInsert{"Network", nowhere, {{"name", Datum::of(std::int64_t{1})}}, true},
      RowInsert{"Network", nowhere, {{"name", Datum::none()}}, true},
      RowInsert{"Network", n.uuid, {}, false},
      RowInsert{"Network", nowhere, {{"name", Datum::strings({"a", "b"})}}, true},
      RowInsert{"Network", nowhere, {{"name", Datum::of(std::string("a\0b", 3))}}, true},
      RowInsert{"Network", nowhere, {{"external_ids", Datum::of("no map")}}, true},
      RowInsert{"Network", nowhere, {{"name", Datum::map({{"a", "map"}})}}, true},
      RowUpdate{"Network", nowhere, {{"name", Datum::of("x")}}},
      RowUpdate{"Network", n.uuid, {{"mtu", Datum::of("x")}}},
      RowMutate{"Network", n.uuid, "name", Datum::of("x"), {}},
      RowMutate{"Network", n.uuid, "external_ids", Datum::of("x"), {}},
      RowMutate{"Network", n.uuid, "colour", Datum::of("x"), {}},
      RowMutate{"Network", nowhere, "external_ids", Datum::map({{"a", "b"}}), {}},
      RowDelete{"Network", nowhere},
      RowDelete{"Net", n.uuid},
      RowVerify{"Network", nowhere, "name"},
      RowVerify{"Network", n.uuid, "colour"},
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    const Status sent = db().commit({{RowUpdate{"Network", n.uuid, {{"name", Datum::of("m")}}}, wrong[i]}, ""});
    ASSERT_FALSE(sent) << i;
    EXPECT_EQ(sent.error().kind, ErrorKind::Invalid) << i;
    EXPECT_FALSE(sent.error().message.empty()) << i;
    EXPECT_FALSE(db().busy());
  }
  EXPECT_EQ(db().commit({{RowInsert{"Network", nowhere, {}, true}, RowInsert{"Network", nowhere, {}, true}}, ""})
                .error()
                .kind,
            ErrorKind::Invalid);
  EXPECT_EQ(db().status().commits, commits);
  must_commit({RowUpdate{"Network", n.uuid, {{"name", Datum::of("good")}}}});
  EXPECT_EQ(rows().networks.at(n.uuid).name, "good") << "nothing of the refused ones is left over";
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
  EXPECT_EQ(before_n->column("name"), Datum::of("n")) << "the old value stays as it was";
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
