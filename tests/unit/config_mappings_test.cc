// agent/config/mappings: Neutron's own parsers.
#include <gmock/gmock.h>

#include "agent/config/mappings.h"

namespace ml2::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(BridgeMappings, HaveOneColonAndUniqueKeysAndValues) {
  EXPECT_THAT(*parse_bridge_mappings({"p1:br-1", " p2 : br-2 ", ""}),
              ElementsAre(Pair("p1", "br-1"), Pair("p2", "br-2")));
  EXPECT_THAT(*parse_bridge_mappings({}), IsEmpty());
  EXPECT_THAT(parse_bridge_mappings({"p1"}).error().message, HasSubstr("'p1' has not exactly one ':'"));
  EXPECT_THAT(parse_bridge_mappings({"p1:a:b"}).error().message, HasSubstr("'p1:a:b' has not exactly one ':'"));
  EXPECT_THAT(parse_bridge_mappings({":a"}).error().message, HasSubstr("nothing before"));
  EXPECT_THAT(parse_bridge_mappings({"p1:"}).error().message, HasSubstr("nothing after"));
  EXPECT_THAT(parse_bridge_mappings({"p1:a", "p1:b"}).error().message, HasSubstr("'p1' is there twice"));
  EXPECT_THAT(parse_bridge_mappings({"p1:a", "p2:a"}).error().message,
              HasSubstr("'a' is there twice, for 'p1' and for 'p2'"));
  EXPECT_TRUE(parse_mappings({"p1:a", "p2:a"}, false).has_value());
}

TEST(VlanRanges, AreAPhysicalNetworkWithOrWithoutARange) {
  const auto ranges = parse_network_vlan_ranges({"p1:100:200", "p2", "p1:300:300"});
  ASSERT_TRUE(ranges.has_value());
  EXPECT_THAT(*ranges,
              ElementsAre(Pair("p1", ElementsAre(IdRange{100, 200}, IdRange{300, 300})), Pair("p2", IsEmpty())));
  for (const char* bad : {"p1:1", "p1:1:2:3", "p1:0:1", "p1:1:4095", "p1:20:10", "p1:a:b", ":1:2", "", "p1:-1:2"}) {
    EXPECT_FALSE(parse_network_vlan_ranges({bad}).has_value()) << bad;
  }
  EXPECT_THAT(parse_network_vlan_ranges({"p1:1:4095"}).error().message, HasSubstr("outside 1 to 4094"));
}

TEST(IdRanges, StayInsideTheirLimits) {
  EXPECT_THAT(*parse_id_ranges({"1:1000", " 5000 : 6000 "}, kVnis),
              ElementsAre(IdRange{1, 1000}, IdRange{5000, 6000}));
  EXPECT_TRUE(parse_id_ranges({"1:16777215"}, kVnis).has_value());
  EXPECT_FALSE(parse_id_ranges({"1:16777216"}, kVnis).has_value());
  EXPECT_TRUE(parse_id_ranges({"1:4294967295"}, kGreKeys).has_value());
  EXPECT_FALSE(parse_id_ranges({"0:10"}, kGreKeys).has_value());
  EXPECT_THAT(parse_id_ranges({"10:5"}, kVnis).error().message, HasSubstr("ends before it starts"));
  for (const char* bad : {"1", "1:2:3", "a:b", "", ":", "1:99999999999999999999"}) {
    EXPECT_FALSE(parse_id_ranges({bad}, kVnis).has_value()) << bad;
  }
}

TEST(Bandwidths, MayLeaveADirectionOut) {
  const auto rates = parse_bandwidths({"br-1:1000:", "br-2::2000", "br-3::"});
  ASSERT_TRUE(rates.has_value());
  EXPECT_EQ(rates->at("br-1"), (Bandwidth{1000, std::nullopt}));
  EXPECT_EQ(rates->at("br-2"), (Bandwidth{std::nullopt, 2000}));
  EXPECT_EQ(rates->at("br-3"), (Bandwidth{}));
  for (const char* bad : {"br-1", "br-1:1", "br-1:1:2:3", "br-1:a:1", "br-1:1:-1"}) {
    EXPECT_FALSE(parse_bandwidths({bad}).has_value()) << bad;
  }
  EXPECT_FALSE(parse_bandwidths({"a:1:1", "a:2:2"}).has_value());
}

TEST(PacketRates, MayNameNoHypervisor) {
  EXPECT_THAT(*parse_packet_rates({":1000", "hv:20"}), ElementsAre(Pair("", 1000U), Pair("hv", 20U)));
  EXPECT_FALSE(parse_packet_rates({"hv:x"}).has_value());
  EXPECT_FALSE(parse_packet_rates({"hv"}).has_value());
}

TEST(Mtus, AreNumbers) {
  EXPECT_THAT(*parse_physical_network_mtus({{"p1", "9000"}, {"p2", " 1500 "}}),
              ElementsAre(Pair("p1", 9000U), Pair("p2", 1500U)));
  EXPECT_FALSE(parse_physical_network_mtus({{"p1", "big"}}).has_value());
}

TEST(FirewallDriver, HasShortNamesAndClassPaths) {
  EXPECT_EQ(*firewall_driver_name(""), "noop");
  EXPECT_EQ(*firewall_driver_name("openvswitch"), "openvswitch");
  EXPECT_EQ(*firewall_driver_name("neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver"),
            "iptables_hybrid");
  EXPECT_EQ(*firewall_driver_name("neutron.agent.linux.iptables_firewall.IptablesFirewallDriver"), "iptables");
  EXPECT_EQ(*firewall_driver_name("neutron.agent.linux.openvswitch_firewall.OVSFirewallDriver"), "openvswitch");
  EXPECT_EQ(*firewall_driver_name("neutron.agent.firewall.NoopFirewallDriver"), "noop");
  EXPECT_FALSE(firewall_driver_name("neutron.agent.linux.Foo").has_value());
}

TEST(ListenAddress, IsASocketOrAPortOfLoopback) {
  EXPECT_EQ(parse_listen_address("unix:/run/m.sock")->path, "/run/m.sock");
  const auto v6 = parse_listen_address("[::1]:9100");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->address->to_string(), "::1");
  EXPECT_EQ(v6->port, 9100);
  for (const char* bad : {"0.0.0.0:9000", "192.0.2.1:9000", "[::]:9000", "9000", "127.0.0.1:0", "127.0.0.1:70000",
                          "localhost:9000", "unix:relative", "unix:"}) {
    EXPECT_FALSE(parse_listen_address(bad)) << bad;
  }
  EXPECT_FALSE(parse_listen_address("unix:/" + std::string(107, 'x'))) << "sun_path ends with a zero";
}

TEST(OvsdbRemote, IsTcpSslOrUnix) {
  for (const char* good : {"tcp:127.0.0.1:6640", "tcp:127.0.0.1", "ssl:db.example:6641", "tcp:[::1]:6640",
                           "ssl:[fd00::1]", "unix:/run/db.sock"}) {
    EXPECT_TRUE(check_ovsdb_remote(good).has_value()) << good;
  }
  for (const char* bad : {"", "tcp:", "tcp::6640", "unix:", "127.0.0.1:6640", "ptcp:6640", "tcp:::1:6640", "tcp:[::1",
                          "tcp:[1.2.3.4]:1", "tcp:a:0", "tcp:a:65536", "tcp:a:b", "tcp:[::1]6640", "tcp:a:"}) {
    EXPECT_FALSE(check_ovsdb_remote(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace ml2::config
