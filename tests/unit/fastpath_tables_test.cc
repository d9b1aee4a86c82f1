// The fast path's hash table, read with every instruction set that this machine has, and its program of records.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/fastpath_rig.h"

namespace ml2::fastpath {
namespace {

class FindTest : public testing::TestWithParam<Isa> {
 protected:
  std::uint32_t find_one(const BucketTable& table, std::uint64_t key) {
    std::uint32_t value = 0;
    find_function(GetParam())(*table.array(), &key, &value, 1);
    return value;
  }
  NoReaders grace_;
  Retired retired_{grace_};
};
INSTANTIATE_TEST_SUITE_P(Isa, FindTest, testing::ValuesIn(supported_isas()),
                         [](const auto& one) { return to_string(one.param); });
constexpr std::uint32_t kNothing = 0xffffffff;

TEST_P(FindTest, FindsWhatIsThereAndNothingElse) {
  BucketTable table(retired_, 7, 10);
  EXPECT_EQ(find_one(table, 1), kNothing);
  ASSERT_TRUE(table.insert(1, 10));
  ASSERT_TRUE(table.insert(1ULL << 63U, 11));
  EXPECT_EQ(find_one(table, 1), 10U);
  EXPECT_EQ(find_one(table, 1ULL << 63U), 11U);
  ASSERT_TRUE(table.insert(1, 12));
  EXPECT_EQ(find_one(table, 1), 12U);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_TRUE(table.erase(1));
  EXPECT_FALSE(table.erase(1));
  EXPECT_EQ(find_one(table, 1), kNothing);
}

// All entries of a bucket, in each place of it, and those that had to move.
TEST_P(FindTest, AgreesWithAMapThroughRandomChanges) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  BucketTable table(retired_, random(), 10);
  std::map<std::uint64_t, std::uint32_t> model;
  for (int i = 0; i < 60000; ++i) {
    const std::uint64_t key = 1 + random() % 20000;
    if (random() % 3 == 0) {
      EXPECT_EQ(table.erase(key), model.erase(key) == 1);
    } else {
      const auto value = static_cast<std::uint32_t>(random() & 0x7fffffffU);
      ASSERT_TRUE(table.insert(key, value));
      model[key] = value;
    }
  }
  ASSERT_EQ(table.size(), model.size());
  std::vector<std::uint64_t> keys;
  for (std::uint64_t key = 1; key <= 20100; ++key) keys.push_back(key);
  std::vector<std::uint32_t> values(keys.size());
  find_function(GetParam())(*table.array(), keys.data(), values.data(), static_cast<unsigned>(keys.size()));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto it = model.find(keys[i]);
    ASSERT_EQ(values[i], it == model.end() ? kNothing : it->second) << keys[i];
  }
}

// The promise of the memory: a million entries in 24 MB, filled to the mark without growing.
TEST_P(FindTest, HoldsAMillionEntriesInTwentyFourMegabytes) {
  BucketTable table(retired_, 0x9e3779b97f4a7c15ULL, 1000000);
  const std::size_t before = table.memory_bytes();
  for (std::uint64_t i = 0; i < 1000000; ++i) ASSERT_TRUE(table.insert(0xfa163e000000ULL + i * 256 + 1, 5));
  EXPECT_EQ(table.memory_bytes(), before);
  EXPECT_LE(table.memory_bytes(), 24U * 1000 * 1000);
  EXPECT_EQ(find_one(table, 0xfa163e000001ULL), 5U);
}

// Multiplied by one, these keys have both buckets in common until the table has 2^24 of them: 256 keys for ten places.
TEST_P(FindTest, ADegenerateSeedIsChangedNotFed) {
  NoReaders grace;
  Retired retired(grace);
  BucketTable table(retired, 1, 1000);
  const std::uint64_t before = table.array()->seed;
  std::vector<std::uint64_t> keys;
  for (std::uint64_t i = 0; i < 256; ++i) {
    const std::uint64_t mixed = 0x0001000200001200ULL | i;
    keys.push_back(mixed ^ mixed >> 29U ^ mixed >> 58U);
    ASSERT_EQ(bucket_hash(keys.back(), 1), mixed ^ mixed >> 32U);
    ASSERT_TRUE(table.insert(keys.back(), static_cast<std::uint32_t>(i))) << i;
  }
  EXPECT_NE(table.array()->seed, before);
  EXPECT_EQ(table.memory_bytes(), BucketTable(retired, 1, 1000).memory_bytes()) << "it has grown";
  std::vector<std::uint32_t> values(keys.size());
  find_function(GetParam())(*table.array(), keys.data(), values.data(), static_cast<unsigned>(keys.size()));
  for (std::uint32_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i);
}

TEST_P(FindTest, SweepKeepsWhatItIsToldToKeep) {
  BucketTable table(retired_, 3, 1000);
  for (std::uint64_t key = 1; key <= 1000; ++key) ASSERT_TRUE(table.insert(key, static_cast<std::uint32_t>(key)));
  table.sweep(0, SIZE_MAX, [](std::uint64_t key, std::uint32_t) { return key % 2 == 0; });
  EXPECT_EQ(table.size(), 500U);
  for (std::uint64_t key = 1; key <= 1000; ++key)
    EXPECT_EQ(find_one(table, key), key % 2 == 0 ? static_cast<std::uint32_t>(key) : kNothing);
}

// Also when nobody said how many there would be; and whatever their number, the memory is in use.
TEST(BucketTable, GrowsByAQuarterAndNeverHasMuchMoreThanItNeeds) {
  NoReaders grace;
  Retired retired(grace);
  BucketTable table(retired, 0x9e3779b97f4a7c15ULL, 0);
  for (std::uint64_t i = 1; i <= 1000000; ++i) {
    ASSERT_TRUE(table.insert(0xfa163e000000ULL + i * 256 + 1, 5));
    ASSERT_LE(table.memory_bytes(), i * 24 + std::min<std::uint64_t>(i * 24, 600000) + 8192) << i;
    ASSERT_GE(table.memory_bytes(), i * 17) << i;
  }
  const std::size_t before = table.memory_bytes();
  ASSERT_TRUE(table.reserve(table.size()));
  EXPECT_EQ(table.memory_bytes(), before) << "what fits already is not moved";
}

// A look-up that misses in the first bucket costs several times as much. Whatever the stations' addresses have in common: a vendor
// and a counter, every sixteenth, the same ones in many segments.
TEST(BucketTable, FewKeysAreInTheirSecondBucket) {
  const auto counted = [](std::uint64_t low, std::uint64_t segment) {
    return fdb_key(0x3f16faULL | std::uint64_t{__builtin_bswap32(static_cast<std::uint32_t>(low)) >> 8U} << 24U,
                   static_cast<SegmentIndex>(segment));
  };
  NoReaders grace;
  Retired retired(grace);
  std::mt19937_64 random(1);
  for (const std::size_t count : {std::size_t{10000}, std::size_t{300000}}) {
    for (int kind = 0; kind < 4; ++kind) {
      for (int seed = 0; seed < 5; ++seed) {
        BucketTable table(retired, random(), count);
        for (std::size_t i = 0; i < count; ++i) {
          const std::uint64_t key = kind == 0   ? counted(i, 1)
                                    : kind == 1 ? counted(i * 16, 1)
                                    : kind == 2 ? counted(i / 100, 1 + i % 100)
                                                : (random() & 0xffffffffffffULL) | std::uint64_t{1} << 48U;
          ASSERT_TRUE(table.insert(key, 1));
        }
        std::uint64_t spilled = 0;
        const BucketArray& array = *table.array();
        for (std::uint64_t i = 0; i < array.count; ++i) spilled += array.buckets[i].spilled;
        EXPECT_LE(spilled * 100, count * (count == 10000 ? 2 : 5)) << count << ' ' << kind;
      }
    }
  }
}

class ProgramTest : public testing::Test {
 protected:
  Batch two_nodes() {
    Batch batch;
    batch.full = true;
    batch.generation = 1;
    batch.ports.put = {access_port(1), access_port(2), uplink(9, "02:00:00:00:00:01", "192.0.2.1")};
    batch.segments.put = {segment(5, 1000)};
    batch.attachments.put = {{.port = 1, .segment = 5}, {.port = 2, .segment = 5}};
    batch.vteps.put = {vtep(7, 9, "192.0.2.1", "192.0.2.2")};
    batch.floods.put = {{.segment = 5, .vtep = 7}};
    batch.fdb.put = {fdb("fa:16:3e:00:00:01", 5, 1), fdb("fa:16:3e:00:00:02", 5, 2),
                     fdb("fa:16:3e:00:00:03", 5, 0, 7)};
    return batch;
  }
  abi::Digest fdb_digest() { return rig_.program.state().digests[static_cast<std::size_t>(abi::Kind::Fdb)]; }
  std::uint64_t fdb_entries() { return rig_.program.state().entries[static_cast<std::size_t>(abi::Kind::Fdb)]; }
  Rig rig_{Isa::Scalar};
};

TEST_F(ProgramTest, TheSameGenerationAgainChangesNothing) {
  const Applied first = rig_.program.apply(two_nodes());
  EXPECT_TRUE(first.refused.empty()) << first.refused.front();
  EXPECT_EQ(first.applied, 3U + 1 + 2 + 1 + 1 + 3);
  const abi::State before = rig_.program.state();
  const Segment* segment_before = rig_.program.tables().segments[5];
  EXPECT_EQ(rig_.program.apply(two_nodes()).applied, 0U);
  const abi::State after = rig_.program.state();
  EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
  EXPECT_EQ(rig_.program.tables().segments[5], segment_before);
}

// Whatever the way there, the same records have the same digest, and it is the sum that a client computes.
TEST_F(ProgramTest, DigestsDoNotDependOnTheWay) {
  rig_.program.apply(two_nodes());
  abi::Digest expected;
  for (const abi::Fdb& record : two_nodes().fdb.put) abi::add(expected, abi::digest(record));
  EXPECT_EQ(fdb_digest(), expected);

  Batch delta;
  delta.fdb.put = {fdb("fa:16:3e:00:00:09", 5, 1), fdb("fa:16:3e:00:00:03", 5, 2)};
  rig_.program.apply(delta);
  EXPECT_NE(fdb_digest(), expected);
  Batch back;
  back.fdb.remove = {fdb("fa:16:3e:00:00:09", 5, 1)};
  back.fdb.put = {fdb("fa:16:3e:00:00:03", 5, 0, 7)};
  rig_.program.apply(back);
  EXPECT_EQ(fdb_digest(), expected);
}

TEST_F(ProgramTest, AFullGenerationRemovesWhatItDoesNotName) {
  rig_.program.apply(two_nodes());
  Batch less = two_nodes();
  less.fdb.put.pop_back();
  less.ports.put.erase(less.ports.put.begin() + 1);
  less.attachments.put.pop_back();
  rig_.program.apply(less);
  EXPECT_EQ(fdb_entries(), 1U);  // port 2's entry went with its attachment
  EXPECT_EQ(rig_.devices.opened.size(), 2U);
  EXPECT_EQ(rig_.program.tables().ports[2], nullptr);
}

TEST_F(ProgramTest, WhatMakesNoSenseIsRefusedAlone) {
  Batch batch = two_nodes();
  batch.ports.put.push_back(access_port(0));
  batch.ports.put.push_back(access_port(4096));
  abi::Port bad = access_port(3);
  std::strcpy(bad.devargs, "bad");
  batch.ports.put.push_back(bad);
  abi::Port endless = access_port(4);
  std::memset(endless.devargs, 'x', sizeof(endless.devargs));
  batch.ports.put.push_back(endless);
  batch.segments.put.push_back(segment(6, 1000));  // VNI of segment 5
  batch.segments.put.push_back(segment(7, 1U << 24U));
  batch.attachments.put.push_back({.port = 1, .segment = 99});
  batch.attachments.put.push_back({.port = 3, .segment = 5});             // a port that does not open
  batch.attachments.put.push_back({.port = 2, .segment = 8, .vlan = 5});  // a tag on an access port
  batch.fdb.put.push_back(fdb("01:00:5e:00:00:01", 5, 1));
  batch.fdb.put.push_back(fdb("fa:16:3e:00:00:0a", 99, 1));
  batch.fdb.put.push_back(fdb("fa:16:3e:00:00:0b", 5, 1, 7));
  batch.fdb.put.push_back(fdb("fa:16:3e:00:00:0c", 5, 9));
  const Applied applied = rig_.program.apply(batch);
  EXPECT_EQ(applied.refused.size(), 12U);
  for (const std::string& sentence : applied.refused) EXPECT_NE(sentence.find(':'), std::string::npos) << sentence;
  EXPECT_EQ(fdb_entries(), 3U);
  EXPECT_EQ(rig_.devices.opened.size(), 3U);
}

TEST_F(ProgramTest, APortsFlushForgetsItsEntriesAlone) {
  rig_.program.apply(two_nodes());
  Batch batch;
  abi::Port port = access_port(1);
  port.flush = 1;
  batch.ports.put = {port};
  rig_.program.apply(batch);
  EXPECT_EQ(fdb_entries(), 2U);
  abi::Digest expected;
  for (const abi::Fdb& record : two_nodes().fdb.put)
    if (record.port != 1) abi::add(expected, abi::digest(record));
  EXPECT_EQ(fdb_digest(), expected);
}

TEST_F(ProgramTest, ADeviceThatChangesIsClosedBeforeItIsOpenedAnew) {
  rig_.program.apply(two_nodes());
  Batch batch = two_nodes();
  std::strcpy(batch.ports.put[0].devargs, "net_null7");
  EXPECT_EQ(rig_.program.apply(batch).refused.size(), 2U);  // the port, and the FDB entry that leads there
  EXPECT_FALSE(rig_.devices.opened.contains(1));
  rig_.program.apply(batch);
  EXPECT_EQ(rig_.devices.opened.at(1), "net_null7");
  EXPECT_EQ(fdb_entries(), 3U);
}

}  // namespace
}  // namespace ml2::fastpath
