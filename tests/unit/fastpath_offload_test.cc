// What virtual machines leave to us: checksums, segments, frames in pieces, frames that are too long; with every instruction
// set that this machine has.
#include <gtest/gtest.h>

#include "dpdk/walk/offload.h"
#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath {
namespace {

constexpr const char* kVm1 = "fa:16:3e:00:00:01";
constexpr const char* kVm2 = "fa:16:3e:00:00:02";
constexpr const char* kTrunk = "fa:16:3e:00:00:33";
constexpr const char* kRemote4 = "fa:16:3e:00:00:04";
constexpr const char* kRemote6 = "fa:16:3e:00:00:06";
constexpr std::uint8_t kAll = kTakesChecksum | kTakesTso4 | kTakesTso6 | kTakesPieces;

// Ports 1, 2: machines in segment 5; 3: a trunk with it as VLAN 50; 9, 10: uplinks over IPv4 and IPv6; 20: the host behind 9.
class OffloadTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    batch_.full = true;
    abi::Port up4 = uplink(9, "02:00:00:00:00:01", "192.0.2.1");
    up4.peer = 20;
    up4.mtu = 1550;
    abi::Port up6 = uplink(10, "02:00:00:00:00:01", "2001:db8::1");
    up6.mtu = 1570;
    abi::Port host = access_port(20);
    host.kind = abi::PortKind::Wire;
    host.peer = 9;
    batch_.ports.put = {access_port(1), access_port(2), uplink(3, "02:00:00:00:00:09", nullptr), up4, up6, host};
    batch_.segments.put = {segment(5, 1000)};
    batch_.attachments.put = {
        {.port = 1, .segment = 5}, {.port = 2, .segment = 5}, {.port = 3, .segment = 5, .vlan = 50}};
    batch_.vteps.put = {vtep(7, 9, "192.0.2.1", "192.0.2.2"), vtep(8, 10, "2001:db8::1", "2001:db8::2")};
    batch_.vteps.put[1].udp_checksum = 1;
    batch_.fdb.put = {fdb(kVm1, 5, 1), fdb(kVm2, 5, 2), fdb(kTrunk, 5, 3), fdb(kRemote4, 5, 0, 7),
                      fdb(kRemote6, 5, 0, 8)};
    apply();
  }
  void apply() {
    const Applied applied = rig_.program.apply(batch_);
    ASSERT_TRUE(applied.refused.empty()) << applied.refused.front();
  }

  // A TCP packet with 12 bytes of options, as a sender leaves it that asks for a checksum: the field has something else.
  static Bytes tcp(const char* to, bool ipv6, std::size_t payload, std::uint8_t flags = 0x10) {
    const std::size_t ip_length = ipv6 ? 40 : 20;
    Bytes frame(14 + ip_length + 32 + payload);
    for (std::size_t i = 0; i < payload; ++i)
      frame[14 + ip_length + 32 + i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    set_mac(frame.data(), to);
    set_mac(frame.data() + 6, kVm1);
    std::uint8_t* ip = frame.data() + 14;
    const auto length = static_cast<std::uint16_t>(std::min<std::size_t>(frame.size() - 14, 65535));
    if (ipv6) {
      wire::store16(frame.data() + 12, wire::kTypeIpv6);
      ip[0] = 0x60;
      wire::store16(ip + 4, static_cast<std::uint16_t>(length - 40));
      ip[6] = 6;
      ip[7] = 64;
      set_ip(ip + 8, "2001:db8:1::1");
      set_ip(ip + 24, "2001:db8:1::2");
    } else {
      wire::store16(frame.data() + 12, wire::kTypeIpv4);
      ip[0] = 0x45;
      wire::store16(ip + 2, length);
      wire::store16(ip + 4, 0xfffe);
      wire::store16(ip + 6, 0x4000);
      ip[8] = 64;
      ip[9] = 6;
      std::uint8_t address[16];
      set_ip(address, "10.0.0.1");
      std::memcpy(ip + 12, address, 4);
      set_ip(address, "10.0.0.2");
      std::memcpy(ip + 16, address, 4);
      wire::store_raw(ip + 10, wire::checksum_fold(wire::checksum_add(0, ip, 20)));
    }
    std::uint8_t* tcp = ip + ip_length;
    wire::store16(tcp, 40000);
    wire::store16(tcp + 2, 5001);
    wire::store32(tcp + 4, 0xfffffff0U);  // the sequence number goes over the end
    tcp[12] = 8U << 4U;
    tcp[13] = flags;
    wire::store16(tcp + 16, 0xdead);
    return frame;
  }
  static Bytes udp(const char* to, bool ipv6, std::size_t payload) {
    Bytes frame = tcp(to, ipv6, payload);
    const std::size_t header = ipv6 ? 54 : 34;
    frame.erase(frame.begin() + static_cast<std::ptrdiff_t>(header),
                frame.begin() + static_cast<std::ptrdiff_t>(header) + 24);
    frame[ipv6 ? 20 : 23] = wire::kProtocolUdp;
    const auto length = static_cast<std::uint16_t>(frame.size() - header);
    wire::store16(frame.data() + (ipv6 ? 18 : 16), static_cast<std::uint16_t>(length + (ipv6 ? 0 : 20)));
    wire::store16(frame.data() + header + 4, length);
    wire::store16(frame.data() + header + 6, 0xdead);
    if (!ipv6) {
      wire::store16(frame.data() + 24, 0);
      wire::store_raw(frame.data() + 24, wire::checksum_fold(wire::checksum_add(0, frame.data() + 14, 20)));
    }
    return frame;
  }
  // All sums of a packet are what a receiver expects.
  static void expect_sums(const Bytes& packet) {
    const std::uint8_t* ip = packet.data() + 14;
    const bool v6 = (ip[0] >> 4U) == 6;
    const std::size_t header = v6 ? 40 : 20;
    const std::size_t length = v6 ? wire::load16(ip + 4) : wire::load16(ip + 2) - header;
    ASSERT_LE(14 + header + length, packet.size());
    if (!v6) {
      EXPECT_EQ(wire::checksum_fold(wire::checksum_add(0, ip, 20)), 0);
    }
    std::uint64_t sum = (std::uint64_t{ip[v6 ? 6 : 9]} << 8U) + __builtin_bswap32(static_cast<std::uint32_t>(length));
    sum = wire::checksum_add(sum, ip + (v6 ? 8 : 12), v6 ? 32 : 8);
    EXPECT_EQ(wire::checksum_fold(wire::checksum_add(sum, ip + header, length)), 0);
  }
  // The segments are the frame's TCP stream, each a packet of its own of at most `size` bytes.
  static void expect_segments(const std::vector<Bytes>& segments, const Bytes& whole, std::size_t size) {
    const bool v6 = whole[12] == 0x86;
    const std::size_t tcp = v6 ? 54 : 34;
    const std::size_t payload = tcp + 32;
    ASSERT_EQ(segments.size(), (whole.size() - payload + size - 1) / size);
    Bytes stream(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(payload));
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const Bytes& one = segments[i];
      const bool last = i + 1 == segments.size();
      ASSERT_EQ(one.size(), last ? payload + (whole.size() - payload - 1) % size + 1 : payload + size);
      expect_sums(one);
      EXPECT_EQ(wire::load32(one.data() + tcp + 4), 0xfffffff0U + static_cast<std::uint32_t>(i * size));
      // CWR in the first, FIN and PSH in the last.
      EXPECT_EQ(one[tcp + 13], 0x10 | (i == 0 ? 0x80 : 0) | (last ? 0x09 : 0));
      EXPECT_EQ(wire::load32(one.data() + tcp + 8), wire::load32(whole.data() + tcp + 8));
      if (!v6) {
        EXPECT_EQ(wire::load16(one.data() + 18), static_cast<std::uint16_t>(0xfffe + i));
      }
      EXPECT_TRUE(std::equal(one.begin(), one.begin() + 12, whole.begin()));
      stream.insert(stream.end(), one.begin() + static_cast<std::ptrdiff_t>(payload), one.end());
    }
    EXPECT_TRUE(std::equal(stream.begin() + static_cast<std::ptrdiff_t>(payload), stream.end(),
                           whole.begin() + static_cast<std::ptrdiff_t>(payload), whole.end()));
  }
  std::vector<Out> give(PortIndex port, const In& in) { return rig_.run_work(port, {in}); }
  void expect_drop(PortIndex port, const In& in, Drop reason) {
    const std::uint64_t before = rig_.drops(port, reason);
    const auto out = give(port, in);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_TRUE(out[0].dropped);
    EXPECT_EQ(kDropNames[static_cast<int>(out[0].drop)], std::string(kDropNames[static_cast<int>(reason)]));
    EXPECT_EQ(rig_.drops(port, reason), before + 1);
  }

  Batch batch_;
  Rig rig_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Isa, OffloadTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });

TEST_P(OffloadTest, BetweenMachinesThatTakeItTheWorkStaysUndone) {
  rig_.takes[2] = kAll;
  for (const bool ipv6 : {false, true}) {
    const In in{.bytes = tcp(kVm2, ipv6, 60000), .checksum = true, .segment_size = 1400, .first_piece = 2000};
    const auto out = give(1, in);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].port, 2);
    EXPECT_TRUE(out[0].checksum && out[0].long_tcp);
    EXPECT_EQ(out[0].segment_size, 1400);
    EXPECT_EQ(out[0].outer_length, 0);
    EXPECT_EQ(out[0].bytes, in.bytes);
  }
  EXPECT_EQ(rig_.counters().ports[1].received.bytes, tcp(kVm2, false, 60000).size() + tcp(kVm2, true, 60000).size());
}

TEST_P(OffloadTest, ChecksumsAreMadeForWhoDoesNotTakeThem) {
  for (const char* to : {kVm2, kTrunk, kRemote4, kRemote6}) {
    for (const bool ipv6 : {false, true}) {
      for (const bool is_udp : {false, true}) {
        for (const std::size_t payload : {0U, 1U, 18U, 777U, 1400U}) {
          for (const std::size_t first : {0U, 256U, 301U}) {
            const Bytes frame = is_udp ? udp(to, ipv6, payload) : tcp(to, ipv6, payload);
            if (first >= frame.size()) continue;
            const auto out = give(1, {.bytes = frame, .checksum = true, .first_piece = first});
            ASSERT_EQ(out.size(), 1U) << to;
            ASSERT_FALSE(out[0].dropped);
            EXPECT_FALSE(out[0].checksum);
            Bytes plain = out[0].bytes;
            const std::size_t before = to == kTrunk ? 0 : to == kRemote4 ? 50 : to == kRemote6 ? 70 : 0;
            if (before == 70) expect_sums(plain);  // the outer UDP checksum, which VTEP 8 has
            plain.erase(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(before));
            if (to == kTrunk) plain.erase(plain.begin() + 12, plain.begin() + 16);
            ASSERT_EQ(plain.size(), frame.size());
            expect_sums(plain);
          }
        }
      }
    }
  }
}

TEST_P(OffloadTest, LongTcpIsCutForWhoDoesNotTakeIt) {
  constexpr std::uint8_t kFlags = 0x10 | 0x80 | 0x09;  // ACK, CWR, PSH, FIN
  for (const char* to : {kVm2, kTrunk, kRemote4, kRemote6}) {
    for (const bool ipv6 : {false, true}) {
      for (const std::size_t payload : {1U, 1400U, 1401U, 30011U}) {
        for (const std::size_t first : {0U, 256U, 1999U}) {
          const Bytes frame = tcp(to, ipv6, payload, kFlags);
          if (first >= frame.size()) continue;
          const auto out = give(1, {.bytes = frame, .checksum = true, .segment_size = 1400, .first_piece = first});
          std::vector<Bytes> segments;
          for (const Out& one : out) {
            ASSERT_FALSE(one.dropped);
            EXPECT_FALSE(one.checksum || one.long_tcp);
            Bytes plain = one.bytes;
            if (to == kTrunk) {
              EXPECT_EQ(wire::load32(plain.data() + 12), 0x81000032U);
              plain.erase(plain.begin() + 12, plain.begin() + 16);
            } else if (to != kVm2) {
              EXPECT_EQ(one.port, to == kRemote4 ? 9 : 10);
              const std::size_t outer = to == kRemote4 ? 50 : 70;
              if (to == kRemote6) expect_sums(plain);  // with the outer UDP checksum
              plain.erase(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(outer));
            }
            segments.push_back(plain);
          }
          expect_segments(segments, frame, 1400);
        }
      }
    }
  }
}

TEST_P(OffloadTest, OneUdpPortForAllSegmentsOfAFlow) {
  const auto out = give(1, {.bytes = tcp(kRemote4, false, 9000), .checksum = true, .segment_size = 1000});
  ASSERT_EQ(out.size(), 9U);
  for (const Out& one : out) EXPECT_EQ(wire::load16(one.bytes.data() + 34), wire::load16(out[0].bytes.data() + 34));
}

TEST_P(OffloadTest, ADeviceWithTunnelTsoGetsTheWholeFrame) {
  rig_.takes[9] = kAll | kTakesTunnel;
  rig_.takes[10] = kAll | kTakesTunnel;
  const Bytes frame = tcp(kRemote4, false, 30000);
  auto out = give(1, {.bytes = frame, .checksum = true, .segment_size = 1400, .first_piece = 1000});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_TRUE(out[0].long_tcp && out[0].checksum);
  EXPECT_EQ(out[0].segment_size, 1400);
  EXPECT_EQ(out[0].outer_length, 50);
  ASSERT_EQ(out[0].bytes.size(), frame.size() + 50);
  EXPECT_TRUE(std::equal(frame.begin(), frame.end(), out[0].bytes.begin() + 50));
  // An outer UDP checksum would be of every segment: that is not left to a device.
  out = give(1, {.bytes = tcp(kRemote6, false, 2800), .checksum = true, .segment_size = 1400});
  ASSERT_EQ(out.size(), 2U);
  for (const Out& one : out) expect_sums(one.bytes);
}

TEST_P(OffloadTest, WorkThatDoesNotFitIsRefused) {
  const Bytes frame = tcp(kVm2, false, 3000);
  expect_drop(1, {.bytes = frame, .checksum = true, .segment_size = 47}, Drop::BadOffload);
  expect_drop(1, {.bytes = udp(kVm2, false, 3000), .checksum = true, .segment_size = 1400}, Drop::BadOffload);
  expect_drop(1, {.bytes = tcp(kVm2, false, 0), .checksum = true, .segment_size = 1400}, Drop::BadOffload);
  expect_drop(1, {.bytes = ipv4_frame(kVm2, kVm1), .segment_size = 1400}, Drop::BadOffload);
  for (const bool ipv6 : {false, true}) {
    const Bytes whole = tcp(kVm2, ipv6, 100);
    // Every truncation: dropped, or a frame with what IP says still in it; never more read than there is.
    for (std::size_t length = 14; length < whole.size(); ++length) {
      const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      expect_drop(1, {.bytes = part, .checksum = true}, Drop::BadOffload);
      for (const Out& out : give(1, {.bytes = part, .checksum = true, .segment_size = 60}))
        EXPECT_TRUE(out.dropped || out.port == 2);
    }
    // Every value of the bytes that say how long headers are.
    for (const std::size_t at : {std::size_t{14}, std::size_t{20}, std::size_t{ipv6 ? 66U : 46U}}) {
      for (unsigned value = 0; value < 256; ++value) {
        Bytes wrong = whole;
        wrong[at] = static_cast<std::uint8_t>(value);
        give(1, {.bytes = wrong, .checksum = true});
        give(1, {.bytes = wrong, .checksum = true, .segment_size = 60});
      }
    }
  }
}

TEST_P(OffloadTest, NoBufferIsCounted) {
  rig_.no_buffers = true;
  EXPECT_TRUE(give(1, {.bytes = tcp(kVm2, false, 3000), .checksum = true, .segment_size = 1400}).empty());
  EXPECT_EQ(rig_.drops(1, Drop::NoBuffer), 1U);
  EXPECT_EQ(rig_.missed.size(), 1U);
}

TEST_P(OffloadTest, PiecesAreJoinedForWhoDoesNotTakeThem) {
  const Bytes frame = udp(kVm2, false, 1400);
  auto out = give(1, {.bytes = frame, .first_piece = 300});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].bytes, frame);
  rig_.takes[2] = kTakesPieces;
  out = give(1, {.bytes = frame, .first_piece = 300});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].bytes, frame);
  rig_.takes[2] = 0;
  rig_.longest_piece = 1000;
  expect_drop(1, {.bytes = frame, .first_piece = 300}, Drop::Scattered);
}

TEST_P(OffloadTest, TunnelPacketsInPiecesAreCheckedToo) {
  vxlan::Outer outer;
  set_mac(outer.destination_mac, "02:00:00:00:00:01");
  set_ip(outer.source, "192.0.2.2");
  set_ip(outer.destination, "192.0.2.1");
  outer.udp_checksum = true;
  const vxlan::Header header = vxlan::prepare(outer);
  const Bytes inner = udp(kVm2, false, 1001);
  Bytes packet(header.bytes + vxlan::Header::kSize - header.length, header.bytes + vxlan::Header::kSize);
  packet.insert(packet.end(), inner.begin(), inner.end());
  vxlan::patch<false>(header, packet.data(), inner.size(), 55555, 1000);
  for (const std::size_t first : {256U, 257U, 900U}) {
    const auto out = give(9, {.bytes = packet, .first_piece = first});
    ASSERT_EQ(out.size(), 1U);
    ASSERT_FALSE(out[0].dropped);
    EXPECT_EQ(out[0].port, 2);
    EXPECT_EQ(out[0].bytes, inner);
  }
  packet.back() ^= 1U;
  expect_drop(9, {.bytes = packet, .first_piece = 300}, Drop::OuterUdpChecksum);
}

TEST_P(OffloadTest, TheHostsLongTcpIsCutForAnUplinkThatDoesNotTakeIt) {
  const Bytes frame = tcp("02:00:00:00:00:02", false, 2800, 0x99);
  const auto out = give(20, {.bytes = frame, .checksum = true, .segment_size = 1400});
  std::vector<Bytes> segments;
  for (const Out& one : out) {
    EXPECT_EQ(one.port, 9);
    segments.push_back(one.bytes);
  }
  expect_segments(segments, frame, 1400);
}

TEST_P(OffloadTest, BroadcastsBringTheirWorkAlong) {
  rig_.takes[2] = kAll;
  const Bytes frame = udp("ff:ff:ff:ff:ff:ff", false, 900);
  const auto out = give(1, {.bytes = frame, .checksum = true, .first_piece = 500});
  ASSERT_EQ(out.size(), 2U);  // port 2, and the trunk
  for (const Out& one : out) {
    EXPECT_EQ(one.checksum, one.port == 2);
    if (one.port != 3) continue;
    Bytes plain = one.bytes;
    plain.erase(plain.begin() + 12, plain.begin() + 16);
    expect_sums(plain);
  }
}

TEST_P(OffloadTest, TooLongForAnIpv4WayIsAnswered) {
  const Bytes frame = udp(kRemote4, false, 1500);  // 1542 bytes of frame; the way has 1500 + 14
  const auto out = give(1, {.bytes = frame});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].port, 1);
  const Bytes& answer = out[0].bytes;
  ASSERT_EQ(answer.size(), 14U + 576);
  EXPECT_TRUE(std::equal(answer.begin(), answer.begin() + 6, frame.begin() + 6));
  EXPECT_TRUE(std::equal(answer.begin() + 6, answer.begin() + 12, frame.begin()));
  const std::uint8_t* ip = answer.data() + 14;
  EXPECT_EQ(wire::load16(ip + 2), 576);
  EXPECT_EQ(ip[9], 1);
  EXPECT_EQ(std::memcmp(ip + 12, frame.data() + 30, 4), 0);  // from whom it was for
  EXPECT_EQ(std::memcmp(ip + 16, frame.data() + 26, 4), 0);
  EXPECT_EQ(wire::checksum_fold(wire::checksum_add(0, ip, 20)), 0);
  EXPECT_EQ(wire::checksum_fold(wire::checksum_add(0, ip + 20, 556)), 0);
  EXPECT_EQ(wire::load16(ip + 20), 0x0304);
  EXPECT_EQ(wire::load16(ip + 26), 1500);
  EXPECT_EQ(std::memcmp(ip + 28, frame.data() + 14, 548), 0);
  EXPECT_EQ(rig_.counters().ports[1].answered, 1U);
  EXPECT_EQ(rig_.drops(1, Drop::TooLong), 1U);
  // What fits is sent.
  EXPECT_EQ(give(1, {.bytes = udp(kRemote4, false, 1472)})[0].port, 9);
}

TEST_P(OffloadTest, TooLongForAnIpv6WayIsAnswered) {
  const Bytes frame = udp(kRemote6, true, 1500);
  const auto out = give(1, {.bytes = frame, .first_piece = 400});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].port, 1);
  const Bytes& answer = out[0].bytes;
  const std::uint8_t* ip = answer.data() + 14;
  ASSERT_EQ(answer.size(), 14U + 48 + kReadable - 14);
  EXPECT_EQ(std::memcmp(ip + 8, frame.data() + 38, 16), 0);
  EXPECT_EQ(std::memcmp(ip + 24, frame.data() + 22, 16), 0);
  EXPECT_EQ(wire::load16(ip + 40), 0x0200);
  EXPECT_EQ(wire::load32(ip + 44), 1500U);
  expect_sums(answer);
  EXPECT_EQ(std::memcmp(ip + 48, frame.data() + 14, kReadable - 14), 0);
}

TEST_P(OffloadTest, ATrunksAnswerHasItsTag) {
  Bytes frame = udp(kRemote4, false, 1500);
  set_mac(frame.data() + 6, kTrunk);
  const auto out = give(3, {.bytes = with_tag(frame, 50)});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].port, 3);
  EXPECT_EQ(wire::load32(out[0].bytes.data() + 12), 0x81000032U);
  EXPECT_EQ(wire::load16(out[0].bytes.data() + 16), wire::kTypeIpv4);
  EXPECT_EQ(wire::load16(out[0].bytes.data() + 18 + 20), 0x0304);
}

TEST_P(OffloadTest, SegmentsThatAreTooLongAreAnswered) {
  // 1460 + 20 + 32 is more than 1500.
  const auto out =
      give(1, {.bytes = tcp(kRemote4, false, 30000), .checksum = true, .segment_size = 1460, .first_piece = 2000});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].port, 1);
  EXPECT_FALSE(out[0].long_tcp || out[0].checksum);
  EXPECT_EQ(wire::load16(out[0].bytes.data() + 34), 0x0304);
  EXPECT_EQ(wire::load16(out[0].bytes.data() + 40), 1500);
}

TEST_P(OffloadTest, SomeAreNotAnswered) {
  const auto silent = [&](PortIndex port, const Bytes& frame) {
    SCOPED_TRACE(port);
    expect_drop(port, {.bytes = frame}, Drop::TooLong);
  };
  Bytes fragment = udp(kRemote4, false, 1500);
  wire::store16(fragment.data() + 20, 0x0010);
  silent(1, fragment);
  Bytes error = udp(kRemote4, false, 1500);
  error[23] = 1;   // ICMP
  error[34] = 11;  // time exceeded
  silent(1, error);
  Bytes multicast = udp(kRemote4, false, 1500);
  multicast[30] = 239;
  silent(1, multicast);
  Bytes nobody = udp(kRemote4, false, 1500);
  std::memset(nobody.data() + 26, 0, 4);
  silent(1, nobody);
  Bytes other = udp(kRemote4, false, 1500);
  wire::store16(other.data() + 12, 0x88cc);
  silent(1, other);
  Bytes error6 = udp(kRemote4, true, 1500);
  error6[20] = 58;
  error6[54] = 1;  // unreachable
  silent(1, error6);
  // An echo request is one that is: path MTU discovery by ping.
  Bytes echo = udp(kRemote4, false, 1500);
  echo[23] = 1;
  echo[34] = 8;
  EXPECT_EQ(give(1, {.bytes = echo})[0].port, 1);
  // From another node: its VTEP has answered, or will.
  batch_.ports.put[1].mtu = 1000;
  apply();
  vxlan::Outer outer;
  set_mac(outer.destination_mac, "02:00:00:00:00:01");
  set_ip(outer.source, "192.0.2.2");
  set_ip(outer.destination, "192.0.2.1");
  const vxlan::Header header = vxlan::prepare(outer);
  const Bytes inner = udp(kVm2, false, 1200);
  Bytes packet(header.bytes + vxlan::Header::kSize - header.length, header.bytes + vxlan::Header::kSize);
  packet.insert(packet.end(), inner.begin(), inner.end());
  vxlan::patch<false>(header, packet.data(), inner.size(), 55555, 1000);
  silent(9, packet);
}

TEST_P(OffloadTest, AnswersAreRare) {
  const Bytes frame = udp(kRemote4, false, 1500);
  unsigned answered = 0;
  for (int i = 0; i < 1000; ++i) answered += give(1, {.bytes = frame})[0].port == 1 ? 1U : 0U;
  EXPECT_EQ(answered, AnswerRate::kPerSecond);
  EXPECT_EQ(rig_.drops(1, Drop::TooLong), 1000U);
  rig_.now += 50;
  answered = 0;
  for (int i = 0; i < 1000; ++i) answered += give(1, {.bytes = frame})[0].port == 1 ? 1U : 0U;
  EXPECT_EQ(answered, AnswerRate::kPerSecond / 20);
}

TEST_P(OffloadTest, AChangedMtuReachesTheDevice) {
  batch_.ports.put[0].mtu = 9000;
  apply();
  EXPECT_EQ(rig_.devices.mtu[1], 9000);
  batch_.ports.put[0].mtu = 9500;
  const Applied applied = rig_.program.apply(batch_);
  ASSERT_EQ(applied.refused.size(), 1U);
  EXPECT_NE(applied.refused[0].find("its MTU stays 9000"), std::string::npos) << applied.refused[0];
  EXPECT_EQ(rig_.program.ports().at(1).mtu, 9000);
}

}  // namespace
}  // namespace ml2::fastpath
