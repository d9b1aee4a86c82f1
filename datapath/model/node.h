// NodeConfig: what the ini says about this node, as far as the dataplane is concerned.
//
// Where in the walk: agent/config fills it once at start (and on SIGHUP); part of Intent.
// Threading: a value.
// Failure: none; agent/config has checked it.
// What it does not do: no defaults of its own beyond the ini's (the option table has them).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/base/ip.h"
#include "datapath/model/fast_path.h"
#include "datapath/model/segment.h"

namespace ml2 {

// How VTEPs are reached.
enum class TunnelMode : std::uint8_t {
  PortPerPeer,  // a tunnel port for each VTEP, as the incumbent has it
  FlowBased,    // one tunnel port per type; flows say which VTEP (ovs-vswitchd.conf.db(5), options:remote_ip=flow)
};

// By which hash the incumbent names tunnel ports to IPv6 addresses; those to IPv4 addresses have the address itself.
enum class TunnelPortHash : std::uint8_t {
  Sha1Digest,     // release Zed and before
  Blake2bDigest,  // later ones
};

struct NodeConfig {
  std::string host;                                           // [DEFAULT] host
  std::string integration_bridge = "br-int";                  // [ovs]
  std::string tunnel_bridge = "br-tun";                       // [ovs]
  std::string int_peer_patch_port = "patch-tun";              // [ovs] on the integration bridge, to the tunnel bridge
  std::string tun_peer_patch_port = "patch-int";              // [ovs] on the tunnel bridge, to the integration bridge
  std::string datapath_type = "system";                       // [ovs] system or netdev
  std::map<std::string, std::string> bridge_mappings;         // [ovs] physical network -> bridge; both unique
  std::string vhostuser_socket_dir = "/var/run/openvswitch";  // [ovs] told to whoever binds ports to this host
  std::int64_t bridge_mac_table_size = 50000;                 // [ovs]
  bool igmp_snooping_enable = false;                          // [ovs]
  bool igmp_flood = false;                                    // [ovs]
  bool igmp_flood_reports = true;                             // [ovs]
  bool igmp_flood_unregistered = false;                       // [ovs]
  std::optional<IpAddress> local_ip;                          // [ovs] this node's VTEP address
  std::set<NetworkType> tunnel_types;                // [agent] of gre, vxlan, geneve; empty: no tunnel bridge
  TunnelMode tunnel_mode = TunnelMode::PortPerPeer;  // [agent]
  TunnelPortHash tunnel_port_hash = TunnelPortHash::Sha1Digest;  // [agent]
  std::uint16_t vxlan_udp_port = 4789;                           // [agent]
  bool dont_fragment = true;                                     // [agent] outer DF bit
  bool tunnel_csum = false;                                      // [agent] outer checksum
  std::optional<int> dscp;                                       // [agent] outer DSCP, 0-63
  bool dscp_inherit = false;                                     // [agent]
  bool explicitly_egress_direct = false;                         // [agent] unicast of VM ports without action NORMAL
  // [agent] where other hosts' ports are comes from the intent (Intent::remote), not from flooded traffic
  bool l2_population = false;
  bool arp_responder = false;         // [agent] answer ARP for those ports here; false without l2_population
  bool nd_responder = false;          // [agent] the same for IPv6; false without arp_responder
  bool drop_unknown_unicast = false;  // [agent] of tunnel networks; false without l2_population
  bool anti_spoofing = true;          // tables 24 and 25; false when the firewall driver does it itself
  FastPathConfig fast_path;           // [fastpath]

  [[nodiscard]] bool has_tunnels() const { return !tunnel_types.empty(); }
  friend bool operator==(const NodeConfig&, const NodeConfig&) = default;
};

}  // namespace ml2
