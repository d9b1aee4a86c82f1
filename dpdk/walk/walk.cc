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
ML2_INLINE bool forward_together(Context& context, Frame* frames, unsigned count, std::uint32_t found) {
  const FdbValue value = unpack(found);
  const Output* output = load_shared(context.tables.outputs[value.output]);
  const Segment* segment = load_shared(context.tables.segments[frames[0].segment]);
  if (output == nullptr || segment == nullptr || !counts(found, *segment, *output) ||
      output->refuses == context.from || output->plain_frame == 0) {
    return false;
  }
  if (output->tunnel) {
    const vxlan::Header header = output->header;  // a copy: it stays in registers while frames are written
    const std::uint32_t added = output->added;
    const std::uint32_t vni = segment->vni;
    leave_together<true>(context, frames, count, value.output, *output, *segment,
                         [&header, added, vni](Frame& frame) { encapsulate(frame, header, added, vni); });
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
  const Segment* segment = load_shared(context.tables.segments[frame.segment]);
  const Output* output = load_shared(context.tables.outputs[value.output]);
  if (output == nullptr || segment == nullptr || !counts(found, *segment, *output)) return astray(context, frame);
  if (output->refuses == (frame.from_tunnel ? kFromTunnel : context.from)) return back_again(context, frame);
  leave(context, frame, value.output, *output, *segment, true);
}

// Each with its own answer of the FDB, in one pass that calls nothing, of what is plain; then the others. `kOneSegment`: all
// are of the first one's. Apart, so that it has the registers for itself.
template <bool kOneSegment>
[[gnu::noinline]] void forward_each(Context& context, Frame* frames, unsigned count, const std::uint32_t* values) {
  const Segment* const* const segments = context.tables.segments;
  const Output* const* const outputs = context.tables.outputs;
  PacketsBytes* const counters = context.counters.outputs.data();
  const PortIndex from = context.from;
  SegmentIndex index = 0;
  std::uint32_t sequence = 0;  // of the segment, where entries have it
  std::uint32_t vni = 0;
  bool gone = true;
  const auto enter = [&](SegmentIndex now) {
    index = now;
    const Segment* segment = load_shared(segments[index]);
    gone = segment == nullptr;
    sequence = gone ? 0U : std::uint32_t{segment->sequence} << 16U;
    vni = gone ? 0U : segment->vni;
  };
  enter(frames[0].segment);
  std::uint32_t odd = 0;
  if (kOneSegment && gone) [[unlikely]] {
    odd = all_of(count);
    count = 0;
  }
  // Of the output before: most are as that one.
  std::uint64_t way_out = 0;
  std::uint32_t plain_frame = 0;
  std::uint32_t headroom = 0;
  std::uint32_t added = 0;
  std::uint16_t tag_raw = 0;
  PortIndex port = kNoPort;
  std::uint8_t refused = 0;
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    const std::uint32_t value = values[i];
    const auto to = static_cast<OutputIndex>(value);
    const Output* output = load_shared(outputs[to]);
    if (!kOneSegment && frame.segment != index) enter(frame.segment);
    if (output == nullptr || (output->entry ^ value) != sequence || (!kOneSegment && gone)) [[unlikely]] {
      odd |= 1U << i;
      continue;
    }
    if (output->way_out() != way_out) [[unlikely]] {
      way_out = output->way_out();
      headroom = output->headroom;
      port = output->port;
      added = output->added;
      tag_raw = output->tag_raw;
      // Frames that may not go back where they came from are left for the others' turn.
      plain_frame = output->refuses == from ? 0U : output->plain_frame;
      refused = Frame::kWorkBits | (output->tunnel ? Frame::kTunnelBit : std::uint8_t{0});
    }
    const std::uint32_t length = frame.length;
    if (length > plain_frame || frame.headroom < headroom || (frame.flags() & refused) != 0) [[unlikely]] {
      odd |= 1U << i;
      continue;
    }
    frame.port = port;
    bump(counters[to], 1, length);
    if (added != 0) {
      encapsulate(frame, output->header, added, vni);
    } else if (tag_raw != 0) {
      push_tag(frame, tag_raw);
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
  std::uint32_t values[kBurst];
  std::uint64_t differ = 0;
  for (unsigned i = 1; i < count; ++i) differ |= keys[i] ^ keys[0];
  if (differ == 0) {
    // All to one station, as in a large transfer: one look-up.
    const std::uint64_t moves = load_shared(fdb.moves);
    const Bucket& bucket = fdb.buckets[first_bucket(bucket_hash(keys[0], fdb.seed), fdb.count)];
    const std::uint32_t value = find(fdb, bucket, keys[0], moves);
    if (forward_together(context, frames, count, value)) return;
    for (unsigned i = 0; i < count; ++i) values[i] = value;
    return forward_each<true>(context, frames, count, values);
  }
  find_all(fdb, keys, values, count);
  std::uint32_t various = 0;
  for (unsigned i = 1; i < count; ++i) various |= values[i] ^ values[0];
  const bool one_segment = differ >> 48U == 0;
  if (various == 0 && one_segment && forward_together(context, frames, count, values[0])) return;
  if (one_segment) {
    forward_each<true>(context, frames, count, values);
  } else {
    forward_each<false>(context, frames, count, values);
  }
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
  for (unsigned done = 0; done < count; done += kBurst)
    find_all(array, keys + done, values + done, count - done < kBurst ? count - done : kBurst);
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
