#include "agent/node_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "agent/config/mappings.h"
#include "agent/fast_path_config.h"

namespace ml2 {

Result<NodeConfig> node_config(const config::Config& config) {
  NodeConfig node;
  node.host = config.get_string("DEFAULT", "host");
  node.integration_bridge = config.get_string("ovs", "integration_bridge");
  node.tunnel_bridge = config.get_string("ovs", "tunnel_bridge");
  node.int_peer_patch_port = config.get_string("ovs", "int_peer_patch_port");
  node.tun_peer_patch_port = config.get_string("ovs", "tun_peer_patch_port");
  node.datapath_type = config.get_string("ovs", "datapath_type");
  node.vhostuser_socket_dir = config.get_string("ovs", "vhostuser_socket_dir");
  node.explicitly_egress_direct = config.get_bool("agent", "explicitly_egress_direct");
  node.bridge_mac_table_size = config.get_int("ovs", "bridge_mac_table_size");
  node.igmp_snooping_enable = config.get_bool("ovs", "igmp_snooping_enable");
  node.igmp_flood = config.get_bool("ovs", "igmp_flood");
  node.igmp_flood_reports = config.get_bool("ovs", "igmp_flood_reports");
  node.igmp_flood_unregistered = config.get_bool("ovs", "igmp_flood_unregistered");
  node.vxlan_udp_port = static_cast<std::uint16_t>(config.get_int("agent", "vxlan_udp_port"));
  if (config.get_string("agent", "tunnel_mode") == "flow-based") node.tunnel_mode = TunnelMode::FlowBased;
  if (config.get_string("agent", "tunnel_port_hash") == "blake2b")
    node.tunnel_port_hash = TunnelPortHash::Blake2bDigest;
  node.dont_fragment = config.get_bool("agent", "dont_fragment");
  node.tunnel_csum = config.get_bool("agent", "tunnel_csum");
  node.dscp_inherit = config.get_bool("agent", "dscp_inherit");
  // As the incumbent: the responder knows only what l2_population tells.
  node.l2_population = config.get_bool("agent", "l2_population");
  node.arp_responder = node.l2_population && config.get_bool("agent", "arp_responder");
  node.nd_responder = node.arp_responder && config.get_bool("agent", "nd_responder");
  node.drop_unknown_unicast = node.l2_population && config.get_bool("agent", "drop_unknown_unicast");
  if (const auto dscp = config.get_optional_int("agent", "dscp")) node.dscp = static_cast<int>(*dscp);

  auto mappings = config::parse_bridge_mappings(config.get_list("ovs", "bridge_mappings"));
  if (!mappings) return forward_error(mappings);
  node.bridge_mappings = *mappings;
  for (const auto& [physical_network, bridge] : node.bridge_mappings) {
    if (bridge != node.integration_bridge && bridge != node.tunnel_bridge) continue;
    return invalid(
        fmt::format("{}: [ovs] bridge_mappings: {}:{}: a physical network needs a bridge of its own, not {}",
                    config.origin("ovs", "bridge_mappings"), physical_network, bridge,
                    bridge == node.integration_bridge ? "the integration bridge" : "the tunnel bridge"));
  }
  for (const std::string& word : config.get_list("agent", "tunnel_types")) {
    const auto type = parse_network_type(word);
    if (!type || !is_tunnel(*type)) {
      return invalid(fmt::format("{}: [agent] tunnel_types: \"{}\" is none of gre, vxlan, geneve",
                                 config.origin("agent", "tunnel_types"), word));
    }
    node.tunnel_types.insert(*type);
  }
  const auto local_ip = config.get_optional_string("ovs", "local_ip");
  if (local_ip) node.local_ip = IpAddress::parse(*local_ip);
  auto fast_path = fast_path_config(config, node);
  if (!fast_path) return forward_error(fast_path);
  node.fast_path = *fast_path;
  if (!node.has_tunnels()) return node;
  if (!node.local_ip) {
    return invalid(
        fmt::format("{}: [agent] tunnel_types is set, so [ovs] local_ip is needed: the address of this host "
                    "that tunnels end at",
                    config.origin("agent", "tunnel_types")));
  }
  const std::int64_t version = config.get_int("ml2", "overlay_ip_version");
  if (config.is_set("ml2", "overlay_ip_version") && node.local_ip->is_v4() != (version == 4)) {
    return invalid(
        fmt::format("{}: [ovs] local_ip {} is not an IPv{} address, which [ml2] overlay_ip_version ({}) asks for",
                    config.origin("ovs", "local_ip"), node.local_ip->to_string(), version,
                    config.origin("ml2", "overlay_ip_version")));
  }
  return node;
}

of::Liveness liveness(const config::Config& config) {
  of::Liveness liveness{.quiet = std::chrono::seconds(config.get_int("ovs", "of_inactivity_probe"))};
  const std::chrono::seconds request(config.get_int("ovs", "of_request_timeout"));
  liveness.answers_within = std::min<std::chrono::milliseconds>(liveness.answers_within, request);
  return liveness;
}

}  // namespace ml2
