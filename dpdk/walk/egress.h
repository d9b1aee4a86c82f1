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
ML2_INLINE std::uint32_t flow_hash(const std::uint8_t* data, std::size_t length) {
  const std::uint16_t type = ethernet_type(data);
  std::uint64_t hash = 0;
  if (type == wire::kTypeIpv4 && length >= wire::kEthernetLength + wire::kIpv4Length + 4) {
    const std::uint8_t* ip = data + wire::kEthernetLength;
    hash = wire::load_raw<std::uint64_t>(ip + wire::kIpv4Source) * kOdd;
    const std::uint8_t protocol = ip[wire::kIpv4Protocol];
    // Fragments have no ports, and all of a datagram must take one way.
    if (ip[0] == 0x45 && (wire::load16(ip + wire::kIpv4Fragment) & 0x3fffU) == 0 &&
        (protocol == wire::kProtocolUdp || protocol == wire::kProtocolTcp)) {
      hash ^= wire::load_raw<std::uint32_t>(ip + wire::kIpv4Length);
    }
  } else if (type == wire::kTypeIpv6 && length >= wire::kEthernetLength + wire::kIpv6Length + 4) {
    hash = mix_ipv6(hash, data + wire::kEthernetLength);
  } else {
    hash = wire::load_raw<std::uint64_t>(data) ^ wire::load_raw<std::uint32_t>(data + 8) * kOdd;
  }
  hash *= kOdd;
  return static_cast<std::uint32_t>(hash >> 32U);
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

template <bool kIpv6, bool kChecksum>
ML2_INLINE void encapsulate(Frame& frame, const vxlan::Header& header, std::uint32_t vni) {
  const std::uint32_t hash = frame.has_hash && !frame.from_tunnel ? frame.hash : flow_hash(frame.data, frame.length);
  const auto udp_source = static_cast<std::uint16_t>(0xc000U | hash >> 18U);  // 49152-65535
  // IPv4 with a tag is 54 bytes: two vectors of 32. IPv6 is 70 or 74: three.
  constexpr std::size_t kCopied = kIpv6 ? 96 : 64;
  std::uint8_t* const inner = frame.data;
  const std::uint32_t length = frame.length;
  const std::uint32_t added = header.length;  // asked before the compiler must think that a store has changed it
  copy_tail<kCopied>(inner - kCopied, header.bytes + vxlan::Header::kSize - kCopied);
  std::uint8_t* at = inner - added;
  vxlan::patch<kIpv6, kChecksum>(header, at, length, udp_source, vni);
  frame.data = at;
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

// Over IPv6, or with a checksum over the whole frame: apart, so that the usual way keeps its registers.
[[gnu::noinline]] inline void encapsulate_other(Frame& frame, const vxlan::Header& header, std::uint32_t vni) {
  if (header.ipv6) {
    encapsulate<true, true>(frame, header, vni);
  } else {
    encapsulate<false, true>(frame, header, vni);
  }
}

// Puts on what the output says.
ML2_INLINE void put_before(Context& context, Frame& frame, OutputIndex index, const Output& output,
                           const Segment& segment) {
  bump(context.counters.outputs[index], 1, frame.length);
  frame.port = output.port;
  if (output.tunnel) {
    if (output.header.ipv6 || output.header.udp_checksum) {
      encapsulate_other(frame, output.header, segment.vni);
    } else {
      encapsulate<false, false>(frame, output.header, segment.vni);
    }
  } else if (output.tag_raw != 0) {
    push_tag(frame, output.tag_raw);
  }
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
