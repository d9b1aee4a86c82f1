// find_l4: where the IP and the TCP or UDP header of a frame are, behind up to two VLAN tags.
//
// Where in the walk: finish.h, for frames that ask for a checksum or for segments; the process, for what a device must know.
// Threading: pure functions.
// Failure: nothing is returned for what is no whole TCP or UDP packet within what can be read, or has more than kReadable
//   bytes of headers.
// What it does not do: it goes through hop-by-hop, destination and routing headers of IPv6, not through others; a fragment
//   has no checksum of its own to be made.
#pragma once

#include <optional>

#include "dpdk/walk/frame.h"
#include "dpdk/walk/isa.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

struct Layer4 {
  std::uint16_t ip = 0;       // offsets in the frame
  std::uint16_t header = 0;   // TCP's or UDP's
  std::uint16_t payload = 0;  // behind it
  bool ipv6 = false;
  std::uint8_t protocol = 0;
};

inline std::optional<Layer4> find_l4(const std::uint8_t* data, std::size_t readable) {
  Layer4 at;
  std::size_t offset = wire::kEthernetLength;
  if (readable < offset) return std::nullopt;
  std::uint16_t type = wire::load16(data + wire::kEthernetType);
  for (int tags = 0; tags < 2 && (type == wire::kTypeVlan || type == wire::kTypeServiceVlan); ++tags) {
    if (readable < offset + wire::kVlanLength) return std::nullopt;
    type = wire::load16(data + offset + 2);
    offset += wire::kVlanLength;
  }
  at.ip = static_cast<std::uint16_t>(offset);
  const std::uint8_t* ip = data + offset;
  if (type == wire::kTypeIpv4) {
    if (readable < offset + wire::kIpv4Length || (ip[0] >> 4U) != 4 || (ip[0] & 0x0fU) < 5) return std::nullopt;
    if ((wire::load16(ip + wire::kIpv4Fragment) & 0x3fffU) != 0) return std::nullopt;
    at.protocol = ip[wire::kIpv4Protocol];
    offset += (ip[0] & 0x0fU) * std::size_t{4};
  } else if (type == wire::kTypeIpv6) {
    if (readable < offset + wire::kIpv6Length || (ip[0] >> 4U) != 6) return std::nullopt;
    at.ipv6 = true;
    at.protocol = ip[wire::kIpv6NextHeader];
    offset += wire::kIpv6Length;
    // RFC 8200 section 4: 0 hop-by-hop, 43 routing, 60 destination options, each of 8 bytes and 8 times its second.
    for (int headers = 0; headers < 4 && (at.protocol == 0 || at.protocol == 43 || at.protocol == 60); ++headers) {
      if (readable < offset + 8) return std::nullopt;
      at.protocol = data[offset];
      offset += 8 + data[offset + 1] * std::size_t{8};
    }
  } else {
    return std::nullopt;
  }
  at.header = static_cast<std::uint16_t>(offset);
  if (at.protocol == wire::kProtocolTcp) {
    if (readable < offset + wire::kTcpLength) return std::nullopt;
    const std::size_t length = (data[offset + wire::kTcpDataOffset] >> 4U) * std::size_t{4};
    if (length < wire::kTcpLength || readable < offset + length) return std::nullopt;
    offset += length;
  } else if (at.protocol == wire::kProtocolUdp) {
    if (readable < offset + wire::kUdpLength) return std::nullopt;
    offset += wire::kUdpLength;
  } else {
    return std::nullopt;
  }
  if (offset > kReadable) return std::nullopt;
  at.payload = static_cast<std::uint16_t>(offset);
  return at;
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
