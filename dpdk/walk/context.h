// context: what the stages of one burst share, and how a frame is dropped.
//
// Where in the walk: between all stages of a burst.
// Threading: on one worker's stack. Failure: none. What it does not do: nothing outlives the burst.
#pragma once

#include "dpdk/walk/walk.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

struct Context {
  const Tables& tables;
  Counters& counters;
  Sink* sink;
  PortCounters& port_counters;
  PortIndex from;
  const Port& port;
  Walk& walk;
  std::uint32_t second = 0;  // of this burst, for learning; 0: not asked for yet
};

ML2_INLINE void drop(Context& context, Frame& frame, Drop reason) {
  frame.dropped = true;
  frame.drop = reason;
  frame.segment = 0;
  frame.port = kNoPort;
  bump(context.port_counters.drops[static_cast<std::size_t>(reason)], 1);
}

// A copy of `frame`, or a segment, is not made.
inline void no_buffer(Context& context, const Frame& frame) {
  bump(context.port_counters.drops[static_cast<std::size_t>(Drop::NoBuffer)], 1);
  if (context.sink->missing != nullptr) context.sink->missing(context.sink, frame);
}

ML2_INLINE std::uint16_t ethernet_type(const std::uint8_t* data) { return wire::load16(data + wire::kEthernetType); }
ML2_INLINE bool is_multicast(std::uint64_t mac) { return (mac & 1U) != 0; }

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
