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

// 32 bytes, two to a cache line. Made by start(), not by initialisers: a burst's array is not cleared before it is filled.
struct alignas(32) Frame {
  std::uint8_t* data;  // the first byte of the Ethernet header
  void* handle;        // the owner's
  std::uint32_t length;
  std::uint32_t hash;      // of the flow, when the NIC gave one
  std::uint16_t headroom;  // bytes before `data` that may be written
  PortIndex port;          // result: where it goes; kNoPort: dropped
  SegmentIndex segment;    // 0: has left the walk
  Drop drop;               // result, where `dropped`
  bool dropped : 1;
  bool from_tunnel : 1;
  bool has_hash : 1;

  ML2_INLINE void start(std::uint8_t* bytes, std::uint32_t size, std::uint16_t room, void* owner) {
    data = bytes;
    handle = owner;
    length = size;
    hash = 0;
    headroom = room;
    port = kNoPort;
    segment = 0;
    drop = Drop::Runt;
    dropped = from_tunnel = has_hash = false;
  }
};
static_assert(sizeof(Frame) == 32);

// Where copies go (broadcasts): they do not fit a result per frame.
struct Sink {
  // A copy of `from` with at least `headroom` bytes before it. False: no memory.
  bool (*copy)(Sink* sink, const Frame& from, std::uint16_t headroom, Frame* to) = nullptr;
  // Sends a copy, or drops it when frame.dropped.
  void (*send)(Sink* sink, const Frame& frame) = nullptr;
};

}  // namespace ml2::fastpath
