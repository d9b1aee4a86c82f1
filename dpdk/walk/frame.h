// frame: a packet as the walk sees it: bytes in one piece, room before them, and what became of it.
//
// A frame may bring work along that its sender left to us: a checksum to complete, a long TCP frame to be cut into
// segments; and it may lie in several pieces of memory, of which the walk sees the first. Such frames are rare, except where
// virtual machines send them, and cost the others one test of a byte.
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
// Of a frame in pieces so much is in the first, unless it is shorter: every header is (find_l4.h looks no further).
inline constexpr std::uint32_t kReadable = 256;

// 32 bytes, two to a cache line. Made by start(), not by initialisers: a burst's array is not cleared before it is filled.
struct alignas(32) Frame {
  std::uint8_t* data;  // the first byte of the Ethernet header
  void* handle;        // the owner's
  std::uint32_t length;
  std::uint32_t hash;      // of the flow, when the NIC gave one; of a `long_tcp` or `checksum` frame: see below
  std::uint16_t headroom;  // bytes before `data` that may be written
  PortIndex port;          // result: where it goes; kNoPort: dropped
  SegmentIndex segment;    // 0: has left the walk
  Drop drop;               // result, where `dropped`
  bool dropped : 1;
  bool from_tunnel : 1;
  bool has_hash : 1;
  bool scattered : 1;  // `data` has the first piece only
  bool checksum : 1;   // the TCP or UDP checksum is still to be made
  bool long_tcp : 1;   // TCP, to be cut into segments of segment_size() bytes

  // The byte that the six bits above are.
  [[nodiscard]] ML2_INLINE std::uint8_t flags() const { return reinterpret_cast<const std::uint8_t*>(this)[kFlags]; }
  // Not a plain frame: it takes the slow way out.
  [[nodiscard]] ML2_INLINE bool has_work() const { return (flags() & kWorkBits) != 0; }
  // Bytes that can be read at `data`.
  [[nodiscard]] ML2_INLINE std::uint32_t readable() const {
    return scattered && length > kReadable ? kReadable : length;
  }
  // Such frames have no hash of a NIC: its place is used.
  [[nodiscard]] ML2_INLINE std::uint16_t segment_size() const { return static_cast<std::uint16_t>(hash); }
  // What stands before the inner frame: the outer header's length, 0: none.
  [[nodiscard]] ML2_INLINE std::uint16_t outer_length() const { return static_cast<std::uint16_t>(hash >> 16U); }
  ML2_INLINE void set_work(std::uint16_t size, std::uint16_t outer) {
    has_hash = false;
    hash = size | std::uint32_t{outer} << 16U;
  }

  // `flow`: a hash of its flow, where `hashed`.
  ML2_INLINE void start(std::uint8_t* bytes, std::uint32_t size, std::uint16_t room, void* owner,
                        std::uint32_t flow = 0, bool hashed = false) {
    data = bytes;
    handle = owner;
    length = size;
    hash = flow;
    // From `headroom` on in one store: of a bit each, the byte would be read first.
    const std::uint64_t rest =
        room | std::uint64_t{kNoPort} << 16U | static_cast<std::uint64_t>(hashed ? kHashBit : 0U) << 56U;
    std::memcpy(reinterpret_cast<std::uint8_t*>(this) + kRest, &rest, sizeof(rest));
  }

  static constexpr std::size_t kRest = 24;
  static constexpr std::size_t kFlags = 31;
  static constexpr std::uint8_t kTunnelBit = 1U << 1U;
  static constexpr std::uint8_t kHashBit = 1U << 2U;
  static constexpr std::uint8_t kWorkBits = 7U << 3U;
};
static_assert(sizeof(Frame) == 32 && offsetof(Frame, headroom) == Frame::kRest && offsetof(Frame, port) == 26 &&
              offsetof(Frame, drop) == Frame::kFlags - 1 && static_cast<int>(Drop::Runt) == 0);

// What the walk needs of the owner of frames: where copies and segments go, which do not fit a result per frame, and the time.
struct Sink {
  // A copy of `from` with at least `headroom` bytes before it. False: no memory.
  bool (*copy)(Sink* sink, const Frame& from, std::uint16_t headroom, Frame* to) = nullptr;
  // A new frame of `length` bytes in one piece, not filled. False: no memory, or longer than one piece can be.
  bool (*allocate)(Sink* sink, std::uint32_t length, std::uint16_t headroom, Frame* to) = nullptr;
  // Sends a copy or a segment, or frees it when it goes nowhere.
  void (*send)(Sink* sink, const Frame& frame) = nullptr;
  // Of a frame in pieces: where byte `offset` is, and how many bytes are there in one piece.
  const std::uint8_t* (*piece)(Sink* sink, const Frame& frame, std::uint32_t offset, std::uint32_t* bytes) = nullptr;
  // A copy of `from`, or a segment, for which there was no buffer; null: nobody wants to know of one.
  void (*missing)(Sink* sink, const Frame& from) = nullptr;
  // A station was seen; `news`: where the FDB does not have it. `origin`: a port, or kFromVtep and an output. False: not taken.
  bool (*learn)(Sink* sink, std::uint64_t key, std::uint32_t origin, bool news) = nullptr;
  // Milliseconds since some moment; null: there is no clock, and nothing is said that is said so often a second.
  std::uint64_t (*now_ms)(Sink* sink) = nullptr;
};

}  // namespace ml2::fastpath
