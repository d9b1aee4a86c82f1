// leave: a frame of a segment leaves by an output.
//
// Where in the walk: last, for unicast (walk.cc) and for each copy of a broadcast (flood.h). What is plain goes straight on;
//   the rest takes the slow way (finish.h).
// Threading: reads immutable objects.
// Failure: TooLong, NoHeadroom, and the reasons of finish.h.
// What it does not do: no queues: the worker sends.
#pragma once

#include "dpdk/walk/finish.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

[[gnu::noinline]] inline void leave_slowly(Context& context, Frame& frame, OutputIndex index, const Output& output,
                                           const Segment& segment, bool answer) {
  const WayOut way{output.port, output.tunnel, output.tunnel && output.header.udp_checksum, output.max_frame};
  const bool whole = finish(context, frame, way, answer ? &segment : nullptr, [&](Frame& part) {
    if (part.headroom < output.headroom) return drop(context, part, Drop::NoHeadroom);
    put_before(context, part, index, output, segment);
  });
  if (!whole) return;
  if (frame.headroom < output.headroom) return drop(context, frame, Drop::NoHeadroom);
  put_before(context, frame, index, output, segment);
  if (output.tunnel && (frame.checksum || frame.long_tcp)) frame.set_work(frame.segment_size(), output.header.length);
}

// `answer`: the sender may be told that it is too long.
ML2_INLINE void leave(Context& context, Frame& frame, OutputIndex index, const Output& output, const Segment& segment,
                      bool answer) {
  if (frame.length > output.max_frame || frame.headroom < output.headroom || frame.has_work()) [[unlikely]]
    return leave_slowly(context, frame, index, output, segment, answer);
  put_before(context, frame, index, output, segment);
}

// To the other end of an exception path, as it is.
ML2_INLINE void leave_as_it_is(Context& context, Frame& frame, PortIndex port) {
  frame.port = port;
  if (!frame.has_work()) [[likely]]
    return;
  frame.port = kNoPort;
  if (finish(context, frame, WayOut{.port = port}, nullptr, [port](Frame& part) { part.port = port; }))
    frame.port = port;
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
