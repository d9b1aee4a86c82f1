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
#include "datapath/model/segment.h"

namespace ml2 {

inline constexpr std::string_view kIntPrefix = "int-";   // on the integration bridge, to the physical bridge
inline constexpr std::string_view kPhysPrefix = "phy-";  // on the physical bridge, to the integration bridge

// neutron_lib plugins/utils.py get_interface_name(): "int-br-ex"; a longer one is cut and ends with a hash.
[[nodiscard]] std::string patch_port_name(std::string_view prefix, std::string_view bridge);
// ovs_neutron_agent.py get_tunnel_name(), release Zed: "vxlan-0a62000c"; an IPv6 address is hashed.
[[nodiscard]] std::string tunnel_port_name(NetworkType type, const IpAddress& remote);

}  // namespace ml2
