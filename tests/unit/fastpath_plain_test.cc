// walk/plain.h recognises usual frames quickly; what it accepts, the thorough way must accept too, with the same result.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath {
namespace {

constexpr const char* kVm1 = "fa:16:3e:00:00:01";
constexpr const char* kVm2 = "fa:16:3e:00:00:02";
constexpr const char* kRemote = "fa:16:3e:00:00:03";
constexpr const char* kOurs = "02:00:00:00:00:01";

// Port 1: a guarded machine's; port 2: an open one's; port 3: a trunk, the segment as VLAN 50; port 9: an uplink, in VLAN
// `underlay` or in none.
Batch network(std::uint16_t underlay) {
  Batch batch;
  batch.full = true;
  abi::Port up = uplink(9, kOurs, "192.0.2.1");
  up.mtu = 1600;
  up.tunnel_vlan = underlay;
  batch.ports.put = {access_port(1), access_port(2), uplink(3, "02:00:00:00:00:09", nullptr), up};
  batch.ports.put[0].spoof_check = 1;
  batch.allowed.put = {allowed(1, kVm1, "10.0.0.1", 32), allowed(1, kVm1, "2001:db8::1", 128)};
  batch.segments.put = {segment(5, 1000)};
  batch.attachments.put = {
      {.port = 1, .segment = 5}, {.port = 2, .segment = 5}, {.port = 3, .segment = 5, .vlan = 50}};
  batch.vteps.put = {vtep(7, 9, "192.0.2.1", "192.0.2.2")};
  batch.fdb.put = {fdb(kVm1, 5, 1), fdb(kVm2, 5, 2), fdb(kRemote, 5, 0, 7)};
  return batch;
}

class PlainTest : public testing::TestWithParam<Isa> {
 protected:
  // Changes up to three bits near the front, and cuts some short.
  Bytes damaged(Bytes packet) {
    for (auto flips = random_() % 4; flips > 0; --flips)
      packet[random_() % std::min<std::size_t>(packet.size(), 68)] ^= static_cast<std::uint8_t>(1U << random_() % 8);
    if (random_() % 8 == 0) packet.resize(random_() % packet.size());
    return packet;
  }
  void SetUp() override { std::printf("seed %u\n", seed_); }
  unsigned seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
};
INSTANTIATE_TEST_SUITE_P(Isa, PlainTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });

void expect_same(const Out& one, const Out& other) {
  ASSERT_EQ(one.dropped, other.dropped);
  ASSERT_EQ(one.port, other.port);
  ASSERT_EQ(one.bytes, other.bytes);
  if (one.dropped) {
    ASSERT_EQ(one.drop, other.drop);
  }
}

// A guarded port's plain frames have its first address: behind another first one, the same frames go the other way.
TEST_P(PlainTest, AGuardedPortsFrames) {
  Rig rig(GetParam());
  Rig thorough(GetParam());
  Batch batch = network(0);
  ASSERT_TRUE(rig.program.apply(batch).refused.empty());
  batch.allowed.put.push_back(allowed(1, kVm1, "1.0.0.1", 32));
  ASSERT_TRUE(thorough.program.apply(batch).refused.empty());
  ASSERT_EQ(thorough.program.tables().ports[1]->allowed.front().address[0], 1);
  unsigned delivered = 0;
  for (int i = 0; i < 20000; ++i) {
    const Bytes packet = damaged(ipv4_frame(i % 2 == 0 ? kVm2 : kRemote, kVm1));
    const Out out = rig.run(1, {packet}).back();
    expect_same(out, thorough.run(1, {packet}).back());
    if (HasFatalFailure()) return;
    delivered += !out.dropped;
  }
  EXPECT_GT(delivered, 5000U);
  EXPECT_EQ(rig.counters().segments[5].packets, thorough.counters().segments[5].packets);
  EXPECT_EQ(rig.counters().segments[5].bytes, thorough.counters().segments[5].bytes);
}

// A frame on a trunk, and the same untagged from a machine: the same for all who receive it.
TEST_P(PlainTest, ATrunksFrames) {
  Rig rig(GetParam());
  ASSERT_TRUE(rig.program.apply(network(0)).refused.empty());
  unsigned delivered = 0;
  for (int i = 0; i < 20000; ++i) {
    const Bytes frame = damaged(ipv4_frame(kRemote, kVm2));
    if (frame.size() < 14 || frame[5] == 2 || frame[12] == 0x81) continue;  // port 2's own; a priority tag
    const auto from_trunk = rig.run(3, {with_tag(frame, 50)});
    const auto from_machine = rig.run(2, {frame});
    if (from_trunk.size() != 1 || from_machine.size() != 1) continue;  // a broadcast: others get it
    expect_same(from_trunk.front(), from_machine.front());
    if (HasFatalFailure()) return;
    delivered += !from_trunk.front().dropped;
  }
  EXPECT_GT(delivered, 5000U);
}

// Of a tunnel packet, what decode() says is the thorough way.
TEST_P(PlainTest, TunnelPackets) {
  for (const std::uint16_t vlan : {std::uint16_t{0}, std::uint16_t{70}}) {
    Rig rig(GetParam());
    ASSERT_TRUE(rig.program.apply(network(vlan)).refused.empty());
    vxlan::Local local;
    set_ip(local.address, "192.0.2.1");
    std::uint8_t mac[6];
    set_mac(mac, kOurs);
    const std::size_t ip = vlan == 0 ? 14 : 18;
    unsigned delivered = 0;
    for (int i = 0; i < 20000; ++i) {
      const Bytes packet = damaged(tunnel_packet(ipv4_frame(kVm2, kRemote), 1000, "192.0.2.2", vlan));
      const Out out = rig.run(9, {packet}).front();
      if (out.dropped) continue;
      ++delivered;
      ASSERT_GE(packet.size(), ip + 50);
      ASSERT_EQ(std::memcmp(packet.data(), mac, 6), 0);
      if (vlan != 0) {
        ASSERT_EQ(wire::load16(packet.data() + 14) & 0x0fffU, vlan);
      }
      const vxlan::Packet decoded = vxlan::decode<false>(local, packet.data() + ip, packet.size() - ip);
      ASSERT_EQ(decoded.fault, vxlan::Fault::None);
      ASSERT_EQ(decoded.vni, 1000U);
      const auto begin = packet.begin() + static_cast<std::ptrdiff_t>(ip + decoded.inner_offset);
      ASSERT_EQ(out.bytes, Bytes(begin, begin + static_cast<std::ptrdiff_t>(decoded.inner_length)));
    }
    EXPECT_GT(delivered, 2000U);
  }
}

}  // namespace
}  // namespace ml2::fastpath
