// security: a machine sends only as itself: MAC, IPv4, IPv6, ARP and neighbour discovery (the rules of Neutron's port
//   security, allowed address pairs included).
//
// Where in the walk: after classification of frames from a port with spoof_check; before anything is looked up or answered.
// Threading: reads the port's immutable object.
// Failure: says the reason for a drop; a header that is cut short is HeaderTruncated. Where neighbour discovery could hide
//   from us and not from its receiver (RFC 7113 section 2) it is SpoofedNd: more extension headers than anybody needs, or
//   more bytes of them than can be read here; a first fragment without the whole of them (RFC 7112); neighbour discovery in
//   a fragment (RFC 6980).
// What it does not do: no security groups' rules; it does not look into ESP, tunnels of the machine's own, or fragments
//   behind the first: without the first they come to nothing.
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

// IPv6 extension headers with a header behind them (RFC 8200 section 4, RFC 4302): hop-by-hop options, routing, fragment,
// authentication, destination options.
inline constexpr std::uint64_t kExtensions = std::uint64_t{1} << 0U | std::uint64_t{1} << 43U |
                                             std::uint64_t{1} << 44U | std::uint64_t{1} << 51U |
                                             std::uint64_t{1} << 60U;
// All of these, and destination options in both of their places (RFC 8200 section 4.1).
inline constexpr unsigned kMostExtensions = 6;

// What an IPv6 packet carries.
struct Upper {
  std::size_t at = wire::kIpv6Length;  // from the IPv6 header on
  std::size_t end = 0;                 // of what can be read of the packet; what Ethernet pads is not of it
  std::uint8_t protocol = 0;           // 44: a fragment behind the first
  bool fragment = false;
  bool partly = false;  // there is more of the packet than can be read here
  // The receiver may have what is missing here.
  [[nodiscard]] Drop cut_short() const { return fragment || partly ? Drop::SpoofedNd : Drop::HeaderTruncated; }
};

// Steps over the extension headers at `upper`.
inline std::optional<Drop> step_over_extensions(const std::uint8_t* ip, Upper& upper) {
  for (unsigned headers = 0; upper.protocol < 64 && (kExtensions >> upper.protocol & 1U) != 0; ++headers) {
    if (headers == kMostExtensions) return Drop::SpoofedNd;
    if (upper.at + 8 > upper.end) return upper.cut_short();
    const std::uint8_t* header = ip + upper.at;
    if (upper.protocol == 44) {
      upper.fragment = true;
      if ((wire::load16(header + 2) & 0xfff8U) != 0) return std::nullopt;
      upper.at += 8;
    } else if (upper.protocol == 51) {
      upper.at += 8 + header[1] * std::size_t{4};  // of 4 bytes, less two
    } else {
      upper.at += 8 + header[1] * std::size_t{8};
    }
    upper.protocol = header[0];
  }
  return std::nullopt;
}

inline std::optional<Drop> check_ipv6(const Port& port, const Frame& frame, std::uint64_t mac) {
  const std::uint8_t* ip = frame.data + wire::kEthernetLength;
  if (frame.length < wire::kEthernetLength + wire::kIpv6Length) return Drop::HeaderTruncated;
  Upper upper;
  upper.protocol = ip[wire::kIpv6NextHeader];
  const std::size_t said = wire::kIpv6Length + wire::load16(ip + wire::kIpv6PayloadLength);
  const std::size_t readable = frame.readable() - wire::kEthernetLength;
  upper.partly = frame.scattered && said > readable;
  upper.end = said < readable ? said : readable;
  if (const auto refused = step_over_extensions(ip, upper)) return refused;
  const std::uint8_t* at = ip + upper.at;
  const bool icmp = upper.protocol == wire::kProtocolIcmpv6;
  if (icmp && upper.at + 8 > upper.end) return upper.cut_short();
  const auto* source = ip + wire::kIpv6Source;
  const bool unspecified = (wire::load_raw<std::uint64_t>(source) | wire::load_raw<std::uint64_t>(source + 8)) == 0;
  if (unspecified) {
    // Duplicate address detection, router solicitation, MLD reports (RFC 4862 section 5.4.2, RFC 3590).
    const bool usual = icmp && (at[0] == 135 || at[0] == 133 || at[0] == 131 || at[0] == 132 || at[0] == 143);
    if (!usual || !allowed_mac(port, mac)) return Drop::SpoofedIpv6;
  } else if (!allowed_ipv6(port, mac, source)) {
    return Drop::SpoofedIpv6;
  }
  if (!icmp || at[0] < 133 || at[0] > 137) return std::nullopt;
  // Neighbour discovery (RFC 4861 section 4): 134 is a router advertisement.
  if (upper.fragment || at[0] == 134) return Drop::SpoofedNd;
  if (at[0] == 136) {  // neighbour advertisement: its target is one's own
    if (upper.at + 24 > upper.end) return upper.cut_short();
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
