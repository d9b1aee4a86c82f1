// Tunnel ports: one per VTEP and type (ovs_lib.py add_tunnel_port(), ovs_neutron_agent.py _setup_tunnel_port()).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "datapath/compile/build.h"
#include "datapath/compile/names.h"

namespace ml2 {
namespace {

constexpr std::uint16_t kVxlanUdpPort = 4789;  // RFC 7348 section 8; Open vSwitch's default

std::string word(bool value) { return value ? "true" : "false"; }

// Interface.type. GRE over IPv6 has a type of its own in Open vSwitch.
std::string interface_type(const Vtep& vtep) {
  if (vtep.type == NetworkType::Gre && vtep.address.is_v6()) return "ip6gre";
  return std::string(to_string(vtep.type));
}

std::map<std::string, std::string> options_of(const NodeConfig& node, const Vtep& vtep) {
  std::map<std::string, std::string> options{
      {"df_default", word(node.dont_fragment)},
      {"egress_pkt_mark", "0"},
      {"in_key", "flow"},
      {"out_key", "flow"},
      {"local_ip", node.local_ip->to_string()},
      {"remote_ip", vtep.address.to_string()},
  };
  if (node.tunnel_csum) options["csum"] = "true";
  if (node.dscp_inherit) {
    options["tos"] = "inherit";
  } else if (node.dscp.value_or(0) != 0) {
    options["tos"] = std::to_string(*node.dscp * 4);  // DSCP is the upper six bits of the TOS octet (RFC 2474)
  }
  if (vtep.type == NetworkType::Vxlan && node.vxlan_udp_port != kVxlanUdpPort) {
    options["dst_port"] = std::to_string(node.vxlan_udp_port);
  }
  // Open vSwitch makes ip6gre ports layer 3 otherwise.
  if (vtep.type == NetworkType::Gre && vtep.address.is_v6()) options["packet_type"] = "legacy_l2";
  return options;
}

// Why this host can have no tunnels now; empty when it can.
std::string trouble_with_local_ip(const NodeConfig& node, const Facts& facts) {
  if (!node.local_ip) return "[ovs] local_ip is not set: no tunnels without the address of this host";
  if (facts.host_addresses.contains(*node.local_ip)) return {};
  return fmt::format("local_ip {} is not an address of this host", node.local_ip->to_string());
}

// Why this VTEP gets no port; empty when it does.
std::string trouble_with(const NodeConfig& node, const Facts& facts, const Vtep& vtep, const std::string& type) {
  if (vtep.address == node.local_ip) {
    return fmt::format("host {} announces {}, which is the local_ip of this host; no tunnel to it", vtep.host,
                       vtep.address.to_string());
  }
  if (vtep.address.family() != node.local_ip->family()) {
    return fmt::format("host {}: {} and local_ip {} are of different IP versions; no tunnel to it", vtep.host,
                       vtep.address.to_string(), node.local_ip->to_string());
  }
  if (!facts.iface_types.empty() && !facts.iface_types.contains(type)) {
    return fmt::format("host {}: this ovs-vswitchd has no interface type {}; no tunnel to it", vtep.host, type);
  }
  return {};
}

// With l2_population a tunnel is there while some network of this host has a port at its other end.
bool is_needed(const Intent& intent, const Vtep& vtep) {
  if (!intent.node.l2_population) return true;
  return std::any_of(intent.remote.begin(), intent.remote.end(), [&](const auto& entry) {
    return entry.first.type == vtep.type && entry.second.vteps.contains(vtep.address);
  });
}

}  // namespace

void compile_tunnel_ports(Build& build) {
  const NodeConfig& node = build.node();
  if (!node.has_tunnels()) return;
  build.desired.tunnel_bridge = node.tunnel_bridge;
  const std::string local_trouble = trouble_with_local_ip(node, build.facts);
  if (local_trouble.empty()) {
    build.desired.local_ip = node.local_ip->to_string();
  } else {
    build.desired.waiting["tunnels"] = local_trouble;
  }

  for (const Vtep& vtep : build.intent.vteps) {
    if (!node.tunnel_types.contains(vtep.type) || !is_needed(build.intent, vtep)) continue;
    const std::string name = tunnel_port_name(vtep.type, vtep.address);
    const std::string type = interface_type(vtep);
    const std::string object = fmt::format("vtep {} {}", to_string(vtep.type), vtep.address.to_string());
    if (local_trouble.empty()) {
      if (const std::string trouble = trouble_with(node, build.facts, vtep, type); !trouble.empty()) {
        build.desired.waiting[object] = trouble;
        continue;
      }
      DesiredPort port;
      port.bridge = node.tunnel_bridge;
      port.type = type;
      port.options = options_of(node, vtep);
      if (!build.desired.ports.emplace(name, std::move(port)).second) continue;  // two hosts, one address
    }
    // Without a local_ip the ports that are there go on working.
    if (const auto ofport = build.ofport(name, node.tunnel_bridge, type)) {
      build.tunnel_ofports[vtep.type].push_back(*ofport);
      build.tunnel_ways[vtep.type].insert_or_assign(vtep.address, TunnelWay{*ofport});
    } else if (local_trouble.empty()) {
      const auto fact = build.facts.interfaces.find(name);
      const bool refused = fact != build.facts.interfaces.end() && !fact->second.error.empty();
      build.desired.waiting[object] =
          refused ? fmt::format("ovs-vswitchd could not add {}: {}", name, fact->second.error)
                  : fmt::format("ovs-vswitchd has not assigned an OpenFlow port to {} yet", name);
    }
  }
  for (auto& [type, ofports] : build.tunnel_ofports) {
    std::sort(ofports.begin(), ofports.end());
    ofports.erase(std::unique(ofports.begin(), ofports.end()), ofports.end());
  }
}

}  // namespace ml2
