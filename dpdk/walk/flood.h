// flood: broadcasts, multicasts and unknown unicasts: one copy per member port and, from a local port, per VTEP (head-end
//   replication, RFC 7348 section 4.2 without multicast).
//
// Where in the walk: instead of a unicast's way out. The last receiver gets the frame itself.
// Threading: reads immutable objects; the Sink is the worker's own.
// Failure: NoReceivers, NoBuffer; a copy that cannot leave is dropped alone.
// What it does not do: a frame from a VTEP never goes to a VTEP (they are meshed), nor back where it came from.
#pragma once

#include "dpdk/walk/leave.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

[[gnu::noinline]] inline void flood(Context& context, Frame& frame, const Segment& segment) {
  // One behind: a receiver is served when the next is known, so that the last one gets the frame itself.
  OutputIndex last = 0;
  const auto receiver = [&](OutputIndex index) {
    const OutputIndex now = last;
    last = index;
    if (now == 0) return;
    const Output* output = load_shared(context.tables.outputs[now]);
    if (output == nullptr) return;
    Frame copy;
    const std::size_t headroom = output->tunnel ? vxlan::kSlack : wire::kVlanLength;
    if (!context.sink->copy(context.sink, frame, static_cast<std::uint16_t>(headroom), &copy)) {
      return no_buffer(context, frame);
    }
    copy.from_tunnel = frame.from_tunnel;
    copy.has_hash = frame.has_hash;
    copy.hash = frame.hash;
    copy.checksum = frame.checksum;
    copy.long_tcp = frame.long_tcp;
    copy.segment = frame.segment;
    leave(context, copy, now, *output, segment, false);
    context.sink->send(context.sink, copy);
  };
  for (const OutputIndex member : segment.members) {
    const Output* output = load_shared(context.tables.outputs[member]);
    if (output != nullptr && (output->port != context.from || frame.from_tunnel)) receiver(member);
  }
  if (!frame.from_tunnel) {
    for (const OutputIndex vtep : segment.vteps)
      if (load_shared(context.tables.outputs[vtep]) != nullptr) receiver(vtep);
  }
  const Output* output = load_shared(context.tables.outputs[last]);
  if (last == 0 || output == nullptr) return drop(context, frame, Drop::NoReceivers);
  leave(context, frame, last, *output, segment, false);
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
