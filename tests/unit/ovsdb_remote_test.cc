// The pure parts of RemoteDatabase: remotes, what is asked and answered, a server's list of databases.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ovsdb/remotes.h"
#include "ovsdb/replica.h"
#include "ovsdb/request.h"
#include "ovsdb/server_error.h"
#include "ovsdb/server_probe.h"

namespace ml2::ovsdb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Remotes, SeveralWithSpaces) {
  const auto remotes =
      parse_remotes(" unix:/run/db.sock, tcp:192.0.2.1:6640,ssl:[2001:db8::1]:6640 ,tcp:db.example ");
  ASSERT_TRUE(remotes) << remotes.error().message;
  EXPECT_THAT(remotes->each,
              ElementsAre("unix:/run/db.sock", "tcp:192.0.2.1:6640", "ssl:[2001:db8::1]:6640", "tcp:db.example"));
  EXPECT_TRUE(remotes->any_tls);
  EXPECT_TRUE(remotes->any_network);
  EXPECT_EQ(remotes->joined(), "unix:/run/db.sock,tcp:192.0.2.1:6640,ssl:[2001:db8::1]:6640,tcp:db.example");
}

TEST(Remotes, ALocalOneNeedsNoProbe) {
  const auto remotes = parse_remotes("unix:/run/db.sock");
  ASSERT_TRUE(remotes);
  EXPECT_FALSE(remotes->any_network);
  EXPECT_FALSE(remotes->any_tls);
}

TEST(ServerError, ATakenIndexIsAConflict) {
  const Error error = server_error(
      R"({"details":"Transaction causes multiple rows in \"Host\" table to have identical values (h1) for index on )"
      R"(column \"name\".  First row, with UUID 1, was inserted by this transaction.","error":"constraint violation"})");
  EXPECT_EQ(error, (Error{ErrorKind::Conflict, "table Host already has a row with name = h1"}));
}

TEST(ServerError, OthersKeepTheServersWords) {
  EXPECT_EQ(
      server_error(R"({"error":"constraint violation","details":"70000 is not in the valid range"})"),
      (Error{ErrorKind::Invalid,
             "the database server refused the transaction: constraint violation: 70000 is not in the valid range"}));
  EXPECT_EQ(server_error(R"({"error":"referential integrity violation"})").kind, ErrorKind::Invalid);
  EXPECT_EQ(server_error(R"({"error":"duplicate uuid","details":"x"})").kind, ErrorKind::Conflict);
  EXPECT_EQ(server_error(R"({"error":"I/O error","details":"No space left on device"})").kind, ErrorKind::Transient);
  EXPECT_THAT(server_error(R"({"error":"not allowed","details":"read only"})").message, HasSubstr("read-only"));
}

TEST(ServerError, NonsenseIsQuoted) {
  for (const char* text : {"", "{", "[]", "null", "{\"error\": 1}", "no error details available"}) {
    const Error error = server_error(text);
    EXPECT_EQ(error.kind, ErrorKind::Invalid) << text;
    EXPECT_THAT(error.message, HasSubstr(text));
  }
}

TEST(Databases, WhatIsServedInsteadAndWhatToDo) {
  const char* answer = R"([{"rows":[{"name":"Open_vSwitch","model":"standalone","connected":true},
                                    {"name":"_Server","model":"standalone","connected":true}]}])";
  EXPECT_THAT(explain_databases(answer, "ML2", "unix:/s"),
              AllOf(HasSubstr("unix:/s"), HasSubstr("no database named ML2"), HasSubstr("it has: Open_vSwitch"),
                    HasSubstr("ml2-db create")));
  EXPECT_EQ(explain_databases(answer, "Open_vSwitch", "unix:/s"), "");
}

TEST(Databases, AClusterWithoutAMajority) {
  EXPECT_THAT(
      explain_databases(R"([{"rows":[{"name":"ML2","model":"clustered","connected":false}]}])", "ML2", "tcp:a"),
      HasSubstr("enough of the other servers of its cluster"));
}

TEST(Databases, NonsenseSaysNothing) {
  for (const char* text : {"", "{", "[]", "[1]", "[{}]", "null"}) {
    EXPECT_EQ(explain_databases(text, "ML2", "x"), "") << text;
  }
  for (const char* text :
       {"[{\"rows\":[1,{}]}]", "[{\"rows\":7}]", "[{\"rows\":[{\"name\":\"ML2\",\"connected\":7}]}]"}) {
    EXPECT_NO_THROW(static_cast<void>(explain_databases(text, "ML2", "x"))) << text;
  }
}

// By ovsdb-server(7) section 4.1.14: of sets and maps only the difference is sent.
TEST(Difference, OfASetItIsWhatIsInOneOfTheTwo) {
  const Datum before = Datum::strings({"a", "b", "c"});
  EXPECT_EQ(apply_difference(before, Datum::strings({"b", "d"}), true), Datum::strings({"a", "c", "d"}));
  EXPECT_EQ(apply_difference(before, before, true), Datum());
  EXPECT_EQ(apply_difference({}, before, true), before);
  EXPECT_EQ(apply_difference(before, {}, true), before);
}

TEST(Difference, OfAMapAKeyInBothHasItsNewValueOrGoes) {
  const Datum before = Datum::map({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  EXPECT_EQ(apply_difference(before, Datum::map({{"a", "1"}, {"b", "9"}, {"d", "4"}}), true),
            Datum::map({{"b", "9"}, {"c", "3"}, {"d", "4"}}));
}

TEST(Difference, OfAScalarItIsTheNewValue) {
  EXPECT_EQ(apply_difference(Datum::of("a"), Datum::of("b"), false), Datum::of("b"));
  EXPECT_EQ(apply_difference(Datum::of("a"), {}, false), Datum()) << "an optional one that is taken away";
}

class RequestTest : public ::testing::Test {
 protected:
  RequestTest() : layout_({{"Root", {"name", "options", "members", "number", "count"}}, {"Leaf", {"name"}}}) {
    const auto type = [](std::size_t key, std::size_t min, std::size_t max) {
      return ColumnType{.key = key, .value = std::nullopt, .n_min = min, .n_max = max};
    };
    TableLayout& leaf = layout_.tables[0];
    leaf.types = {type(3, 1, 1)};
    leaf.is_root = false;
    TableLayout& root = layout_.tables[1];  // count, members, name, number, options
    root.types = {type(0, 1, 1), type(4, 0, 100), type(3, 1, 1), type(0, 0, 1), type(3, 0, 100)};
    root.types[4].value = 3;
    root.is_singleton = true;
    auto row = std::make_shared<Row>();
    row->uuid = id_;
    row->columns.set("name", Datum::of("n"));
    row->columns.set("options", Datum::map({{"a", "1"}}));
    snapshot_.tables["Root"][id_] = row;
    snapshot_.tables["Leaf"];
  }
  nlohmann::json request(std::vector<Operation> operations) {
    auto made = make_request("DB", layout_, snapshot_, {std::move(operations), ""});
    EXPECT_TRUE(made) << made.error().message;
    if (!made || made->json.empty()) return nullptr;
    return nlohmann::json::parse(made->json);
  }

  const Uuid id_ = *Uuid::parse("11111111-2222-3333-4444-555555555555");
  const Uuid leaf_ = *Uuid::parse("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
  Layout layout_;
  Snapshot snapshot_;
};

TEST_F(RequestTest, WhatIsThereAlreadyIsNotSent) {
  EXPECT_EQ(request({RowUpdate{"Root", id_, {{"name", Datum::of("n")}}},
                     RowMutate{"Root", id_, "options", Datum::map({{"a", "1"}}), Datum::strings({"not there"})}}),
            nullptr);
  EXPECT_EQ(request({RowVerify{"Root", id_, "name"}}), nullptr) << "on nothing rests nothing";
  // But what was written before in the same transaction is no longer what is there.
  EXPECT_EQ(request({RowUpdate{"Root", id_, {{"name", Datum::of("m")}}},
                     RowUpdate{"Root", id_, {{"name", Datum::of("n")}}}})
                .size(),
            3U);
}

TEST_F(RequestTest, AnInsertedRowIsReferredToByName) {
  const auto json = request({RowMutate{"Root", id_, "members", Datum::uuids({leaf_}), {}},
                             RowInsert{"Leaf", leaf_, {{"name", Datum::of("l")}}}});
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[1]["op"], "insert");
  EXPECT_EQ(json[1]["uuid-name"], "rowaaaaaaaa_bbbb_cccc_dddd_eeeeeeeeeeee");
  EXPECT_EQ(json[2]["mutations"].dump(),
            R"([["members","insert",["named-uuid","rowaaaaaaaa_bbbb_cccc_dddd_eeeeeeeeeeee"]]])");
  EXPECT_EQ(json[2]["where"].dump(), R"([["_uuid","==",["uuid","11111111-2222-3333-4444-555555555555"]]])");
}

TEST_F(RequestTest, AConditionComesFirst) {
  const auto json = request({RowUpdate{"Root", id_, {{"name", Datum::of("m")}}}, RowBelow{"Root", id_, "count", 5}});
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[1]["op"], "wait");
  EXPECT_EQ(json[1]["timeout"], 0);
  EXPECT_EQ(json[1]["until"], "==");
  EXPECT_EQ(json[1]["rows"].dump(), "[]");
  EXPECT_EQ(json[1]["where"].dump(),
            R"([["_uuid","==",["uuid","11111111-2222-3333-4444-555555555555"]],["count",">=",5]])");
  EXPECT_EQ(json[2]["op"], "update");
  EXPECT_EQ(request({RowBelow{"Root", id_, "count", 5}}), nullptr) << "on nothing rests nothing";
}

TEST_F(RequestTest, AKeyOfAMapIsReplaced) {
  const auto json = request({RowMutate{"Root", id_, "options", Datum::map({{"a", "2"}}), {}}});
  EXPECT_EQ(json[1]["mutations"].dump(), R"([["options","delete","a"],["options","insert",["map",[["a","2"]]]]])");
}

TEST_F(RequestTest, EmptyValuesHaveTheirColumnsForm) {
  const auto json =
      request({RowUpdate{"Root", id_, {{"options", Datum()}}}, RowInsert{"Leaf", leaf_, {{"name", Datum::of("")}}}});
  EXPECT_EQ(json[1]["row"].dump(), "{}") << "a default is not sent";
  EXPECT_EQ(json[2]["row"].dump(), R"({"options":["map",[]]})");
}

TEST_F(RequestTest, TheOneRowOfATableIsInsertedOnlyIfThereIsNone) {
  snapshot_.tables["Root"].clear();
  const auto json = request({RowInsert{"Root", id_, {{"name", Datum::of("n")}}, true}});
  EXPECT_EQ(json[1]["op"], "wait");
  EXPECT_EQ(json[2]["uuid"], id_.to_string());
}

TEST_F(RequestTest, MistakesAreInvalid) {
  const std::vector<Operation> wrong = {RowUpdate{"Root", leaf_, {}},
                                        RowUpdate{"None", id_, {}},
                                        RowUpdate{"Root", id_, {{"none", Datum::of("x")}}},
                                        RowUpdate{"Root", id_, {{"name", Datum::of(std::int64_t{1})}}},
                                        RowUpdate{"Root", id_, {{"name", Datum()}}},
                                        RowUpdate{"Root", id_, {{"name", Datum::of(std::string("a\0b", 3))}}},
                                        RowMutate{"Root", id_, "name", Datum::of("x"), {}},
                                        RowMutate{"Root", id_, "options", Datum::of("x"), {}}};
  for (const Operation& operation : wrong) {
    const auto made = make_request("DB", layout_, snapshot_, {{operation}, ""});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, ErrorKind::Invalid);
  }
}

TEST(Answer, NonsenseIsAnError) {
  for (const char* text : {"", "{", "7", "null", "{}", "[7]", "[{\"error\":7}]", "[{\"error\":{\"error\":{}}}]"}) {
    EXPECT_NO_THROW(static_cast<void>(read_answer("DB", {}, false, text))) << text;
    EXPECT_FALSE(read_answer("DB", {}, true, text).status) << text;
  }
  Request request;
  request.inserted = {{Uuid::random(), 0}, {Uuid::random(), 9}};
  for (const char* text :
       {"[{}]", "[{\"uuid\":7}]", "[{\"uuid\":[]}]", "[{\"uuid\":[1,2]}]", "[{\"uuid\":[\"uuid\",\"x\"]}]"}) {
    const Outcome outcome = read_answer("DB", request, false, text);
    EXPECT_TRUE(outcome.status);
    EXPECT_TRUE(outcome.inserted.empty()) << text;
  }
}

TEST(Answer, ARaceIsTransient) {
  EXPECT_EQ(read_answer("DB", {}, false, R"([{"error":"timed out"},null])").status.error().kind,
            ErrorKind::Transient);
  EXPECT_EQ(read_answer("DB", {}, true, R"("canceled")").status.error().kind, ErrorKind::Transient);
  EXPECT_EQ(
      read_answer("DB", {}, false, R"([{},{"error":"constraint violation","details":"d"}])").status.error().kind,
      ErrorKind::Invalid);
}

}  // namespace
}  // namespace ml2::ovsdb
