// learn: which station is behind which port or VTEP, seen in the frames themselves, for segments that want it.
//
// Where in the walk: when a frame is accepted into its segment. The worker writes no table: what is news it tells the control
//   thread (Sink::learn), which writes the FDB (Program::learn).
// Threading: a worker's own memory of what it has told: a slot per station, by its hash; once a second for each.
// Failure: what cannot be told now is told later; the frame goes on in any case.
// What it does not do: no ageing (the control thread's), and no judging: a station that the client configured is told too, and
//   ignored there.
#pragma once

#include "dpdk/walk/context.h"
#include "dpdk/walk/find.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

// True when the FDB has the station there already.
inline bool is_known(const Context& context, std::uint64_t key, std::uint32_t origin, const Segment& segment) {
  const BucketArray& fdb = *load_shared(*context.tables.fdb);
  const std::uint64_t moves = load_shared(fdb.moves);
  const Bucket& first = fdb.buckets[first_bucket(bucket_hash(key, fdb.seed), fdb.count)];
  const std::uint32_t found = find(fdb, first, key, moves);
  if (found == kMiss) return false;
  const FdbValue value = unpack(found);
  const Output* output = load_shared(context.tables.outputs[value.output]);
  if (output == nullptr || !counts(found, segment, *output)) return false;
  if ((origin & kFromVtep) != 0) return value.output == (origin & ~kFromVtep);
  return !output->tunnel && output->port == origin;
}

// `origin`: a port's index, or kFromVtep and a VTEP's output.
[[gnu::noinline]] inline void learn(Context& context, SegmentIndex index, const Segment& segment,
                                    std::uint64_t source, std::uint32_t origin) {
  if (context.second == 0)
    context.second = static_cast<std::uint32_t>(context.sink->now_ms(context.sink) / 1000) | 0x80000000U;
  const std::uint64_t key = fdb_key(source, index);
  Told::Slot& slot = context.walk.told.slots[bucket_hash(key, Told::kSeed) % Told::kSlots];
  if (slot.key == key && slot.origin == origin && slot.second == context.second) [[likely]]
    return;
  // A station that moved, or is new, comes before one that is only still there.
  const bool news = !is_known(context, key, origin, segment);
  if (context.sink->learn(context.sink, key, origin, news) || !news) slot = {key, origin, context.second};
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
