// Tables and JSON of ml2ctl, and its KEY=VALUE options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/ctl/key_values.h"
#include "agent/ctl/output.h"
#include "agent/ctl/trace_text.h"

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

TEST(Output, ALongCellGoesOnInTheNextLineWhereItHasASpace) {
  const std::string word(50, 'x');
  const std::string rule = "+" + std::string(52, '-') + "+\n", line = "| " + word + " |\n";
  EXPECT_EQ(make_table({"N"}, {{word + " " + word}}),
            rule + "| N" + std::string(50, ' ') + "|\n" + rule + line + line + rule);
  EXPECT_THAT(make_table({"N"}, {{std::string(200, 'y')}}),
              ::testing::HasSubstr("| " + std::string(200, 'y') + " |"));
  EXPECT_THAT(make_table({"N"}, {{" a  b"}}), ::testing::HasSubstr("|  a  b |"));
}

TEST(Output, EmptyValuesOfAMapAreLeftOut) {
  EXPECT_EQ(to_cell({{"protocol", ""}, {"direction", "egress"}}), "direction='egress'");
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

// --- trace

// As ovs-vswitchd 3.1 answers.
constexpr const char* kAnswer =
    R"(Flow: icmp,in_port=3,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02

bridge("br-int")
----------------
 0. priority 0, cookie 0x6d6c000000000001
    goto_table:60
60. priority 3, cookie 0x6d6c000000000001
    NORMAL
     -> learned that fa:16:3e:00:00:01 is on port tap1 in VLAN 1
     -> forwarding to learned port

bridge("br-tun")
----------------
 0. in_port=1, priority 1, cookie 0x6d6c000000000001
    resubmit(,2)
    2. dl_dst=00:00:00:00:00:00/01:00:00:00:00:00, priority 0
            resubmit(,20)
        20. No match.
                drop
                 >> Cannot truncate output to patch port

Final flow: unchanged
Megaflow: recirc_id=0,eth,icmp,in_port=3
Datapath actions: drop
)";

TEST(TraceText, StagesHaveTheNamesOfTheirTables) {
  const Trace trace = read_trace(kAnswer, {"br-int", "br-tun"});
  ASSERT_EQ(trace.stages.size(), 5U);
  EXPECT_EQ(trace.stages[0].table_name, "local_switching");
  EXPECT_EQ(trace.stages[1].table_name, "transient");
  EXPECT_THAT(trace.stages[1].actions, testing::ElementsAre("NORMAL"));
  EXPECT_THAT(trace.stages[1].notes, testing::ElementsAre(HasSubstr("learned that"), "forwarding to learned port"));
  EXPECT_EQ(trace.stages[2].bridge, "br-tun");
  EXPECT_EQ(trace.stages[3].table_name, "patch_lv_to_tun");
  EXPECT_EQ(trace.stages[4].match, "No match.");
  EXPECT_EQ(trace.megaflow, "recirc_id=0,eth,icmp,in_port=3");
  EXPECT_TRUE(trace.dropped);
  EXPECT_THAT(trace_table(trace), HasSubstr("result: DROPPED in br-tun table 20 ucast_to_tun"));
  EXPECT_EQ(trace_json(trace)["stages"][1]["table"], 60);
}

TEST(TraceText, NonsenseIsNoTraceAndNoCrash) {
  EXPECT_TRUE(read_trace("", {}).stages.empty());
  EXPECT_TRUE(read_trace("bridge(\"\n99999. x\n -> y\n", {}).dropped);
}

TEST(TraceText, AFlowGetsWhatThePortKnows) {
  const TraceSource source{"3", "fa:16:3e:00:00:01", "10.0.0.2", "fd00::2"};
  EXPECT_EQ(complete_flow("icmp,nw_dst=10.0.0.5", source),
            "icmp,nw_dst=10.0.0.5,in_port=3,dl_src=fa:16:3e:00:00:01,nw_src=10.0.0.2");
  EXPECT_EQ(complete_flow("icmp6,dl_src=02:00:00:00:00:01", source),
            "icmp6,dl_src=02:00:00:00:00:01,in_port=3,ipv6_src=fd00::2");
  EXPECT_EQ(complete_flow("in_port=7,ip,nw_src=10.9.9.9,dl_src=02:00:00:00:00:01", {}),
            "in_port=7,ip,nw_src=10.9.9.9,dl_src=02:00:00:00:00:01");
}

}  // namespace
}  // namespace ml2::ctl
