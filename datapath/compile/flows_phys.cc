// Flows of the physical bridges (neutron openflow/native/br_phys.py).
#include "datapath/compile/build.h"
#include "datapath/openflow/actions.h"

namespace ml2 {
namespace {

using of::Actions;
using of::Match;
using of::PhysTable;

void normal(Build& build, const std::string& bridge, std::uint64_t cookie) {
  build.flow(bridge, PhysTable::Input, 0, Match(), Actions(PhysTable::Input).normal().text(), cookie);
}

void drop(Build& build, const std::string& bridge, OfPort in_port) {
  build.flow(bridge, PhysTable::Input, 2, Match().in_port(in_port), Actions(PhysTable::Input).drop().text(),
             cookie_of_pipeline());
}

}  // namespace

// Local VLAN to provider VLAN, or to no VLAN.
void compile_segment_phys(Build& build, const LocalSegment& local) {
  if (local.segment.type != NetworkType::Flat && local.segment.type != NetworkType::Vlan) return;
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

void compile_flows_phys(Build& build) {
  for (const auto& [name, physical] : build.physical_networks) {
    normal(build, physical.bridge, cookie_of_pipeline());
    if (!physical.phy_ofport) continue;
    drop(build, physical.bridge, *physical.phy_ofport);
  }
  // Without it the operator's own ports on the bridge would be cut off: its fail_mode is secure. It stays when the bridge
  // has been given back: as Open vSwitch itself would have put it there, without our mark.
  for (const UnmappedBridge& unmapped : build.unmapped) {
    normal(build, unmapped.bridge, unmapped.joined ? cookie_of_pipeline() : 0);
    if (unmapped.joined && unmapped.phy_ofport) drop(build, unmapped.bridge, *unmapped.phy_ofport);
  }
}

}  // namespace ml2
