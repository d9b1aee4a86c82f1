// Field: a packet or metadata field under both names that ovs-ofctl uses for it.
//
// Where in the walk: actions.h takes fields for move, load, set_field and learn.
// Threading: constants.
// Failure: none.
// What it does not do: no matching (match.h has a function per field) and no values.
// Names and widths: ovs-fields(7), include/openvswitch/meta-flow.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ml2::of {

struct Field {
  std::string_view name;  // in set_field and in a match: "eth_src"
  std::string_view nxm;   // in move, load and learn: "NXM_OF_ETH_SRC"
};

namespace field {
inline constexpr Field kInPort{"in_port", "OXM_OF_IN_PORT"};  // 32 bits (OpenFlow 1.1 and later)
inline constexpr Field kEthSrc{"eth_src", "NXM_OF_ETH_SRC"};
inline constexpr Field kEthDst{"eth_dst", "NXM_OF_ETH_DST"};
inline constexpr Field kVlanTci{"vlan_tci", "NXM_OF_VLAN_TCI"};  // PCP 15-13, present 12, VID 11-0
inline constexpr Field kVlanVid{"vlan_vid", "OXM_OF_VLAN_VID"};  // present 12, VID 11-0
inline constexpr Field kTunId{"tun_id", "NXM_NX_TUN_ID"};
// Addresses of the outer IP header, as it came (src) or, through a port with remote_ip=flow, as it shall go (dst).
inline constexpr Field kTunSrc{"tun_src", "NXM_NX_TUN_IPV4_SRC"};
inline constexpr Field kTunDst{"tun_dst", "NXM_NX_TUN_IPV4_DST"};
inline constexpr Field kTunIpv6Src{"tun_ipv6_src", "NXM_NX_TUN_IPV6_SRC"};
inline constexpr Field kTunIpv6Dst{"tun_ipv6_dst", "NXM_NX_TUN_IPV6_DST"};
inline constexpr Field kArpOp{"arp_op", "NXM_OF_ARP_OP"};
inline constexpr Field kArpSpa{"arp_spa", "NXM_OF_ARP_SPA"};
inline constexpr Field kArpTpa{"arp_tpa", "NXM_OF_ARP_TPA"};
inline constexpr Field kArpSha{"arp_sha", "NXM_NX_ARP_SHA"};
inline constexpr Field kArpTha{"arp_tha", "NXM_NX_ARP_THA"};
inline constexpr Field kIpv6Src{"ipv6_src", "NXM_NX_IPV6_SRC"};
inline constexpr Field kIpv6Dst{"ipv6_dst", "NXM_NX_IPV6_DST"};
inline constexpr Field kIcmpv6Type{"icmpv6_type", "NXM_NX_ICMPV6_TYPE"};
inline constexpr Field kNdTll{"nd_tll", "NXM_NX_ND_TLL"};
inline constexpr Field kNdReserved{"nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED"};
inline constexpr Field kNdOptionsType{"nd_options_type", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE"};
inline constexpr Field kReg5{"reg5", "NXM_NX_REG5"};
inline constexpr Field kReg6{"reg6", "NXM_NX_REG6"};
}  // namespace field

inline constexpr std::uint32_t kOfppLocal = 65534;                 // OFPP_LOCAL as 16 bits: the bridge's own port
inline constexpr std::uint8_t kIcmp6NeighbourAdvertisement = 136;  // RFC 4861 section 4.4

// A field, or some of its bits, as move, load and learn write it: "NXM_OF_VLAN_TCI[0..11]".
struct Subfield {
  Field field;
  unsigned first_bit = 0;
  unsigned last_bit = 0;
  bool whole = true;  // "[]"

  // NOLINTNEXTLINE(google-explicit-constructor): a field is the subfield of all its bits
  constexpr Subfield(Field all) : field(all) {}
  constexpr Subfield(Field of, unsigned first, unsigned last)
      : field(of), first_bit(first), last_bit(last), whole(false) {}

  [[nodiscard]] std::string to_string() const;
};

}  // namespace ml2::of
