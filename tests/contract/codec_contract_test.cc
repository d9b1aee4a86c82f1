// The codec against real flows of the field (codec_golden.flows) and a real ovs-vswitchd.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "datapath/openflow/codec.h"
#include "datapath/openflow/messages.h"
#include "tests/contract/message_shim.h"
#include "tests/contract/switch_rig.h"

namespace ml2::of {
namespace {

// A line of ovs-ofctl dump-flows --no-stats.
std::pair<FlowKey, FlowBody> read_line(const std::string& line) {
  FlowKey key{.table = 0, .priority = 32768, .match = ""};
  FlowBody body;
  const std::size_t split = line.find(" actions=");
  body.actions = line.substr(split + 9);
  std::string head = line.substr(0, split);
  std::size_t comma = 0;
  for (; (comma = head.find(", ")) != std::string::npos; head = head.substr(comma + 2)) {
    const std::string word = head.substr(0, comma);
    const std::string value = word.substr(word.find('=') + 1);
    if (word.starts_with("cookie=")) body.cookie = std::stoull(value, nullptr, 16);
    if (word.starts_with("table=")) key.table = static_cast<std::uint8_t>(std::stoul(value));
    if (word.starts_with("hard_timeout=")) body.hard_timeout = static_cast<std::uint16_t>(std::stoul(value));
    if (word.starts_with("idle_timeout=")) body.idle_timeout = static_cast<std::uint16_t>(std::stoul(value));
  }
  if (head.starts_with("priority=")) {
    std::size_t length = 0;
    key.priority = static_cast<std::uint16_t>(std::stoul(head.substr(9), &length));
    head = head.substr(9 + length);
    if (head.starts_with(",")) head = head.substr(1);
  }
  key.match = head;
  return {key, body};
}

// By section of the file.
std::map<std::string, FlowSet> golden() {
  std::map<std::string, FlowSet> result;
  std::ifstream file(ML2_SOURCE_DIR "/tests/contract/codec_golden.flows");
  std::string section;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    if (line.starts_with("[")) {
      section = line;
    } else {
      result[section].insert(read_line(line));
    }
  }
  return result;
}

TEST(Codec, FlowsAsOpenVSwitchPrintsThemAreCanonical) {
  const auto sections = golden();
  ASSERT_EQ(sections.size(), 18U);
  for (const auto& [section, flows] : sections) {
    const auto result = canonical(flows);
    ASSERT_TRUE(result) << section << " " << result.error().message;
    EXPECT_EQ(*result, flows) << section;
  }
}

TEST(Codec, ARealSwitchReportsTheCanonicalForm) {
  const auto rig = make_real_rig();
  Switch& sw = rig->open("br0");
  ASSERT_TRUE(rig->until([&] { return sw.flows() != nullptr; }));
  for (const auto& [section, flows] : golden()) {
    FlowSet wanted;
    Bundle bundle;
    for (const auto& [key, body] : flows) {
      bundle.mods.push_back({.command = FlowMod::Command::Add, .key = key, .body = body});
      wanted.emplace(key, body);
    }
    ASSERT_TRUE(sw.commit(bundle));
    std::optional<Status> outcome;
    ASSERT_TRUE(rig->until([&] { return (outcome = sw.take_outcome()).has_value(); }));
    ASSERT_TRUE(*outcome) << section << " " << outcome->error().message;
    EXPECT_EQ(*sw.flows(), wanted) << section;
    EXPECT_EQ(rig->fresh_flows("br0"), wanted) << section;

    for (FlowMod& mod : bundle.mods) mod.command = FlowMod::Command::Delete;
    ASSERT_TRUE(sw.commit(bundle));
    ASSERT_TRUE(rig->until([&] { return (outcome = sw.take_outcome()).has_value(); }));
    EXPECT_TRUE(rig->fresh_flows("br0").empty()) << section;
  }
}

// Other spellings of what golden flows say, and what they become.
TEST(Codec, SpellingsBecomeOne) {
  struct Case {
    FlowKey key;
    const char* actions;
    const char* match;
    const char* canonical_actions;
  };
  for (const Case& c : std::vector<Case>{
           {{0, 1, "dl_vlan=3"},
            "mod_vlan_vid:5,strip_vlan,normal",
            "dl_vlan=3",
            "set_field:4101->vlan_vid,pop_vlan,NORMAL"},
           {{0, 1, ""}, "", "", "drop"},
           {{0, 1, "dl_type=0x86dd,nw_proto=58,icmp_type=136"}, "drop", "icmp6,icmp_type=136", "drop"},
           {{0, 1, "eth_dst=FA:16:3E:00:00:01"}, "in_port,output:LOCAL", "dl_dst=fa:16:3e:00:00:01", "IN_PORT,LOCAL"},
           {{0, 1, "ip,nw_src=10.0.0.7/255.255.255.0"},
            "set_tunnel:1270",
            "ip,nw_src=10.0.0.0/24",
            "set_field:0x4f6->tun_id"},
           {{0, 1, "vlan_tci=0"}, "drop", "vlan_tci=0x0000/0x1fff", "drop"},
           {{0, 1, "tcp,tp_dst=0x1F40/0xfff8"}, "drop", "tcp,tp_dst=0x1f40/0xfff8", "drop"},
       }) {
    const auto once = canonical(c.key, {.actions = c.actions});
    ASSERT_TRUE(once) << once.error().message;
    EXPECT_EQ(once->first.match, c.match);
    EXPECT_EQ(once->second.actions, c.canonical_actions);
    const auto twice = canonical(once->first, once->second);
    ASSERT_TRUE(twice) << twice.error().message;
    EXPECT_EQ(*twice, *once);
  }
}

// Whether canonical() left the message to encode() or it was made anew: its bytes are the same, its number is its own.
TEST(Codec, AMessageOfACanonicalFlowIsAlwaysTheSame) {
  for (const auto& [section, flows] : golden()) {
    for (const auto& [key, body] : flows) {
      const auto flow = canonical(key, body);
      ASSERT_TRUE(flow) << flow.error().message;
      const FlowMod mod{.command = FlowMod::Command::Add, .key = flow->first, .body = flow->second};
      const auto kept = encode(mod);
      const auto anew = encode(mod);
      ASSERT_TRUE(kept && anew);
      EXPECT_EQ(kept->canonical, mod);
      EXPECT_EQ(anew->canonical, mod);
      EXPECT_EQ(bytes_without_id(kept->message), bytes_without_id(anew->message)) << to_text(key, body);
      EXPECT_NE(transaction_id(kept->message), transaction_id(anew->message));
      // Another command, or another body, is another message.
      static_cast<void>(canonical(key, body));
      const auto removed = encode({.command = FlowMod::Command::Delete, .key = mod.key, .body = {}});
      ASSERT_TRUE(removed);
      EXPECT_NE(bytes_without_id(removed->message), bytes_without_id(anew->message));
      FlowMod other = mod;
      other.body.cookie ^= 1U;
      const auto changed = encode(other);
      ASSERT_TRUE(changed);
      EXPECT_NE(bytes_without_id(changed->message), bytes_without_id(anew->message));
    }
  }
}

TEST(Codec, RefusesWithTheFlowAndTheReason) {
  struct Case {
    FlowKey key;
    FlowBody body;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{
           {{0, 1, "in_prt=3"}, {.actions = "drop"}, "unknown keyword in_prt"},
           {{0, 1, ""}, {.actions = "outptu:3"}, "unknown action outptu"},
           {{0, 1, "nw_src=10.0.0.1"}, {.actions = "drop"}, "would match everything"},
           {{0, 1, "arp,tp_dst=80"}, {.actions = "drop"}, "would match \"arp\""},
           {{0, 1, "priority=7"}, {.actions = "drop"}, "packet fields only"},
           {{0, 1, "send_flow_rem"}, {.actions = "drop"}, "packet fields only"},
           {{0, 1, "table=3"}, {.actions = "drop"}, "packet fields only"},
           {{0, 1, "cookie=3"}, {.actions = "drop"}, "packet fields only"},
           {{0, 1, "actions=drop"}, {.actions = "drop"}, "names actions"},
           {{0, 1, std::string("ip\0arp", 6)}, {.actions = "drop"}, "zero byte"},
           {{4, 1, ""}, {.actions = "goto_table:4"}, "OFPBIC_BAD_TABLE_ID"},
           {{0, 1, ""}, {.actions = std::string(200'000, 'x')}, "longer than"},
       }) {
    const auto result = canonical(c.key, c.body);
    ASSERT_FALSE(result) << to_text(c.key, c.body);
    EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
    EXPECT_NE(result.error().message.find(c.says), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find("flow \"table="), std::string::npos) << result.error().message;
  }
}

// A flow's message has at most 65,535 bytes; each output is 16 of them.
TEST(Codec, AFlowThatDoesNotFitIntoAMessageIsRefused) {
  std::string actions = "output:1";
  for (int i = 1; i < 4000; ++i) actions += ",output:1";
  EXPECT_TRUE(canonical({0, 1, ""}, {.actions = actions}));
  for (int i = 4000; i < 4091; ++i) actions += ",output:1";
  const auto by_us = canonical({0, 1, ""}, {.actions = actions});
  ASSERT_FALSE(by_us);
  EXPECT_NE(by_us.error().message.find("65520 bytes"), std::string::npos) << by_us.error().message;
  for (int i = 4091; i < 5000; ++i) actions += ",output:1";
  const auto by_parser = canonical({0, 1, ""}, {.actions = actions});
  ASSERT_FALSE(by_parser);
  EXPECT_NE(by_parser.error().message.find("too big"), std::string::npos) << by_parser.error().message;
}

TEST(Codec, TwoSpellingsOfOneFlowInASetAreRefused) {
  const auto result = canonical(FlowSet{{{0, 1, "arp"}, {"drop"}}, {{0, 1, "dl_type=0x0806"}, {"drop"}}});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("twice"), std::string::npos) << result.error().message;
}

}  // namespace
}  // namespace ml2::of
