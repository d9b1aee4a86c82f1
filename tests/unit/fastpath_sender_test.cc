// What a machine may send, and what is answered in its stead: anti-spoofing, ARP and neighbour discovery.
#include "tests/unit/fastpath_network.h"

namespace ml2::fastpath {
namespace {

class SenderTest : public WalkTest {};
INSTANTIATE_TEST_SUITE_P(Isa, SenderTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });

TEST_P(SenderTest, AMachineSendsOnlyAsItself) {
  batch_.ports.put[0].spoof_check = 1;
  batch_.allowed.put = {allowed(1, kVm1, "10.0.0.1", 32), allowed(1, kVm1, "2001:db8:1::1", 128),
                        allowed(1, kVm1, "10.9.0.0", 16)};
  apply();
  EXPECT_FALSE(rig_.one(1, ipv4_frame(kVm2, kVm1, "10.0.0.1")).dropped);
  EXPECT_FALSE(rig_.one(1, ipv4_frame(kVm2, kVm1, "10.9.200.1")).dropped);
  expect_drop(1, ipv4_frame(kVm2, kVm1, "10.0.0.9"), Drop::SpoofedIpv4);
  expect_drop(1, ipv4_frame(kVm2, kRemote, "10.0.0.1"), Drop::SpoofedMac);
  Bytes odd = ipv4_frame(kVm2, kVm1);
  wire::store16(odd.data() + 12, 0x88cc);
  expect_drop(1, odd, Drop::EthertypeNotAllowed);

  // DHCP discover: 0.0.0.0:68 to port 67.
  Bytes dhcp = ipv4_frame(kBroadcast, kVm1, "0.0.0.0", "255.255.255.255");
  wire::store32(dhcp.data() + 34, 0x00440043);
  EXPECT_FALSE(rig_.run(1, {dhcp}).back().dropped);
  wire::store32(dhcp.data() + 34, 0x00430044);
  expect_drop(1, dhcp, Drop::SpoofedIpv4);

  const auto arp = [](const char* sender_mac, const char* sender) {
    Bytes frame = ipv4_frame(kBroadcast, kVm1);
    wire::store16(frame.data() + 12, wire::kTypeArp);
    wire::store32(frame.data() + 14, 0x00010800);
    wire::store32(frame.data() + 18, 0x06040001);
    set_mac(frame.data() + 22, sender_mac);
    std::uint8_t address[16];
    set_ip(address, sender);
    std::memcpy(frame.data() + 28, address, 4);
    return frame;
  };
  EXPECT_FALSE(rig_.run(1, {arp(kVm1, "10.0.0.1")}).back().dropped);
  expect_drop(1, arp(kVm1, "10.0.0.2"), Drop::SpoofedArp);
  expect_drop(1, arp(kVm2, "10.0.0.1"), Drop::SpoofedArp);

  const auto ipv6 = [](const char* source, std::uint8_t icmp_type, const char* target) {
    Bytes frame(14 + 40 + 24);
    set_mac(frame.data(), kBroadcast);
    set_mac(frame.data() + 6, kVm1);
    wire::store16(frame.data() + 12, wire::kTypeIpv6);
    frame[14] = 0x60;
    wire::store16(frame.data() + 18, 24);
    frame[20] = 58;
    set_ip(frame.data() + 22, source);
    frame[54] = icmp_type;
    set_ip(frame.data() + 62, target);
    return frame;
  };
  EXPECT_FALSE(rig_.run(1, {ipv6("2001:db8:1::1", 128, "::")}).back().dropped);
  EXPECT_FALSE(rig_.run(1, {ipv6("fe80::f816:3eff:fe00:1", 136, "2001:db8:1::1")}).back().dropped);
  EXPECT_FALSE(rig_.run(1, {ipv6("::", 135, "2001:db8:1::1")}).back().dropped);
  expect_drop(1, ipv6("fe80::f816:3eff:fe00:2", 128, "::"), Drop::SpoofedIpv6);
  expect_drop(1, ipv6("2001:db8:1::2", 128, "::"), Drop::SpoofedIpv6);
  expect_drop(1, ipv6("::", 128, "::"), Drop::SpoofedIpv6);
  expect_drop(1, ipv6("2001:db8:1::1", 136, "2001:db8:1::2"), Drop::SpoofedNd);
  expect_drop(1, ipv6("2001:db8:1::1", 134, "::"), Drop::SpoofedNd);
}

TEST_P(SenderTest, ArpAndNeighbourDiscoveryAreAnsweredInPlace) {
  batch_.segments.put[0].answer_neighbours = 1;
  abi::Neighbour four;
  four.segment = 5;
  set_mac(four.mac, kRemote);
  set_ip(four.address, "10.0.0.3");
  abi::Neighbour six = four;
  six.ipv6 = set_ip(six.address, "2001:db8:1::3");
  batch_.neighbours.put = {four, six};
  apply();

  Bytes arp(60);
  set_mac(arp.data(), kBroadcast);
  set_mac(arp.data() + 6, kVm1);
  const Bytes head = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
  std::copy(head.begin(), head.end(), arp.begin() + 12);
  set_mac(arp.data() + 22, kVm1);
  const std::uint8_t asker[4] = {10, 0, 0, 1};
  const std::uint8_t asked[4] = {10, 0, 0, 3};
  std::copy(asker, asker + 4, arp.begin() + 28);
  std::copy(asked, asked + 4, arp.begin() + 38);
  const Out out = rig_.one(1, arp);
  EXPECT_EQ(out.port, 1);
  Bytes expected = arp;
  set_mac(expected.data(), kVm1);
  set_mac(expected.data() + 6, kRemote);
  expected[21] = 2;
  set_mac(expected.data() + 22, kRemote);
  std::copy(asked, asked + 4, expected.begin() + 28);
  set_mac(expected.data() + 32, kVm1);
  std::copy(asker, asker + 4, expected.begin() + 38);
  EXPECT_EQ(out.bytes, expected);
  EXPECT_EQ(rig_.counters().ports[1].answered, 1U);
  // Through the trunk, with its tag.
  EXPECT_EQ(rig_.one(3, with_tag(arp, 50)).bytes, with_tag(expected, 50));
  // Whom the table does not know answers for himself; and another segment has its own table.
  arp[41] = 4;
  EXPECT_EQ(rig_.run(1, {arp}).size(), 4U);

  Bytes solicitation(86);
  set_mac(solicitation.data(), "33:33:ff:00:00:03");
  set_mac(solicitation.data() + 6, kVm1);
  wire::store16(solicitation.data() + 12, wire::kTypeIpv6);
  solicitation[14] = 0x60;
  wire::store16(solicitation.data() + 18, 32);
  solicitation[20] = 58;
  solicitation[21] = 255;
  set_ip(solicitation.data() + 22, "2001:db8:1::1");
  set_ip(solicitation.data() + 38, "ff02::1:ff00:3");
  solicitation[54] = 135;
  set_ip(solicitation.data() + 62, "2001:db8:1::3");
  solicitation[78] = solicitation[79] = 1;
  set_mac(solicitation.data() + 80, kVm1);
  const Out answer = rig_.one(1, solicitation);
  EXPECT_EQ(answer.port, 1);
  EXPECT_EQ(answer.bytes[54], 136);
  EXPECT_EQ(answer.bytes[58], 0x60);
  std::uint8_t address[16];
  set_ip(address, "2001:db8:1::3");
  EXPECT_EQ(std::memcmp(answer.bytes.data() + 22, address, 16), 0);
  std::uint64_t sum = (std::uint64_t{58} << 8U) + 0x2000;
  sum = wire::checksum_add(sum, answer.bytes.data() + 22, 32);
  EXPECT_EQ(wire::checksum_fold(wire::checksum_add(sum, answer.bytes.data() + 54, 32)), 0);
}

}  // namespace
}  // namespace ml2::fastpath
