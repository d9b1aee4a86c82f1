// Flows of the integration bridge (neutron openflow/native/br_int.py).
#include "datapath/compile/build.h"
#include "datapath/openflow/actions.h"

namespace ml2 {
namespace {

using of::Actions;
using of::IntTable;
using of::Match;

void default_flows(Build& build) {
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

// Provider VLAN, or no VLAN, to local VLAN.
void from_physical(Build& build, const LocalSegment& local) {
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

}  // namespace

void compile_flows_int(Build& build) {
  default_flows(build);
  for (const auto& [name, physical] : build.physical_networks) {
    if (physical.int_ofport) drop_port(build, *physical.int_ofport, cookie_of_pipeline());
  }
  for (const UnmappedBridge& unmapped : build.unmapped) {
    if (unmapped.joined && unmapped.int_ofport) drop_port(build, *unmapped.int_ofport, cookie_of_pipeline());
  }
  for (const auto& [interface, cookie] : build.dead) {
    if (const auto ofport = build.facts.interfaces.at(interface).ofport) drop_port(build, *ofport, cookie);
  }
  for (const auto& [key, local] : build.segments) {
    if (local.segment.type == NetworkType::Flat || local.segment.type == NetworkType::Vlan)
      from_physical(build, local);
  }
}

}  // namespace ml2
