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

// A key that is in no table: a group's address.
constexpr std::uint64_t kNobody = 1;

// A burst that goes one way, as most do: what is asked of segment and output is asked once. `put` puts on what goes before the
// frame. A frame that is not like that goes by itself.
template <bool kTunnel, class Put>
ML2_INLINE void leave_together(Context& context, Frame* frames, unsigned count, OutputIndex index,
                               const Output& output, const Segment& segment, Put put) {
  const std::uint32_t max_frame = output.max_frame;
  const std::uint16_t headroom = output.headroom;
  const PortIndex port = output.port;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    if (kTunnel && frame.from_tunnel) [[unlikely]] {
      back_again(context, frame);
      continue;
    }
    if (frame.length > max_frame || frame.headroom < headroom || frame.has_work()) [[unlikely]] {
      leave(context, frame, index, output, segment, true);
      continue;
    }
    ++packets;
    bytes += frame.length;
    frame.port = port;
    put(frame);
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

// Three passes over the burst: hash and prefetch, compare, and send. What the passes ask of the tables again and again is in
// variables of their own: of what `context` points to, the compiler must think that a store into a frame has changed it.
ML2_INLINE void forward(Context& context, Frame* frames, unsigned count) {
  const BucketArray& fdb = *load_shared(*context.tables.fdb);
  const std::uint64_t moves = load_shared(fdb.moves);
  std::uint64_t keys[kBurst];
  const Bucket* buckets[kBurst];
  std::uint32_t values[kBurst];
  std::uint64_t differ = 0;
  for (unsigned i = 0; i < count; ++i) {
    differ |= static_cast<std::uint64_t>(frames[i].segment ^ frames[0].segment);
    keys[i] = frames[i].segment == 0 ? kNobody : fdb_key(wire::load_mac(frames[i].data), frames[i].segment);
    buckets[i] = &fdb.buckets[first_bucket(bucket_hash(keys[i], fdb.seed), fdb.mask)];
    __builtin_prefetch(buckets[i]);
  }
  for (unsigned i = 0; i < count; ++i) {
    values[i] = find(fdb, *buckets[i], keys[i], moves);
    differ |= values[i] ^ values[0];
  }
  if (differ == 0 && values[0] != kMiss && forward_together(context, frames, count, unpack(values[0]))) return;

  const Segment* const* const segments = context.tables.segments;
  const Output* const* const outputs = context.tables.outputs;
  const PortIndex from = context.from;
  SegmentIndex index = 0;
  const Segment* segment = nullptr;
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    const FdbValue value = unpack(values[i]);
    if (values[i] == kMiss) [[unlikely]] {
      astray(context, frame);
      continue;
    }
    if (frame.segment != index) {
      index = frame.segment;
      segment = load_shared(segments[index]);
    }
    const Output* output = load_shared(outputs[value.output]);
    if (output == nullptr || segment == nullptr || value.segment_sequence != segment->sequence ||
        value.output_sequence != output->sequence) [[unlikely]] {
      astray(context, frame);
      continue;
    }
    if (output->refuses == (frame.from_tunnel ? kFromTunnel : from)) [[unlikely]] {
      back_again(context, frame);
      continue;
    }
    leave(context, frame, value.output, *output, *segment, true);
  }
}

}  // namespace

void walk_burst(Walk& walk, PortIndex from, Frame* frames, unsigned count) {
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
  if (port->kind == Port::Kind::Access) {
    bytes = classify_plain_access(context, frames, count, [&](Frame& frame) { classify_access(context, frame); });
  } else {
    bytes = classify_plain_tagged(context, frames, count, [&](Frame& frame) { classify_tagged(context, frame); });
  }
  bump(counters.received, count, bytes);
  forward(context, frames, count);
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
