// frame: a packet as the walk sees it: bytes in one piece, room before them, and what became of it.
//
// Where in the walk: the worker makes frames of mbufs and back; tests make them of arrays. The walk knows nothing else.
// Threading: one worker's.
// Failure: a frame that is not delivered has a Drop and the port kNoPort.
// What it does not do: no ownership of memory: `handle` says whose it is.
#pragma once

#include <cstdint>

#include "dpdk/tables/tables.h"

namespace ml2::fastpath {

enum class Drop : std::uint8_t {
#define DROP(symbol, sentence) symbol,
#include "dpdk/walk/drop_reasons.def"
#undef DROP
};
inline constexpr const char* kDropNames[] = {
#define DROP(symbol, sentence) #symbol,
#include "dpdk/walk/drop_reasons.def"
#undef DROP
};
inline constexpr const char* kDropSentences[] = {
#define DROP(symbol, sentence) sentence,
#include "dpdk/walk/drop_reasons.def"
#undef DROP
};
inline constexpr std::size_t kDrops = sizeof(kDropNames) / sizeof(kDropNames[0]);

inline constexpr unsigned kBurst = 32;

struct Frame {
  std::uint8_t* data = nullptr;  // the first byte of the Ethernet header
  std::uint32_t length = 0;
  std::uint16_t headroom = 0;  // bytes before `data` that may be written
  PortIndex port = kNoPort;    // result: where it goes; kNoPort: dropped, or given to the Sink
  SegmentIndex segment = 0;    // 0: has left the walk
  Drop drop = Drop::Runt;      // result, where `dropped`
  bool dropped = false;
  bool from_tunnel = false;
  bool has_hash = false;
  std::uint32_t hash = 0;  // of the flow, when the NIC gave one
  void* handle = nullptr;  // the owner's
};

// Where copies go (broadcasts): they do not fit a result per frame.
struct Sink {
  // A copy of `from` with at least `headroom` bytes before it. False: no memory.
  bool (*copy)(Sink* sink, const Frame& from, std::uint16_t headroom, Frame* to) = nullptr;
  // Sends a copy, or drops it when frame.dropped.
  void (*send)(Sink* sink, const Frame& frame) = nullptr;
};

}  // namespace ml2::fastpath
