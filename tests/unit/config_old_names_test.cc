// agent/config/cross_checks: files as people have them, with the options of the agent before ML2.
#include <gmock/gmock.h>

#include "agent/config/loader.h"

namespace ml2::config {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

LoadResult load_text(const std::string& text) {
  return load(ConfigSources().add_file("/x.ini"), memory_environment({{"/x.ini", text}}));
}

constexpr const char* kServerFile =
    "[ml2]\n"
    "type_drivers = flat,vlan,vxlan\n"
    "tenant_network_types = vxlan\n"
    "mechanism_drivers = openvswitch\n"
    "[ml2_type_flat]\n"
    "flat_networks = external\n"
    "[ml2_type_vxlan]\n"
    "vni_ranges = 1:1000\n"
    "[securitygroup]\n"
    "enable_security_group = True\n"
    "firewall_driver = neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver\n"
    "[ovs]\n"
    "bridge_mappings = external:br-ex\n";

constexpr const char* kAgentFile =
    "[ovs]\n"
    "tunnel_bridge = br-tun\n"
    "local_ip = 192.168.100.20\n"
    "integration_bridge = br-int\n"
    "tenant_network_type = vxlan\n"
    "tunnel_type = vxlan\n"
    "tunnel_id_ranges = 1:1000\n"
    "enable_tunneling = true\n"
    "[agent]\n"
    "tunnel_types = vxlan\n"
    "l2_population = true\n"
    "[securitygroup]\n"
    "enable_security_group = True\n"
    "firewall_driver = neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver\n";

TEST(FilesAsPeopleHaveThem, TheServersMl2Conf) {
  const LoadResult result = load_text(kServerFile);
  ASSERT_THAT(result.errors, IsEmpty());
  const Config& config = *result.config;
  EXPECT_THAT(config.get_list("ml2", "type_drivers"), ElementsAre("flat", "vlan", "vxlan"));
  EXPECT_THAT(config.get_list("ml2", "project_network_types"), ElementsAre("vxlan"));
  EXPECT_THAT(config.get_list("ml2_type_flat", "flat_networks"), ElementsAre("external"));
  EXPECT_THAT(config.get_list("ml2_type_vxlan", "vni_ranges"), ElementsAre("1:1000"));
  EXPECT_THAT(config.get_list("ovs", "bridge_mappings"), ElementsAre("external:br-ex"));
  EXPECT_TRUE(config.get_bool("securitygroup", "enable_security_group"));
  EXPECT_EQ(config.firewall_driver(), "iptables_hybrid");
  EXPECT_EQ(config.get_optional_string("securitygroup", "firewall_driver"),
            "neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver");
}

TEST(FilesAsPeopleHaveThem, TheAgentsOldFile) {
  const LoadResult result = load_text(kAgentFile);
  ASSERT_THAT(result.errors, IsEmpty());
  const Config& config = *result.config;
  EXPECT_THAT(config.get_list("agent", "tunnel_types"), ElementsAre("vxlan"));
  EXPECT_EQ(config.origin("agent", "tunnel_types"), "/x.ini:10");
  EXPECT_THAT(config.get_list("ml2", "project_network_types"), ElementsAre("vxlan"));
  EXPECT_EQ(config.origin("ml2", "project_network_types"), "/x.ini:5");
  EXPECT_THAT(config.get_list("ml2_type_vxlan", "vni_ranges"), ElementsAre("1:1000"));
  EXPECT_EQ(config.origin("ml2_type_vxlan", "vni_ranges"), "/x.ini:7");
  EXPECT_THAT(config.get_list("ml2_type_gre", "tunnel_id_ranges"), IsEmpty());
  EXPECT_THAT(result.warnings, ElementsAre(StartsWith("/x.ini:8: [ovs] enable_tunneling = true is an old option"),
                                           AllOf(StartsWith("/x.ini:6: [ovs] tunnel_type = vxlan is an old option"),
                                                 HasSubstr("(/x.ini:10)")),
                                           HasSubstr("it is taken as [ml2_type_vxlan] vni_ranges = 1:1000"),
                                           HasSubstr("it is taken as [ml2] project_network_types = vxlan")));
}

TEST(FilesAsPeopleHaveThem, DebiansFiles) {
  const LoadResult result = load_text(
      "[agent]\ntunnel_types = vxlan\n[ovs]\nintegration_bridge = br-int\ntunnel_bridge = br-tun\n"
      "bridge_mappings = external:br-ex\n[securitygroup]\nfirewall_driver = openvswitch\nenable_security_group = "
      "true\nenable_ipset = true\n");
  ASSERT_THAT(result.errors, IsEmpty());
  EXPECT_EQ(result.config->firewall_driver(), "openvswitch");
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("needs [ovs] local_ip"))) << "as Debian ships it";
}

TEST(OldNames, TunnelTypeStandsForTunnelTypes) {
  const LoadResult result =
      load_text("[ovs]\nlocal_ip=1.2.3.4\nenable_tunneling=True\ntunnel_type=gre\ntunnel_id_ranges=1:100\n");
  ASSERT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.config->get_list("agent", "tunnel_types"), ElementsAre("gre"));
  EXPECT_EQ(result.config->origin("agent", "tunnel_types"), "/x.ini:4");
  EXPECT_THAT(result.config->get_list("ml2_type_gre", "tunnel_id_ranges"), ElementsAre("1:100"));
  EXPECT_THAT(result.config->get_list("ml2_type_vxlan", "vni_ranges"), IsEmpty());
}

TEST(OldNames, TunnelTypeNeedsEnableTunneling) {
  const LoadResult result = load_text("[ovs]\ntunnel_type=gre\n");
  ASSERT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.config->get_list("agent", "tunnel_types"), IsEmpty());
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("ignored without enable_tunneling = true")));
}

TEST(OldNames, EnableTunnelingFalseDoesNotUndoTodaysOption) {
  const LoadResult result =
      load_text("[ovs]\nenable_tunneling=false\ntunnel_type=vxlan\n[agent]\ntunnel_types=vxlan\n");
  ASSERT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.config->get_list("agent", "tunnel_types"), ElementsAre("vxlan"));
  EXPECT_EQ(result.config->origin("agent", "tunnel_types"), "/x.ini:5");
  EXPECT_THAT(result.warnings, Contains(AllOf(HasSubstr("it is ignored"), HasSubstr("/x.ini:5"))));
}

TEST(OldNames, TodaysOptionsWin) {
  const LoadResult result = load_text(
      "[ovs]\nenable_tunneling=true\ntunnel_type=vxlan\ntunnel_id_ranges=1:5\ntenant_network_type=vlan\nlocal_ip=1.2."
      "3.4\n"
      "[ml2]\nproject_network_types=vxlan\n[ml2_type_vxlan]\nvni_ranges=7:9\n");
  ASSERT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.config->get_list("ml2", "project_network_types"), ElementsAre("vxlan"));
  EXPECT_THAT(result.config->get_list("ml2_type_vxlan", "vni_ranges"), ElementsAre("7:9"));
}

TEST(OldNames, NoneMeansNoProjectTypes) {
  const LoadResult result = load_text("[ovs]\ntenant_network_type=none\n");
  EXPECT_THAT(result.config->get_list("ml2", "project_network_types"), IsEmpty());
}

TEST(OldNames, AreCheckedWhereTheyAreUsed) {
  EXPECT_THAT(
      load_text("[ovs]\nenable_tunneling=true\ntunnel_type=stt\n").errors,
      ElementsAre(AllOf(StartsWith("/x.ini:3: [ovs] tunnel_type = 'stt'"), HasSubstr("[agent] tunnel_types"))));
  EXPECT_THAT(
      load_text("[ovs]\nenable_tunneling=true\nlocal_ip=1.2.3.4\ntunnel_type=vxlan\ntunnel_id_ranges=1\n").errors,
      ElementsAre(StartsWith("/x.ini:5: [ovs] tunnel_id_ranges = '1'")));
  EXPECT_THAT(load_text("[ovs]\ntunnel_type=stt\n").errors, IsEmpty()) << "not used without enable_tunneling";
}

}  // namespace
}  // namespace ml2::config
