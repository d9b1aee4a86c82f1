// Flows of the physical bridges (neutron openflow/native/br_phys.py).
#include "datapath/compile/build.h"
#include "datapath/compile/names.h"
#include "datapath/openflow/actions.h"

namespace ml2 {
namespace {

using of::Actions;
using of::Match;
using of::PhysTable;

void normal(Build& build, const std::string& bridge) {
  build.flow(bridge, PhysTable::Input, 0, Match(), Actions(PhysTable::Input).normal().text(), cookie_of_pipeline());
}

// Local VLAN to provider VLAN, or to no VLAN.
void to_physical(Build& build, const LocalSegment& local) {
  const auto physical = build.physical_networks.find(local.segment.physical_network);
  if (physical == build.physical_networks.end() || !physical->second.phy_ofport) return;
  Match match;
  match.in_port(*physical->second.phy_ofport).dl_vlan(local.vlan);
  Actions actions(PhysTable::Input);
  if (local.segment.type == NetworkType::Vlan) {
    actions.set_vlan_vid(*VlanId::make(local.segment.segmentation_id));
  } else {
    actions.pop_vlan();
  }
  actions.normal();
  build.flow(physical->second.bridge, PhysTable::Input, 4, match, actions.text(), cookie_of(local.segment));
}

// A bridge that is mapped no longer but still has our patch port: our flows go, but for the one without which the
// operator's own ports on it would be cut off (its fail_mode is secure). Once the port is gone it is left alone.
void unmapped(Build& build) {
  for (const auto& [name, fact] : build.facts.interfaces) {
    if (!fact.owned || fact.type != "patch" || build.desired.bridges.contains(fact.bridge)) continue;
    if (name == patch_port_name(kPhysPrefix, fact.bridge)) normal(build, fact.bridge);
  }
}

}  // namespace

void compile_flows_phys(Build& build) {
  for (const auto& [name, physical] : build.physical_networks) {
    normal(build, physical.bridge);
    if (!physical.phy_ofport) continue;
    build.flow(physical.bridge, PhysTable::Input, 2, Match().in_port(*physical.phy_ofport),
               Actions(PhysTable::Input).drop().text(), cookie_of_pipeline());
  }
  for (const auto& [key, local] : build.segments) {
    if (local.segment.type == NetworkType::Flat || local.segment.type == NetworkType::Vlan) to_physical(build, local);
  }
  if (build.intent.complete) unmapped(build);
}

}  // namespace ml2
