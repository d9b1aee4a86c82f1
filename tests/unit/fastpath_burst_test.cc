// A burst fares as its frames would one by one: the walk has ways of its own for bursts whose frames are alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath {
namespace {

constexpr const char* kVm1 = "fa:16:3e:00:00:01";
constexpr const char* kVm2 = "fa:16:3e:00:00:02";
constexpr const char* kFar1 = "fa:16:3e:00:00:11";
constexpr const char* kFar2 = "fa:16:3e:00:00:12";
constexpr const char* kTrunk = "fa:16:3e:00:00:33";
constexpr const char* kOurs = "02:00:00:00:00:01";
constexpr const char* kStations[] = {kVm1, kVm2, kFar1, kFar2, kTrunk, "fa:16:3e:00:00:77", "ff:ff:ff:ff:ff:ff"};

// Port 1 is guarded, 2 open, 3 a trunk with segments 5 and 6 as VLANs 50 and 60, 9 an uplink that is a trunk too.
Batch network() {
  Batch batch;
  batch.full = true;
  abi::Port up = uplink(9, kOurs, "192.0.2.1");
  up.mtu = 1600;
  batch.ports.put = {access_port(1), access_port(2), uplink(3, "02:00:00:00:00:09", nullptr), up};
  batch.ports.put[0].spoof_check = 1;
  batch.allowed.put = {allowed(1, kVm1, "10.0.0.1", 32), allowed(1, kVm1, "2001:db8::1", 128)};
  batch.segments.put = {segment(5, 1000), segment(6, 2000)};
  batch.segments.put[0].answer_neighbours = 1;
  batch.attachments.put = {{.port = 1, .segment = 5},
                           {.port = 2, .segment = 5},
                           {.port = 3, .segment = 5, .vlan = 50},
                           {.port = 3, .segment = 6, .vlan = 60},
                           {.port = 9, .segment = 6, .vlan = 70}};
  batch.vteps.put = {vtep(7, 9, "192.0.2.1", "192.0.2.2"), vtep(8, 9, "192.0.2.1", "192.0.2.3")};
  batch.floods.put = {{.segment = 5, .vtep = 7}, {.segment = 6, .vtep = 8}};
  batch.fdb.put = {fdb(kVm1, 5, 1),   fdb(kVm2, 5, 2),   fdb(kFar1, 5, 0, 7), fdb(kFar2, 5, 0, 8),
                   fdb(kTrunk, 5, 3), fdb(kTrunk, 6, 3), fdb(kFar1, 6, 0, 8), fdb(kVm1, 6, 9)};
  return batch;
}

class BurstTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override { std::printf("seed %u\n", seed_); }
  std::uint64_t one_of(std::uint64_t count) { return random_() % count; }
  // What port `from` may receive; `odd` in a hundred is not like the rest.
  Bytes frame(PortIndex from, const char* station, unsigned odd) {
    const auto rare = [&] { return one_of(100) < odd; };
    const char* to = rare() ? kStations[one_of(std::size(kStations))] : station;
    Bytes bytes = ipv4_frame(to, from == 1 || from == 2 ? kVm1 : "fa:16:3e:00:00:99");
    bytes.resize(bytes.size() + one_of(200), 0x5a);
    if (rare()) wire::store16(bytes.data() + 12, one_of(2) != 0 ? wire::kTypeIpv6 : wire::kTypeArp);
    if (rare()) bytes[6 + one_of(20)] ^= static_cast<std::uint8_t>(1U << one_of(8));
    if (from == 3) bytes = with_tag(bytes, rare() ? static_cast<std::uint16_t>(one_of(5) * 10 + 40) : 50);
    if (from == 9) {
      bytes = rare() ? with_tag(bytes, 70)
                     : tunnel_packet(bytes, rare() ? 2000 : 1000, rare() ? "192.0.2.3" : "192.0.2.2");
    }
    if (rare()) bytes[one_of(bytes.size())] ^= static_cast<std::uint8_t>(1U << one_of(8));
    if (rare()) bytes.resize(one_of(bytes.size()));
    if (rare()) bytes.resize(1700);
    return bytes;
  }
  unsigned seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
};
INSTANTIATE_TEST_SUITE_P(Isa, BurstTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });

using Row = std::tuple<PortIndex, bool, int, Bytes>;
void add(std::vector<Row>& rows, const std::vector<Out>& out) {
  for (const Out& one : out)
    rows.emplace_back(one.port, one.dropped, one.dropped ? static_cast<int>(one.drop) : 0, one.bytes);
}

TEST_P(BurstTest, FaresAsItsFramesOneByOne) {
  Rig together(GetParam());
  Rig apart(GetParam());
  ASSERT_TRUE(together.program.apply(network()).refused.empty());
  ASSERT_TRUE(apart.program.apply(network()).refused.empty());
  unsigned delivered = 0;
  for (int i = 0; i < 4000; ++i) {
    const PortIndex from = std::array<PortIndex, 4>{1, 2, 3, 9}[one_of(4)];
    const char* station = kStations[one_of(std::size(kStations))];
    const unsigned odd = std::array<unsigned, 4>{0, 0, 3, 30}[one_of(4)];
    std::vector<Bytes> burst;
    for (auto frames = 1 + one_of(kBurst); frames > 0; --frames) burst.push_back(frame(from, station, odd));
    std::vector<Row> one;
    std::vector<Row> other;
    add(one, together.run(from, burst));
    for (const Bytes& bytes : burst) add(other, apart.run(from, {bytes}));
    std::sort(one.begin(), one.end());
    std::sort(other.begin(), other.end());
    ASSERT_EQ(one, other) << "burst " << i << " of port " << from;
    for (const Row& row : one) delivered += !std::get<1>(row);
  }
  EXPECT_GT(delivered, 20'000U);
  EXPECT_EQ(std::memcmp(&together.counters(), &apart.counters(), sizeof(Counters)), 0) << "the counters differ";
}

// Frame::start() writes its flags as one byte.
TEST(FrameTest, FlagsAreWhereTheirByteIs) {
  std::uint8_t byte = 0;
  Frame frame;
  frame.start(&byte, 1, 7, nullptr, 42, true);
  EXPECT_TRUE(frame.has_hash && frame.hash == 42 && frame.headroom == 7 && frame.port == kNoPort);
  EXPECT_FALSE(frame.dropped || frame.from_tunnel || frame.scattered || frame.checksum || frame.long_tcp);
  EXPECT_TRUE(frame.segment == 0 && frame.drop == Drop::Runt && !frame.has_work());
  frame.start(&byte, 1, 7, nullptr);
  EXPECT_FALSE(frame.has_hash);
  frame.dropped = frame.from_tunnel = frame.has_hash = true;
  EXPECT_FALSE(frame.has_work());
  for (int bit = 0; bit < 3; ++bit) {
    frame.scattered = bit == 0;
    frame.checksum = bit == 1;
    frame.long_tcp = bit == 2;
    EXPECT_TRUE(frame.has_work()) << bit;
  }
}

}  // namespace
}  // namespace ml2::fastpath
