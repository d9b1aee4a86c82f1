// Flows of the tunnel bridge (neutron openflow/native/br_tun.py): head-end replication, MAC learning.
#include <algorithm>
#include <utility>

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
  // Unknown unicast is dropped only while the intent is complete: only then is what is not known not there.
  const bool drop_unknown = build.node().drop_unknown_unicast && build.intent.complete;
  Actions unknown(TunTable::UcastToTun);
  build.flow(bridge, TunTable::UcastToTun, 0, Match(),
             drop_unknown ? unknown.drop().text() : unknown.goto_table(TunTable::FloodToTun).text(), cookie);
}

// From a tunnel, with its local VLAN on: the sender's MAC is remembered, then the frame goes to br-int.
std::string learn_and_output(std::uint16_t priority, OfPort patch_int) {
  namespace field = of::field;
  namespace learn = of::learn;
  Actions actions(TunTable::LearnFromTun);
  actions.learn({.table = TunTable::UcastToTun,
                 .hard_timeout = kLearnedSeconds,
                 .priority = priority,
                 .cookie = cookie_of_learned(),
                 .steps = {learn::match({field::kVlanTci, 0, 11}), learn::match(field::kEthDst, field::kEthSrc),
                           learn::load(0, field::kVlanTci), learn::load(field::kTunId, field::kTunId),
                           learn::output(field::kInPort)}});
  actions.output(patch_int);
  return actions.text();
}

void in_port(Build& build, OfPort port, TunTable next) {
  build.flow(build.node().tunnel_bridge, TunTable::Input, 1, Match().in_port(port),
             Actions(TunTable::Input).goto_table(next).text(), cookie_of_pipeline());
}

// With l2_population: where frames go is written, not learned, but for MACs that move.
void populated(Build& build, const LocalSegment& local, TunnelKey key) {
  const RemoteSegment nobody;
  const auto remote = build.intent.remote.find(local.segment);
  const PopulatedNetwork network{
      .vlan = local.vlan,
      .key = key,
      .cookie = cookie_of(local.segment),
      .remote = remote == build.intent.remote.end() ? nobody : remote->second,
      .ways = build.tunnel_ways[local.segment.type],
      .learn_moved = build.patch_int ? learn_and_output(kLearnedOfMoved, *build.patch_int) : std::string(),
      .arp_responder = build.node().arp_responder,
      .nd_responder = build.node().nd_responder};
  build.merge(build.node().tunnel_bridge, l2pop_flows(network));
  build.merge(build.node().tunnel_bridge, responder_flows(network));
}

void segment_flows(Build& build, const LocalSegment& local) {
  const std::string& bridge = build.node().tunnel_bridge;
  const TunnelKey key = *TunnelKey::make(local.segment.segmentation_id);
  const TunTable table = from_tunnel(local.segment.type);
  build.flow(bridge, table, 1, Match().tun_id(key),
             Actions(table).push_vlan().set_vlan_vid(local.vlan).goto_table(TunTable::LearnFromTun).text(),
             cookie_of(local.segment));
  if (build.node().l2_population) return populated(build, local, key);
  const std::vector<TunnelWay> ways = ways_to_all(build, local.segment.type);
  if (ways.empty()) return;  // nowhere to flood to: the table's own drop
  Actions flood(TunTable::FloodToTun);
  send_to_vteps(flood, key, ways);
  build.flow(bridge, TunTable::FloodToTun, 1, Match().dl_vlan(local.vlan), flood.text(), cookie_of(local.segment));
}

// Tunnels are off and the bridge still has our patch port: all flows of ours go; then the bridge is left alone.
void tunnels_off(Build& build) {
  const NodeConfig& node = build.node();
  const auto patch = build.facts.interfaces.find(node.tun_peer_patch_port);
  if (patch == build.facts.interfaces.end() || !patch->second.owned) return;
  if (patch->second.bridge == node.tunnel_bridge) build.desired.flows[node.tunnel_bridge];
}

}  // namespace

void send_to_vteps(Actions<TunTable>& actions, TunnelKey key, std::span<const TunnelWay> ways) {
  actions.pop_vlan().set_tun_id(key);
  for (const TunnelWay& way : ways) actions.output(way.port);
}

std::vector<TunnelWay> send_order(std::vector<TunnelWay> ways) {
  std::sort(ways.begin(), ways.end());
  ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
  return ways;
}

std::vector<TunnelWay> ways_to_all(const Build& build, NetworkType type) {
  std::vector<TunnelWay> ways;
  const auto found = build.tunnel_ways.find(type);
  if (found == build.tunnel_ways.end()) return ways;
  for (const auto& [address, way] : found->second) ways.push_back(way);
  return send_order(std::move(ways));
}

void compile_flows_tun(Build& build) {
  if (!build.node().has_tunnels()) {
    if (build.intent.complete) tunnels_off(build);
    return;
  }
  default_flows(build);
  compile_responder_tables(build);
  if (build.patch_int) {
    in_port(build, *build.patch_int, TunTable::PatchLvToTun);
    build.flow(build.node().tunnel_bridge, TunTable::LearnFromTun, 1, Match(), learn_and_output(1, *build.patch_int),
               cookie_of_pipeline());
  }
  for (const auto& [type, ports] : build.tunnel_ofports) {
    for (const OfPort port : ports) in_port(build, port, from_tunnel(type));
  }
  for (const auto& [key, local] : build.segments) {
    if (is_tunnel(local.segment.type)) segment_flows(build, local);
  }
}

}  // namespace ml2
