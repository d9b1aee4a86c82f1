// walk: one burst of frames from one port, to the ports where they go.
//
// What it is: the fixed order of stages, run to completion:
//
//     classify (ingress.h)  ->  anti-spoofing (security.h)  ->  ARP, ND in place (neighbour.h)
//       ->  FDB (find.h)  ->  tag or outer header (egress.h), or copies of a broadcast (flood.h)
//
//   A frame with work of its own (checksum, segments) or one that is too long goes through finish.h on its way out.
//
// Where in the walk: it is the walk. The worker gives it frames and sends what comes out; tests give it arrays.
// Threading: one Walk per worker; the tables may change meanwhile, each object is seen whole.
// Failure: a frame that is not delivered is `dropped` with a reason, and counted.
// What it does not do: no system call, no allocation, no lock, no log line, no DPDK.
#pragma once

#include "dpdk/walk/counters.h"
#include "dpdk/walk/frame.h"
#include "dpdk/walk/isa.h"
#include "dpdk/walk/offload.h"

namespace ml2::fastpath {

// How often a machine is told that its frames are too long: 100 times a second, after a pause as often at once. Ports
// whose ids are the same modulo the array's size share one.
struct AnswerRate {
  static constexpr std::uint32_t kPerSecond = 100;
  struct Bucket {
    std::uint64_t last_ms = 0;
    std::uint32_t left = kPerSecond;
  };
  Bucket buckets[256];
};

// Stations that the control thread was told of, so that it is not told again within the second (learn.h).
struct Told {
  static constexpr std::size_t kSlots = 4096;
  static constexpr std::uint64_t kSeed = 0x9e3779b97f4a7c15ULL;
  struct Slot {
    std::uint64_t key = 0;  // of the FDB
    std::uint32_t origin = 0;
    std::uint32_t second = 0;
  };
  Slot slots[kSlots];
};

// One worker's state between bursts.
struct Walk {
  const Tables* tables = nullptr;
  Counters* counters = nullptr;
  Sink* sink = nullptr;
  const std::uint8_t* takes = nullptr;  // bits of Takes, by port; null: no port takes anything
  AnswerRate rate{};
  Told told{};
};

// Leaves in each frame: `port` (send it there), or `dropped`, or neither (the Sink has it; the frame's memory is free).
using WalkFunction = void (*)(Walk& walk, PortIndex from, Frame* frames, unsigned count);

// True when this processor can run it.
[[nodiscard]] bool supported(Isa isa);
// The widest that is supported.
[[nodiscard]] Isa best_isa();
[[nodiscard]] WalkFunction walk_function(Isa isa);
// Looks up one key with the code of `isa`; for tests and measurements.
using FindFunction = void (*)(const BucketArray& array, const std::uint64_t* keys, std::uint32_t* values,
                              unsigned count);
[[nodiscard]] FindFunction find_function(Isa isa);

}  // namespace ml2::fastpath
