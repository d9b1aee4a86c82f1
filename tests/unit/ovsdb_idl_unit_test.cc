// The pure parts of IdlDatabase: remotes, a server's refusals, a server's list of databases.
#include <gmock/gmock.h>

#include "ovsdb/idl_remotes.h"
#include "ovsdb/idl_server_error.h"
#include "ovsdb/idl_server_probe.h"

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

}  // namespace
}  // namespace ml2::ovsdb
