// Match and Actions against the text of flows that Open vSwitch 3.1 printed for the incumbent agent
// (ovs-ofctl -O OpenFlow14 dump-flows --no-stats --no-names).
#include <gtest/gtest.h>

#include <array>

#include "datapath/openflow/actions.h"
#include "datapath/openflow/flow.h"
#include "datapath/openflow/match.h"

namespace ml2::of {
namespace {

const OfPort kPort1 = OfPort::of<1>();
const OfPort kPort2 = OfPort::of<2>();
const OfPort kPort3 = OfPort::of<3>();
const LocalVlan kVlan1 = LocalVlan::of<1>();
const TunnelKey kKey = TunnelKey::of<0x4f6>();
const Mac kMac = *Mac::parse("fa:16:3e:5e:83:ae");
IpAddress ip(const char* text) { return *IpAddress::parse(text); }
IpNetwork net(const char* text) { return *IpNetwork::parse(text); }

TEST(Match, PhysicalAndIntegrationBridge) {
  EXPECT_EQ(Match().text(), "");
  EXPECT_EQ(Match().dead_vlan().text(), "dl_vlan=4095");
  EXPECT_EQ(Match().in_port(kPort3).icmp6_type(136).text(), "icmp6,in_port=3,icmp_type=136");
  EXPECT_EQ(Match().in_port(kPort3).arp().text(), "arp,in_port=3");
  EXPECT_EQ(Match().in_port(kPort3).icmp6_type(136).nd_target(ip("fe80::f816:3eff:fe78:b282")).text(),
            "icmp6,in_port=3,icmp_type=136,nd_target=fe80::f816:3eff:fe78:b282");
  EXPECT_EQ(Match().arp_spa(ip("192.168.1.42")).in_port(kPort3).text(), "arp,in_port=3,arp_spa=192.168.1.42");
  EXPECT_EQ(Match().arp_spa(net("10.20.30.0/24")).in_port(kPort3).text(), "arp,in_port=3,arp_spa=10.20.30.0/24");
  EXPECT_EQ(Match().arp_spa(net("0.0.0.0/0")).in_port(kPort3).text(), "arp,in_port=3");
  EXPECT_EQ(Match().dl_src(kMac).in_port(kPort3).text(), "in_port=3,dl_src=fa:16:3e:5e:83:ae");
  EXPECT_EQ(Match().untagged().dl_dst(kMac).text(), "vlan_tci=0x0000/0x1fff,dl_dst=fa:16:3e:5e:83:ae");
  EXPECT_EQ(Match().in_port(kPort2).dl_vlan(VlanId::of<100>()).text(), "in_port=2,dl_vlan=100");
  EXPECT_EQ(Match().in_port(OfPort::of<65534>()).text(), "in_port=LOCAL");
}

TEST(Match, TunnelBridge) {
  EXPECT_EQ(Match().dl_dst_unicast().text(), "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00");
  EXPECT_EQ(Match().dl_dst_multicast().text(), "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00");
  EXPECT_EQ(Match().dl_dst_broadcast().arp().text(), "arp,dl_dst=ff:ff:ff:ff:ff:ff");
  EXPECT_EQ(Match().tun_id(kKey).text(), "tun_id=0x4f6");
  EXPECT_EQ(Match().vlan_vid_bits(kVlan1).dl_dst(kMac).text(), "vlan_tci=0x0001/0x0fff,dl_dst=fa:16:3e:5e:83:ae");
  EXPECT_EQ(Match().dl_dst(kMac).dl_vlan(kVlan1).text(), "dl_vlan=1,dl_dst=fa:16:3e:5e:83:ae");
  EXPECT_EQ(Match().arp_tpa(ip("192.168.1.44")).dl_vlan(kVlan1).text(), "arp,dl_vlan=1,arp_tpa=192.168.1.44");
}

TEST(Match, ANarrowerPacketTypeReplacesAWiderInEitherOrder) {
  EXPECT_EQ(Match().ip_src(net("10.0.0.0/8")).tcp().tp_dst(80).text(), "tcp,nw_src=10.0.0.0/8,tp_dst=80");
  EXPECT_EQ(Match().tcp().ip_src(net("10.0.0.0/8")).tp_dst(80).text(), "tcp,nw_src=10.0.0.0/8,tp_dst=80");
  EXPECT_EQ(Match().udp6().ip_dst(net("fd00::/64")).text(), "udp6,ipv6_dst=fd00::/64");
  EXPECT_EQ(Match().reg(5, 0x3).reg(6, 0).ip().text(), "ip,reg5=0x3,reg6=0");
}

TEST(MatchDeathTest, ContradictionsAreOurBugs) {
  EXPECT_DEATH(Match().in_port(kPort1).in_port(kPort2), "each field once");
  EXPECT_DEATH(Match().arp().ip(), "one packet type");
}

TEST(Actions, TunnelBridge) {
  EXPECT_EQ(Actions(TunTable::Input).goto_table(TunTable::PatchLvToTun).text(), "goto_table:2");
  EXPECT_EQ(Actions(TunTable::Input).drop().text(), "drop");
  EXPECT_EQ(
      Actions(TunTable::VxlanTunToLv).push_vlan().set_vlan_vid(kVlan1).goto_table(TunTable::LearnFromTun).text(),
      "push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10");
  const std::array ports{kPort2, kPort3};
  EXPECT_EQ(Actions(TunTable::FloodToTun).pop_vlan().set_tun_id(kKey).output_list(ports).text(),
            "pop_vlan,set_field:0x4f6->tun_id,output:2,output:3");
  EXPECT_EQ(Actions(TunTable::UcastToTun).load(0, field::kVlanTci).load(0x4f6, field::kTunId).output(kPort2).text(),
            "load:0->NXM_OF_VLAN_TCI[],load:0x4f6->NXM_NX_TUN_ID[],output:2");
}

TEST(Actions, LearnAsTheIncumbentDoes) {
  const Learn<TunTable> what{.table = TunTable::UcastToTun,
                             .hard_timeout = 300,
                             .priority = 1,
                             .cookie = 0x6fee78fa3231e704,
                             .steps = {learn::match({field::kVlanTci, 0, 11}),
                                       learn::match(field::kEthDst, field::kEthSrc), learn::load(0, field::kVlanTci),
                                       learn::load(field::kTunId, field::kTunId), learn::output(field::kInPort)}};
  EXPECT_EQ(Actions(TunTable::LearnFromTun).learn(what).output(kPort1).text(),
            "learn(table=20,hard_timeout=300,priority=1,cookie=0x6fee78fa3231e704,NXM_OF_VLAN_TCI[0..11],"
            "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],"
            "output:OXM_OF_IN_PORT[]),output:1");
}

TEST(Actions, ArpResponder) {
  EXPECT_EQ(Actions(TunTable::ArpResponder)
                .set_arp_op(2)
                .move(field::kArpSha, field::kArpTha)
                .move(field::kArpSpa, field::kArpTpa)
                .set_field(kMac, field::kArpSha)
                .set_field(ip("192.168.1.44"), field::kArpSpa)
                .move(field::kEthSrc, field::kEthDst)
                .set_field(kMac, field::kEthSrc)
                .in_port()
                .text(),
            "set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
            "set_field:fa:16:3e:5e:83:ae->arp_sha,set_field:192.168.1.44->arp_spa,"
            "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:fa:16:3e:5e:83:ae->eth_src,IN_PORT");
}

TEST(Actions, IntegrationAndPhysicalBridge) {
  EXPECT_EQ(Actions(IntTable::Transient).normal().text(), "NORMAL");
  EXPECT_EQ(Actions(IntTable::Transient)
                .set_reg(field::kReg5, 3)
                .set_reg(field::kReg6, 1)
                .pop_vlan()
                .resubmit(static_cast<IntTable>(81))
                .text(),
            "set_field:0x3->reg5,set_field:0x1->reg6,pop_vlan,resubmit(,81)");
  EXPECT_EQ(Actions(PhysTable::Input).set_vlan_vid(VlanId::of<100>()).normal().text(),
            "set_field:4196->vlan_vid,NORMAL");
}

TEST(ActionsDeathTest, GotoTableGoesForwardAndIsLast) {
  EXPECT_DEATH(Actions(TunTable::UcastToTun).goto_table(TunTable::Input), "goes forward");
  EXPECT_DEATH(Actions(TunTable::UcastToTun).goto_table(TunTable::UcastToTun), "goes forward");
  EXPECT_DEATH(Actions(TunTable::Input).goto_table(TunTable::FloodToTun).output(kPort1), "after goto_table");
}

TEST(Flow, Text) {
  EXPECT_EQ(to_text({.table = 60, .priority = 3, .match = ""}, {.actions = "NORMAL"}),
            "table=60, priority=3 actions=NORMAL");
  EXPECT_EQ(to_text({.table = 20, .priority = 1, .match = "dl_vlan=1"},
                    {.actions = "drop", .cookie = 0x6d6c, .idle_timeout = 1, .hard_timeout = 300}),
            "cookie=0x6d6c, table=20, idle_timeout=1, hard_timeout=300, priority=1,dl_vlan=1 actions=drop");
}

}  // namespace
}  // namespace ml2::of
