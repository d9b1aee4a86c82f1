#include "dpdk/process/mbuf_work.h"

#include <rte_ether.h>

#include <algorithm>

#include "dpdk/walk/find_l4.h"

namespace ml2::fastpath {

bool frame_of_work(rte_mbuf*& packet, Frame& frame) {
  // Asked for or not, the tag is part of the frame here.
  if ((packet->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && rte_vlan_insert(&packet) != 0) return false;
  if (packet->nb_segs != 1 && packet->data_len < kReadable && packet->data_len < packet->pkt_len &&
      rte_pktmbuf_linearize(packet) != 0) {
    return false;
  }
  frame.start(rte_pktmbuf_mtod(packet, std::uint8_t*), packet->pkt_len, packet->data_off, packet);
  frame.scattered = packet->nb_segs != 1;
  frame.checksum = (packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
  frame.long_tcp = (packet->ol_flags & RTE_MBUF_F_RX_LRO) != 0 && packet->tso_segsz != 0;
  if (frame.checksum || frame.long_tcp) {
    frame.set_work(packet->tso_segsz, 0);
    if (!frame.long_tcp) frame.set_work(0, 0);
  } else {
    frame.has_hash = (packet->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
    frame.hash = packet->hash.rss;
  }
  return true;
}

namespace {

// The buffers hold `frame.length` bytes from frame.data on; what is behind is freed.
void fit(const Frame& frame, rte_mbuf* packet) {
  const auto* end = rte_pktmbuf_mtod(packet, const std::uint8_t*) + packet->data_len;
  std::uint32_t left = frame.length;
  packet->data_off = frame.headroom;
  packet->data_len =
      static_cast<std::uint16_t>(std::min<std::uint32_t>(static_cast<std::uint32_t>(end - frame.data), left));
  packet->pkt_len = frame.length;
  left -= packet->data_len;
  rte_mbuf* last = packet;
  std::uint16_t buffers = 1;
  while (left != 0 && last->next != nullptr) {
    last = last->next;
    last->data_len = static_cast<std::uint16_t>(std::min<std::uint32_t>(last->data_len, left));
    left -= last->data_len;
    ++buffers;
  }
  rte_mbuf* rest = last->next;
  last->next = nullptr;
  packet->nb_segs = buffers;
  rte_pktmbuf_free(rest);
}

}  // namespace

void write_back_work(const Frame& frame, rte_mbuf* packet) {
  if (frame.scattered) {
    fit(frame, packet);
  } else {
    packet->data_off = frame.headroom;
    packet->data_len = static_cast<std::uint16_t>(frame.length);
    packet->pkt_len = frame.length;
  }
  packet->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
  if (!frame.checksum && !frame.long_tcp) return;
  const std::uint16_t outer = frame.outer_length();
  const auto at = find_l4(frame.data + outer, frame.readable() - outer);
  if (!at) return;  // finish.h has seen it, so it is there
  packet->l2_len = at->ip & 0x7fU;
  packet->l3_len = static_cast<unsigned>(at->header - at->ip) & 0x1ffU;
  packet->l4_len = static_cast<std::uint8_t>(at->payload - at->header);
  std::uint64_t flags = at->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
  if (frame.long_tcp) {
    packet->tso_segsz = frame.segment_size();
    flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
    if (!at->ipv6) flags |= RTE_MBUF_F_TX_IP_CKSUM;
  } else {
    flags |= at->protocol == wire::kProtocolTcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
  }
  if (outer != 0) {
    // The outer UDP header, VXLAN's and the inner Ethernet header are the inner "layer 2" (rte_mbuf_core.h).
    const bool tagged = wire::load16(frame.data + wire::kEthernetType) == wire::kTypeVlan;
    const std::size_t ethernet = wire::kEthernetLength + (tagged ? wire::kVlanLength : 0);
    const bool ipv6 = (frame.data[ethernet] >> 4U) == 6;
    packet->outer_l2_len = ethernet & 0x7fU;
    packet->outer_l3_len = (ipv6 ? wire::kIpv6Length : wire::kIpv4Length) & 0x1ffU;
    packet->l2_len = (wire::kUdpLength + 8 + at->ip) & 0x7fU;
    flags |= RTE_MBUF_F_TX_TUNNEL_VXLAN;
    flags |= ipv6 ? RTE_MBUF_F_TX_OUTER_IPV6 : RTE_MBUF_F_TX_OUTER_IPV4 | RTE_MBUF_F_TX_OUTER_IP_CKSUM;
  }
  packet->ol_flags |= flags;
}

const std::uint8_t* piece_of(const rte_mbuf* packet, const Frame& frame, std::uint32_t offset, std::uint32_t* bytes) {
  // The first buffer ends where it ended when it came; the frame's beginning may have moved since.
  const auto* end = rte_pktmbuf_mtod(packet, const std::uint8_t*) + packet->data_len;
  const auto first = static_cast<std::uint32_t>(end - frame.data);
  if (offset < first) {
    *bytes = first - offset;
    return frame.data + offset;
  }
  offset -= first;
  for (packet = packet->next; packet != nullptr; packet = packet->next) {
    if (offset < packet->data_len) {
      *bytes = packet->data_len - offset;
      return rte_pktmbuf_mtod(packet, const std::uint8_t*) + offset;
    }
    offset -= packet->data_len;
  }
  return nullptr;
}

}  // namespace ml2::fastpath
