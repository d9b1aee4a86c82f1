// agent/config/value: the types of oslo.config, one test for each.
#include <gmock/gmock.h>

#include "agent/config/options.h"
#include "agent/config/value.h"

namespace ml2::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Option option(OptionType type) {
  Option made;
  made.group = "g";
  made.name = "n";
  made.type = type;
  return made;
}

Option checked(OptionType type, Check check) {
  Option made = option(type);
  made.check = check;
  return made;
}

Value good(const Option& of, std::string_view text) {
  auto value = parse_value(of, text);
  EXPECT_TRUE(value.has_value()) << "'" << text << "': " << (value ? "" : value.error().message);
  return value ? *value : Value("?");
}

bool bad(const Option& of, std::string_view text) { return !parse_value(of, text).has_value(); }

TEST(Value, Bool) {
  const Option of = option(OptionType::Bool);
  for (const char* text : {"true", "True", "TRUE", "1", "on", "yes", "YeS"}) EXPECT_EQ(good(of, text), Value(true));
  for (const char* text : {"false", "0", "Off", "no"}) EXPECT_EQ(good(of, text), Value(false));
  for (const char* text : {"", "2", "maybe", "t", "true ", "enabled"}) EXPECT_TRUE(bad(of, text)) << text;
}

TEST(Value, IntIsPythonsInt) {
  const Option of = option(OptionType::Int);
  EXPECT_EQ(good(of, "7"), Value(std::int64_t{7}));
  EXPECT_EQ(good(of, "+7"), Value(std::int64_t{7}));
  EXPECT_EQ(good(of, "-7"), Value(std::int64_t{-7}));
  EXPECT_EQ(good(of, "1_000"), Value(std::int64_t{1000}));
  EXPECT_EQ(good(of, "007"), Value(std::int64_t{7}));
  EXPECT_EQ(good(of, " 7 "), Value(std::int64_t{7}));
  EXPECT_EQ(good(of, ""), Value()) << "empty is None";
  for (const char* text :
       {"0x10", "1.0", "ten", "1__0", "_1", "1_", "+-1", "--1", "5 # c", "+", "9223372036854775808"}) {
    EXPECT_TRUE(bad(of, text)) << text;
  }
}

TEST(Value, IntHasLimitsAndChoices) {
  Option of = option(OptionType::Int);
  of.min = 1;
  of.max = 4094;
  EXPECT_EQ(allowed(of), "an integer from 1 to 4094");
  EXPECT_TRUE(bad(of, "0"));
  EXPECT_TRUE(bad(of, "4095"));
  EXPECT_EQ(good(of, "4094"), Value(std::int64_t{4094}));
  const Option& version = *find_option("ml2", "overlay_ip_version");
  EXPECT_EQ(good(version, "6"), Value(std::int64_t{6}));
  EXPECT_TRUE(bad(version, "5"));
}

TEST(Value, Float) {
  const Option of = option(OptionType::Float);
  EXPECT_EQ(good(of, "1.5"), Value(1.5));
  EXPECT_EQ(good(of, "1e3"), Value(1000.0));
  EXPECT_EQ(good(of, "+.5"), Value(0.5));
  EXPECT_EQ(good(of, ""), Value());
  for (const char* text : {"x", "inf", "nan", "1,5", "1e999"}) EXPECT_TRUE(bad(of, text)) << text;
}

TEST(Value, PortIsZeroTo65535) {
  const Option& of = *find_option("agent", "vxlan_udp_port");
  EXPECT_EQ(good(of, "0"), Value(std::int64_t{0}));
  EXPECT_EQ(good(of, "65535"), Value(std::int64_t{65535}));
  EXPECT_TRUE(bad(of, "65536"));
  EXPECT_TRUE(bad(of, "-1"));
}

TEST(Value, IpIsWhatInetPtonTakes) {
  const Option of = option(OptionType::Ip);
  EXPECT_EQ(good(of, "192.0.2.1"), Value("192.0.2.1"));
  EXPECT_EQ(good(of, "2001:DB8::1"), Value("2001:DB8::1")) << "kept as written";
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "host", "fe80::1%eth0", "1.2.3.4/24"})
    EXPECT_TRUE(bad(of, text));
}

TEST(Value, HostAddressIsAnAddressOrAHostName) {
  const Option of = option(OptionType::HostAddress);
  for (const char* text : {"a", "a.example", "1.2.3.4", "::1", "host-1", "1a"})
    EXPECT_EQ(good(of, text), Value(text));
  EXPECT_EQ(good(of, "a.example."), Value("a.example"));
  for (const char* text : {"", "a_b", "-a", "a-", "a..b", "1.2.3", "a.1", "a b"}) EXPECT_TRUE(bad(of, text)) << text;
  EXPECT_TRUE(bad(of, std::string(64, 'a')));
}

TEST(Value, ChoicesAreCaseSensitiveUnlessDeclared) {
  const Option& datapath = *find_option("ovs", "datapath_type");
  EXPECT_EQ(good(datapath, "netdev"), Value("netdev"));
  EXPECT_TRUE(bad(datapath, "Netdev"));
  EXPECT_TRUE(bad(datapath, ""));
  EXPECT_EQ(allowed(datapath), "one of system, netdev");
  const Option& rotation = *find_option("DEFAULT", "log_rotation_type");
  EXPECT_EQ(good(rotation, "SIZE"), Value("SIZE"));
}

TEST(Value, ListDropsOneRunOfTrailingCommasAndKeepsEmptyItems) {
  const Option of = option(OptionType::List);
  EXPECT_EQ(good(of, " a , b "), Value(StringList{"a", "b"}));
  EXPECT_EQ(good(of, "a,,b,,,"), Value(StringList{"a", "", "b"}));
  EXPECT_EQ(good(of, ",a"), Value(StringList{"", "a"}));
  EXPECT_EQ(good(of, ""), Value(StringList{}));
  EXPECT_EQ(good(of, ",,"), Value(StringList{}));
  EXPECT_EQ(good(of, "a, ,"), Value(StringList{"a", ""}));
  EXPECT_EQ(good(of, "a,\nb"), Value(StringList{"a", "b"}));
  EXPECT_EQ(good(of, "a\nb"), Value(StringList{"a\nb"})) << "no comma at the line's end: one item";
}

TEST(Value, DictJoinsAPartWithoutColonToTheNext) {
  const Option of = option(OptionType::Dict);
  EXPECT_EQ(good(of, "a:1, b : 2:3"), Value(StringMap{{"a", "1"}, {"b", "2:3"}}));
  EXPECT_EQ(good(of, "a:1,2,b:3"), Value(StringMap{{"a", "1"}, {"2,b", "3"}}));
  EXPECT_EQ(good(of, ""), Value(StringMap{}));
  for (const char* text : {"a", "a:1,", "a:1,b", ":1", "a:1,a:2"}) EXPECT_TRUE(bad(of, text)) << text;
}

TEST(Value, PhysicalNetworkMtusTakeTheListAndTheDictForm) {
  const Option of = checked(OptionType::Dict, Check::Mtus);
  EXPECT_EQ(good(of, "p1:9000, p2:1500,"), Value(StringMap{{"p1", "9000"}, {"p2", "1500"}}));
  EXPECT_EQ(good(of, "p1:9000,,p2:1500"), Value(StringMap{{"p1", "9000"}, {"p2", "1500"}}));
  for (const char* text : {"p1", "p1:x", "p1:1:2", "p1:1,p1:2", "p1:70000"}) EXPECT_TRUE(bad(of, text)) << text;
}

TEST(Value, ChecksNeutronsOwnLanguages) {
  EXPECT_TRUE(bad(checked(OptionType::List, Check::BridgeMappings), "a:b,c"));
  EXPECT_TRUE(bad(checked(OptionType::List, Check::VlanRanges), "p:1"));
  EXPECT_TRUE(bad(checked(OptionType::List, Check::VniRanges), "1:16777216"));
  EXPECT_TRUE(bad(checked(OptionType::List, Check::TunnelTypes), "vxlan,stt"));
  EXPECT_TRUE(bad(checked(OptionType::List, Check::ServerPorts), "8.8.8.8"));
  EXPECT_TRUE(bad(checked(OptionType::List, Check::ServerPorts), "fd00::1:53"));
  EXPECT_TRUE(bad(checked(OptionType::List, Check::OvsdbRemotes), "unix:/a,udp:1"));
  EXPECT_TRUE(bad(checked(OptionType::String, Check::Mac), "fa:16:3e"));
  EXPECT_TRUE(bad(checked(OptionType::String, Check::Cidr), "240.0.0.0/33"));
  EXPECT_TRUE(bad(checked(OptionType::String, Check::FirewallDriver), "nftables"));
  good(checked(OptionType::List, Check::ServerPorts), "8.8.8.8:53,[fd00::1]:53");
  good(checked(OptionType::List, Check::OvsdbRemotes), "tcp:10.0.0.1:6641,tcp:10.0.0.2:6641,ssl:[::1]:6641,unix:/a");
}

TEST(Value, PrintsAsInAFileAndAsPython) {
  EXPECT_EQ(to_text(Value(StringList{"a", "b"})), "a,b");
  EXPECT_EQ(to_text(Value(StringMap{{"a", "1"}, {"b", "2"}})), "a:1,b:2");
  EXPECT_EQ(to_text(Value(true)), "true");
  EXPECT_EQ(to_text(Value(30.0)), "30.0");
  EXPECT_EQ(to_text(Value()), "");
  EXPECT_EQ(to_python(Value(true)), "True");
  EXPECT_EQ(to_python(Value(StringList{"a", "it's"})), "['a', \"it's\"]");
  EXPECT_EQ(to_python(Value(StringMap{{"a", "1"}})), "{'a': '1'}");
}

TEST(Options, EveryDefaultIsGoodAndEveryRowIsWhole) {
  EXPECT_GT(all_options().size(), 190U);
  for (const Option& of : all_options()) {
    EXPECT_FALSE(of.meaning.empty()) << of.name;
    EXPECT_FALSE(of.meaning.ends_with('.')) << of.name;
    EXPECT_EQ(find_option(of.group, of.name), &of);
    EXPECT_FALSE(allowed(of).empty()) << of.name;
    if (of.fallback && of.type != OptionType::Multi) {
      const auto value = parse_value(of, *of.fallback);
      EXPECT_TRUE(value.has_value()) << of.group << " " << of.name << " = " << *of.fallback;
    }
    EXPECT_FALSE(belongs_elsewhere(of.group, of.name)) << of.name;
    for (const OldName& old : of.old_names) EXPECT_EQ(find_option(old.group, old.name), nullptr) << old.name;
  }
}

}  // namespace
}  // namespace ml2::config
