// Patch ports between br-int and the other bridges (ovs_neutron_agent.py setup_physical_bridges(),
// setup_tunnel_br()).
#include <algorithm>
#include <utility>

#include "datapath/compile/build.h"
#include "datapath/compile/names.h"
#include "datapath/openflow/match.h"

namespace ml2 {
namespace {

constexpr std::string_view kPatch = "patch";
constexpr std::uint16_t kDropPriority = 2;  // of "in_port=..., drop"; see flows_int.cc and flows_phys.cc

// Python's str() of a bool: the incumbent writes these two so.
std::string python_word(bool value) { return value ? "True" : "False"; }

// Port.other_config of the integration bridge's side. Without snooping the keys mean nothing; the incumbent writes
// "False" then.
std::map<std::string, std::string> snooping(const NodeConfig& node) {
  const bool on = node.igmp_snooping_enable;
  return {{"mcast-snooping-flood", python_word(on && node.igmp_flood)},
          {"mcast-snooping-flood-reports", python_word(on && node.igmp_flood_reports)}};
}

DesiredPort patch(const std::string& bridge, const std::string& peer) {
  DesiredPort port;
  port.bridge = bridge;
  port.type = kPatch;
  port.options = {{"peer", peer}};
  return port;
}

of::FlowKey drop_key(OfPort in_port) { return of::FlowKey{0, kDropPriority, of::Match().in_port(in_port).text()}; }

void compile_physical(Build& build, PhysicalNetwork& physical) {
  const NodeConfig& node = build.node();
  physical.int_ofport = build.ofport(physical.int_port, node.integration_bridge, kPatch);
  physical.phy_ofport = build.ofport(physical.phy_port, physical.bridge, kPatch);

  DesiredPort int_side = patch(node.integration_bridge, physical.phy_port);
  DesiredPort phy_side = patch(physical.bridge, physical.int_port);
  if (physical.int_ofport && physical.phy_ofport) {
    int_side.peer_after = {{node.integration_bridge, drop_key(*physical.int_ofport)},
                           {physical.bridge, drop_key(*physical.phy_ofport)}};
  } else {
    int_side.hold_peer = true;
    build.desired.waiting["patch " + physical.int_port] =
        "ovs-vswitchd has not assigned OpenFlow ports to " + physical.int_port + " and " + physical.phy_port + " yet";
  }
  phy_side.peer_after = int_side.peer_after;
  phy_side.hold_peer = int_side.hold_peer;
  int_side.other_config = snooping(node);
  build.desired.ports.insert_or_assign(physical.int_port, std::move(int_side));
  build.desired.ports.insert_or_assign(physical.phy_port, std::move(phy_side));
}

// Taking a bridge off its physical network: first the pair is parted, with its drop flows still in; then the flows
// go; then, as nothing names them any more, the ports, and with them what we have set in the bridge's row (diff/).
void compile_unmapped(Build& build) {
  const std::string& integration = build.node().integration_bridge;
  for (const auto& [name, fact] : build.facts.interfaces) {
    if (!fact.owned || fact.type != kPatch || build.desired.bridges.contains(fact.bridge)) continue;
    if (name != patch_port_name(kPhysPrefix, fact.bridge)) continue;
    UnmappedBridge unmapped;
    unmapped.bridge = fact.bridge;
    unmapped.phy_ofport = fact.ofport;
    const std::string int_port = patch_port_name(kIntPrefix, fact.bridge);
    const auto int_side = build.facts.interfaces.find(int_port);
    if (int_side != build.facts.interfaces.end() && int_side->second.owned &&
        int_side->second.bridge == integration) {
      unmapped.int_ofport = int_side->second.ofport;
      unmapped.parted = fact.peer == kNoPeer && int_side->second.peer == kNoPeer;
      unmapped.joined = !unmapped.parted || !build.facts.settled;
    }
    if (unmapped.joined) {
      build.desired.ports.insert_or_assign(int_port, patch(integration, kNoPeer));
      build.desired.ports.insert_or_assign(name, patch(fact.bridge, kNoPeer));
    }
    build.unmapped.push_back(std::move(unmapped));
  }
  for (const UnmappedBridge& unmapped : build.unmapped) {
    if (!unmapped.joined) leave_bridge(build, unmapped.bridge);
  }
  // Its ports have gone, and others' flows keep it from being given back (diff/).
  for (const std::string& name : build.facts.taken_bridges) {
    const auto is_it = [&name = name](const UnmappedBridge& unmapped) { return unmapped.bridge == name; };
    if (build.desired.bridges.contains(name) || std::ranges::any_of(build.unmapped, is_it)) continue;
    build.unmapped.push_back({.bridge = name, .int_ofport = std::nullopt, .phy_ofport = std::nullopt});
    leave_bridge(build, name);
  }
}

}  // namespace

void compile_patch_ports(Build& build) {
  const NodeConfig& node = build.node();
  for (auto& [name, physical] : build.physical_networks) compile_physical(build, physical);
  if (build.intent.complete) compile_unmapped(build);
  if (!node.has_tunnels()) return;

  // No loop is possible through the tunnel bridge: it drops what it does not know, from its first packet on
  // (fail_mode secure, an empty table).
  DesiredPort int_side = patch(node.integration_bridge, node.tun_peer_patch_port);
  int_side.other_config = snooping(node);
  build.desired.ports.insert_or_assign(node.int_peer_patch_port, std::move(int_side));
  build.desired.ports.insert_or_assign(node.tun_peer_patch_port, patch(node.tunnel_bridge, node.int_peer_patch_port));

  build.patch_tun = build.ofport(node.int_peer_patch_port, node.integration_bridge, kPatch);
  build.patch_int = build.ofport(node.tun_peer_patch_port, node.tunnel_bridge, kPatch);
  if (!build.patch_tun || !build.patch_int) {
    build.desired.waiting["patch " + node.int_peer_patch_port] = "ovs-vswitchd has not assigned OpenFlow ports to " +
                                                                 node.int_peer_patch_port + " and " +
                                                                 node.tun_peer_patch_port + " yet";
  }
}

}  // namespace ml2
