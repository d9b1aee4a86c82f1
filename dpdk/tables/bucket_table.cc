#include "dpdk/tables/bucket_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <new>

namespace ml2::fastpath {

namespace {

// Buckets for so many entries: 57% full; a small table has as many again.
std::uint64_t buckets_for(std::size_t entries) {
  const std::uint64_t needed = entries * 7 / 20;
  return 64 + needed + std::min<std::uint64_t>(needed, 8192);
}
// Whether so many entries are too many: a quarter more than that.
bool outgrown(std::uint64_t count, std::size_t entries) { return buckets_for(entries) * 4 > count * 5; }
// Whether no way to a free place is to be expected.
bool is_full(std::uint64_t count, std::size_t entries) { return entries * 5 >= count * Bucket::kEntries * 4; }

// splitmix64's step.
std::uint64_t another_seed(std::uint64_t seed) {
  seed += 0x9e3779b97f4a7c15ULL;
  seed = (seed ^ seed >> 30U) * 0xbf58476d1ce4e5b9ULL;
  seed = (seed ^ seed >> 27U) * 0x94d049bb133111ebULL;
  return seed ^ seed >> 31U;
}

}  // namespace

BucketArray::BucketArray(std::uint64_t bucket_count, std::uint64_t hash_seed)
    : count(bucket_count), seed(hash_seed | 1U), bytes(bucket_count * sizeof(Bucket)) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20U;
  // Aligned, so that the kernel may back it with huge pages: a look-up in a large table then costs no TLB miss. From so
  // many small pages on that they fill the first level of a TLB.
  const bool huge = bytes >= kHugePage / 16;
  const std::size_t alignment = huge ? kHugePage : alignof(Bucket);
  const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) return;
  if (huge) ::madvise(memory, size, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  buckets = static_cast<Bucket*>(memory);
}

BucketArray::~BucketArray() { std::free(buckets); }

BucketTable::BucketTable(Retired& retired, std::uint64_t seed, std::size_t expected)
    : retired_(retired), array_(std::make_unique<BucketArray>(buckets_for(expected), seed)) {
  if (array_->buckets == nullptr) throw std::bad_alloc();
  published_ = array_.get();
}

BucketTable::~BucketTable() = default;

bool BucketTable::is_first(std::uint64_t key, std::uint64_t bucket) const {
  return first_bucket(bucket_hash(key, array_->seed), array_->count) == bucket;
}

std::optional<BucketTable::Slot> BucketTable::locate(std::uint64_t key) const {
  const std::uint64_t hash = bucket_hash(key, array_->seed);
  const std::uint64_t first = first_bucket(hash, array_->count);
  for (const std::uint64_t at : {first, second_bucket(hash, array_->count)}) {
    const Bucket& bucket = array_->buckets[at];
    for (unsigned i = 0; i < Bucket::kEntries; ++i)
      if (bucket.key[i] == key) return Slot{at, i};
    if (array_->buckets[first].spilled == 0) break;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> BucketTable::find(std::uint64_t key) const {
  const auto slot = locate(key);
  if (!slot) return std::nullopt;
  return array_->buckets[slot->bucket].value[slot->entry];
}

std::optional<unsigned> BucketTable::free_entry(std::uint64_t bucket) const {
  const Bucket& b = array_->buckets[bucket];
  for (unsigned i = 0; i < Bucket::kEntries; ++i)
    if (b.key[i] == 0) return i;
  return std::nullopt;
}

void BucketTable::put(std::uint64_t bucket, unsigned entry, std::uint64_t key, std::uint32_t value) {
  Bucket& b = array_->buckets[bucket];
  if (!is_first(key, bucket)) {
    // Before the entry is there: a reader must never stop at a first bucket that says "all mine are here" too early.
    Bucket& first = array_->buckets[first_bucket(bucket_hash(key, array_->seed), array_->count)];
    store_shared(first.spilled, static_cast<std::uint16_t>(first.spilled + 1));
  }
  store_shared(b.value[entry], value);
  store_shared(b.key[entry], key);
}

void BucketTable::take_out(Slot slot) {
  Bucket& b = array_->buckets[slot.bucket];
  const std::uint64_t key = b.key[slot.entry];
  store_shared(b.key[slot.entry], std::uint64_t{0});
  if (!is_first(key, slot.bucket)) {
    Bucket& first = array_->buckets[first_bucket(bucket_hash(key, array_->seed), array_->count)];
    store_shared(first.spilled, static_cast<std::uint16_t>(first.spilled - 1));
  }
  // Before the place is used again (put): whoever matched the old key sees the count change.
  store_shared(b.erased, static_cast<std::uint16_t>(b.erased + 1));
  store_shared(array_->erased, array_->erased + 1);
}

// Breadth first over the buckets that entries could move to; shifts along the shortest path. False: none was found.
bool BucketTable::make_room(std::uint64_t bucket) {
  struct Node {
    std::uint64_t bucket;
    int parent;      // index in `nodes`
    unsigned entry;  // of the parent's bucket: the entry that moves into this one
  };
  constexpr std::size_t kLimit = 400;
  std::array<Node, kLimit> nodes{};
  std::size_t count = 0;
  nodes[count++] = {bucket, -1, 0};
  for (std::size_t at = 0; at < count; ++at) {
    if (auto free = free_entry(nodes[at].bucket)) {
      // From the free end back to the start: each entry is copied before it leaves its old place.
      unsigned to = *free;
      for (std::size_t node = at; nodes[node].parent >= 0; node = static_cast<std::size_t>(nodes[node].parent)) {
        const Slot from{nodes[static_cast<std::size_t>(nodes[node].parent)].bucket, nodes[node].entry};
        const Bucket& source = array_->buckets[from.bucket];
        put(nodes[node].bucket, to, source.key[from.entry], source.value[from.entry]);
        store_shared(array_->moves, array_->moves + 1);
        take_out(from);
        to = from.entry;
      }
      return true;
    }
    for (unsigned i = 0; i < Bucket::kEntries && count < kLimit; ++i) {
      const std::uint64_t key = array_->buckets[nodes[at].bucket].key[i];
      if (key == 0) continue;
      const std::uint64_t hash = bucket_hash(key, array_->seed);
      const std::uint64_t first = first_bucket(hash, array_->count);
      const std::uint64_t other = first == nodes[at].bucket ? second_bucket(hash, array_->count) : first;
      nodes[count++] = {other, static_cast<int>(at), i};
    }
  }
  return false;
}

bool BucketTable::insert(std::uint64_t key, std::uint32_t value) {
  if (auto slot = locate(key)) {
    store_shared(array_->buckets[slot->bucket].value[slot->entry], value);
    return true;
  }
  if (outgrown(array_->count, size_ + 1) && !grow(buckets_for(size_ + 1))) {
    if (size_ * 20 >= array_->count * Bucket::kEntries * 19) return false;
  }
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::uint64_t hash = bucket_hash(key, array_->seed);
    for (const std::uint64_t at : {first_bucket(hash, array_->count), second_bucket(hash, array_->count)}) {
      if (auto entry = free_entry(at)) {
        put(at, *entry, key, value);
        ++size_;
        return true;
      }
    }
    if (make_room(first_bucket(hash, array_->count))) continue;
    // No way: the table is full; or its seed puts these keys into few buckets, and then growing would not end.
    const std::uint64_t count = array_->count;
    if (!(is_full(count, size_) ? grow(buckets_for(size_)) : rebuild(count, another_seed(array_->seed))))
      return false;
  }
  return false;
}

bool BucketTable::erase(std::uint64_t key) {
  const auto slot = locate(key);
  if (!slot) return false;
  take_out(*slot);
  --size_;
  return true;
}

bool BucketTable::reserve(std::size_t expected) {
  return !outgrown(array_->count, expected) || grow(buckets_for(expected));
}

bool BucketTable::grow(std::uint64_t count) {
  return rebuild(count, array_->seed) || rebuild(count, another_seed(array_->seed));
}

// Builds another array beside the live one and publishes it; readers of the old one still find what they look for.
bool BucketTable::rebuild(std::uint64_t count, std::uint64_t seed) {
  auto larger = std::make_unique<BucketArray>(count, seed);
  if (larger->buckets == nullptr) return false;
  auto old = std::exchange(array_, std::move(larger));
  const std::size_t size = std::exchange(size_, 0);
  for (std::uint64_t b = 0; b < old->count; ++b) {
    for (unsigned i = 0; i < Bucket::kEntries; ++i) {
      const std::uint64_t key = old->buckets[b].key[i];
      if (key == 0) continue;
      const std::uint64_t hash = bucket_hash(key, array_->seed);
      const std::uint64_t first = first_bucket(hash, array_->count);
      const std::uint64_t second = second_bucket(hash, array_->count);
      auto entry = free_entry(first);
      std::uint64_t at = first;
      if (!entry) {
        entry = free_entry(second);
        at = second;
      }
      if (!entry && make_room(first)) {
        entry = free_entry(first);
        at = first;
      }
      if (!entry) {  // far from full, and still no way: give up on this size and seed; the old array stays
        array_ = std::move(old);
        size_ = size;
        return false;
      }
      put(at, *entry, key, old->buckets[b].value[i]);
      ++size_;
    }
  }
  store_shared(published_, static_cast<const BucketArray*>(array_.get()));
  retired_.free(static_cast<const BucketArray*>(old.release()));
  return true;
}

std::size_t BucketTable::sweep(std::size_t from, std::size_t buckets,
                               const std::function<bool(std::uint64_t key, std::uint32_t value)>& keep) {
  const std::size_t end = std::min<std::size_t>(array_->count, from + buckets);
  for (std::size_t at = from; at < end; ++at) {
    for (unsigned i = 0; i < Bucket::kEntries; ++i) {
      const Bucket& b = array_->buckets[at];
      if (b.key[i] == 0 || keep(b.key[i], b.value[i])) continue;
      take_out({at, i});
      --size_;
    }
  }
  return end == array_->count ? 0 : end;
}

}  // namespace ml2::fastpath
