// Match: what packets a flow is for, built field by field into ovs-ofctl(8) text.
//
//   Match().in_port(port).dl_vlan(vlan).text()        "in_port=3,dl_vlan=1"
//
// Where in the walk: compile/ writes FlowKey::match with it. The text has the fields in the order and the spelling in
//   which Open vSwitch prints them (lib/match.c, match_format()), whatever the order of the calls, so that a compiled
//   flow is already what the switch will report; codec.h has the last word.
// Threading: values.
// Failure: none for typed values. A field given twice, or two different packet types, is a bug of the caller
// (ML2_CHECK). What it does not do: it does not check prerequisites beyond adding the packet type a field needs.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/strong_id.h"

namespace ml2::of {

// VLAN id 4095: frames of dead ports are tagged with it and dropped (the incumbent's constant). It is no VlanId.
inline constexpr std::uint16_t kDeadVlan = 4095;

class Match {
 public:
  // The port the frame came in by.
  Match& in_port(OfPort port);

  // Tagged with this VLAN id, any priority bits.
  Match& dl_vlan(VlanId vlan) { return vlan_id(vlan.value()); }
  Match& dl_vlan(LocalVlan vlan) { return vlan_id(vlan.value()); }
  Match& dead_vlan() { return vlan_id(kDeadVlan); }
  // No 802.1Q header.
  Match& untagged();
  // The VLAN id bits alone, tag or no tag: what learn() with NXM_OF_VLAN_TCI[0..11] makes.
  Match& vlan_vid_bits(LocalVlan vlan);

  Match& dl_src(const Mac& mac);
  Match& dl_dst(const Mac& mac);
  Match& dl_dst_unicast();    // group bit 0
  Match& dl_dst_multicast();  // group bit 1: multicast and broadcast
  Match& dl_dst_broadcast();
  Match& dl_dst_solicited_node();  // 33:33:ff:.. of ff02::1:ff00:0/104 (RFC 4291 section 2.7.1, RFC 2464 section 7)

  // The key of the tunnel the frame came out of.
  Match& tun_id(TunnelKey key);
  // The VTEP that sent it: source of the outer IP header.
  Match& tun_src(const IpAddress& address);
  // Register `number` (0-15) has this value.
  Match& reg(unsigned number, std::uint32_t value);

  // Packet types. Fields below that need one set it themselves where only one is possible.
  Match& arp();
  Match& ip();    // IPv4
  Match& ipv6();  // IPv6
  Match& tcp();
  Match& udp();
  Match& icmp();
  Match& tcp6();
  Match& udp6();
  Match& icmp6();

  // ARP. Operation: 1 request, 2 reply (RFC 826).
  Match& arp_op(std::uint16_t operation);
  Match& arp_spa(const IpAddress& address);
  Match& arp_spa(const IpNetwork& network);
  Match& arp_tpa(const IpAddress& address);
  Match& arp_tpa(const IpNetwork& network);
  Match& arp_sha(const Mac& mac);

  // IP source and destination, of the network's family. Call after or before tcp(), udp6() and so on.
  Match& ip_src(const IpNetwork& network);
  Match& ip_dst(const IpNetwork& network);

  // ICMPv6 type (RFC 4443, RFC 4861): 133 router solicitation ... 136 neighbour advertisement.
  Match& icmp6_type(std::uint8_t type);
  // Target of a neighbour solicitation or advertisement; needs icmp6_type(135) or icmp6_type(136).
  Match& nd_target(const IpAddress& address);
  Match& nd_target(const IpNetwork& network);
  // Type of the first option: 1 source, 2 target link-layer address (RFC 4861 section 4.6.1).
  Match& nd_options_type(std::uint8_t type);
  // Ports of tcp(), udp(), tcp6(), udp6().
  Match& tp_src(std::uint16_t port);
  Match& tp_dst(std::uint16_t port);

  [[nodiscard]] std::string text() const;

  friend bool operator==(const Match&, const Match&) = default;

 private:
  // The order in which match_format() prints.
  enum class Slot : std::uint8_t {
    PacketType,
    Reg0,
    RegLast = Reg0 + 15,
    TunId,
    TunSrc,
    InPort,
    Vlan,
    DlSrc,
    DlDst,
    Ipv6Src,
    Ipv6Dst,
    ArpSpa,
    ArpTpa,
    NwSrc,
    NwDst,
    ArpOp,
    ArpSha,
    IcmpType,
    NdTarget,
    NdOptionsType,
    TpSrc,
    TpDst,
  };

  Match& put(Slot slot, std::string text);
  // Sets the packet type; one that says more of the same kind ("icmp6" over "ipv6") replaces the other.
  Match& packet_type(std::string type);
  Match& vlan_id(std::uint16_t id);
  Match& network(Slot slot, const char* name, const IpNetwork& value);

  std::map<Slot, std::string> parts_;
};

}  // namespace ml2::of
