// too_big: tells a machine that its packet is longer than the way out: ICMP "fragmentation needed" (RFC 1191: type 3, code 4,
//   with the MTU) and ICMPv6 "packet too big" (RFC 4443 section 3.2), made of the packet itself and sent back.
//
// Where in the walk: on the way out (finish.h), instead of a drop without a word. As the kernel's tunnels do it, the answer
//   comes from the address that the packet was for.
// Threading: the worker's own; the rate is in Walk.
// Failure: false: nothing is said, and the frame is dropped.
// What it does not do: no fragmenting, also not of packets without DF: whoever sent one is told too, and does it himself.
//   Nothing is said about multicasts, about errors (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e), later fragments, nor to
//   what came from another node or a physical network.
#pragma once

#include "dpdk/walk/egress.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

inline bool may_answer(Walk& walk, PortIndex from) {
  if (walk.sink->now_ms == nullptr) return false;
  AnswerRate::Bucket& bucket = walk.rate.buckets[from % std::size(walk.rate.buckets)];
  const std::uint64_t now = walk.sink->now_ms(walk.sink);
  const std::uint64_t passed = now - bucket.last_ms;
  const std::uint64_t earned = passed * AnswerRate::kPerSecond / 1000;
  if (earned != 0) {
    const std::uint64_t left = bucket.left + earned;
    bucket.left = static_cast<std::uint32_t>(left < AnswerRate::kPerSecond ? left : AnswerRate::kPerSecond);
    bucket.last_ms = now;
  }
  if (bucket.left == 0) return false;
  --bucket.left;
  return true;
}

inline bool concerns_ipv4(const std::uint8_t* ip, std::size_t readable) {
  if (readable < wire::kIpv4Length || (ip[0] >> 4U) != 4) return false;
  const std::size_t header = (ip[0] & 0x0fU) * std::size_t{4};
  if (header < wire::kIpv4Length || readable < header + 8) return false;
  if ((wire::load16(ip + wire::kIpv4Fragment) & 0x1fffU) != 0) return false;
  const auto is_host = [](std::uint8_t first) { return first != 0 && first != 127 && first < 224; };
  if (!is_host(ip[wire::kIpv4Source]) || !is_host(ip[wire::kIpv4Destination])) return false;
  if (ip[wire::kIpv4Protocol] != wire::kProtocolIcmp) return true;
  const std::uint8_t type = ip[header];
  return type == 0 || type == 8 || type == 13 || type == 14;  // echo and timestamp: questions and answers, no errors
}

inline bool concerns_ipv6(const std::uint8_t* ip, std::size_t readable) {
  if (readable < wire::kIpv6Length + 8 || (ip[0] >> 4U) != 6) return false;
  const std::uint8_t* source = ip + wire::kIpv6Source;
  if (source[0] == 0xff || ip[wire::kIpv6Destination] == 0xff) return false;
  if ((wire::load_raw<std::uint64_t>(source) | wire::load_raw<std::uint64_t>(source + 8)) == 0) return false;
  return ip[wire::kIpv6NextHeader] != wire::kProtocolIcmpv6 || ip[wire::kIpv6Length] >= 128;
}

// Makes the answer of the frame and leaves it to go back where it came from. `mtu`: of the way out, as an IP packet.
inline bool answer_too_big(Context& context, Frame& frame, const Segment& segment, std::uint16_t mtu) {
  const Port& port = context.port;
  const bool here = port.kind == Port::Kind::Access || (!port.tunnel && port.peer == kNoPort);
  if (!here || frame.from_tunnel || is_multicast(wire::load_mac(frame.data))) return false;
  const std::uint16_t type = ethernet_type(frame.data);
  const bool ipv6 = type == wire::kTypeIpv6;
  if (!ipv6 && type != wire::kTypeIpv4) return false;
  const std::uint32_t readable = frame.readable() - static_cast<std::uint32_t>(wire::kEthernetLength);
  std::uint8_t* original = frame.data + wire::kEthernetLength;
  if (!(ipv6 ? concerns_ipv6(original, readable) : concerns_ipv4(original, readable))) return false;
  // RFC 8200 section 5: no way of IPv6 has less, and saying so would be ignored (RFC 8201 section 4).
  if (ipv6 && mtu < 1280) return false;
  const std::size_t ip_length = ipv6 ? wire::kIpv6Length : wire::kIpv4Length;
  const std::size_t room = ip_length + 8;
  if (frame.headroom < room + wire::kVlanLength || !may_answer(context.walk, context.from)) return false;

  // As much of it as fits in 576 bytes (RFC 1812 section 4.3.2.3) or 1280 (RFC 4443 section 2.4 c).
  const std::size_t most = (ipv6 ? 1280 : 576) - room;
  const std::size_t quoted = readable < most ? readable : most;
  std::uint8_t macs[12];
  std::memcpy(macs, frame.data + 6, 6);
  std::memcpy(macs + 6, frame.data, 6);
  std::uint8_t* data = frame.data - room;
  std::uint8_t* ip = data + wire::kEthernetLength;
  std::uint8_t* icmp = ip + ip_length;
  std::memset(data, 0, wire::kEthernetLength + room);
  std::memcpy(data, macs, sizeof(macs));
  wire::store16(data + wire::kEthernetType, type);
  if (ipv6) {
    ip[0] = 0x60;
    wire::store16(ip + wire::kIpv6PayloadLength, static_cast<std::uint16_t>(8 + quoted));
    ip[wire::kIpv6NextHeader] = wire::kProtocolIcmpv6;
    ip[wire::kIpv6HopLimit] = 64;
    std::memcpy(ip + wire::kIpv6Source, original + wire::kIpv6Destination, 16);
    std::memcpy(ip + wire::kIpv6Destination, original + wire::kIpv6Source, 16);
    icmp[0] = 2;
    wire::store32(icmp + 4, mtu);
    std::uint64_t sum = std::uint64_t{wire::kProtocolIcmpv6} << 8U;
    sum += __builtin_bswap16(static_cast<std::uint16_t>(8 + quoted));
    sum = wire::checksum_add(sum, ip + wire::kIpv6Source, 32);
    wire::store_raw(icmp + 2, wire::checksum_fold(wire::checksum_add(sum, icmp, 8 + quoted)));
  } else {
    ip[0] = 0x45;
    ip[1] = 0xc0;  // internetwork control (RFC 1812 section 4.3.2.5)
    wire::store16(ip + wire::kIpv4TotalLength, static_cast<std::uint16_t>(room + quoted));
    ip[wire::kIpv4Ttl] = 64;
    ip[wire::kIpv4Protocol] = wire::kProtocolIcmp;
    std::memcpy(ip + wire::kIpv4Source, original + wire::kIpv4Destination, 4);
    std::memcpy(ip + wire::kIpv4Destination, original + wire::kIpv4Source, 4);
    wire::store_raw(ip + wire::kIpv4Checksum, wire::checksum_fold(wire::checksum_add(0, ip, wire::kIpv4Length)));
    icmp[0] = 3;
    icmp[1] = 4;
    wire::store16(icmp + 6, mtu);
    wire::store_raw(icmp + 2, wire::checksum_fold(wire::checksum_add(0, icmp, 8 + quoted)));
  }
  frame.data = data;
  frame.headroom = static_cast<std::uint16_t>(frame.headroom - room);
  frame.length = static_cast<std::uint32_t>(wire::kEthernetLength + room + quoted);
  frame.checksum = frame.long_tcp = frame.has_hash = false;
  frame.segment = 0;
  frame.port = context.from;
  // With the tag that it came with.
  for (const OutputIndex member : segment.members) {
    const Output* output = load_shared(context.tables.outputs[member]);
    if (output == nullptr || output->port != context.from) continue;
    if (output->tag_raw != 0) push_tag(frame, output->tag_raw);
    break;
  }
  bump(context.port_counters.answered, 1);
  bump(context.port_counters.drops[static_cast<std::size_t>(Drop::TooLong)], 1);
  return true;
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
