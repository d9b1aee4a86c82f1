// names: the incumbent's names of patch and tunnel ports.
//
// Where in the walk: compile/ only. Threading: pure. Failure: none.
// What it does not do: no check whether the name is taken: diff/ reports that as a conflict.
// A Linux interface name has at most 15 characters (IFNAMSIZ with its NUL is 16); neutron holds to that for ports of
// Open vSwitch too.
#pragma once

#include <string>
#include <string_view>

#include "datapath/base/ip.h"
#include "datapath/model/node.h"
#include "datapath/model/segment.h"

namespace ml2 {

inline constexpr std::string_view kIntPrefix = "int-";   // on the integration bridge, to the physical bridge
inline constexpr std::string_view kPhysPrefix = "phy-";  // on the physical bridge, to the integration bridge

// neutron_lib plugins/utils.py get_interface_name(): "int-br-ex"; a longer one is cut and ends with a hash.
[[nodiscard]] std::string patch_port_name(std::string_view prefix, std::string_view bridge);
// ovs_neutron_agent.py get_tunnel_name(): "vxlan-0a62000c"; an IPv6 address is hashed, by release.
[[nodiscard]] std::string tunnel_port_name(NetworkType type, const IpAddress& remote,
                                           TunnelPortHash hash = TunnelPortHash::Sha1Digest);
// Ours, the incumbent has none: the one port of a type that reaches all VTEPs: "vxlan-flow"; of VXLAN with another UDP
// port than `usual` (which is the type's own) "vxlan-udp8472".
[[nodiscard]] std::string flow_port_name(NetworkType type, std::uint16_t udp_port, std::uint16_t usual);

}  // namespace ml2
