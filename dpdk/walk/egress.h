// egress: puts a tag or an outer header before a frame, as its Output says, and names the port where it goes.
//
// Where in the walk: last (leave.h), for unicast and for each copy of a broadcast.
// Threading: reads immutable objects.
// Failure: none: the caller has seen to length and headroom.
// What it does not do: no fragments (RFC 7348 section 4.3), no queues: the worker sends.
#pragma once

#include "dpdk/walk/context.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace ml2::fastpath {
inline namespace ML2_ISA {

inline constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15ULL;

[[gnu::noinline]] inline std::uint64_t mix_ipv6(std::uint64_t hash, const std::uint8_t* ip) {
  for (std::size_t i = 0; i < 32; i += 8)
    hash = (hash ^ wire::load_raw<std::uint64_t>(ip + wire::kIpv6Source + i)) * kOdd ^ (hash >> 29U);
  const std::uint8_t protocol = ip[wire::kIpv6NextHeader];
  if (protocol == wire::kProtocolUdp || protocol == wire::kProtocolTcp) {
    hash ^= wire::load_raw<std::uint32_t>(ip + wire::kIpv6Length);
  }
  return hash;
}

// A hash of the inner headers, the same for all packets of a flow: addresses, and ports where they are certain.
[[gnu::noinline]] inline std::uint32_t any_flow_hash(const std::uint8_t* data, std::size_t length) {
  const std::uint16_t type = ethernet_type(data);
  std::uint64_t hash = 0;
  if (type == wire::kTypeIpv4 && length >= wire::kEthernetLength + wire::kIpv4Length + 4) {
    // Not of the usual kind: fragments have no ports, and all of a datagram must take one way.
    hash = wire::load_raw<std::uint64_t>(data + wire::kEthernetLength + wire::kIpv4Source) * kOdd;
  } else if (type == wire::kTypeIpv6 && length >= wire::kEthernetLength + wire::kIpv6Length + 4) {
    hash = mix_ipv6(hash, data + wire::kEthernetLength);
  } else {
    hash = wire::load_raw<std::uint64_t>(data) ^ wire::load_raw<std::uint32_t>(data + 8) * kOdd;
  }
  hash *= kOdd;
  return static_cast<std::uint32_t>(hash >> 32U);
}
// The usual kind is known by two words: the Ethernet type with 0x45, and fragment, TTL and protocol.
ML2_INLINE std::uint32_t flow_hash(const std::uint8_t* data, std::size_t length) {
  constexpr std::size_t kNeeded = wire::kEthernetLength + wire::kIpv4Length + 4;
  constexpr auto kIs = [](std::uint32_t wire_order) { return __builtin_bswap32(wire_order); };
  const std::uint8_t* ip = data + wire::kEthernetLength;
  if (length >= kNeeded) [[likely]] {
    const auto kind = wire::load_raw<std::uint32_t>(data + wire::kEthernetType) & kIs(0xffffff00U);
    const auto use = wire::load_raw<std::uint32_t>(ip + wire::kIpv4Fragment) & kIs(0x3fff00ffU);
    if (kind == kIs(std::uint32_t{wire::kTypeIpv4} << 16U | 0x4500U) &&
        (use == kIs(wire::kProtocolUdp) || use == kIs(wire::kProtocolTcp))) [[likely]] {
      const std::uint64_t hash = wire::load_raw<std::uint64_t>(ip + wire::kIpv4Source) * kOdd;
      return static_cast<std::uint32_t>((hash ^ wire::load_raw<std::uint32_t>(ip + wire::kIpv4Length)) * kOdd >> 32U);
    }
  }
  return any_flow_hash(data, length);
}

template <std::size_t kBytes>
ML2_INLINE void copy_tail(std::uint8_t* to, const std::uint8_t* from) {
  static_assert(kBytes % 32 == 0);
#if defined(__AVX512F__)
  for (std::size_t i = 0; i + 64 <= kBytes; i += 64) _mm512_storeu_si512(to + i, _mm512_loadu_si512(from + i));
  if constexpr (kBytes % 64 != 0) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kBytes - 32),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + kBytes - 32)));
  }
#elif defined(__AVX2__)
  for (std::size_t i = 0; i < kBytes; i += 32) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
  }
#else
  std::memcpy(to, from, kBytes);
#endif
}

// RFC 7348 section 5: 49152-65535.
ML2_INLINE std::uint32_t udp_source_of(const Frame& frame) {
  const bool hashed = (frame.flags() & (Frame::kHashBit | Frame::kTunnelBit)) == Frame::kHashBit;
  const std::uint32_t hash = hashed ? frame.hash : flow_hash(frame.data, frame.length);
  return 0xc000U | hash >> 18U;
}
// The lower half of a word, swapped: in registers, where a swap of 16 bits may go by way of memory.
ML2_INLINE std::uint32_t swapped16(std::uint32_t word) { return __builtin_bswap32(word) >> 16U; }

// Over IPv4 without a UDP checksum. All places are counted from the inner frame back: the same with and without a tag.
// `added`: header.length, from where no store into a frame can have changed it in the compiler's eyes.
ML2_INLINE void encapsulate(Frame& frame, const vxlan::Header& header, std::uint32_t added, std::uint32_t vni) {
  constexpr std::size_t kCopied = 64;  // IPv4 with a tag is 54 bytes
  constexpr std::size_t kVxlan = vxlan::kLength;
  constexpr std::size_t kUdp = kVxlan + wire::kUdpLength;
  constexpr std::size_t kIp = kUdp + wire::kIpv4Length;
  std::uint8_t* const inner = frame.data;
  const std::uint32_t length = frame.length;
  const std::uint32_t sum = header.sum;
  const std::uint32_t udp_source = udp_source_of(frame);
  copy_tail<kCopied>(inner - kCopied, header.bytes + vxlan::Header::kSize - kCopied);
  const std::uint32_t total = swapped16(length + kIp);
  const std::uint32_t folded = sum + total;
  wire::store_raw(inner - kIp + wire::kIpv4TotalLength, static_cast<std::uint16_t>(total));
  wire::store_raw(inner - kIp + wire::kIpv4Checksum, static_cast<std::uint16_t>(~(folded + (folded >> 16U))));
  wire::store_raw(inner - kUdp, static_cast<std::uint16_t>(swapped16(udp_source)));
  wire::store_raw(inner - kUdp + wire::kUdpLengthField, static_cast<std::uint16_t>(swapped16(length + kUdp)));
  wire::store32(inner - kVxlan + 4, vni << 8U);
  frame.data = inner - added;
  frame.length = length + added;
  frame.headroom = static_cast<std::uint16_t>(frame.headroom - added);
}

ML2_INLINE void push_tag(Frame& frame, std::uint16_t tag_raw) {
  std::uint8_t* const data = frame.data - wire::kVlanLength;
  const auto low = wire::load_raw<std::uint64_t>(data + wire::kVlanLength);
  const auto high = wire::load_raw<std::uint32_t>(data + wire::kVlanLength + 8);
  frame.data = data;
  wire::store_raw(data, low);
  wire::store_raw(data + 8, high);
  wire::store_raw(data + 12, static_cast<std::uint32_t>(0x0081U | static_cast<std::uint32_t>(tag_raw) << 16U));
  frame.length += static_cast<std::uint32_t>(wire::kVlanLength);
  frame.headroom = static_cast<std::uint16_t>(frame.headroom - wire::kVlanLength);
}

// The DSCP of an IPv4 or IPv6 frame, behind up to two tags; of another, kNoDscp.
inline constexpr std::uint32_t kNoDscp = 64;
inline std::uint32_t dscp_of(const std::uint8_t* data, std::size_t length) {
  std::size_t ip = wire::kEthernetLength;
  for (int tags = 0;; ++tags) {
    if (length < ip + 2) return kNoDscp;
    const std::uint16_t type = wire::load16(data + ip - 2);
    const std::uint16_t first = wire::load16(data + ip);
    if (type == wire::kTypeIpv4) return (first >> 2U) & 0x3fU;
    if (type == wire::kTypeIpv6) return (first >> 6U) & 0x3fU;
    if (tags == 2 || (type != wire::kTypeVlan && type != wire::kTypeServiceVlan)) return kNoDscp;
    ip += wire::kVlanLength;
  }
}

// The two bits of ECN stay 0: an inner frame's congestion marks are not changed on the way (RFC 6040, compatibility mode).
template <bool kIpv6>
inline void set_dscp(std::uint8_t* ip, std::uint32_t dscp) {
  if constexpr (kIpv6) {
    wire::store32(ip, (wire::load32(ip) & ~0x0ff00000U) | dscp << 22U);
  } else {
    ip[1] = static_cast<std::uint8_t>(dscp << 2U);
  }
}

// What of an `unusual` output differs from frame to frame. It is in no UDP checksum's pseudo-header.
template <bool kIpv6>
inline void complete_ip(const Output& output, std::uint8_t* ip, std::uint32_t dscp, std::uint16_t identification) {
  if (dscp != kNoDscp) set_dscp<kIpv6>(ip, dscp);
  if constexpr (!kIpv6) {
    if (dscp == kNoDscp && !output.identify) return;  // patch() has made the checksum
    if (output.identify) wire::store16(ip + wire::kIpv4Identification, identification);
    wire::store_raw(ip + wire::kIpv4Checksum, std::uint16_t{0});
    wire::store_raw(ip + wire::kIpv4Checksum, wire::checksum_fold(wire::checksum_add(0, ip, wire::kIpv4Length)));
  }
}

// An `unusual` output: apart, so that the usual way keeps its registers.
[[gnu::noinline]] inline void encapsulate_other(const Context& context, Frame& frame, OutputIndex index,
                                                const Output& output, std::uint32_t vni) {
  // Identification counts per VTEP, as RFC 6864 section 4.3 wants it; each worker begins at another number.
  const std::uint64_t number =
      context.counters.outputs[index].packets + (reinterpret_cast<std::uintptr_t>(&context.counters) >> 12U);
  const vxlan::Header& header = output.header;
  const auto udp_source = static_cast<std::uint16_t>(udp_source_of(frame));
  const std::uint32_t dscp = output.inherit_dscp ? dscp_of(frame.data, frame.length) : kNoDscp;
  std::uint8_t* const at = frame.data - header.length;
  std::memcpy(frame.data - vxlan::Header::kSize, header.bytes, vxlan::Header::kSize);
  if (header.ipv6) {
    vxlan::patch<true>(header, at, frame.length, udp_source, vni);
    complete_ip<true>(output, at + header.ip_offset, dscp, 0);
  } else {
    vxlan::patch<false>(header, at, frame.length, udp_source, vni);
    complete_ip<false>(output, at + header.ip_offset, dscp, static_cast<std::uint16_t>(number));
  }
  frame.data = at;
  frame.length += header.length;
  frame.headroom = static_cast<std::uint16_t>(frame.headroom - header.length);
}

// Puts on what the output says.
ML2_INLINE void put_before(Context& context, Frame& frame, OutputIndex index, const Output& output,
                           const Segment& segment) {
  bump(context.counters.outputs[index], 1, frame.length);
  frame.port = output.port;
  if (output.tunnel) {
    if (output.unusual) {
      encapsulate_other(context, frame, index, output, segment.vni);
    } else {
      encapsulate(frame, output.header, output.added, segment.vni);
    }
  } else if (output.tag_raw != 0) {
    push_tag(frame, output.tag_raw);
  }
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
