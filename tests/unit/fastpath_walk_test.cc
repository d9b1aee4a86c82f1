// The packet walk, stage by stage, on frames in arrays, with every instruction set that this machine has.
#include <random>

#include "tests/unit/fastpath_network.h"

namespace ml2::fastpath {
namespace {

INSTANTIATE_TEST_SUITE_P(Isa, WalkTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });

TEST_P(WalkTest, BetweenTwoMachinesTheFrameIsUntouched) {
  const Bytes frame = ipv4_frame(kVm2, kVm1);
  const Out out = rig_.one(1, frame);
  EXPECT_EQ(out.port, 2);
  EXPECT_EQ(out.bytes, frame);
  EXPECT_EQ(rig_.counters().ports[1].received.packets, 1U);
  EXPECT_EQ(rig_.counters().ports[1].received.bytes, frame.size());
  EXPECT_EQ(rig_.counters().segments[5].packets, 1U);
  EXPECT_EQ(rig_.counters().outputs[rig_.program.output_of_attachment(2, 5)].bytes, frame.size());
}

TEST_P(WalkTest, TagsArePushedAndPopped) {
  const Bytes frame = ipv4_frame("fa:16:3e:00:00:33", kVm1);
  const Out pushed = rig_.one(1, frame);
  EXPECT_EQ(pushed.port, 3);
  EXPECT_EQ(pushed.bytes, with_tag(frame, 50));

  const Bytes back = ipv4_frame(kVm1, "fa:16:3e:00:00:33");
  const Out popped = rig_.one(3, with_tag(back, 50));
  EXPECT_EQ(popped.port, 1);
  EXPECT_EQ(popped.bytes, back);
  // Priority and drop-eligible bits do not change the segment.
  Bytes priority = with_tag(back, 50);
  priority[14] |= 0xf0;
  EXPECT_EQ(rig_.one(3, priority).bytes, back);
}

TEST_P(WalkTest, VlansOfATrunkAreApart) {
  expect_drop(3, with_tag(ipv4_frame(kVm2, kVm1), 51), Drop::VlanNotAllowed);
  expect_drop(3, ipv4_frame(kVm2, kVm1), Drop::VlanNotAllowed);
  // Segment 6 knows kVm1 behind the trunk itself, where the frame comes from.
  expect_drop(3, with_tag(ipv4_frame(kVm1, kVm2), 60), Drop::SamePort);
  const Out out = rig_.one(3, with_tag(ipv4_frame(kVm2, kVm1), 60));
  EXPECT_EQ(out.port, 9);
  EXPECT_EQ(wire::load32(out.bytes.data() + 46) >> 8U, 0xfffffeU);
}

TEST_P(WalkTest, AccessPortsTakeNoTags) {
  expect_drop(1, with_tag(ipv4_frame(kVm2, kVm1), 50), Drop::VlanNotAllowed);
  EXPECT_EQ(rig_.one(1, with_tag(ipv4_frame(kVm2, kVm1), 0)).bytes, ipv4_frame(kVm2, kVm1));
  expect_drop(3, with_tag(with_tag(ipv4_frame(kVm2, kVm1), 7), 50), Drop::InnerVlan);
  batch_.segments.put[0].vlan_transparent = 1;
  apply();
  const Bytes tagged = with_tag(ipv4_frame(kVm2, kVm1), 7);
  EXPECT_EQ(rig_.one(1, tagged).bytes, tagged);
  EXPECT_EQ(rig_.one(3, with_tag(tagged, 50)).bytes, tagged);
}

TEST_P(WalkTest, EncapsulatesOverIpv4) {
  const Bytes frame = ipv4_frame(kRemote, kVm1);
  const Out out = rig_.one(1, frame);
  EXPECT_EQ(out.port, 9);
  ASSERT_EQ(out.bytes.size(), frame.size() + 50);
  // Written out by hand from RFC 791, 768 and 7348; port, sum and lengths are checked apart.
  const Bytes expected = {0x02, 0, 0,    0,    0, 2,    0x02, 0, 0,  0,  0, 1, 0x08, 0x00,  // Ethernet
                          0x45, 0, 0,    96,   0, 0,    0x40, 0, 64, 17, 0, 0, 192,  0,
                          2,    1, 192,  0,    2, 2,               // IPv4, DF
                          0,    0, 0x12, 0xb5, 0, 76,   0,    0,   // UDP to 4789, no checksum
                          0x08, 0, 0,    0,    0, 0x03, 0xe8, 0};  // VXLAN, VNI 1000
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i == 17) {
      EXPECT_EQ(out.bytes[i], 20 + 8 + 8 + 60);
    } else if (i != 24 && i != 25 && i != 34 && i != 35) {
      EXPECT_EQ(out.bytes[i], expected[i]) << "byte " << i;
    }
  }
  EXPECT_GE(wire::load16(out.bytes.data() + 34), 49152);
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), out.bytes.begin() + 50));
  expect_sums(out.bytes);
}

TEST_P(WalkTest, EncapsulatesOverIpv6WithChecksum) {
  for (std::size_t size : {60U, 61U, 1514U}) {
    const Bytes frame = ipv4_frame("fa:16:3e:00:00:66", kVm1, "10.0.0.1", "10.0.0.2", size);
    const Out out = rig_.one(1, frame);
    EXPECT_EQ(out.port, 10);
    ASSERT_EQ(out.bytes.size(), size + 70);
    EXPECT_EQ(wire::load16(out.bytes.data() + 12), 0x86dd);
    EXPECT_NE(wire::load16(out.bytes.data() + 14 + 40 + 6), 0);
    expect_sums(out.bytes);
    EXPECT_TRUE(std::equal(frame.begin(), frame.end(), out.bytes.begin() + 70));
  }
}

TEST_P(WalkTest, TheOuterHeaderSaysWhatTheVtepSays) {
  batch_.vteps.put[0].vlan = 77;
  batch_.vteps.put[0].ttl = 9;
  batch_.vteps.put[0].dscp = 46;
  batch_.vteps.put[0].udp_checksum = 1;
  batch_.vteps.put[0].allow_fragments = 1;
  batch_.vteps.put[0].udp_port = 8472;
  apply();
  const Bytes frame = ipv4_frame(kRemote, kVm1);
  Out out = rig_.one(1, frame);
  ASSERT_EQ(out.bytes.size(), frame.size() + 54);
  EXPECT_EQ(wire::load32(out.bytes.data() + 12), 0x8100004dU);
  out.bytes.erase(out.bytes.begin() + 12, out.bytes.begin() + 16);
  EXPECT_EQ(out.bytes[15], 46 << 2);
  EXPECT_EQ(wire::load16(out.bytes.data() + 20), 0);
  EXPECT_EQ(out.bytes[22], 9);
  EXPECT_EQ(wire::load16(out.bytes.data() + 36), 8472);
  EXPECT_NE(wire::load16(out.bytes.data() + 40), 0);
  expect_sums(out.bytes);
}

// With DF set it has no meaning; without, fragments of two packets must not be taken for one (RFC 6864).
TEST_P(WalkTest, WhatMayBeFragmentedIsNumbered) {
  const Bytes frame = ipv4_frame(kRemote, kVm1);
  EXPECT_EQ(wire::load16(rig_.one(1, frame).bytes.data() + 18), 0);
  batch_.vteps.put[0].allow_fragments = 1;
  apply();
  const Out first = rig_.one(1, frame);
  const Out second = rig_.one(1, frame);
  expect_sums(first.bytes);
  expect_sums(second.bytes);
  EXPECT_EQ(wire::load16(first.bytes.data() + 20), 0);
  EXPECT_EQ(static_cast<std::uint16_t>(wire::load16(first.bytes.data() + 18) + 1),
            wire::load16(second.bytes.data() + 18));
}

TEST_P(WalkTest, TheOuterDscpIsTheInnerOne) {
  for (const std::uint8_t checksum : {std::uint8_t{0}, std::uint8_t{1}}) {
    batch_.vteps.put[0].dscp = 10;
    batch_.vteps.put[0].inherit_dscp = 1;
    batch_.vteps.put[0].udp_checksum = checksum;
    apply();
    Bytes frame = ipv4_frame(kRemote, kVm1);
    frame[15] = 46 << 2 | 1;  // with a mark of ECN, which stays within
    Out out = rig_.one(1, frame);
    EXPECT_EQ(out.bytes[15], 46 << 2);
    expect_sums(out.bytes);
    EXPECT_TRUE(std::equal(frame.begin(), frame.end(), out.bytes.begin() + 50));
    // Neither IPv4 nor IPv6: what the VTEP says.
    wire::store16(frame.data() + 12, 0x88b5);
    out = rig_.one(1, frame);
    EXPECT_EQ(out.bytes[15], 10 << 2);
    expect_sums(out.bytes);
    // Traffic class 46 << 2 in an IPv6 header.
    wire::store16(frame.data() + 12, wire::kTypeIpv6);
    wire::store16(frame.data() + 14, 0x6b80);
    out = rig_.one(1, frame);
    EXPECT_EQ(out.bytes[15], 46 << 2);
    expect_sums(out.bytes);
  }
}

TEST_P(WalkTest, AFlowKeepsItsUdpPortAndFlowsDiffer) {
  std::map<std::uint16_t, int> ports;
  for (int i = 0; i < 256; ++i) {
    Bytes frame = ipv4_frame(kRemote, kVm1);
    frame[34] = static_cast<std::uint8_t>(i);
    const std::uint16_t first = wire::load16(rig_.one(1, frame).bytes.data() + 34);
    frame[59] = 0;  // payload
    EXPECT_EQ(wire::load16(rig_.one(1, frame).bytes.data() + 34), first);
    ++ports[first];
  }
  EXPECT_GT(ports.size(), 200U);
  // All fragments of a datagram go one way: what stands where ports would be does not count.
  Bytes fragment = ipv4_frame(kRemote, kVm1);
  wire::store16(fragment.data() + 20, 0x2000);
  const std::uint16_t port = wire::load16(rig_.one(1, fragment).bytes.data() + 34);
  fragment[34] ^= 0xff;
  EXPECT_EQ(wire::load16(rig_.one(1, fragment).bytes.data() + 34), port);
}

TEST_P(WalkTest, DecapsulatesBothFamilies) {
  const Bytes frame = ipv4_frame(kVm1, kRemote);
  const Out out = rig_.one(9, tunnel_packet(frame, 1000));
  EXPECT_EQ(out.port, 1);
  EXPECT_EQ(out.bytes, frame);
  EXPECT_EQ(rig_.counters().from_vteps[rig_.program.output_of_vtep(7)].packets, 1U);
  const Out six = rig_.one(10, tunnel_packet(frame, 1000, "2001:db8::2"));
  EXPECT_EQ(six.port, 1);
  EXPECT_EQ(six.bytes, frame);
  // To a trunk: out of the tunnel, into a tag.
  const Bytes to_trunk = ipv4_frame("fa:16:3e:00:00:33", kRemote);
  EXPECT_EQ(rig_.one(9, tunnel_packet(to_trunk, 1000)).bytes, with_tag(to_trunk, 50));
}

TEST_P(WalkTest, ReservedBitsAreIgnoredAndTheIFlagIsNot) {
  const Bytes frame = ipv4_frame(kVm1, kRemote);
  Bytes packet = tunnel_packet(frame, 1000);
  packet[42] = 0xff;
  packet[43] = packet[44] = packet[45] = packet[49] = 0xff;
  EXPECT_EQ(rig_.one(9, packet).bytes, frame);
  packet[42] = 0xf7;
  expect_drop(9, packet, Drop::VxlanNoVni);
}

TEST_P(WalkTest, EveryFaultOfTheOuterHeaderHasItsReason) {
  const Bytes frame = ipv4_frame(kVm1, kRemote);
  const Bytes good = tunnel_packet(frame, 1000);
  const auto fix_sum = [](Bytes& packet) {
    wire::store16(packet.data() + 24, 0);
    wire::store_raw(packet.data() + 24, wire::checksum_fold(wire::checksum_add(0, packet.data() + 14, 20)));
  };
  Bytes packet = good;
  packet[24] ^= 1;
  expect_drop(9, packet, Drop::OuterIpChecksum);

  packet = good;
  wire::store16(packet.data() + 16, 95);  // IP total length does not fit UDP's
  fix_sum(packet);
  expect_drop(9, packet, Drop::OuterLength);
  packet = good;
  wire::store16(packet.data() + 38, 77);
  expect_drop(9, packet, Drop::OuterLength);
  packet = good;
  packet.pop_back();  // IP says more than there is
  expect_drop(9, packet, Drop::OuterLength);

  packet = good;
  wire::store16(packet.data() + 20, 0x2000);
  fix_sum(packet);
  expect_drop(9, packet, Drop::OuterFragment);

  packet = good;
  wire::store16(packet.data() + 40, 0x1234);
  expect_drop(9, packet, Drop::OuterUdpChecksum);

  expect_drop(9, tunnel_packet(frame, 1001), Drop::UnknownVni);
  expect_drop(9, tunnel_packet(frame, 0), Drop::UnknownVni);
  expect_drop(9, tunnel_packet(frame, 1000, "192.0.2.77"), Drop::UnknownVtep);
  expect_drop(9, tunnel_packet(Bytes(frame.begin(), frame.begin() + 13), 1000), Drop::InnerTruncated);
  expect_drop(9, tunnel_packet(with_tag(frame, 7), 1000), Drop::InnerVlan);
  expect_drop(9, tunnel_packet(ipv4_frame(kRemote, kVm1), 1000), Drop::TunnelToTunnel);
}

// RFC 7348: a checksum that is there and right is accepted; IPv4 options and Ethernet's padding do no harm.
TEST_P(WalkTest, UnusualButRightPacketsPass) {
  const Bytes frame = ipv4_frame(kVm1, kRemote);
  Bytes packet = tunnel_packet(frame, 1000);
  std::uint64_t sum = wire::checksum_add(std::uint64_t{17} << 8U, packet.data() + 26, 8);
  sum += wire::load_raw<std::uint16_t>(packet.data() + 38);
  wire::store_raw(packet.data() + 40,
                  wire::checksum_fold(wire::checksum_add(sum, packet.data() + 34, packet.size() - 34)));
  EXPECT_EQ(rig_.one(9, packet).bytes, frame);

  packet = tunnel_packet(frame, 1000);
  packet.resize(packet.size() + 9, 0xaa);
  EXPECT_EQ(rig_.one(9, packet).bytes, frame);

  packet = tunnel_packet(frame, 1000);
  packet[14] = 0x46;
  wire::store16(packet.data() + 16, static_cast<std::uint16_t>(wire::load16(packet.data() + 16) + 4));
  const Bytes options = {1, 1, 1, 0};
  packet.insert(packet.begin() + 34, options.begin(), options.end());
  wire::store16(packet.data() + 24, 0);
  wire::store_raw(packet.data() + 24, wire::checksum_fold(wire::checksum_add(0, packet.data() + 14, 24)));
  EXPECT_EQ(rig_.one(9, packet).bytes, frame);
}

TEST_P(WalkTest, WhatIsNotOursGoesToTheHostAndBack) {
  Bytes host = ipv4_frame("02:00:00:00:00:01", "02:00:00:00:00:02", "192.0.2.2", "192.0.2.1");
  const Out out = rig_.one(9, host);
  EXPECT_EQ(out.port, 20);
  EXPECT_EQ(out.bytes, host);
  EXPECT_EQ(rig_.counters().ports[9].exception, 1U);
  EXPECT_EQ(rig_.one(20, host).port, 9);
  expect_drop(10, host, Drop::NotOurs);  // an uplink without an exception path
  // VXLAN to another host's MAC or address is not ours either.
  Bytes other = tunnel_packet(ipv4_frame(kVm1, kRemote), 1000);
  other[5] ^= 1;
  EXPECT_EQ(rig_.one(9, other).port, 20);
}

TEST_P(WalkTest, BroadcastsGoToAllOthersOnce) {
  const Bytes frame = ipv4_frame(kBroadcast, kVm1);
  std::map<PortIndex, int> seen;
  for (const Out& out : rig_.run(1, {frame})) {
    EXPECT_FALSE(out.dropped);
    ++seen[out.port];
    if (out.port == 2) {
      EXPECT_EQ(out.bytes, frame);
    }
    if (out.port == 3) {
      EXPECT_EQ(out.bytes, with_tag(frame, 50));
    }
    if (out.port == 9) {
      expect_sums(out.bytes);
      EXPECT_TRUE(std::equal(frame.begin(), frame.end(), out.bytes.begin() + 50));
    }
  }
  EXPECT_EQ(seen, (std::map<PortIndex, int>{{2, 1}, {3, 1}, {9, 2}}));
  seen.clear();
  for (const Out& out : rig_.run(9, {tunnel_packet(frame, 1000)})) ++seen[out.port];
  EXPECT_EQ(seen, (std::map<PortIndex, int>{{1, 1}, {2, 1}, {3, 1}}));  // no VTEP
  expect_drop(4, frame, Drop::NoReceivers);
}

TEST_P(WalkTest, ABroadcastWithoutBuffersReachesTheLastReceiver) {
  rig_.no_buffers = true;
  const auto out = rig_.run(1, {ipv4_frame(kBroadcast, kVm1)});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_FALSE(out[0].dropped);
  EXPECT_EQ(rig_.drops(1, Drop::NoBuffer), 3U);
  EXPECT_EQ(rig_.missed, std::vector<Bytes>(3, ipv4_frame(kBroadcast, kVm1)));  // and shown to a capture
}

TEST_P(WalkTest, UnknownUnicastFollowsTheSegmentsPolicy) {
  const Bytes frame = ipv4_frame("fa:16:3e:ff:ff:ff", kVm1);
  EXPECT_EQ(rig_.run(1, {frame}).size(), 4U);
  batch_.segments.put[0].drop_unknown = 1;
  apply();
  expect_drop(1, frame, Drop::UnknownUnicast);
  EXPECT_EQ(rig_.run(1, {ipv4_frame(kBroadcast, kVm1)}).size(), 4U);
}

TEST_P(WalkTest, TheSameAddressesInTwoSegmentsNeverMix) {
  // kRemote is VTEP 7's in segment 5 and port 4's in segment 11.
  EXPECT_EQ(rig_.one(4, ipv4_frame(kVm1, kVm2)).dropped, true);
  EXPECT_EQ(rig_.one(1, ipv4_frame(kRemote, kVm1)).port, 9);
  EXPECT_EQ(rig_.one(9, tunnel_packet(ipv4_frame(kRemote, kVm1), 11)).port, 4);
  EXPECT_EQ(rig_.one(9, tunnel_packet(ipv4_frame(kVm1, kVm2), 0xfffffe)).port, 3);
}

TEST_P(WalkTest, AFlushedSegmentForgetsAtOnce) {
  EXPECT_EQ(rig_.run(1, {ipv4_frame(kVm2, kVm1)}).size(), 1U);
  Batch flush;
  flush.segments.put = {segment(5, 1000)};
  flush.segments.put[0].flush = 1;
  rig_.program.apply(flush);
  EXPECT_EQ(rig_.run(1, {ipv4_frame(kVm2, kVm1)}).size(), 4U);  // unknown now
}

TEST_P(WalkTest, LengthAndRoomAreKept) {
  // No IP: nobody is told (fastpath_offload_test has who is).
  Bytes long_frame = ipv4_frame(kVm2, kVm1, "10.0.0.1", "10.0.0.2", 1515);
  wire::store16(long_frame.data() + 12, 0x88b5);
  expect_drop(1, long_frame, Drop::TooLong);
  EXPECT_FALSE(rig_.one(1, ipv4_frame(kVm2, kVm1, "10.0.0.1", "10.0.0.2", 1514)).dropped);
  // The uplink's MTU of 1600 leaves 1550 for the inner frame.
  EXPECT_FALSE(rig_.one(1, ipv4_frame(kRemote, kVm1, "10.0.0.1", "10.0.0.2", 1564 - 14)).dropped);
  const auto out = rig_.run(1, {ipv4_frame(kRemote, kVm1)}, 10);
  EXPECT_EQ(out[0].drop, Drop::NoHeadroom);
  expect_drop(1, Bytes(13), Drop::Runt);
  expect_drop(77, ipv4_frame(kVm2, kVm1), Drop::NoPort);
  expect_drop(1, ipv4_frame(kVm2, "01:00:5e:00:00:01"), Drop::BadSource);
  expect_drop(1, ipv4_frame(kVm2, "00:00:00:00:00:00"), Drop::BadSource);
}

// Every truncation of every kind of packet, in memory that ends with it: counted, and nothing read beyond.
TEST_P(WalkTest, EveryTruncationIsCounted) {
  batch_.ports.put[0].spoof_check = 1;
  batch_.allowed.put = {allowed(1, kVm1, "10.0.0.1", 32)};
  batch_.segments.put[0].answer_neighbours = 1;
  apply();
  const Bytes inner = ipv4_frame(kVm1, kRemote);
  const std::vector<std::pair<PortIndex, Bytes>> packets = {
      {9, tunnel_packet(inner, 1000)}, {10, tunnel_packet(inner, 1000, "2001:db8::2")},
      {3, with_tag(inner, 50)},        {3, with_tag(with_tag(inner, 50), 50)},
      {1, ipv4_frame(kVm2, kVm1)},     {9, tunnel_packet(tunnel_packet(inner, 1000), 1000)}};
  std::uint64_t sent = 0;
  for (const auto& [port, packet] : packets) {
    for (std::size_t length = 0; length <= packet.size(); ++length) {
      rig_.run(port, {Bytes(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(length))});
      ++sent;
    }
  }
  std::uint64_t received = 0;
  for (const unsigned port : {1U, 3U, 9U, 10U}) received += rig_.counters().ports[port].received.packets;
  EXPECT_EQ(received, sent);
}

// Any bytes from any port: nothing is lost track of.
TEST_P(WalkTest, RandomFramesAreAllAccountedFor) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  batch_.ports.put[0].spoof_check = 1;
  batch_.segments.put[0].answer_neighbours = 1;
  apply();
  const Bytes good = tunnel_packet(ipv4_frame(kVm1, kRemote), 1000);
  for (int i = 0; i < 20000; ++i) {
    Bytes packet = random() % 2 == 0 ? good : with_tag(ipv4_frame(kVm2, kVm1), 50);
    for (unsigned flips = random() % 4; flips > 0; --flips)
      packet[random() % packet.size()] = static_cast<std::uint8_t>(random());
    packet.resize(packet.size() - random() % 8 * (random() % 2));
    const PortIndex ports[] = {1, 3, 9, 10, 20};
    const PortIndex port = ports[random() % 5];
    const auto out = rig_.run(port, {packet});
    ASSERT_FALSE(out.empty());
    for (const Out& one : out) ASSERT_TRUE(one.dropped || one.port != kNoPort);
  }
}

}  // namespace
}  // namespace ml2::fastpath
