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

// An IPv6 packet of kVm1's: extension headers, each `{its number, its bytes}` without the next header's number, and `payload`.
struct Extension {
  std::uint8_t number;
  Bytes rest;
};
Bytes ipv6_packet(const std::vector<Extension>& extensions, std::uint8_t protocol, const Bytes& payload,
                  const char* source = "2001:db8:1::1") {
  Bytes frame(14 + 40);
  set_mac(frame.data(), kVm2);
  set_mac(frame.data() + 6, kVm1);
  wire::store16(frame.data() + 12, wire::kTypeIpv6);
  frame[14] = 0x60;
  frame[21] = 255;
  set_ip(frame.data() + 22, source);
  set_ip(frame.data() + 38, "2001:db8:1::2");
  std::size_t next = 20;
  for (const Extension& extension : extensions) {
    frame[next] = extension.number;
    next = frame.size();
    frame.push_back(0);
    frame.insert(frame.end(), extension.rest.begin(), extension.rest.end());
  }
  frame[next] = protocol;
  frame.insert(frame.end(), payload.begin(), payload.end());
  wire::store16(frame.data() + 18, static_cast<std::uint16_t>(frame.size() - 54));
  return frame;
}
Bytes icmpv6(std::uint8_t type, const char* target = "::") {
  Bytes payload(24);
  payload[0] = type;
  set_ip(payload.data() + 8, target);
  return payload;
}
const Extension kHopByHop{0, {0, 1, 4, 0, 0, 0, 0}};
const Extension kRouting{43, {0, 4, 0, 0, 0, 0, 0}};
const Extension kDestination{60, {1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};  // of 16 bytes
const Extension kAuthentication{51, {1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}};            // of 12 bytes
const Extension kAtomic{44, {0, 0, 0, 0, 0, 0, 1}};
const Extension kFirst{44, {0, 0, 1, 0, 0, 0, 1}};
const Extension kLater{44, {0, 0, 8, 0, 0, 0, 1}};

class ExtensionTest : public WalkTest {
 protected:
  void SetUp() override {
    WalkTest::SetUp();
    batch_.ports.put[0].spoof_check = 1;
    batch_.allowed.put = {allowed(1, kVm1, "10.0.0.1", 32), allowed(1, kVm1, "2001:db8:1::1", 128)};
    apply();
  }
  void expect_passes(const Bytes& frame) {
    const Out out = rig_.one(1, frame);
    EXPECT_FALSE(out.dropped) << kDropNames[static_cast<int>(out.drop)];
    EXPECT_EQ(out.port, 2);
    EXPECT_EQ(out.bytes, frame);
  }
};
INSTANTIATE_TEST_SUITE_P(Isa, ExtensionTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });

TEST_P(ExtensionTest, NeighbourDiscoveryDoesNotHideBehindThem) {
  const Bytes foreign = icmpv6(136, "2001:db8:1::2");
  const std::vector<std::vector<Extension>> chains = {
      {kDestination},         {kRouting},        {kHopByHop},
      {kHopByHop, kHopByHop}, {kAuthentication}, {kHopByHop, kDestination, kRouting, kAuthentication, kDestination}};
  for (const auto& chain : chains) {
    SCOPED_TRACE(chain.size());
    expect_drop(1, ipv6_packet(chain, 58, foreign), Drop::SpoofedNd);
    expect_drop(1, ipv6_packet(chain, 58, icmpv6(134)), Drop::SpoofedNd);
    expect_drop(1, ipv6_packet(chain, 58, icmpv6(134), "fe80::f816:3eff:fe00:1"), Drop::SpoofedNd);
    // One's own, and what is no neighbour discovery.
    expect_passes(ipv6_packet(chain, 58, icmpv6(136, "2001:db8:1::1")));
    expect_passes(ipv6_packet(chain, 58, icmpv6(135, "2001:db8:1::2")));
    expect_passes(ipv6_packet(chain, 58, icmpv6(128)));
    expect_passes(ipv6_packet(chain, 17, Bytes(30)));
    expect_passes(ipv6_packet(chain, 59, {}));
    expect_drop(1, ipv6_packet(chain, 17, Bytes(30), "2001:db8:1::2"), Drop::SpoofedIpv6);
    // An MLD report has no source yet; a datagram has one.
    EXPECT_FALSE(rig_.one(1, ipv6_packet(chain, 58, icmpv6(143), "::")).dropped);
    expect_drop(1, ipv6_packet(chain, 17, Bytes(30), "::"), Drop::SpoofedIpv6);
  }
  // More of them than the standard has uses for.
  expect_drop(1, ipv6_packet(std::vector<Extension>(7, kDestination), 17, Bytes(30)), Drop::SpoofedNd);
}

TEST_P(ExtensionTest, NeighbourDiscoveryIsNotFragmented) {
  for (const Extension& fragment : {kAtomic, kFirst}) {
    for (const auto& chain : {std::vector<Extension>{fragment}, std::vector<Extension>{kDestination, fragment},
                              std::vector<Extension>{fragment, kDestination}}) {
      for (std::uint8_t type = 133; type <= 137; ++type)
        expect_drop(1, ipv6_packet(chain, 58, icmpv6(type, "2001:db8:1::1")), Drop::SpoofedNd);
      expect_passes(ipv6_packet(chain, 58, icmpv6(128)));
      expect_passes(ipv6_packet(chain, 17, Bytes(30)));
    }
  }
  expect_passes(ipv6_packet({kLater}, 58, icmpv6(136, "2001:db8:1::2")));  // the middle of something
  // A first fragment that leaves the type to the next one, with a harmless one in what Ethernet pads.
  Bytes padded = ipv6_packet({kFirst, kDestination}, 58, {});
  const Bytes harmless = icmpv6(128);
  padded.insert(padded.end(), harmless.begin(), harmless.end());
  expect_drop(1, padded, Drop::SpoofedNd);
  expect_drop(1, ipv6_packet({kFirst, {60, {9, 0, 0, 0, 0, 0, 0}}}, 58, {}), Drop::SpoofedNd);
}

TEST_P(ExtensionTest, WhatCannotBeReadIsRefused) {
  // The frame ends within a header: for its receiver, too.
  expect_drop(1, ipv6_packet({{60, {9, 0, 0, 0, 0, 0, 0}}}, 58, icmpv6(128)), Drop::HeaderTruncated);
  expect_drop(1, ipv6_packet({{60, {0, 0}}}, 58, {}), Drop::HeaderTruncated);
  // In pieces of memory, of which the walk sees the first, and the advertisement is in the second.
  Bytes options(263);
  options[0] = 32;
  const Bytes frame = ipv6_packet({{60, options}}, 58, icmpv6(136, "2001:db8:1::2"));
  const auto out = rig_.run_work(1, {{.bytes = frame, .first_piece = 256}});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_TRUE(out[0].dropped);
  EXPECT_EQ(rig_.drops(1, Drop::SpoofedNd), 1U);
  // In one piece it is seen.
  expect_drop(1, frame, Drop::SpoofedNd);
  expect_passes(ipv6_packet({{60, options}}, 58, icmpv6(136, "2001:db8:1::1")));
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
