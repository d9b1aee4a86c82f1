// counters: one worker's numbers: per port, segment, output (VTEP or attachment) and drop reason.
//
// Where in the walk: every stage counts here; the control thread adds up all workers' when asked.
// Threading: one writer each, readers at any time (bump()); no worker is stopped for reading.
// Failure: none. What it does not do: no rates, no reset.
#pragma once

#include <array>

#include "dpdk/walk/frame.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ml2::fastpath {

struct alignas(16) PacketsBytes {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};
ML2_INLINE void bump(PacketsBytes& counter, std::uint64_t packets, std::uint64_t bytes) {
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
  // Both in one store, of whose halves each is seen whole: frames to many VTEPs bump one each.
  auto* const both = reinterpret_cast<__m128i*>(&counter);
  const __m128i by = _mm_set_epi64x(static_cast<long long>(bytes), static_cast<long long>(packets));
  _mm_store_si128(both, _mm_add_epi64(_mm_load_si128(both), by));
#else
  bump(counter.packets, packets);
  bump(counter.bytes, bytes);
#endif
}

struct alignas(64) PortCounters {
  PacketsBytes received;
  PacketsBytes sent;
  std::uint64_t answered = 0;        // ARP and neighbour discovery, in place
  std::uint64_t exception = 0;       // handed to the exception path
  std::uint64_t drops[kDrops] = {};  // of frames received here; PortOff, and what a driver refuses: to be sent here
};

struct Counters {
  std::array<PortCounters, kMaxPorts> ports{};
  std::array<PacketsBytes, kMaxSegments> segments{};   // accepted into the segment
  std::array<PacketsBytes, kMaxOutputs> outputs{};     // sent there, as the frame was before tag or outer header
  std::array<PacketsBytes, kMaxOutputs> from_vteps{};  // received from a VTEP, inner frames
};

}  // namespace ml2::fastpath
