// Tunnel ports: one per VTEP and type (ovs_lib.py add_tunnel_port(), ovs_neutron_agent.py _setup_tunnel_port()), or
// one per type that serves all VTEPs ([agent] tunnel_mode = flow-based).
//
// From one mode to the other nothing is lost: a VTEP is reached by the old way until the new way has its port; frames
// are taken from the old ports for as long as they are there. The switch gives a frame to a port with its sender's
// address first, then to the one with remote_ip=flow (ofproto/tunnel.c, tnl_find()): a port per peer takes frames away
// from a flow-based port from its first moment on, so its flow comes before it.
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
std::string interface_type(NetworkType type, const IpAddress& address) {
  if (type == NetworkType::Gre && address.is_v6()) return "ip6gre";
  return std::string(to_string(type));
}

// The UDP port of the tunnel between two hosts. Open vSwitch listens where it sends to, so both ends must choose the
// same: the lower one of the two that they announce. 0: not VXLAN.
std::uint16_t udp_port_to(const NodeConfig& node, const Vtep& vtep) {
  if (vtep.type != NetworkType::Vxlan) return 0;
  return vtep.udp_port == 0 ? node.vxlan_udp_port : std::min(node.vxlan_udp_port, vtep.udp_port);
}
std::uint16_t own_udp_port(const NodeConfig& node, NetworkType type) {
  return type == NetworkType::Vxlan ? node.vxlan_udp_port : 0;
}

std::string flow_port(NetworkType type, std::uint16_t udp_port) {
  return flow_port_name(type, udp_port, type == NetworkType::Vxlan ? kVxlanUdpPort : 0);
}

// `remote`: an address, or "flow".
DesiredPort tunnel_port(const NodeConfig& node, NetworkType type, std::uint16_t udp_port, const std::string& remote) {
  DesiredPort port;
  port.bridge = node.tunnel_bridge;
  port.type = interface_type(type, *node.local_ip);
  port.options = {
      {"df_default", word(node.dont_fragment)}, {"egress_pkt_mark", "0"}, {"in_key", "flow"}, {"out_key", "flow"},
      {"local_ip", node.local_ip->to_string()}, {"remote_ip", remote},
  };
  if (node.tunnel_csum) port.options["csum"] = "true";
  if (node.dscp_inherit) {
    port.options["tos"] = "inherit";
  } else if (node.dscp.value_or(0) != 0) {
    port.options["tos"] = std::to_string(*node.dscp * 4);  // DSCP is the upper six bits of the TOS octet (RFC 2474)
  }
  if (type == NetworkType::Vxlan && udp_port != kVxlanUdpPort) port.options["dst_port"] = std::to_string(udp_port);
  // Open vSwitch makes ip6gre ports layer 3 otherwise.
  if (port.type == "ip6gre") port.options["packet_type"] = "legacy_l2";
  return port;
}

// Why this host can have no tunnels now; empty when it can.
std::string trouble_with_local_ip(const NodeConfig& node, const Facts& facts) {
  if (!node.local_ip) return "[ovs] local_ip is not set: no tunnels without the address of this host";
  if (facts.host_addresses.contains(*node.local_ip)) return {};
  return fmt::format("local_ip {} is not an address of this host: give it to an interface, or correct [ovs] local_ip",
                     node.local_ip->to_string());
}

// Why this VTEP cannot be reached; empty when it can.
std::string trouble_with(const NodeConfig& node, const Facts& facts, const Vtep& vtep) {
  if (vtep.address == node.local_ip) {
    return fmt::format(
        "host {} announces {}, which is the local_ip of this host; no tunnel to it; give one of the two "
        "another [ovs] local_ip",
        vtep.host, vtep.address.to_string());
  }
  if (vtep.address.family() != node.local_ip->family()) {
    return fmt::format(
        "host {}: {} and local_ip {} are of different IP versions; no tunnel to it; give all hosts an [ovs] "
        "local_ip of one version",
        vtep.host, vtep.address.to_string(), node.local_ip->to_string());
  }
  const std::string type = interface_type(vtep.type, vtep.address);
  if (!facts.iface_types.empty() && !facts.iface_types.contains(type)) {
    return fmt::format(
        "host {}: this ovs-vswitchd has no interface type {}; no tunnel to it; take {} out of [agent] "
        "tunnel_types, or use an Open vSwitch that has it",
        vtep.host, type, to_string(vtep.type));
  }
  return {};
}

class TunnelPorts {
 public:
  explicit TunnelPorts(Build& build) : build_(build), node_(build.node()) {}

  void run() {
    build_.desired.tunnel_bridge = node_.tunnel_bridge;
    const std::string trouble = trouble_with_local_ip(node_, build_.facts);
    usable_ = trouble.empty();
    if (usable_) {
      build_.desired.local_ip = node_.local_ip->to_string();
    } else {
      build_.desired.waiting["tunnels"] = trouble;
    }
    if (node_.tunnel_mode == TunnelMode::FlowBased) {
      for (const NetworkType type : node_.tunnel_types) {
        if (!fast_path_carries(node_, type, {})) want_flow_port(type, own_udp_port(node_, type));
      }
    }
    for (const Vtep& vtep : build_.intent.vteps) {
      if (!node_.tunnel_types.contains(vtep.type) || fast_path_carries(node_, vtep.type, {})) continue;
      if (!is_needed(build_.intent, vtep)) continue;
      const std::string object = fmt::format("vtep {} {}", to_string(vtep.type), vtep.address.to_string());
      if (usable_) {
        if (const std::string trouble_of_vtep = trouble_with(node_, build_.facts, vtep); !trouble_of_vtep.empty()) {
          build_.desired.waiting[object] = trouble_of_vtep;
          continue;
        }
      }
      if (build_.tunnel_ways[vtep.type].contains(vtep.address)) continue;  // two hosts, one address
      add(vtep, object);
      if (build_.tunnel_ways[vtep.type].empty()) build_.tunnel_ways.erase(vtep.type);
    }
  }

 private:
  // The two ways there are to a VTEP, whichever of them is asked for.
  struct Way {
    std::string name;
    std::optional<IpAddress> address;  // for the frames, where the port serves all VTEPs
  };

  [[nodiscard]] std::optional<OfPort> ofport(const std::string& name, const Vtep& vtep) const {
    return build_.ofport(name, node_.tunnel_bridge, interface_type(vtep.type, vtep.address));
  }

  // A port that is there stays under the name that it has: the same tunnel cannot be there twice, and a name is not
  // worth an interruption.
  [[nodiscard]] std::string peer_port(const Vtep& vtep) const {
    const std::string name = tunnel_port_name(vtep.type, vtep.address, node_.tunnel_port_hash);
    const TunnelPortHash other = node_.tunnel_port_hash == TunnelPortHash::Sha1Digest ? TunnelPortHash::Blake2bDigest
                                                                                      : TunnelPortHash::Sha1Digest;
    const std::string old = tunnel_port_name(vtep.type, vtep.address, other);
    const auto there = build_.facts.interfaces.find(old);
    if (build_.facts.interfaces.contains(name) || there == build_.facts.interfaces.end()) return name;
    const bool of_tunnels =
        there->second.bridge == node_.tunnel_bridge && there->second.type == interface_type(vtep.type, vtep.address);
    return of_tunnels ? old : name;
  }

  void want_flow_port(NetworkType type, std::uint16_t udp_port) {
    if (!usable_) return;
    const std::string name = flow_port(type, udp_port);
    DesiredPort port = tunnel_port(node_, type, udp_port, "flow");
    if (!build_.facts.iface_types.empty() && !build_.facts.iface_types.contains(port.type)) {
      build_.desired.waiting["port " + name] = fmt::format(
          "this ovs-vswitchd has no interface type {}; no {} tunnels; take {} out of [agent] tunnel_types, or use "
          "an Open vSwitch that has it",
          port.type, to_string(type), to_string(type));
      return;
    }
    if (!build_.ofport(name, node_.tunnel_bridge, port.type)) wait_for(name, "port " + name);
    build_.desired.ports.emplace(name, std::move(port));
  }

  void want_peer_port(const Vtep& vtep, const std::string& name) {
    if (!usable_) return;
    build_.desired.ports.emplace(name,
                                 tunnel_port(node_, vtep.type, udp_port_to(node_, vtep), vtep.address.to_string()));
  }

  void wait_for(const std::string& name, const std::string& object) {
    const auto fact = build_.facts.interfaces.find(name);
    const bool refused = fact != build_.facts.interfaces.end() && !fact->second.error.empty();
    build_.desired.waiting[object] =
        refused ? fmt::format("ovs-vswitchd could not add {}: {}", name, fact->second.error)
                : fmt::format("ovs-vswitchd has not assigned an OpenFlow port to {} yet", name);
  }

  void input(const Vtep& vtep, OfPort port, const Way& way, bool of_other_mode, bool leaving) {
    build_.tunnel_inputs.insert(TunnelInput{
        .type = vtep.type, .port = port, .tun_src = way.address, .of_other_mode = of_other_mode, .leaving = leaving});
  }

  void add(const Vtep& vtep, const std::string& object) {
    const bool flow_based = node_.tunnel_mode == TunnelMode::FlowBased;
    const std::uint16_t udp_port = udp_port_to(node_, vtep);
    const Way by_peer{.name = peer_port(vtep), .address = std::nullopt};
    const Way by_flow{.name = flow_port(vtep.type, udp_port), .address = vtep.address};
    const Way& asked = flow_based ? by_flow : by_peer;
    const Way& other = flow_based ? by_peer : by_flow;
    const std::optional<OfPort> port = ofport(asked.name, vtep);
    const std::optional<OfPort> old = ofport(other.name, vtep);
    // A port per peer would get the frames of a flow-based one from its first moment on: it is opened when its flow is in.
    const bool takes_over = !flow_based && old && usable_;
    const bool open = port && !(takes_over && build_.facts.interfaces.at(asked.name).closed);

    if (flow_based) {
      want_flow_port(vtep.type, udp_port);
    } else {
      want_peer_port(vtep, by_peer.name);
    }
    if (takes_over) open_with_its_flow(by_peer, port);
    if (port) input(vtep, *port, asked, false, false);
    if (old) input(vtep, *old, other, /*of_other_mode=*/true, /*leaving=*/open);
    auto& ways = build_.tunnel_ways[vtep.type];
    if (open) {
      ways.emplace(vtep.address, TunnelWay{*port, asked.address});
    } else if (old) {
      ways.emplace(vtep.address, TunnelWay{*old, other.address});
      keep(vtep, other.name, udp_port);
    }
    if (!port && usable_ && !flow_based) wait_for(by_peer.name, object);
  }

  void open_with_its_flow(const Way& way, const std::optional<OfPort>& number) {
    const auto port = build_.desired.ports.find(way.name);
    if (port == build_.desired.ports.end()) return;
    port->second.takes_over = true;
    if (!number) return;
    port->second.opened_after = of::FlowKey{of::number(of::TunTable::Input), 1, of::Match().in_port(*number).text()};
  }

  // The way of the other mode stays until the one that is asked for can be gone.
  void keep(const Vtep& vtep, const std::string& name, std::uint16_t udp_port) {
    if (!usable_) return;
    if (node_.tunnel_mode == TunnelMode::FlowBased) {
      want_peer_port(vtep, name);
    } else {
      build_.desired.ports.emplace(name, tunnel_port(node_, vtep.type, udp_port, "flow"));
    }
  }

  Build& build_;
  const NodeConfig& node_;
  bool usable_ = false;  // tunnels, now
};

}  // namespace

// With l2_population a tunnel is there while some network of this host has a port at its other end.
bool is_needed(const Intent& intent, const Vtep& vtep) {
  if (!intent.node.l2_population) return true;
  return std::any_of(intent.remote.begin(), intent.remote.end(), [&](const auto& entry) {
    return entry.first.type == vtep.type && entry.second.vteps.contains(vtep.address);
  });
}

void compile_tunnel_ports(Build& build) {
  if (build.node().has_tunnels()) TunnelPorts(build).run();
}

}  // namespace ml2
