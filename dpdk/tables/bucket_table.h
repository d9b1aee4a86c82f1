// BucketTable: a hash table of 64-byte buckets, five entries of a 64-bit key and a 32-bit value each.
//
// What it is: the FDB's memory (key: 48-bit MAC and 16-bit segment) and the neighbour index's. Each key has two buckets;
//   an entry moves to its other one to make room (cuckoo), so that a look-up reads one cache line, rarely two.
//   Any number of buckets will do, so the table is as full as wanted at any size. A million entries have 23 MB: 56% full,
//   and one key in 28 is in its second bucket, which costs a look-up far more than its first. Where memory is small
//   anyway there is more: ten thousand have 0.45 MB, and one key in 350 is in its second. It grows by a quarter.
// Where in the walk: dpdk/tables writes it; find.h reads it in the workers.
// Threading: one writer, any number of readers without locks, and none ever waits for the writer. An entry's value changes
//   by one store. `erased` counts the keys that left a bucket, or any, before their place is used again: a reader that finds it
//   changed after reading values looks again. An entry that moves is in both places before it leaves one, and `moves`
//   tells a reader that missed to look again. Old arrays are freed after a grace period.
// Failure: insert() answers false when memory for growing cannot be had; the table stays as it was. A seed that puts the keys
//   into few buckets is changed, and the table does not grow, while it is not full.
// What it does not do: key 0 cannot be stored (it marks a free slot); it never shrinks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "dpdk/tables/shared.h"

namespace ml2::fastpath {

struct alignas(64) Bucket {
  static constexpr unsigned kEntries = 5;
  std::uint64_t key[kEntries];
  std::uint32_t value[kEntries];
  std::uint16_t erased;
  // How many entries whose first bucket this is are in their second one: 0 ends a look-up here.
  std::uint16_t spilled;
};
static_assert(sizeof(Bucket) == 64);

// What a reader needs; replaced as a whole when the table grows.
struct BucketArray {
  Bucket* buckets = nullptr;
  std::uint64_t count = 0;  // of buckets; less than 2^32
  std::uint64_t seed = 0;   // odd; drawn per process, so that nobody can make MACs that all fall into one bucket
  std::size_t bytes = 0;
  // Apart from what every look-up reads: entries moved between buckets so far, and keys that left any bucket.
  alignas(64) std::uint64_t moves = 0;
  std::uint64_t erased = 0;

  BucketArray(std::uint64_t bucket_count, std::uint64_t hash_seed);
  ~BucketArray();
  BucketArray(const BucketArray&) = delete;
  BucketArray& operator=(const BucketArray&) = delete;
};

ML2_INLINE std::uint64_t bucket_hash(std::uint64_t key, std::uint64_t seed) {
  const std::uint64_t mixed = (key ^ (key >> 29U)) * seed;
  return mixed ^ (mixed >> 32U);
}
// Of `count` buckets, by a multiplication instead of a division (D. Lemire, "Fast random integer generation in an interval",
// 2019).
ML2_INLINE std::uint64_t bucket_of(std::uint32_t hash, std::uint64_t count) { return hash * count >> 32U; }
// By the half of the hash that all bits of the key are in, twice.
ML2_INLINE std::uint64_t first_bucket(std::uint64_t hash, std::uint64_t count) {
  return bucket_of(static_cast<std::uint32_t>(hash), count);
}
// Another bucket than the first, from the hash's upper half.
ML2_INLINE std::uint64_t second_bucket(std::uint64_t hash, std::uint64_t count) {
  const std::uint64_t mixed = (hash >> 32U) * 0x9e3779b97f4a7c15ULL;
  const std::uint64_t other = bucket_of(static_cast<std::uint32_t>(mixed >> 32U), count);
  if (other != first_bucket(hash, count)) return other;
  return other + 1 == count ? 0 : other + 1;
}

class BucketTable {
 public:
  // `retired` outlives the table. `expected` entries fit without growing.
  BucketTable(Retired& retired, std::uint64_t seed, std::size_t expected);
  ~BucketTable();
  BucketTable(const BucketTable&) = delete;
  BucketTable& operator=(const BucketTable&) = delete;

  // Adds the key or changes its value. key != 0.
  [[nodiscard]] bool insert(std::uint64_t key, std::uint32_t value);
  // The key is asked for soon.
  void prefetch(std::uint64_t key) const {
    __builtin_prefetch(&array_->buckets[first_bucket(bucket_hash(key, array_->seed), array_->count)], 1);
  }
  // False when it was not there.
  bool erase(std::uint64_t key);
  // The writer's own look-up.
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t key) const;
  // Visits every entry of up to `buckets` buckets from `from` on; returns where to go on, 0 at the end. Entries for which
  // `keep` answers false are erased. Between calls the table may change: a moved entry may be seen twice or not at all.
  std::size_t sweep(std::size_t from, std::size_t buckets,
                    const std::function<bool(std::uint64_t key, std::uint32_t value)>& keep);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const { return array_->bytes; }
  // Makes room for so many entries. False: no memory.
  [[nodiscard]] bool reserve(std::size_t expected);
  // For readers: load_shared() this pointer.
  [[nodiscard]] const BucketArray* const& array() const { return published_; }

 private:
  struct Slot {
    std::uint64_t bucket;
    unsigned entry;
  };
  [[nodiscard]] std::optional<Slot> locate(std::uint64_t key) const;
  [[nodiscard]] std::optional<unsigned> free_entry(std::uint64_t bucket) const;
  void put(std::uint64_t bucket, unsigned entry, std::uint64_t key, std::uint32_t value);
  void take_out(Slot slot);
  [[nodiscard]] bool make_room(std::uint64_t bucket);
  [[nodiscard]] bool grow(std::uint64_t count);
  [[nodiscard]] bool rebuild(std::uint64_t count, std::uint64_t seed);
  [[nodiscard]] bool is_first(std::uint64_t key, std::uint64_t bucket) const;

  Retired& retired_;
  std::unique_ptr<BucketArray> array_;
  const BucketArray* published_;
  std::size_t size_ = 0;
};

}  // namespace ml2::fastpath
