// The Database seam: what a server refuses, and how it is said.
#include "tests/contract/database_contract.h"

namespace ml2::ovsdb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
  EXPECT_TRUE(outcome.overtaken);
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

TEST_P(DatabaseContract, WhatIsNotReadIsWrittenWhole) {
  Ml2Network n = network("n");
  n.description = "ours";
  must_commit({insert_row(n)});
  EXPECT_EQ(all_rows().networks.at(n.uuid).description, "ours");
  EXPECT_FALSE(db().snapshot()->row("Network", n.uuid)->columns.contains("description"));
  // Nobody is told what another writes there; what we write is written, whatever is there.
  const std::uint64_t before = db().sequence();
  ASSERT_TRUE(
      backend().other_client({{RowUpdate{"Network", n.uuid, {{"description", Datum::of("theirs")}}}}, ""}).status);
  must_commit({RowUpdate{"Network", n.uuid, {{"description", Datum::of("")}}}});
  EXPECT_EQ(all_rows().networks.at(n.uuid).description, "");
  EXPECT_EQ(db().sequence(), before);
  EXPECT_FALSE(db().status().old_schema);
}

TEST_P(DatabaseContract, BelowLooksAtWhatTheServerHas) {
  Ml2Host host;
  host.uuid = Uuid::random();
  host.name = "h";
  host.heartbeat = 100;
  must_commit({insert_row(host)});
  const auto take = [&](const char* version, std::int64_t limit) {
    return commit({RowUpdate{"Host", host.uuid, {{"agent_version", Datum::of(version)}}},
                   RowBelow{"Host", host.uuid, "heartbeat", limit}});
  };
  const Outcome refused = take("1", 100);
  ASSERT_FALSE(refused.status);
  EXPECT_EQ(refused.status.error().kind, ErrorKind::Transient) << refused.status.error().message;
  EXPECT_TRUE(refused.overtaken);
  EXPECT_EQ(rows().hosts.at(host.uuid).agent_version, "");
  EXPECT_TRUE(take("2", 101).status);
  EXPECT_EQ(rows().hosts.at(host.uuid).agent_version, "2");

  ASSERT_TRUE(
      backend()
          .other_client({{RowUpdate{"Host", host.uuid, {{"heartbeat", Datum::of(Atom(std::int64_t{500}))}}}}, ""})
          .status);
  EXPECT_TRUE(take("3", 101).overtaken) << "of which we have not heard";
  // What the same transaction writes does not count.
  EXPECT_TRUE(commit({RowUpdate{"Host", host.uuid, {{"heartbeat", Datum::of(Atom(std::int64_t{1000}))}}},
                      RowBelow{"Host", host.uuid, "heartbeat", 501}})
                  .status);
  EXPECT_EQ(all_rows().hosts.at(host.uuid).heartbeat, 1000);
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
  Ml2Host h;
  h.uuid = Uuid::random();
  h.name = "h";
  must_commit({insert_row(n), insert_row(h)});
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
      RowVerify{"Network", n.uuid, "description"},
      RowMutate{"Host", h.uuid, "problems", Datum::of("x"), {}},
      RowUpdate{"Network", n.uuid, {{"description", Datum::of(Atom(std::int64_t{1}))}}},
      RowBelow{"Network", nowhere, "mtu", 1},
      RowBelow{"Network", n.uuid, "colour", 1},
      RowBelow{"Network", n.uuid, "name", 1},
      RowBelow{"Network", n.uuid, "external_ids", 1},
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

}  // namespace
}  // namespace ml2::ovsdb
