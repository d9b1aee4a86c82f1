// find: reads a BucketTable in a worker, with the widest vectors that this compilation has.
//
// Where in the walk: after classification: hash the whole burst and prefetch, then compare.
// Threading: any number of readers beside one writer; see bucket_table.h for why no lock is needed.
// Failure: kMiss.
// What it does not do: no meaning of keys and values.
#pragma once

#include "dpdk/tables/bucket_table.h"
#include "dpdk/walk/isa.h"

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace ml2::fastpath {
inline namespace ML2_ISA {

inline constexpr std::uint32_t kMiss = 0xffffffff;  // no value is that

// Bit i: entry i has this key.
ML2_INLINE unsigned match_bucket(const Bucket& bucket, std::uint64_t key) {
#if defined(__SANITIZE_THREAD__)
  // Vector loads are not atomic in the language's eyes: the sanitizer judges the scalar form.
  constexpr bool kVectors = false;
#else
  constexpr bool kVectors = true;
#endif
#if defined(__AVX512F__)
  if constexpr (kVectors) {
    return _mm512_mask_cmpeq_epi64_mask(0x1f, _mm512_load_si512(&bucket),
                                        _mm512_set1_epi64(static_cast<long long>(key)));
  }
#elif defined(__AVX2__)
  if constexpr (kVectors) {
    const __m256i wanted = _mm256_set1_epi64x(static_cast<long long>(key));
    const __m256i keys = _mm256_load_si256(reinterpret_cast<const __m256i*>(bucket.key));
    const int mask = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(keys, wanted)));
    return static_cast<unsigned>(mask) | static_cast<unsigned>(bucket.key[4] == key) << 4U;
  }
#else
  (void)kVectors;
#endif
  unsigned mask = 0;
  for (unsigned i = 0; i < Bucket::kEntries; ++i)
    mask |= static_cast<unsigned>(load_shared(bucket.key[i]) == key) << i;
  return mask;
}

ML2_INLINE std::uint32_t find_in_bucket(const Bucket& bucket, std::uint64_t key) {
  for (;;) {
    const std::uint16_t erased = load_shared(bucket.erased);
    const unsigned mask = match_bucket(bucket, key);
    if (mask == 0) return kMiss;
    // Two bits only while an entry moves within reach; both hold its value.
    const std::uint32_t value = load_shared(bucket.value[__builtin_ctz(mask)]);
    if (load_shared(bucket.erased) == erased) [[likely]]
      return value;
  }
}

// Not in the first bucket: perhaps in the second, or it moved while it was looked for. Moves are rare; a few more tries
// settle it.
[[gnu::noinline]] inline std::uint32_t find_second(const BucketArray& array, const Bucket& first, std::uint64_t key,
                                                   std::uint64_t moves) {
  const Bucket& second = array.buckets[second_bucket(bucket_hash(key, array.seed), array.count)];
  if (load_shared(first.spilled) != 0) {
    const std::uint32_t value = find_in_bucket(second, key);
    if (value != kMiss) return value;
  }
  for (int attempt = 0; attempt < 16; ++attempt) {
    const std::uint64_t now = load_shared(array.moves);
    if (now == moves) break;
    moves = now;
    for (const Bucket* bucket : {&first, &second}) {
      const std::uint32_t value = find_in_bucket(*bucket, key);
      if (value != kMiss) return value;
    }
  }
  return kMiss;
}

// `first` is the key's first bucket, `moves` is array.moves as it was before.
ML2_INLINE std::uint32_t find(const BucketArray& array, const Bucket& first, std::uint64_t key, std::uint64_t moves) {
  const std::uint32_t value = find_in_bucket(first, key);
  if (value != kMiss) [[likely]]
    return value;
  return find_second(array, first, key, moves);
}

// Which of 32 bytes are 0.
ML2_INLINE std::uint32_t zeros(const std::uint8_t* bytes) {
#if defined(__AVX2__)
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(
      _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)), _mm256_setzero_si256())));
#else
  std::uint32_t mask = 0;
  for (unsigned i = 0; i < 32; ++i) mask |= static_cast<std::uint32_t>(bytes[i] == 0) << i;
  return mask;
#endif
}

// Up to 32 keys: hashed and prefetched, then compared. Whether a value is of another key meanwhile is asked once for all.
// The second loop branches on nothing that is found; keys that are not in their first bucket come after it.
[[gnu::noinline]] inline void find_all(const BucketArray& array, const std::uint64_t* keys, std::uint32_t* values,
                                       unsigned count) {
  const std::uint64_t moves = load_shared(array.moves);
  const std::uint64_t erased = load_shared(array.erased);
  const std::uint64_t seed = array.seed;
  const std::uint64_t all_buckets = array.count;
  const Bucket* const table = array.buckets;
  const Bucket* buckets[32];
  std::uint8_t matches[32] = {};
  for (unsigned i = 0; i < count; ++i) buckets[i] = &table[first_bucket(bucket_hash(keys[i], seed), all_buckets)];
#pragma GCC unroll 8
  for (unsigned i = 0; i < count; ++i) __builtin_prefetch(buckets[i]);
#pragma GCC unroll 8
  for (unsigned i = 0; i < count; ++i) {
    const Bucket& bucket = *buckets[i];
    const unsigned match = match_bucket(bucket, keys[i]);
    matches[i] = static_cast<std::uint8_t>(match);
    // Without one, any entry's value.
    const std::uint64_t with_last = match | 1U << (Bucket::kEntries - 1);
    const std::uint32_t* value = bucket.value;
    values[i] = load_shared(value[__builtin_ctzll(with_last)]);
  }
  const auto all = static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1);
  if (load_shared(array.erased) != erased) [[unlikely]] {
    for (unsigned i = 0; i < count; ++i) values[i] = find(array, *buckets[i], keys[i], moves);
    return;
  }
  std::uint32_t missed = zeros(matches) & all;
  // In a table that is well filled some of each burst: their second buckets are fetched together.
  for (std::uint32_t left = missed; left != 0; left &= left - 1) {
    const auto i = static_cast<unsigned>(__builtin_ctz(left));
    if (load_shared(buckets[i]->spilled) != 0)
      __builtin_prefetch(&table[second_bucket(bucket_hash(keys[i], seed), all_buckets)]);
  }
  for (; missed != 0; missed &= missed - 1) {
    const auto i = static_cast<unsigned>(__builtin_ctz(missed));
    values[i] = find_second(array, *buckets[i], keys[i], moves);
  }
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
