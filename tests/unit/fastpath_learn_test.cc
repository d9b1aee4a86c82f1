// Learning: what the walk tells, and what becomes of it in the FDB; with every instruction set that this machine has.
#include <gtest/gtest.h>

#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath {
namespace {

constexpr const char* kA = "fa:16:3e:00:00:0a";
constexpr const char* kB = "fa:16:3e:00:00:0b";
constexpr const char* kNobody = "fa:16:3e:00:00:ff";

// Ports 1, 2 and a trunk, 3 (VLAN 50), in segment 5, which learns; 4 in segment 6, which does not. Uplink 9 with VTEPs 7, 8.
class LearnTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    batch_.full = true;
    batch_.ports.put = {access_port(1), access_port(2), uplink(3, "02:00:00:00:00:09", nullptr),
                        uplink(9, "02:00:00:00:00:01", "192.0.2.1"), access_port(4)};
    batch_.segments.put = {segment(5, 1000), segment(6, 1001)};
    batch_.segments.put[0].learn_age = 300;
    batch_.attachments.put = {{.port = 1, .segment = 5},
                              {.port = 2, .segment = 5},
                              {.port = 3, .segment = 5, .vlan = 50},
                              {.port = 4, .segment = 6}};
    batch_.vteps.put = {vtep(7, 9, "192.0.2.1", "192.0.2.2"), vtep(8, 9, "192.0.2.1", "192.0.2.3")};
    batch_.floods.put = {{.segment = 5, .vtep = 7}, {.segment = 5, .vtep = 8}};
    apply();
  }
  void apply() {
    const Applied applied = rig_.program.apply(batch_);
    ASSERT_TRUE(applied.refused.empty()) << applied.refused.front();
  }
  void from_vtep(const char* remote, const Bytes& inner) { rig_.run(9, {tunnel_packet(inner, 1000, remote)}); }
  // Where a frame to this station goes, from port 2: a port's id, 0 when it is flooded.
  unsigned way_to(const char* mac) {
    const auto out = rig_.run(2, {ipv4_frame(mac, "fa:16:3e:00:00:02")});
    return out.size() == 1 ? out[0].port : 0;
  }
  void hear(PortIndex port, const char* mac) {
    rig_.run(port, {port == 3 ? with_tag(ipv4_frame(kNobody, mac), 50) : ipv4_frame(kNobody, mac)});
    rig_.learn_heard();
  }
  void expect_digest() {
    abi::Digest sum;
    std::uint64_t entries = 0;
    rig_.program.for_each_fdb([&](const abi::Fdb& record) {
      abi::add(sum, abi::digest(record));
      ++entries;
      return true;
    });
    EXPECT_EQ(rig_.program.state().digests[7], sum);
    EXPECT_EQ(rig_.program.state().entries[7], entries);
  }

  Batch batch_;
  Rig rig_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Isa, LearnTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });

TEST_P(LearnTest, StationsAreFoundWhereTheyWereHeard) {
  EXPECT_EQ(way_to(kA), 0U);
  hear(1, kA);
  EXPECT_EQ(way_to(kA), 1U);
  hear(3, kB);
  EXPECT_EQ(way_to(kB), 3U);
  from_vtep("192.0.2.3", ipv4_frame(kNobody, "fa:16:3e:00:00:0c"));
  rig_.learn_heard();
  const auto out = rig_.run(2, {ipv4_frame("fa:16:3e:00:00:0c", "fa:16:3e:00:00:02")});
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].bytes[33], 3);         // the outer destination, 192.0.2.3
  EXPECT_EQ(rig_.program.learned(), 4U);  // port 2's station too
  expect_digest();
  EXPECT_EQ(rig_.program.state().entries[7], 0U);
}

TEST_P(LearnTest, StationsMove) {
  hear(1, kA);
  hear(3, kA);
  EXPECT_EQ(way_to(kA), 3U);
  from_vtep("192.0.2.2", ipv4_frame(kNobody, kA));
  rig_.learn_heard();
  EXPECT_EQ(way_to(kA), 9U);
  hear(1, kA);
  EXPECT_EQ(way_to(kA), 1U);
  EXPECT_EQ(rig_.program.learned(), 2U);
}

TEST_P(LearnTest, OnlyWhatIsNewIsTold) {
  rig_.run(1, std::vector<Bytes>(20, ipv4_frame(kNobody, kA)));
  ASSERT_EQ(rig_.heard.size(), 1U);
  EXPECT_TRUE(rig_.heard[0].news);
  rig_.learn_heard();
  rig_.run(1, {ipv4_frame(kNobody, kA)});
  EXPECT_TRUE(rig_.heard.empty());
  rig_.now += 1000;  // once a second: it is still there
  rig_.run(1, std::vector<Bytes>(20, ipv4_frame(kNobody, kA)));
  ASSERT_EQ(rig_.heard.size(), 1U);
  EXPECT_FALSE(rig_.heard[0].news);
  // What could not be told is told with the next frame.
  rig_.deaf = true;
  rig_.run(1, {ipv4_frame(kNobody, kB)});
  rig_.deaf = false;
  rig_.heard.clear();
  rig_.run(1, {ipv4_frame(kNobody, kB)});
  EXPECT_EQ(rig_.heard.size(), 1U);
}

TEST_P(LearnTest, SegmentsThatDoNotLearnTellNothing) {
  rig_.run(4, {ipv4_frame(kNobody, kA)});
  EXPECT_TRUE(rig_.heard.empty());
  // And what a worker told of a segment that changed meanwhile is ignored.
  rig_.run(1, {ipv4_frame(kNobody, kA)});
  batch_.segments.put[0].learn_age = 0;
  apply();
  EXPECT_FALSE(rig_.program.learns());
  rig_.learn_heard();
  EXPECT_EQ(rig_.program.learned(), 0U);
}

TEST_P(LearnTest, RefusedFramesTeachNothing) {
  batch_.ports.put[0].spoof_check = 1;
  batch_.allowed.put = {allowed(1, kA, "10.0.0.1", 32)};
  apply();
  rig_.run(1, {ipv4_frame(kNobody, kB)});
  rig_.run(1, {with_tag(ipv4_frame(kNobody, kA), 7)});
  rig_.run(3, {with_tag(ipv4_frame(kNobody, "01:00:5e:00:00:01"), 50)});
  EXPECT_TRUE(rig_.heard.empty());
  rig_.run(1, {ipv4_frame(kNobody, kA)});
  EXPECT_EQ(rig_.heard.size(), 1U);
}

TEST_P(LearnTest, WhatIsConfiguredStands) {
  hear(1, kA);
  EXPECT_EQ(way_to(kA), 1U);
  batch_.fdb.put = {fdb(kA, 5, 3)};
  apply();
  EXPECT_EQ(way_to(kA), 3U);
  EXPECT_EQ(rig_.program.state().entries[7], 1U);
  expect_digest();
  rig_.now += 1000;
  hear(1, kA);
  EXPECT_EQ(way_to(kA), 3U);
  expect_digest();
  // Taken away, it may be learned.
  batch_.fdb.put.clear();
  apply();
  EXPECT_EQ(way_to(kA), 0U);
  rig_.now += 1000;
  hear(1, kA);
  EXPECT_EQ(way_to(kA), 1U);
  // A full generation that does not name it, and a delta that removes it, are about records: it stays.
  apply();
  EXPECT_EQ(way_to(kA), 1U);
  Batch delta;
  delta.fdb.remove = {fdb(kA, 5, 1)};
  EXPECT_EQ(rig_.program.apply(delta).applied, 0U);
  EXPECT_EQ(way_to(kA), 1U);
  expect_digest();
}

TEST_P(LearnTest, StationsAreForgotten) {
  hear(1, kA);
  rig_.program.age(rig_.now / 1000 + 300);
  EXPECT_EQ(way_to(kA), 1U);
  rig_.program.age(rig_.now / 1000 + 301);
  EXPECT_EQ(way_to(kA), 0U);
  EXPECT_EQ(rig_.program.learned(), 0U);
  // With the port, with the segment's flush, and with learning.
  rig_.now += 1000;
  hear(1, kA);
  hear(3, kB);
  batch_.ports.put[0].flush = 1;
  apply();
  EXPECT_EQ(way_to(kA), 0U);
  EXPECT_EQ(way_to(kB), 3U);
  batch_.segments.put[0].flush = 1;
  apply();
  EXPECT_EQ(way_to(kB), 0U);
  rig_.heard.clear();
  EXPECT_EQ(rig_.program.learned(), 0U);
  rig_.now += 1000;
  hear(1, kA);
  batch_.segments.put[0].learn_age = 0;
  apply();
  rig_.program.age(rig_.now / 1000);
  EXPECT_EQ(way_to(kA), 0U);
  expect_digest();
}

TEST_P(LearnTest, ASegmentLearnsSoManyAndNoMore) {
  for (std::uint32_t i = 0; i < Program::kMaxLearnedPerSegment + 100; ++i) {
    const std::uint64_t mac = 0x02 | std::uint64_t{i} << 8U;
    rig_.program.learn(fdb_key(mac, 5), 1, 1000);
  }
  EXPECT_EQ(rig_.program.learned(), Program::kMaxLearnedPerSegment);
  EXPECT_EQ(rig_.program.learn_refused(), 100U);
  // Known ones may still move and stay.
  rig_.program.learn(fdb_key(0x02, 5), 2, 1001);
  rig_.program.age(1000 + 301);
  EXPECT_EQ(rig_.program.learned(), 1U);
}

}  // namespace
}  // namespace ml2::fastpath
