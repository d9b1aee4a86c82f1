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
};

ML2_INLINE void drop(Context& context, Frame& frame, Drop reason) {
  frame.dropped = true;
  frame.drop = reason;
  frame.segment = 0;
  frame.port = kNoPort;
  bump(context.port_counters.drops[static_cast<std::size_t>(reason)], 1);
}

// Counts runs of frames to the same counter, so that a burst of one flow touches it once.
class RunCounter {
 public:
  ML2_INLINE void add(PacketsBytes& counter, std::uint32_t bytes) {
    if (&counter != counter_) {
      finish();
      counter_ = &counter;
    }
    ++packets_;
    bytes_ += bytes;
  }
  ML2_INLINE void finish() {
    if (packets_ != 0) bump(*counter_, packets_, bytes_);
    packets_ = 0;
    bytes_ = 0;
  }

 private:
  PacketsBytes* counter_ = nullptr;
  std::uint64_t packets_ = 0;
  std::uint64_t bytes_ = 0;
};

ML2_INLINE std::uint16_t ethernet_type(const std::uint8_t* data) { return wire::load16(data + wire::kEthernetType); }
ML2_INLINE bool is_multicast(std::uint64_t mac) { return (mac & 1U) != 0; }

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
