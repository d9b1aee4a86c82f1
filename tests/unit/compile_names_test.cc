// Names against vectors that Python's hashlib and base64 gave, as neutron computes them.
#include <gtest/gtest.h>

#include "datapath/base/sha1.h"
#include "datapath/compile/names.h"

namespace ml2 {
namespace {

TEST(Names, PatchPorts) {
  EXPECT_EQ(patch_port_name(kIntPrefix, "br-ex"), "int-br-ex");
  EXPECT_EQ(patch_port_name(kPhysPrefix, "br-provider"), "phy-br-provider");  // 15 characters
  EXPECT_EQ(patch_port_name(kIntPrefix, "br-provider-storage"), "int-br-pr50dc25");
  EXPECT_EQ(patch_port_name(kPhysPrefix, "br-provider-storage"), "phy-br-pr50dc25");
  EXPECT_NE(patch_port_name(kIntPrefix, "br-provider-storage1"), patch_port_name(kIntPrefix, "br-provider-storage2"));
}

TEST(Names, TunnelPorts) {
  EXPECT_EQ(tunnel_port_name(NetworkType::Vxlan, *IpAddress::parse("10.98.0.12")), "vxlan-0a62000c");
  EXPECT_EQ(tunnel_port_name(NetworkType::Gre, *IpAddress::parse("255.1.2.3")), "gre-ff010203");
  EXPECT_EQ(tunnel_port_name(NetworkType::Geneve, *IpAddress::parse("2001:db8::2")), "geneve-pehtjzks");
  EXPECT_EQ(tunnel_port_name(NetworkType::Gre, *IpAddress::parse("fd00:0::1")), "gre-wiqx3aks5ch");
}

TEST(Names, TunnelPortsOfLaterReleases) {
  const IpAddress v6 = *IpAddress::parse("2001:db8::2");
  EXPECT_EQ(tunnel_port_name(NetworkType::Gre, v6, TunnelPortHash::Blake2bDigest), "gre-gqz3mwi4ejq");
  EXPECT_EQ(tunnel_port_name(NetworkType::Vxlan, v6, TunnelPortHash::Blake2bDigest), "vxlan-gqz3mwi4e");
  const IpAddress v4 = *IpAddress::parse("10.98.0.12");
  EXPECT_EQ(tunnel_port_name(NetworkType::Vxlan, v4, TunnelPortHash::Blake2bDigest), "vxlan-0a62000c");
}

TEST(Names, FlowBasedTunnelPorts) {
  EXPECT_EQ(flow_port_name(NetworkType::Geneve, 0, 0), "geneve-flow");
  EXPECT_EQ(flow_port_name(NetworkType::Vxlan, 4789, 4789), "vxlan-flow");
  EXPECT_EQ(flow_port_name(NetworkType::Vxlan, 65535, 4789), "vxlan-udp65535");
}

TEST(Sha1, Fips180) {
  EXPECT_EQ(sha1_hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sha1_hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1_base32("2001:db8::2"), "pehtjzksiqrv25jbhkdxevit3qonkinz");
}

}  // namespace
}  // namespace ml2
