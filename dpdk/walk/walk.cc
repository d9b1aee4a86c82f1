// Compiled once per instruction set, each time with another ML2_ISA and -march.
#include "dpdk/walk/walk.h"

#include "dpdk/walk/flood.h"
#include "dpdk/walk/plain.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

namespace {

// A frame whose destination the FDB does not know, or no longer; or which nobody may look up: a broadcast, or a frame that
// has left the walk already (no segment).
[[gnu::noinline]] void astray(Context& context, Frame& frame) {
  if (frame.segment == 0) return;
  const Segment* segment = load_shared(context.tables.segments[frame.segment]);
  if (segment == nullptr) return drop(context, frame, Drop::VlanNotAllowed);
  if (!is_multicast(frame.data[0]) && !segment->flood_unknown) return drop(context, frame, Drop::UnknownUnicast);
  flood(context, frame, *segment);
}

[[gnu::noinline]] void back_again(Context& context, Frame& frame) {
  drop(context, frame, frame.from_tunnel ? Drop::TunnelToTunnel : Drop::SamePort);
}

// A burst that goes one way, as most do: what is asked of segment and output is asked once. `put` puts on what goes before the
// frame. A frame that is not like that goes by itself, when the others are done.
template <bool kTunnel, class Put>
ML2_INLINE void leave_together(Context& context, Frame* frames, unsigned count, OutputIndex index,
                               const Output& output, const Segment& segment, Put put) {
  const std::uint32_t max_frame = output.max_frame;
  const std::uint16_t headroom = output.headroom;
  const PortIndex port = output.port;
  std::uint64_t packets = count;
  std::uint64_t bytes = 0;
  std::uint32_t odd = 0;
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    const std::uint32_t length = frame.length;
    if ((kTunnel && frame.from_tunnel) || length > max_frame || frame.headroom < headroom || frame.has_work())
        [[unlikely]] {
      odd |= 1U << i;
      continue;
    }
    bytes += length;
    frame.port = port;
    put(frame);
  }
  for (; odd != 0; odd &= odd - 1) {
    Frame& frame = frames[__builtin_ctz(odd)];
    --packets;
    if (kTunnel && frame.from_tunnel) {
      back_again(context, frame);
    } else {
      leave(context, frame, index, output, segment, true);
    }
  }
  bump(context.counters.outputs[index], packets, bytes);
}

// False: they have to go one by one.
ML2_INLINE bool forward_together(Context& context, Frame* frames, unsigned count, FdbValue value) {
  const Output* output = load_shared(context.tables.outputs[value.output]);
  const Segment* segment = load_shared(context.tables.segments[frames[0].segment]);
  if (output == nullptr || segment == nullptr || value.segment_sequence != segment->sequence ||
      value.output_sequence != output->sequence || output->refuses == context.from) {
    return false;
  }
  if (output->tunnel) {
    if (output->header.ipv6 || output->header.udp_checksum) return false;
    const vxlan::Header header = output->header;  // a copy: it stays in registers while frames are written
    const std::uint32_t vni = segment->vni;
    leave_together<true>(context, frames, count, value.output, *output, *segment,
                         [&header, vni](Frame& frame) { encapsulate<false, false>(frame, header, vni); });
  } else if (output->tag_raw != 0) {
    leave_together<false>(context, frames, count, value.output, *output, *segment,
                          [tag = output->tag_raw](Frame& frame) { push_tag(frame, tag); });
  } else {
    leave_together<false>(context, frames, count, value.output, *output, *segment, [](Frame&) {});
  }
  return true;
}

// With its own answer of the FDB, whatever it is.
[[gnu::noinline]] void forward_one(Context& context, Frame& frame, std::uint32_t found) {
  const FdbValue value = unpack(found);
  if (found == kMiss) return astray(context, frame);
  const Segment* segment = load_shared(context.tables.segments[frame.segment]);
  const Output* output = load_shared(context.tables.outputs[value.output]);
  if (output == nullptr || segment == nullptr || value.segment_sequence != segment->sequence ||
      value.output_sequence != output->sequence) {
    return astray(context, frame);
  }
  if (output->refuses == (frame.from_tunnel ? kFromTunnel : context.from)) return back_again(context, frame);
  leave(context, frame, value.output, *output, *segment, true);
}

// Each with its own answer of the FDB. Two passes that call nothing, of what is plain; then the others.
ML2_INLINE void forward_each(Context& context, Frame* frames, unsigned count, const std::uint32_t* values) {
  const Segment* const* const segments = context.tables.segments;
  const Output* const* const outputs = context.tables.outputs;
  const PortIndex from = context.from;
  const Output* ways[kBurst];
  std::uint32_t vnis[kBurst];
  SegmentIndex index = 0;
  const Segment* segment = nullptr;
  std::uint32_t odd = 0;
  for (unsigned i = 0; i < count; ++i) {
    const Frame& frame = frames[i];
    const FdbValue value = unpack(values[i]);
    if (frame.segment != index) {
      index = frame.segment;
      segment = load_shared(segments[index]);
    }
    const Output* output = load_shared(outputs[value.output]);
    if (values[i] == kMiss || output == nullptr || segment == nullptr ||
        values[i] >> 16U != (segment->sequence | static_cast<std::uint32_t>(output->sequence) << 8U) ||
        output->refuses == (frame.from_tunnel ? kFromTunnel : from) || frame.length > output->max_frame ||
        frame.headroom < output->headroom || frame.has_work() || output->header.ipv6 || output->header.udp_checksum)
        [[unlikely]] {
      odd |= 1U << i;
      continue;
    }
    ways[i] = output;
    vnis[i] = segment->vni;
  }
  auto& counters = context.counters.outputs;
  for (unsigned i = 0; i < count; ++i) {
    if ((odd >> i & 1U) != 0) [[unlikely]]
      continue;
    Frame& frame = frames[i];
    const Output& output = *ways[i];
    bump(counters[unpack(values[i]).output], 1, frame.length);
    frame.port = output.port;
    if (output.tunnel) {
      encapsulate<false, false>(frame, output.header, vnis[i]);
    } else if (output.tag_raw != 0) {
      push_tag(frame, output.tag_raw);
    }
  }
  for (; odd != 0; odd &= odd - 1) {
    const auto i = static_cast<unsigned>(__builtin_ctz(odd));
    forward_one(context, frames[i], values[i]);
  }
}

// Passes over the burst: hash and prefetch, compare, and send. What the passes ask of the tables again and again is in
// variables of their own: of what `context` points to, the compiler must think that a store into a frame has changed it.
ML2_INLINE void forward(Context& context, Frame* frames, unsigned count, const Keys& keys) {
  const BucketArray& fdb = *load_shared(*context.tables.fdb);
  const std::uint64_t moves = load_shared(fdb.moves);
  const Bucket* const table = fdb.buckets;
  const std::uint64_t seed = fdb.seed;
  const std::uint64_t mask = fdb.mask;
  std::uint32_t values[kBurst];
  std::uint64_t differ = 0;
  for (unsigned i = 1; i < count; ++i) differ |= keys[i] ^ keys[0];
  if (differ == 0) {
    // All to one station, as in a large transfer: one look-up.
    const Bucket& bucket = table[first_bucket(bucket_hash(keys[0], seed), mask)];
    const std::uint32_t value = find(fdb, bucket, keys[0], moves);
    if (value != kMiss && forward_together(context, frames, count, unpack(value))) return;
    for (unsigned i = 0; i < count; ++i) values[i] = value;
    return forward_each(context, frames, count, values);
  }
  std::uint64_t buckets[kBurst];
  for (unsigned i = 0; i < count; ++i) buckets[i] = first_bucket(bucket_hash(keys[i], seed), mask);
  for (unsigned i = 0; i < count; ++i) __builtin_prefetch(&table[buckets[i]]);
  std::uint32_t missed = 0;
  std::uint32_t some = 0;
  std::uint32_t every = ~0U;
  for (unsigned i = 0; i < count; ++i) {
    const std::uint32_t value = find_in_bucket(table[buckets[i]], keys[i]);
    missed |= static_cast<std::uint32_t>(value == kMiss) << i;
    values[i] = value;
    some |= value;
    every &= value;
  }
  if (missed != 0) {
    for (; missed != 0; missed &= missed - 1) {
      const auto i = static_cast<unsigned>(__builtin_ctz(missed));
      values[i] = find_second(fdb, table[buckets[i]], keys[i], moves);
    }
    some = every = values[0];
    for (unsigned i = 1; i < count; ++i) {
      some |= values[i];
      every &= values[i];
    }
  }
  const bool one_segment = differ >> 48U == 0;
  if (some == every && some != kMiss && one_segment && forward_together(context, frames, count, unpack(values[0])))
    return;
  forward_each(context, frames, count, values);
}

}  // namespace

void walk_burst(Walk& walk, PortIndex from, Frame* frames, unsigned count) {
  if (count == 0) return;
  PortCounters& counters = walk.counters->ports[from];
  static const Port kNone;
  const Port* port = load_shared(walk.tables->ports[from]);
  Context context{*walk.tables, *walk.counters, walk.sink, counters, from, port != nullptr ? *port : kNone, walk};
  std::uint64_t bytes = 0;
  if (port == nullptr || port->kind == Port::Kind::Wire) [[unlikely]] {
    for (unsigned i = 0; i < count; ++i) {
      bytes += frames[i].length;
      if (port == nullptr) {
        drop(context, frames[i], Drop::NoPort);
      } else {
        to_exception(context, frames[i]);
      }
    }
    bump(counters.received, count, bytes);
    return;
  }
  Keys keys;
  if (port->kind == Port::Kind::Access) {
    bytes =
        classify_plain_access(context, frames, count, keys, [&](Frame& frame) { classify_access(context, frame); });
  } else {
    bytes =
        classify_plain_tagged(context, frames, count, keys, [&](Frame& frame) { classify_tagged(context, frame); });
  }
  bump(counters.received, count, bytes);
  forward(context, frames, count, keys);
}

void find_burst(const BucketArray& array, const std::uint64_t* keys, std::uint32_t* values, unsigned count) {
  const std::uint64_t moves = load_shared(array.moves);
  for (unsigned done = 0; done < count; done += kBurst) {
    const unsigned now = count - done < kBurst ? count - done : kBurst;
    const Bucket* buckets[kBurst];
    for (unsigned i = 0; i < now; ++i) {
      buckets[i] = &array.buckets[first_bucket(bucket_hash(keys[done + i], array.seed), array.mask)];
      __builtin_prefetch(buckets[i]);
    }
    for (unsigned i = 0; i < now; ++i) values[done + i] = find(array, *buckets[i], keys[done + i], moves);
  }
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
