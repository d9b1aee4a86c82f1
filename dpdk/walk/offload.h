// offload: what a device takes over from us when it sends: checksums, cutting a long TCP frame into segments, frames in
//   several pieces. What it does not take over the walk does before the frame leaves (finish.h).
//
// Where in the walk: the process writes one byte of these bits per port, whenever that changes; the way out reads it, and
//   only for frames that need something.
// Threading: one byte each, stored and loaded whole.
// Failure: none. What it does not do: it says nothing of what a device offers on receipt: that is in the frames.
#pragma once

#include <cstdint>

namespace ml2::fastpath {

enum Takes : std::uint8_t {
  kTakesChecksum = 1,  // TCP and UDP checksums of plain or tagged frames
  kTakesTso4 = 2,      // TCP over IPv4 to be cut into segments
  kTakesTso6 = 4,      // over IPv6
  kTakesTunnel = 8,    // checksums and segments also within VXLAN
  kTakesPieces = 16,   // a frame in several buffers
};

}  // namespace ml2::fastpath
