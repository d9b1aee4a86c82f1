// mbuf_work: mbufs that are not plain, as frames and back: what the sender's device said of checksums and segments, and what
//   the way out must be told; tags that a NIC took off; frames in several buffers.
//
// Where in the walk: before and behind it, in the worker, for such mbufs only.
// Threading: the worker's own mbufs.
// Failure: false: the mbuf cannot be a frame (its first buffer is too short to hold the headers); the caller drops it.
// What it does not do: no checksums and no segments: dpdk/walk/finish.h makes what the device does not.
#pragma once

#include <rte_mbuf.h>

#include "dpdk/walk/frame.h"

namespace ml2::fastpath {

// What is tested of every mbuf that was received: with none of these, and in one buffer, it is plain. (BAD's bit is NONE's
// too.)
inline constexpr std::uint64_t kReceivedWork =
    RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_VLAN_STRIPPED;

// Makes the frame of an mbuf with work. The mbuf may become another one.
[[nodiscard]] bool frame_of_work(rte_mbuf*& packet, Frame& frame);
// The mbuf is as the frame says: its bytes, its buffers, and what the device shall do.
void write_back_work(const Frame& frame, rte_mbuf* packet);
// Sink::piece.
[[nodiscard]] const std::uint8_t* piece_of(const rte_mbuf* packet, const Frame& frame, std::uint32_t offset,
                                           std::uint32_t* bytes);

}  // namespace ml2::fastpath
