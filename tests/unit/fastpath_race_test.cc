// The bucket table under one writer and two readers, compiled with ThreadSanitizer in every build: no data race, no entry that
// is there is missed while others come, go, move and the table grows, and no value of another key is ever read.
#include <atomic>
#include <cstdio>
#include <thread>

#include "datapath/base/check.h"
#include "dpdk/tables/bucket_table.h"
#include "dpdk/walk/walk.h"
#include "tests/unit/fastpath_epochs.h"

namespace ml2::fastpath::scalar {
void find_burst(const BucketArray& array, const std::uint64_t* keys, std::uint32_t* values, unsigned count);
}

namespace {

using namespace ml2::fastpath;

std::uint32_t value_of(std::uint64_t key, std::uint32_t round) {
  return static_cast<std::uint32_t>(key * 2654435761U & 0x00ffffffU) | (round & 0x3fU) << 24U;
}

}  // namespace

int main() {
  constexpr std::uint64_t kStays = 400;  // keys 1-400 are always there
  constexpr std::uint64_t kAll = 3000;   // the others come and go
  Epochs grace;
  Retired retired(grace);
  BucketTable table(retired, 0x9e3779b97f4a7c15ULL, 64);
  for (std::uint64_t key = 1; key <= kStays; ++key) ML2_CHECK(table.insert(key, value_of(key, 0)), "room");
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> found{0};
  const auto reader = [&](std::size_t who) {
    std::uint64_t keys[kBurst];
    std::uint32_t values[kBurst];
    std::uint64_t next = 1;
    while (!stop.load(std::memory_order_relaxed)) {
      for (std::uint64_t& key : keys) {
        key = next;
        next = next % kAll + 1;
      }
      scalar::find_burst(*load_shared(table.array()), keys, values, kBurst);
      for (unsigned i = 0; i < kBurst; ++i) {
        if (values[i] == 0xffffffff) {
          ML2_CHECK(keys[i] > kStays, "an entry that is there is found");
          continue;
        }
        ML2_CHECK((values[i] & 0x00ffffffU) == (value_of(keys[i], 0) & 0x00ffffffU), "a value of its own key");
        found.fetch_add(1, std::memory_order_relaxed);
      }
      grace.quiescent(who);
    }
  };
  std::thread one(reader, 0);
  std::thread two(reader, 1);
  std::uint64_t random = 88172645463325252ULL;
  for (std::uint32_t round = 0; round < 60000 || found.load() < 10000; ++round) {
    random ^= random << 13U;
    random ^= random >> 7U;
    random ^= random << 17U;
    const std::uint64_t key = 1 + random % kAll;
    if (key <= kStays || random >> 63U != 0) {
      ML2_CHECK(table.insert(key, value_of(key, round)), "room");
    } else {
      table.erase(key);
    }
    retired.run();
  }
  stop.store(true);
  one.join();
  two.join();
  std::printf("%llu look-ups found their entry\n", static_cast<unsigned long long>(found.load()));
  return 0;
}
