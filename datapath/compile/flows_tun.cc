// Flows of the tunnel bridge (neutron openflow/native/br_tun.py): head-end replication, MAC learning.
#include "datapath/compile/build.h"
#include "datapath/openflow/actions.h"

namespace ml2 {
namespace {

using of::Actions;
using of::Match;
using of::TunTable;

constexpr std::uint16_t kLearnedSeconds = 300;  // a remote MAC that says nothing is forgotten; as the MAC tables do

TunTable from_tunnel(NetworkType type) {
  if (type == NetworkType::Gre) return TunTable::GreTunToLv;
  return type == NetworkType::Geneve ? TunTable::GeneveTunToLv : TunTable::VxlanTunToLv;
}

void default_flows(Build& build) {
  const std::string& bridge = build.node().tunnel_bridge;
  const std::uint64_t cookie = cookie_of_pipeline();
  for (const TunTable table : {TunTable::Input, TunTable::GreTunToLv, TunTable::VxlanTunToLv, TunTable::GeneveTunToLv,
                               TunTable::FloodToTun}) {
    build.flow(bridge, table, 0, Match(), Actions(table).drop().text(), cookie);
  }
  build.flow(bridge, TunTable::PatchLvToTun, 0, Match().dl_dst_unicast(),
             Actions(TunTable::PatchLvToTun).goto_table(TunTable::UcastToTun).text(), cookie);
  build.flow(bridge, TunTable::PatchLvToTun, 0, Match().dl_dst_multicast(),
             Actions(TunTable::PatchLvToTun).goto_table(TunTable::FloodToTun).text(), cookie);
  build.flow(bridge, TunTable::UcastToTun, 0, Match(),
             Actions(TunTable::UcastToTun).goto_table(TunTable::FloodToTun).text(), cookie);
}

// From a tunnel, with its local VLAN on: the sender's MAC is remembered, then the frame goes to br-int.
void learn_flow(Build& build, OfPort patch_int) {
  namespace field = of::field;
  namespace learn = of::learn;
  Actions actions(TunTable::LearnFromTun);
  actions.learn({.table = TunTable::UcastToTun,
                 .hard_timeout = kLearnedSeconds,
                 .priority = 1,
                 .cookie = cookie_of_learned(),
                 .steps = {learn::match({field::kVlanTci, 0, 11}), learn::match(field::kEthDst, field::kEthSrc),
                           learn::load(0, field::kVlanTci), learn::load(field::kTunId, field::kTunId),
                           learn::output(field::kInPort)}});
  actions.output(patch_int);
  build.flow(build.node().tunnel_bridge, TunTable::LearnFromTun, 1, Match(), actions.text(), cookie_of_pipeline());
}

void in_port(Build& build, OfPort port, TunTable next) {
  build.flow(build.node().tunnel_bridge, TunTable::Input, 1, Match().in_port(port),
             Actions(TunTable::Input).goto_table(next).text(), cookie_of_pipeline());
}

void segment_flows(Build& build, const LocalSegment& local) {
  const std::string& bridge = build.node().tunnel_bridge;
  const TunnelKey key = *TunnelKey::make(local.segment.segmentation_id);
  const TunTable table = from_tunnel(local.segment.type);
  build.flow(bridge, table, 1, Match().tun_id(key),
             Actions(table).push_vlan().set_vlan_vid(local.vlan).goto_table(TunTable::LearnFromTun).text(),
             cookie_of(local.segment));
  const auto ports = build.tunnel_ofports.find(local.segment.type);
  if (ports == build.tunnel_ofports.end()) return;  // nowhere to flood to: the table's own drop
  build.flow(bridge, TunTable::FloodToTun, 1, Match().dl_vlan(local.vlan),
             Actions(TunTable::FloodToTun).pop_vlan().set_tun_id(key).output_list(ports->second).text(),
             cookie_of(local.segment));
}

// Tunnels are off and the bridge still has our patch port: all flows of ours go; then the bridge is left alone.
void tunnels_off(Build& build) {
  const NodeConfig& node = build.node();
  const auto patch = build.facts.interfaces.find(node.tun_peer_patch_port);
  if (patch == build.facts.interfaces.end() || !patch->second.owned) return;
  if (patch->second.bridge == node.tunnel_bridge) build.desired.flows[node.tunnel_bridge];
}

}  // namespace

void compile_flows_tun(Build& build) {
  if (!build.node().has_tunnels()) {
    if (build.intent.complete) tunnels_off(build);
    return;
  }
  default_flows(build);
  if (build.patch_int) {
    in_port(build, *build.patch_int, TunTable::PatchLvToTun);
    learn_flow(build, *build.patch_int);
  }
  for (const auto& [type, ports] : build.tunnel_ofports) {
    for (const OfPort port : ports) in_port(build, port, from_tunnel(type));
  }
  for (const auto& [key, local] : build.segments) {
    if (is_tunnel(local.segment.type)) segment_flows(build, local);
  }
}

}  // namespace ml2
