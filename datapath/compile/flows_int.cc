// Flows of the integration bridge (neutron openflow/native/br_int.py).
#include "datapath/compile/build.h"
#include "datapath/openflow/actions.h"

namespace ml2 {
namespace {

using of::Actions;
using of::IntTable;
using of::Match;

void int_default_flows(Build& build) {
  const std::string& bridge = build.node().integration_bridge;
  const std::uint64_t cookie = cookie_of_pipeline();
  const auto drop = [&](IntTable table, std::uint16_t priority, const Match& match) {
    build.flow(bridge, table, priority, match, Actions(table).drop().text(), cookie);
  };
  const auto next = [&](IntTable from, IntTable to) {
    build.flow(bridge, from, 0, Match(), Actions(from).goto_table(to).text(), cookie);
  };
  const auto normal = [&](IntTable table) {
    build.flow(bridge, table, 3, Match(), Actions(table).normal().text(), cookie);
  };
  drop(IntTable::LocalSwitching, 65535, Match().dead_vlan());
  next(IntTable::LocalSwitching, IntTable::PacketRateLimit);
  drop(IntTable::Canary, 0, Match());
  drop(IntTable::ArpSpoof, 0, Match());
  next(IntTable::LocalEgress, IntTable::PacketRateLimit);
  next(IntTable::LocalIp, IntTable::PacketRateLimit);
  next(IntTable::PacketRateLimit, IntTable::Transient);
  normal(IntTable::Transient);
  normal(IntTable::TransientEgress);
}

void drop_port(Build& build, OfPort port, std::uint64_t cookie) {
  build.flow(build.node().integration_bridge, IntTable::LocalSwitching, 2, Match().in_port(port),
             Actions(IntTable::LocalSwitching).drop().text(), cookie);
}

// explicitly_egress_direct without a firewall of flows (ovs_neutron_agent.py process_install_ports_egress_flows(),
// install_ingress_direct_goto_flows()): unicast goes to the port that has the MAC, or out of the integration bridge.
// What is left, such as broadcast, goes by action NORMAL.
void direct_ingress(Build& build, OfPort patch) {
  build.flow(build.node().integration_bridge, IntTable::Transient, 4, Match().in_port(patch),
             Actions(IntTable::Transient).goto_table(IntTable::LocalMacDirect).text(), cookie_of_pipeline());
}

// The port towards everything that is not on this host; nullopt: there is none.
std::optional<OfPort> way_out(const Build& build, const Segment& segment) {
  if (is_tunnel(segment.type)) return build.patch_tun;
  const auto physical = build.physical_networks.find(segment.physical_network);
  return physical == build.physical_networks.end() ? std::nullopt : physical->second.int_ofport;
}

}  // namespace

void compile_direct_port(Build& build, const Port& port, OfPort ofport, LocalVlan vlan) {
  const std::string& bridge = build.node().integration_bridge;
  const std::uint64_t cookie = cookie_of_port(port.id);
  // The register tells networks apart in which a MAC is used twice. Only frames without a tag: one that a machine
  // writes itself is no local VLAN; action NORMAL drops it, as the port is an access port.
  build.flow(bridge, IntTable::Transient, 9, Match().in_port(ofport).untagged(),
             Actions(IntTable::Transient)
                 .set_reg(of::field::kReg6, vlan.value())
                 .goto_table(IntTable::LocalMacDirect)
                 .text(),
             cookie);
  build.flow(bridge, IntTable::LocalMacDirect, 12, Match().reg(6, vlan.value()).dl_dst(port.mac),
             Actions(IntTable::LocalMacDirect).output(ofport).text(), cookie);
  build.flow(bridge, IntTable::LocalMacDirect, 12, Match().dl_vlan(vlan).dl_dst(port.mac),
             Actions(IntTable::LocalMacDirect).pop_vlan().output(ofport).text(), cookie);
  const std::optional<OfPort> out = way_out(build, port.segment);
  if (!out) return;
  build.flow(bridge, IntTable::TransientEgress, 12, Match().in_port(ofport).dl_src(port.mac).dl_dst_unicast(),
             Actions(IntTable::TransientEgress).push_vlan().set_vlan_vid(vlan).output(*out).text(), cookie);
}

namespace {

void egress_direct(Build& build) {
  build.flow(build.node().integration_bridge, IntTable::LocalMacDirect, 0, Match(),
             Actions(IntTable::LocalMacDirect).goto_table(IntTable::TransientEgress).text(), cookie_of_pipeline());
  if (build.patch_tun) direct_ingress(build, *build.patch_tun);
  for (const auto& [name, physical] : build.physical_networks) {
    if (physical.int_ofport) direct_ingress(build, *physical.int_ofport);
  }
}

}  // namespace

void compile_dead_port(Build& build, OfPort ofport, const Uuid& id) { drop_port(build, ofport, cookie_of_port(id)); }

// Provider VLAN, or no VLAN, to local VLAN.
void compile_segment_int(Build& build, const LocalSegment& local) {
  if (local.segment.type != NetworkType::Flat && local.segment.type != NetworkType::Vlan) return;
  const auto physical = build.physical_networks.find(local.segment.physical_network);
  if (physical == build.physical_networks.end() || !physical->second.int_ofport) return;
  Match match;
  match.in_port(*physical->second.int_ofport);
  Actions actions(IntTable::LocalSwitching);
  if (local.segment.type == NetworkType::Vlan) {
    match.dl_vlan(*VlanId::make(local.segment.segmentation_id));
  } else {
    match.untagged();
    actions.push_vlan();
  }
  actions.set_vlan_vid(local.vlan).goto_table(IntTable::PacketRateLimit);
  build.flow(build.node().integration_bridge, IntTable::LocalSwitching, 3, match, actions.text(),
             cookie_of(local.segment));
}

void compile_flows_int(Build& build) {
  int_default_flows(build);
  if (build.node().explicitly_egress_direct) egress_direct(build);
  for (const auto& [name, physical] : build.physical_networks) {
    if (physical.int_ofport) drop_port(build, *physical.int_ofport, cookie_of_pipeline());
  }
  for (const UnmappedBridge& unmapped : build.unmapped) {
    if (unmapped.joined && unmapped.int_ofport) drop_port(build, *unmapped.int_ofport, cookie_of_pipeline());
  }
}

}  // namespace ml2
