// Tables and JSON of ml2ctl, and its KEY=VALUE options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/ctl/key_values.h"
#include "agent/ctl/output.h"

namespace ml2::ctl {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Output, AListIsATable) {
  const json objects =
      json::array({{{"id", "1"}, {"name", "blue"}, {"mtu", 1450}}, {{"id", "22"}, {"name", nullptr}, {"mtu", 9000}}});
  EXPECT_EQ(format_list(Format::Table, objects, {{"ID", "id"}, {"Name", "name"}, {"MTU", "mtu"}}),
            "+----+------+------+\n"
            "| ID | Name | MTU  |\n"
            "+----+------+------+\n"
            "| 1  | blue | 1450 |\n"
            "| 22 |      | 9000 |\n"
            "+----+------+------+\n");
}

TEST(Output, AnEmptyListHasItsTitles) {
  EXPECT_EQ(format_list(Format::Table, json::array(), {{"ID", "id"}}), "+----+\n| ID |\n+----+\n");
  EXPECT_EQ(format_list(Format::Json, json::array(), {{"ID", "id"}}), "[]\n");
}

TEST(Output, OneObjectIsFieldAndValue) {
  const json object{{"admin_state_up", true},
                    {"fixed_ips", json::array({{{"ip_address", "10.0.0.2"}}, {{"ip_address", "fd00::2"}}})},
                    {"name", "p"}};
  EXPECT_EQ(format_object(Format::Table, object),
            "+----------------+-----------------------+\n"
            "| Field          | Value                 |\n"
            "+----------------+-----------------------+\n"
            "| admin_state_up | true                  |\n"
            "| fixed_ips      | ip_address='10.0.0.2' |\n"
            "|                | ip_address='fd00::2'  |\n"
            "| name           | p                     |\n"
            "+----------------+-----------------------+\n");
}

TEST(Output, JsonIsTheWholeObject) {
  const json object{{"name", "p"}, {"mtu", 1450}};
  EXPECT_EQ(json::parse(format_object(Format::Json, object)), object);
  EXPECT_EQ(json::parse(format_list(Format::Json, json::array({object}), {{"Name", "name"}})), json::array({object}));
}

TEST(Output, BadBytesDoNotReachTheTerminalOrStopIt) {
  const json object{{"name", "a\x1b[31mb"}, {"other", std::string("\xff\xfe")}};
  EXPECT_EQ(format_object(Format::Table, object).find('\x1b'), std::string::npos);
  EXPECT_TRUE(json::accept(format_object(Format::Json, object)));
}

TEST(Output, WidthCountsCharacters) {
  EXPECT_EQ(make_table({"N"}, {{"\xc3\xa9"}}), "+---+\n| N |\n+---+\n| \xc3\xa9 |\n+---+\n");
}

TEST(KeyValues, ArePairsOfKnownKeys) {
  const auto both = parse_key_values("subnet=s1,ip-address=fd00::1", {"subnet", "ip-address"}, {});
  ASSERT_TRUE(both);
  EXPECT_EQ(*both, (KeyValues{{"subnet", "s1"}, {"ip-address", "fd00::1"}}));
  EXPECT_THAT(parse_key_values("subnt=s1", {"subnet"}, {}).error().message, HasSubstr("expected subnet=VALUE"));
  EXPECT_THAT(parse_key_values("subnet", {"subnet"}, {}).error().message, HasSubstr("expected subnet=VALUE"));
  EXPECT_THAT(parse_key_values("start=1", {"start", "end"}, {"start", "end"}).error().message,
              HasSubstr("end= is missing"));
  EXPECT_THAT(parse_key_values("end=1,end=2", {"end"}, {}).error().message, HasSubstr("given twice"));
}

}  // namespace
}  // namespace ml2::ctl
