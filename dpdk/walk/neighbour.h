// neighbour: answers ARP requests (RFC 826) and neighbour solicitations (RFC 4861) in place, from the table that the agent
//   filled: the request itself becomes the answer and goes back where it came from.
//
// Where in the walk: after anti-spoofing, for frames of local ports in segments that answer; before the FDB.
// Threading: reads immutable objects.
// Failure: what it does not know, or is not sure of, goes on as any broadcast: the owner answers.
// What it does not do: duplicate address detection is not answered (the owner defends itself), nor a solicitation without
//   the sender's link-layer option (the answer would be longer than the question).
#pragma once

#include "dpdk/walk/egress.h"
#include "dpdk/walk/find.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

inline const Neighbour* find_neighbour(const Context& context, SegmentIndex segment, const std::uint8_t* address,
                                       bool ipv6) {
  const BucketArray& index = *load_shared(*context.tables.neighbour_index);
  const std::uint64_t key = neighbour_key(address, ipv6, segment);
  const std::uint64_t moves = load_shared(index.moves);
  const Bucket& first = index.buckets[first_bucket(bucket_hash(key, index.seed), index.count)];
  const std::uint32_t at = find(index, first, key, moves);
  if (at >= kMaxNeighbours) return nullptr;
  const Neighbour* neighbour = load_shared(context.tables.neighbours[at]);
  const bool same = neighbour != nullptr && neighbour->segment == segment && neighbour->ipv6 == ipv6 &&
                    std::memcmp(neighbour->address, address, ipv6 ? 16 : 4) == 0;
  return same ? neighbour : nullptr;
}

inline bool answer_arp(const Context& context, Frame& frame) {
  std::uint8_t* arp = frame.data + wire::kEthernetLength;
  // Ethernet, IPv4, request: hardware type, protocol, lengths, operation.
  if (frame.length < wire::kEthernetLength + 28 || wire::load32(arp) != 0x00010800U ||
      wire::load32(arp + 4) != 0x06040001U) {
    return false;
  }
  if (std::memcmp(arp + 14, arp + 24, 4) == 0) return false;  // gratuitous: it asks nobody
  const Neighbour* neighbour = find_neighbour(context, frame.segment, arp + 24, false);
  if (neighbour == nullptr || std::memcmp(neighbour->mac, arp + 8, 6) == 0) return false;
  std::uint8_t sender[10];  // MAC and address
  std::memcpy(sender, arp + 8, sizeof(sender));
  std::memcpy(frame.data, sender, 6);
  std::memcpy(frame.data + 6, neighbour->mac, 6);
  arp[7] = 2;
  std::memcpy(arp + 8, neighbour->mac, 6);
  std::memcpy(arp + 14, neighbour->address, 4);
  std::memcpy(arp + 18, sender, sizeof(sender));
  return true;
}

inline bool answer_solicitation(const Context& context, Frame& frame) {
  constexpr std::size_t kNeeded = wire::kEthernetLength + wire::kIpv6Length + 24 + 8;
  std::uint8_t* ip = frame.data + wire::kEthernetLength;
  std::uint8_t* icmp = ip + wire::kIpv6Length;
  // RFC 4861 section 7.1.1: hop limit 255, type 135, code 0; here with one option, the sender's link-layer address.
  if (frame.length < kNeeded || ip[wire::kIpv6NextHeader] != wire::kProtocolIcmpv6 ||
      ip[wire::kIpv6HopLimit] != 255 || wire::load16(icmp) != 0x8700 ||
      wire::load16(ip + wire::kIpv6PayloadLength) != 32 || wire::load16(icmp + 24) != 0x0101) {
    return false;
  }
  const std::uint8_t* source = ip + wire::kIpv6Source;
  if ((wire::load_raw<std::uint64_t>(source) | wire::load_raw<std::uint64_t>(source + 8)) == 0) return false;
  const Neighbour* neighbour = find_neighbour(context, frame.segment, icmp + 8, true);
  if (neighbour == nullptr || std::memcmp(neighbour->mac, frame.data + 6, 6) == 0) return false;
  std::memcpy(frame.data, frame.data + 6, 6);
  std::memcpy(frame.data + 6, neighbour->mac, 6);
  std::memcpy(ip + wire::kIpv6Destination, ip + wire::kIpv6Source, 16);
  std::memcpy(ip + wire::kIpv6Source, neighbour->address, 16);
  wire::store32(icmp, 0x88000000U);
  wire::store32(icmp + 4, neighbour->router ? 0xe0000000U : 0x60000000U);  // router, solicited, override
  icmp[24] = 2;                                                            // the target's link-layer address
  std::memcpy(icmp + 26, neighbour->mac, 6);
  frame.length = kNeeded;
  std::uint64_t sum = std::uint64_t{wire::kProtocolIcmpv6} << 8U;
  sum += __builtin_bswap16(32);
  sum = wire::checksum_add(sum, ip + wire::kIpv6Source, 32);
  wire::store_raw(icmp + 2, wire::checksum_fold(wire::checksum_add(sum, icmp, 32)));
  return true;
}

// Answers if it can; then the frame has left the walk, to the port that it came from, with the tag that it had.
[[gnu::noinline]] inline void answer(Context& context, Frame& frame, std::uint16_t type, std::uint16_t vlan) {
  const bool answered = (type == wire::kTypeArp && answer_arp(context, frame)) ||
                        (type == wire::kTypeIpv6 && answer_solicitation(context, frame));
  if (!answered) return;
  frame.segment = 0;
  frame.port = context.from;
  bump(context.port_counters.answered, 1);
  if (vlan != 0) push_tag(frame, __builtin_bswap16(vlan));
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
