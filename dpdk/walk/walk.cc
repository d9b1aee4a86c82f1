// Compiled once per instruction set, each time with another ML2_ISA and -march.
#include "dpdk/walk/walk.h"

#include "dpdk/walk/flood.h"
#include "dpdk/walk/ingress.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

namespace {

// A frame whose destination the FDB does not know, or no longer.
[[gnu::noinline]] void unknown(Context& context, Frame& frame, const Segment& segment) {
  if (!segment.flood_unknown) return drop(context, frame, Drop::UnknownUnicast);
  flood(context, frame, segment);
}

// A segment's pointer is asked for once per run of frames of the same segment; it may be gone by now.
struct SegmentCache {
  SegmentIndex index = 0;
  const Segment* segment = nullptr;
};
ML2_INLINE const Segment* segment_of(const Context& context, SegmentCache& cache, SegmentIndex index) {
  if (cache.index != index) {
    cache.index = index;
    cache.segment = load_shared(context.tables.segments[index]);
  }
  return cache.segment;
}

ML2_INLINE void forward(Context& context, Frame* frames, unsigned count) {
  const BucketArray& fdb = *load_shared(*context.tables.fdb);
  std::uint64_t keys[kBurst];
  std::uint64_t hashes[kBurst];
  for (unsigned i = 0; i < count; ++i) {
    if (frames[i].segment == 0) continue;
    keys[i] = fdb_key(wire::load_mac(frames[i].data), frames[i].segment);
    hashes[i] = bucket_hash(keys[i], fdb.seed);
    __builtin_prefetch(&fdb.buckets[first_bucket(hashes[i], fdb.mask)]);
  }
  const std::uint64_t moves = load_shared(fdb.moves);
  SegmentCache cache;
  RunCounter sent;
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    if (frame.segment == 0) continue;
    const Segment* segment = segment_of(context, cache, frame.segment);
    if (segment == nullptr) [[unlikely]] {
      drop(context, frame, Drop::VlanNotAllowed);
      continue;
    }
    if (is_multicast(keys[i])) {
      flood(context, frame, *segment);
      continue;
    }
    const std::uint32_t found = find(fdb, keys[i], hashes[i], moves);
    const FdbValue value = unpack(found);
    const Output* output = found == kMiss ? nullptr : load_shared(context.tables.outputs[value.output]);
    if (output == nullptr || value.segment_sequence != segment->sequence || value.output_sequence != output->sequence)
        [[unlikely]] {
      unknown(context, frame, *segment);
      continue;
    }
    if (frame.from_tunnel) {
      if (output->tunnel) [[unlikely]] {
        drop(context, frame, Drop::TunnelToTunnel);
        continue;
      }
    } else if (output->port == context.from && !output->tunnel) [[unlikely]] {
      drop(context, frame, Drop::SamePort);
      continue;
    }
    leave(context, frame, value.output, *output, *segment, sent);
  }
  sent.finish();
}

}  // namespace

void walk_burst(Walk& walk, PortIndex from, Frame* frames, unsigned count) {
  PortCounters& counters = walk.counters->ports[from];
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) bytes += frames[i].length;
  bump(counters.received, count, bytes);

  static const Port kNone;
  const Port* port = load_shared(walk.tables->ports[from]);
  Context context{*walk.tables, *walk.counters, walk.sink, counters, from, port != nullptr ? *port : kNone};
  if (port == nullptr) [[unlikely]] {
    for (unsigned i = 0; i < count; ++i) drop(context, frames[i], Drop::NoPort);
    return;
  }
  RunCounter accepted;
  switch (port->kind) {
    case Port::Kind::Access: {
      const Segment* segment = load_shared(walk.tables->segments[port->untagged]);
      for (unsigned i = 0; i < count; ++i) classify_access(context, frames[i], segment, accepted);
      break;
    }
    case Port::Kind::Tagged:
      for (unsigned i = 0; i < count; ++i) classify_tagged(context, frames[i], accepted);
      break;
    case Port::Kind::Wire:
      for (unsigned i = 0; i < count; ++i) to_exception(context, frames[i]);
      return;
  }
  accepted.finish();
  forward(context, frames, count);
}

void find_burst(const BucketArray& array, const std::uint64_t* keys, std::uint32_t* values, unsigned count) {
  const std::uint64_t moves = load_shared(array.moves);
  for (unsigned done = 0; done < count; done += kBurst) {
    const unsigned now = count - done < kBurst ? count - done : kBurst;
    std::uint64_t hashes[kBurst];
    for (unsigned i = 0; i < now; ++i) {
      hashes[i] = bucket_hash(keys[done + i], array.seed);
      __builtin_prefetch(&array.buckets[first_bucket(hashes[i], array.mask)]);
    }
    for (unsigned i = 0; i < now; ++i) values[done + i] = find(array, keys[done + i], hashes[i], moves);
  }
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
