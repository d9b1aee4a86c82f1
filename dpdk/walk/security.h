// security: a machine sends only as itself: MAC, IPv4, IPv6, ARP and neighbour discovery (the rules of Neutron's port
//   security, allowed address pairs included).
//
// Where in the walk: after classification of frames from a port with spoof_check; before anything is looked up or answered.
// Threading: reads the port's immutable object.
// Failure: says the reason for a drop; a header that is cut short is HeaderTruncated.
// What it does not do: no security groups' rules; it does not look behind IPv6 extension headers other than
//   hop-by-hop (which MLD has, RFC 3810 section 5): anything else with an unspecified source is refused.
#pragma once

#include <optional>

#include "dpdk/walk/context.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

ML2_INLINE bool allowed_ipv4(const Port& port, std::uint64_t mac, std::uint32_t address) {
  for (const AllowedAddress& entry : port.allowed) {
    if (entry.mac == mac && !entry.ipv6 &&
        ((address ^ wire::load_raw<std::uint32_t>(entry.address)) & wire::load_raw<std::uint32_t>(entry.mask)) == 0) {
      return true;
    }
  }
  return false;
}

inline bool allowed_ipv6(const Port& port, std::uint64_t mac, const std::uint8_t* address) {
  const auto high = wire::load_raw<std::uint64_t>(address);
  const auto low = wire::load_raw<std::uint64_t>(address + 8);
  bool mac_known = false;
  for (const AllowedAddress& entry : port.allowed) {
    if (entry.mac != mac) continue;
    mac_known = true;
    if (entry.ipv6 &&
        ((high ^ wire::load_raw<std::uint64_t>(entry.address)) & wire::load_raw<std::uint64_t>(entry.mask)) == 0 &&
        ((low ^ wire::load_raw<std::uint64_t>(entry.address + 8)) & wire::load_raw<std::uint64_t>(entry.mask + 8)) ==
            0) {
      return true;
    }
  }
  // The link-local address made of the MAC (RFC 4291 appendix A), which every machine has.
  if (!mac_known ||
      high != wire::load_raw<std::uint64_t>(reinterpret_cast<const std::uint8_t*>("\xfe\x80\0\0\0\0\0"))) {
    return false;
  }
  const std::uint64_t interface_id = ((mac ^ 2U) & 0xffffffU) | 0xfeff000000ULL | (mac >> 24U) << 40U;
  return low == interface_id;
}

inline bool allowed_mac(const Port& port, std::uint64_t mac) {
  for (const AllowedAddress& entry : port.allowed)
    if (entry.mac == mac) return true;
  return false;
}

inline std::optional<Drop> check_arp(const Port& port, const Frame& frame, std::uint64_t mac) {
  const std::uint8_t* arp = frame.data + wire::kEthernetLength;
  if (frame.length < wire::kEthernetLength + 28) return Drop::HeaderTruncated;
  // Ethernet and IPv4 (RFC 826): hardware type 1, protocol 0x0800, lengths 6 and 4.
  if (wire::load32(arp) != 0x00010800U || wire::load16(arp + 4) != 0x0604) return Drop::SpoofedArp;
  if (wire::load_mac(arp + 8) != mac || !allowed_ipv4(port, mac, wire::load_raw<std::uint32_t>(arp + 14))) {
    return Drop::SpoofedArp;
  }
  return std::nullopt;
}

inline std::optional<Drop> check_ipv6(const Port& port, const Frame& frame, std::uint64_t mac) {
  const std::uint8_t* ip = frame.data + wire::kEthernetLength;
  if (frame.length < wire::kEthernetLength + wire::kIpv6Length) return Drop::HeaderTruncated;
  const std::uint8_t* end = frame.data + frame.readable();
  std::uint8_t next = ip[wire::kIpv6NextHeader];
  const std::uint8_t* at = ip + wire::kIpv6Length;
  if (next == 0) {  // hop-by-hop options
    if (at + 8 > end) return Drop::HeaderTruncated;
    next = at[0];
    at += 8 + at[1] * std::size_t{8};
  }
  const bool icmp = next == wire::kProtocolIcmpv6;
  if (icmp && at + 8 > end) return Drop::HeaderTruncated;
  const auto* source = ip + wire::kIpv6Source;
  const bool unspecified = (wire::load_raw<std::uint64_t>(source) | wire::load_raw<std::uint64_t>(source + 8)) == 0;
  if (unspecified) {
    // Duplicate address detection, router solicitation, MLD reports (RFC 4862 section 5.4.2, RFC 3590).
    const bool usual = icmp && (at[0] == 135 || at[0] == 133 || at[0] == 131 || at[0] == 132 || at[0] == 143);
    if (!usual || !allowed_mac(port, mac)) return Drop::SpoofedIpv6;
  } else if (!allowed_ipv6(port, mac, source)) {
    return Drop::SpoofedIpv6;
  }
  if (icmp && at[0] == 134) return Drop::SpoofedNd;  // a router advertisement
  if (icmp && at[0] == 136) {                        // neighbour advertisement: its target is one's own
    if (at + 24 > end) return Drop::HeaderTruncated;
    if (!allowed_ipv6(port, mac, at + 8)) return Drop::SpoofedNd;
  }
  return std::nullopt;
}

inline std::optional<Drop> refused_ipv4(const Port& port, const Frame& frame, std::uint64_t mac) {
  if (!allowed_mac(port, mac)) return Drop::SpoofedMac;
  // A DHCP client that has no address yet (RFC 2131 section 4.1): 0.0.0.0:68 to port 67.
  const std::uint8_t* ip = frame.data + wire::kEthernetLength;
  const std::size_t header = (ip[0] & 0x0fU) * std::size_t{4};
  if (wire::load_raw<std::uint32_t>(ip + wire::kIpv4Source) == 0 && ip[wire::kIpv4Protocol] == wire::kProtocolUdp &&
      header >= wire::kIpv4Length && frame.length >= wire::kEthernetLength + header + wire::kUdpLength &&
      (wire::load16(ip + wire::kIpv4Fragment) & 0x1fffU) == 0 && wire::load32(ip + header) == 0x00440043U) {
    return std::nullopt;
  }
  return Drop::SpoofedIpv4;
}

// Why the frame may not be sent from here, if it may not. The frame is untagged and has an Ethernet header.
ML2_INLINE std::optional<Drop> check_source(const Port& port, const Frame& frame, std::uint16_t type,
                                            std::uint64_t mac) {
  if (type == wire::kTypeIpv4) [[likely]] {
    if (frame.length < wire::kEthernetLength + wire::kIpv4Length) return Drop::HeaderTruncated;
    const auto source = wire::load_raw<std::uint32_t>(frame.data + wire::kEthernetLength + wire::kIpv4Source);
    if (allowed_ipv4(port, mac, source)) [[likely]]
      return std::nullopt;
    return refused_ipv4(port, frame, mac);
  }
  if (!allowed_mac(port, mac)) return Drop::SpoofedMac;
  if (type == wire::kTypeIpv6) return check_ipv6(port, frame, mac);
  if (type == wire::kTypeArp) return check_arp(port, frame, mac);
  return Drop::EthertypeNotAllowed;
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
