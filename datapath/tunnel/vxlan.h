// vxlan: the layout of a VXLAN packet (RFC 7348), over IPv4 and IPv6: the outer header prepared once, patched per frame,
//   and taken apart with every check that the RFC asks for.
//
//     Ethernet 14 [802.1Q 4] | IPv4 20 or IPv6 40 | UDP 8 | flags 8, reserved 24, VNI 24, reserved 8 | inner frame
//
// Where in the walk: the fast path's encapsulation prepares `Header` per VTEP and calls patch() per frame; its
//   decapsulation calls decode(). Tests build and read frames with the same functions, and hold them to others' bytes.
// Threading: pure functions on bytes.
// Failure: decode() says why a packet is not one (Fault); it reads nothing beyond the length that it was given.
// What it does not do: no look-up of VNI or VTEP, no reassembly (RFC 7348 section 4.3: VTEPs must not fragment), no
//   group policy or GPE.
#pragma once

#include <cstdint>

#include "datapath/tunnel/wire.h"

namespace ml2::vxlan {

inline constexpr std::uint16_t kUdpPort = 4789;  // RFC 7348 section 5
inline constexpr std::size_t kLength = 8;
inline constexpr std::uint8_t kFlagVni = 0x08;  // I: the VNI is valid; the other bits are ignored on receipt
inline constexpr std::uint32_t kMaxVni = 0xffffff;
// What encapsulation adds to a frame, untagged underlay.
inline constexpr std::size_t kOverheadV4 = wire::kEthernetLength + wire::kIpv4Length + wire::kUdpLength + kLength;
inline constexpr std::size_t kOverheadV6 = wire::kEthernetLength + wire::kIpv6Length + wire::kUdpLength + kLength;
static_assert(kOverheadV4 == 50 && kOverheadV6 == 70);
inline constexpr std::size_t kMaxOverhead = kOverheadV6 + wire::kVlanLength;

// What the outer header of one next hop says.
struct Outer {
  std::uint8_t source_mac[6] = {};
  std::uint8_t destination_mac[6] = {};
  bool ipv6 = false;
  std::uint8_t source[16] = {};  // wire order; of IPv4 the first four
  std::uint8_t destination[16] = {};
  std::uint16_t vlan = 0;  // the underlay's 802.1Q id; 0: untagged
  std::uint16_t udp_port = kUdpPort;
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  bool dont_fragment = true;
  bool udp_checksum = false;
};

// A prepared outer header. It stands at the end of `bytes`, so that one copy of whole vectors that ends where the inner
// frame begins puts it in place; up to kSlack bytes before it are overwritten too, which the caller's headroom must have.
// What patch() asks stands first, so that with IPv4 the rest of it is one cache line (see Output).
struct Header {
  static constexpr std::size_t kSize = 96;
  std::uint32_t sum = 0;  // of the IPv4 header without its total length, or of the IPv6 pseudo-header without length
  std::uint8_t length = 0;  // kOverheadV4 or kOverheadV6, four more with a VLAN
  std::uint8_t ip_offset = 0;
  bool ipv6 = false;
  bool udp_checksum = false;
  std::uint8_t bytes[kSize] = {};
};
inline constexpr std::size_t kSlack = Header::kSize;  // headroom that an encapsulation needs

[[nodiscard]] inline Header prepare(const Outer& outer) {
  Header header;
  const std::size_t ip_length = outer.ipv6 ? wire::kIpv6Length : wire::kIpv4Length;
  const std::size_t vlan_length = outer.vlan != 0 ? wire::kVlanLength : 0;
  header.ipv6 = outer.ipv6;
  header.udp_checksum = outer.udp_checksum;
  header.length =
      static_cast<std::uint8_t>(wire::kEthernetLength + vlan_length + ip_length + wire::kUdpLength + kLength);
  header.ip_offset = static_cast<std::uint8_t>(wire::kEthernetLength + vlan_length);
  std::uint8_t* at = header.bytes + Header::kSize - header.length;
  std::memcpy(at, outer.destination_mac, 6);
  std::memcpy(at + 6, outer.source_mac, 6);
  if (outer.vlan != 0) {
    wire::store16(at + 12, wire::kTypeVlan);
    wire::store16(at + 14, outer.vlan);
  }
  wire::store16(at + header.ip_offset - 2, outer.ipv6 ? wire::kTypeIpv6 : wire::kTypeIpv4);
  std::uint8_t* ip = at + header.ip_offset;
  if (outer.ipv6) {
    wire::store32(ip, 0x60000000U | static_cast<std::uint32_t>(outer.dscp) << 22U);
    ip[wire::kIpv6NextHeader] = wire::kProtocolUdp;
    ip[wire::kIpv6HopLimit] = outer.ttl;
    std::memcpy(ip + wire::kIpv6Source, outer.source, 16);
    std::memcpy(ip + wire::kIpv6Destination, outer.destination, 16);
    header.sum = static_cast<std::uint16_t>(~wire::checksum_fold(
        wire::checksum_add(std::uint64_t{wire::kProtocolUdp} << 8U, ip + wire::kIpv6Source, 32)));
  } else {
    ip[0] = 0x45;
    ip[1] = static_cast<std::uint8_t>(outer.dscp << 2U);
    // Identification is 0: with DF set it has no meaning (RFC 6864 section 4). Without, the caller's walk writes it.
    wire::store16(ip + wire::kIpv4Fragment, outer.dont_fragment ? 0x4000 : 0);
    ip[wire::kIpv4Ttl] = outer.ttl;
    ip[wire::kIpv4Protocol] = wire::kProtocolUdp;
    std::memcpy(ip + wire::kIpv4Source, outer.source, 4);
    std::memcpy(ip + wire::kIpv4Destination, outer.destination, 4);
    header.sum = static_cast<std::uint16_t>(~wire::checksum_fold(wire::checksum_add(0, ip, wire::kIpv4Length)));
  }
  std::uint8_t* udp = ip + ip_length;
  wire::store16(udp + wire::kUdpDestination, outer.udp_port);
  udp[wire::kUdpLength] = kFlagVni;
  return header;
}

// Completes a header that was copied to `at`, before an inner frame of `inner_length` bytes.
// udp_source: RFC 7348 section 5 asks for a hash of the inner headers, 49152-65535.
// kChecksum: header.udp_checksum is looked at (which reads the whole frame); otherwise there is none.
template <bool kIpv6, bool kChecksum = true>
ML2_INLINE void patch(const Header& header, std::uint8_t* at, std::size_t inner_length, std::uint16_t udp_source,
                      std::uint32_t vni) {
  std::uint8_t* ip = at + header.ip_offset;
  std::uint8_t* udp = ip + (kIpv6 ? wire::kIpv6Length : wire::kIpv4Length);
  const auto udp_length = static_cast<std::uint16_t>(wire::kUdpLength + kLength + inner_length);
  const std::uint16_t udp_length_raw = __builtin_bswap16(udp_length);
  if constexpr (kIpv6) {
    wire::store_raw(ip + wire::kIpv6PayloadLength, udp_length_raw);
  } else {
    const auto total = __builtin_bswap16(static_cast<std::uint16_t>(udp_length + wire::kIpv4Length));
    wire::store_raw(ip + wire::kIpv4TotalLength, total);
    std::uint32_t sum = header.sum + total;
    sum = (sum & 0xffffU) + (sum >> 16U);
    wire::store_raw(ip + wire::kIpv4Checksum, static_cast<std::uint16_t>(~sum));
  }
  wire::store16(udp, udp_source);
  wire::store_raw(udp + wire::kUdpLengthField, udp_length_raw);
  wire::store32(udp + wire::kUdpLength + 4, vni << 8U);
  if (kChecksum && header.udp_checksum) {
    std::uint64_t sum = 0;
    if constexpr (kIpv6) {
      sum = header.sum;
    } else {
      sum = wire::checksum_add(std::uint64_t{wire::kProtocolUdp} << 8U, ip + wire::kIpv4Source, 8);
    }
    sum += udp_length_raw;
    const std::uint16_t folded = wire::checksum_fold(wire::checksum_add(sum, udp, udp_length));
    // RFC 768: zero means "none"; a sum that comes out as zero is sent as all ones.
    wire::store_raw(udp + wire::kUdpChecksum, folded == 0 ? std::uint16_t{0xffff} : folded);
  }
}

enum class Fault : std::uint8_t {
  None,
  NotOurs,        // not to this VTEP's address and port: another's business (the host's, perhaps)
  Truncated,      // ends within a header
  BadLength,      // the lengths in IP and UDP do not fit each other or the frame
  BadIpChecksum,  // RFC 791
  Fragment,       // RFC 7348 section 4.3
  BadUdpChecksum,
  NoVni,  // the I flag is not set
};

struct Packet {
  Fault fault = Fault::None;
  std::uint16_t inner_offset = 0;  // where the inner frame begins
  std::uint32_t inner_length = 0;
  std::uint32_t vni = 0;
  std::uint16_t source_offset = 0;  // of the outer source address (4 or 16 bytes)
  std::uint8_t ttl = 0;
};

// Whom a packet must be for. Wire order; of an IPv4 address the first four bytes.
struct Local {
  bool ipv6 = false;
  std::uint8_t address[16] = {};
  std::uint16_t udp_port = kUdpPort;
  bool verify_udp_checksum = true;  // RFC 7348 section 5 leaves it to the receiver; zero is always accepted
};

// What the first 64 bytes of a usual packet to `local` over IPv4 are where `mask` has ones: addresses, types, no options, no
// fragment, no UDP checksum, the I flag. A packet like that needs no decode(): lengths and the IPv4 checksum are left to see.
struct Pattern {
  static constexpr std::size_t kSize = 64;
  static_assert(kSize <= kOverheadV4 + wire::kEthernetLength);  // every whole packet has so many bytes
  alignas(64) std::uint8_t bytes[kSize] = {};
  alignas(64) std::uint8_t mask[kSize] = {};
};

[[nodiscard]] inline Pattern usual(const Local& local, const std::uint8_t* mac, std::uint16_t vlan) {
  Pattern pattern;
  const auto expect = [&pattern](std::size_t offset, const std::uint8_t* bytes, std::size_t size) {
    std::memcpy(pattern.bytes + offset, bytes, size);
    std::memset(pattern.mask + offset, 0xff, size);
  };
  const auto expect16 = [&pattern](std::size_t offset, std::uint16_t value, std::uint16_t mask) {
    wire::store16(pattern.bytes + offset, value);
    wire::store16(pattern.mask + offset, mask);
  };
  expect(0, mac, 6);
  std::size_t ip = wire::kEthernetLength;
  if (vlan != 0) {
    expect16(wire::kEthernetType, wire::kTypeVlan, 0xffff);
    expect16(wire::kEthernetLength, vlan, 0x0fff);
    ip += wire::kVlanLength;
  }
  expect16(ip - 2, wire::kTypeIpv4, 0xffff);
  expect16(ip, 0x4500, 0xff00);
  expect16(ip + wire::kIpv4Fragment, 0, 0x3fff);
  expect16(ip + wire::kIpv4Ttl, wire::kProtocolUdp, 0x00ff);
  expect(ip + wire::kIpv4Destination, local.address, 4);
  const std::size_t udp = ip + wire::kIpv4Length;
  expect16(udp + wire::kUdpDestination, local.udp_port, 0xffff);
  expect16(udp + wire::kUdpChecksum, 0, 0xffff);
  expect16(udp + wire::kUdpLength, kFlagVni << 8U, kFlagVni << 8U);
  return pattern;
}

// Takes the packet at `ip` apart: `length` bytes from the outer IP header to the end of the frame. Offsets in the result
// count from `ip`. The Ethernet type has said which IP it is, and it is the one of `local`.
template <bool kIpv6>
ML2_INLINE Packet decode(const Local& local, const std::uint8_t* ip, std::size_t length) {
  Packet packet;
  constexpr std::size_t kIpLength = kIpv6 ? wire::kIpv6Length : wire::kIpv4Length;
  const auto fail = [&packet](Fault fault) {
    packet.fault = fault;
    return packet;
  };
  if (length < kIpLength) return fail(Fault::Truncated);
  std::size_t header = kIpLength;
  std::size_t end = 0;
  if constexpr (kIpv6) {
    if (std::memcmp(ip + wire::kIpv6Destination, local.address, 16) != 0) return fail(Fault::NotOurs);
    if ((ip[0] >> 4U) != 6) return fail(Fault::BadLength);
    // 44: a fragment header (RFC 8200 section 4.5). To our address, and fragments of tunnels are not put together.
    if (ip[wire::kIpv6NextHeader] == 44) {
      if (length < kIpLength + 8) return fail(Fault::Truncated);
      return fail(ip[kIpLength] == wire::kProtocolUdp ? Fault::Fragment : Fault::NotOurs);
    }
    if (ip[wire::kIpv6NextHeader] != wire::kProtocolUdp) return fail(Fault::NotOurs);
    end = kIpLength + wire::load16(ip + wire::kIpv6PayloadLength);
  } else {
    if (wire::load_raw<std::uint32_t>(ip + wire::kIpv4Destination) != wire::load_raw<std::uint32_t>(local.address) ||
        ip[wire::kIpv4Protocol] != wire::kProtocolUdp) {
      return fail(Fault::NotOurs);
    }
    header = (ip[0] & 0x0fU) * std::size_t{4};
    if ((ip[0] >> 4U) != 4 || header < kIpLength) return fail(Fault::BadLength);
    if (length < header) return fail(Fault::Truncated);
    end = wire::load16(ip + wire::kIpv4TotalLength);
  }
  if (length < header + wire::kUdpLength) return fail(Fault::Truncated);
  const std::uint8_t* udp = ip + header;
  if constexpr (!kIpv6) {
    const std::uint16_t fragment = wire::load16(ip + wire::kIpv4Fragment);
    if ((fragment & 0x3fffU) != 0) {
      // A later fragment has no ports; the first says whether the rest is a tunnel's or the host's.
      if ((fragment & 0x1fffU) != 0) return fail(Fault::NotOurs);
      return fail(wire::load16(udp + wire::kUdpDestination) == local.udp_port ? Fault::Fragment : Fault::NotOurs);
    }
  }
  if (wire::load16(udp + wire::kUdpDestination) != local.udp_port) return fail(Fault::NotOurs);
  if (length < header + wire::kUdpLength + kLength) return fail(Fault::Truncated);
  const std::uint16_t udp_length = wire::load16(udp + wire::kUdpLengthField);
  // Ethernet may pad a short frame: what IP says may be less than there is, never more.
  if (end > length || end != header + udp_length || udp_length < wire::kUdpLength + kLength)
    return fail(Fault::BadLength);
  if constexpr (!kIpv6) {
    std::uint64_t sum = 0;
    if (header == kIpLength) {
      sum = std::uint64_t{wire::load_raw<std::uint32_t>(ip)} + wire::load_raw<std::uint32_t>(ip + 4) +
            wire::load_raw<std::uint32_t>(ip + 8) + wire::load_raw<std::uint32_t>(ip + 12) +
            wire::load_raw<std::uint32_t>(ip + 16);
    } else {
      sum = wire::checksum_add(0, ip, header);
    }
    if (wire::checksum_fold(sum) != 0) return fail(Fault::BadIpChecksum);
  }
  if (wire::load_raw<std::uint16_t>(udp + wire::kUdpChecksum) != 0 && local.verify_udp_checksum) {
    std::uint64_t sum = std::uint64_t{wire::kProtocolUdp} << 8U;
    sum = wire::checksum_add(sum, ip + (kIpv6 ? wire::kIpv6Source : wire::kIpv4Source), kIpv6 ? 32 : 8);
    sum += wire::load_raw<std::uint16_t>(udp + wire::kUdpLengthField);
    if (wire::checksum_fold(wire::checksum_add(sum, udp, udp_length)) != 0) return fail(Fault::BadUdpChecksum);
  }
  const std::uint8_t* vxlan = udp + wire::kUdpLength;
  if ((vxlan[0] & kFlagVni) == 0) return fail(Fault::NoVni);
  packet.vni = wire::load32(vxlan + 4) >> 8U;
  packet.inner_offset = static_cast<std::uint16_t>(header + wire::kUdpLength + kLength);
  packet.inner_length = static_cast<std::uint32_t>(udp_length - wire::kUdpLength - kLength);
  packet.source_offset = kIpv6 ? wire::kIpv6Source : wire::kIpv4Source;
  packet.ttl = ip[kIpv6 ? wire::kIpv6HopLimit : wire::kIpv4Ttl];
  return packet;
}

}  // namespace ml2::vxlan
