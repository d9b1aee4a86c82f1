// agent/fast_path_config: [fastpath] of the ini, and what does not go together with the rest.
#include <gmock/gmock.h>

#include "agent/config/loader.h"
#include "agent/node_config.h"

namespace ml2 {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Result<NodeConfig> node_of(const std::string& fast_path, const std::string& agent = "tunnel_types = vxlan\n",
                           const std::string& ovs = "") {
  const std::string text =
      "[DEFAULT]\nhost = hv1\n[ovs]\nlocal_ip = 192.0.2.1\n" + ovs + "[agent]\n" + agent + "[fastpath]\n" + fast_path;
  config::LoadResult loaded =
      config::load(config::ConfigSources().add_file("/x.ini"), config::memory_environment({{"/x.ini", text}}));
  EXPECT_THAT(loaded.errors, IsEmpty());
  return node_config(*loaded.config);
}
std::string error_of(const Result<NodeConfig>& node) { return node ? "no error" : node.error().message; }

TEST(FastPathConfig, IsOffByDefault) {
  const auto node = node_of("");
  ASSERT_TRUE(node);
  EXPECT_FALSE(node->fast_path.enabled);
}

TEST(FastPathConfig, TakesDevicesAsDpdkWritesThem) {
  const auto node = node_of(
      "enabled = true\nports = all\nvhostuser_mode = client\ntunnel_device = net_af_packet_up,iface=eth1\n"
      "tunnel_host_device = net_tap_host,iface=fp-host\ntunnel_vlan = 7\nqueues = 2\n"
      "physnet_devices = physnet1:0000:01:00.0\nphysnet_devices = physnet2:net_af_packet_up,iface=eth1\n");
  ASSERT_TRUE(node) << error_of(node);
  const FastPathConfig& config = node->fast_path;
  EXPECT_TRUE(config.enabled && config.all_ports);
  EXPECT_FALSE(config.qemu_serves);
  EXPECT_EQ(config.tunnel_device, "net_af_packet_up,iface=eth1");
  EXPECT_EQ(config.host_device, "net_tap_host,iface=fp-host");
  EXPECT_EQ(config.tunnel_vlan, 7);
  EXPECT_EQ(config.queues, 2);
  EXPECT_EQ(config.physnet_devices, (std::map<std::string, std::string>{
                                        {"physnet1", "0000:01:00.0"}, {"physnet2", "net_af_packet_up,iface=eth1"}}));
}

TEST(FastPathConfig, WhatDoesNotGoTogetherIsSaidWithItsLine) {
  EXPECT_THAT(error_of(node_of("enabled = true\ntunnel_device = net_null0\n", "tunnel_types = geneve\n")),
              AllOf(HasSubstr("/x.ini:9"), HasSubstr("carries VXLAN, which is not in [agent] tunnel_types")));
  EXPECT_THAT(error_of(node_of("enabled = true\ntunnel_host_device = net_null0\n")), HasSubstr("which is not set"));
  EXPECT_THAT(error_of(node_of("enabled = true\nphysnet_devices = physnet1\n")),
              HasSubstr("'physnet1' is not physical network:devargs"));
  EXPECT_THAT(error_of(node_of("enabled = true\nphysnet_devices = physnet1:net_null0\n", "tunnel_types = vxlan\n",
                               "bridge_mappings = physnet1:br-ex\n")),
              HasSubstr("it is either a bridge's or the fast path's"));
  EXPECT_THAT(
      error_of(node_of("enabled = true\nphysnet_devices = a:net_null0,copy=1\nphysnet_devices = b:net_null0\n")),
      HasSubstr("names the device net_null0 a second time"));
  EXPECT_THAT(error_of(node_of("enabled = true\ntunnel_device = net_null0\ntunnel_host_device = net_null0\n")),
              HasSubstr("names the device net_null0 a second time"));
  EXPECT_THAT(error_of(node_of("enabled = true\nphysnet_devices = a:\n")),
              HasSubstr("were expected, such as 0000:01:00.0"));
  EXPECT_THAT(error_of(node_of("enabled = true\n", "tunnel_types = vxlan\nexplicitly_egress_direct = true\n")),
              HasSubstr("does not go together with [agent] explicitly_egress_direct"));
  // Off, the rest is not looked at.
  EXPECT_TRUE(node_of("tunnel_host_device = net_null0\n"));
}

}  // namespace
}  // namespace ml2
