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

// A flow's message has at most 65,535 bytes (OpenFlow 1.4 section 7.1.1), and a copy to an IPv6 address takes 40 of them.
constexpr std::size_t kCopiesInAFlow = 1000;
constexpr std::uint16_t kNotLearned = 4;  // in LearnFromTun; above l2_population's

TunTable from_tunnel(NetworkType type) {
  if (type == NetworkType::Gre) return TunTable::GreTunToLv;
  return type == NetworkType::Geneve ? TunTable::GeneveTunToLv : TunTable::VxlanTunToLv;
}

void tun_default_flows(Build& build) {
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

// From a tunnel, with its local VLAN on: the sender's MAC is remembered, then the frame goes to br-int. Where one port
// serves all VTEPs, the sender's address is remembered as the one to send to.
std::string learn_and_output(const NodeConfig& node, std::uint16_t priority, OfPort patch_int) {
  namespace field = of::field;
  namespace learn = of::learn;
  std::vector<std::string> steps{learn::match({field::kVlanTci, 0, 11}), learn::match(field::kEthDst, field::kEthSrc),
                                 learn::load(0, field::kVlanTci), learn::load(field::kTunId, field::kTunId)};
  if (node.tunnel_mode == TunnelMode::FlowBased) {
    const bool v6 = node.local_ip && node.local_ip->is_v6();
    steps.push_back(v6 ? learn::load(field::kTunIpv6Src, field::kTunIpv6Dst)
                       : learn::load(field::kTunSrc, field::kTunDst));
  }
  steps.push_back(learn::output(field::kInPort));
  Actions actions(TunTable::LearnFromTun);
  actions.learn({.table = TunTable::UcastToTun,
                 .hard_timeout = kLearnedSeconds,
                 .priority = priority,
                 .cookie = cookie_of_learned(),
                 .steps = std::move(steps)});
  actions.output(patch_int);
  return actions.text();
}

void learn_flows(Build& build, OfPort patch_int) {
  const NodeConfig& node = build.node();
  build.flow(node.tunnel_bridge, TunTable::LearnFromTun, 1, Match(), learn_and_output(node, 1, patch_int),
             cookie_of_pipeline());
  // Ports of the tunnel_mode before: what would be learned from them does not fit how they are sent through.
  for (const TunnelInput& input : build.tunnel_inputs) {
    if (!input.of_other_mode) continue;
    build.flow(node.tunnel_bridge, TunTable::LearnFromTun, kNotLearned, Match().in_port(input.port),
               Actions(TunTable::LearnFromTun).output(patch_int).text(), cookie_of_pipeline());
  }
}

void from_br_int(Build& build, OfPort port) {
  build.flow(build.node().tunnel_bridge, TunTable::Input, 1, Match().in_port(port),
             Actions(TunTable::Input).goto_table(TunTable::PatchLvToTun).text(), cookie_of_pipeline());
}

// Only frames of VTEPs that we know: the table's own flow drops the rest.
void from_vtep(Build& build, const TunnelInput& input) {
  Match match;
  match.in_port(input.port);
  if (input.tun_src) match.tun_src(*input.tun_src);
  // Another priority for a port that goes: diff/ then takes what was learned from it as outdated.
  build.flow(build.node().tunnel_bridge, TunTable::Input, input.leaving ? 2 : 1, match,
             Actions(TunTable::Input).goto_table(from_tunnel(input.type)).text(), cookie_of_pipeline());
}

PopulatedNetwork populated_network(const Build& build, const LocalSegment& local) {
  static const RemoteSegment nobody;
  static const TunnelWays none;
  const auto ways = build.tunnel_ways.find(local.segment.type);
  const auto remote = build.intent.remote.find(local.segment);
  return PopulatedNetwork{.vlan = local.vlan,
                          .key = *TunnelKey::make(local.segment.segmentation_id),
                          .cookie = cookie_of(local.segment),
                          .remote = remote == build.intent.remote.end() ? nobody : remote->second,
                          .ways = ways == build.tunnel_ways.end() ? none : ways->second,
                          .learn_moved = build.patch_int
                                             ? learn_and_output(build.node(), kLearnedOfMoved, *build.patch_int)
                                             : std::string(),
                          .arp_responder = build.node().arp_responder,
                          .nd_responder = build.node().nd_responder};
}

bool has_tunnel_flows(const Build& build, const LocalSegment& local) {
  return build.node().has_tunnels() && is_tunnel(local.segment.type) &&
         !fast_path_carries(build.node(), local.segment);
}

}  // namespace

void compile_segment_tun(Build& build, const LocalSegment& local) {
  if (!has_tunnel_flows(build, local)) return;
  const std::string& bridge = build.node().tunnel_bridge;
  const TunnelKey key = *TunnelKey::make(local.segment.segmentation_id);
  const TunTable table = from_tunnel(local.segment.type);
  build.flow(bridge, table, 1, Match().tun_id(key),
             Actions(table).push_vlan().set_vlan_vid(local.vlan).goto_table(TunTable::LearnFromTun).text(),
             cookie_of(local.segment));
  // With l2_population where frames go is written, not learned, but for MACs that move.
  if (build.node().l2_population) return build.merge(bridge, l2pop_flows(populated_network(build, local)));
  const std::vector<TunnelWay> ways = ways_to_all(build, local.segment.type);
  if (ways.empty()) return;  // nowhere to flood to: the table's own drop
  build.merge(bridge, flood_flows(local.vlan, key, ways, cookie_of(local.segment)));
}

void compile_remote_ports(Build& build, const LocalSegment& local, const RemotePorts& ports) {
  if (ports.empty() || !build.node().l2_population || !has_tunnel_flows(build, local)) return;
  const PopulatedNetwork network = populated_network(build, local);
  build.merge(build.node().tunnel_bridge, unicast_flows(network, ports));
  build.merge(build.node().tunnel_bridge, responder_flows(network, ports));
}

namespace {

// Tunnels are off and the bridge still has our patch port: all flows of ours go; then the bridge is left alone.
void tunnels_off(Build& build) {
  const NodeConfig& node = build.node();
  const auto patch = build.facts.interfaces.find(node.tun_peer_patch_port);
  if (patch == build.facts.interfaces.end() || !patch->second.owned) return;
  if (patch->second.bridge == node.tunnel_bridge) build.desired.flows[node.tunnel_bridge];
}

void add_copies(Actions<TunTable>& actions, std::span<const TunnelWay> ways) {
  for (const TunnelWay& way : ways) {
    if (way.tun_dst)
      actions.set_field(*way.tun_dst, way.tun_dst->is_v4() ? of::field::kTunDst : of::field::kTunIpv6Dst);
    actions.output(way.port);
  }
}

}  // namespace

void send_to_vteps(Actions<TunTable>& actions, TunnelKey key, std::span<const TunnelWay> ways) {
  actions.pop_vlan().set_tun_id(key);
  add_copies(actions, ways);
}

of::FlowSet flood_flows(LocalVlan vlan, TunnelKey key, std::span<const TunnelWay> ways, std::uint64_t cookie) {
  of::FlowSet flows;
  Match match;
  match.dl_vlan(vlan);
  for (std::uint32_t part = 0; part == 0 || !ways.empty(); ++part) {
    const std::span<const TunnelWay> now = ways.first(std::min(ways.size(), kCopiesInAFlow));
    ways = ways.subspan(now.size());
    Actions actions(TunTable::FloodToTun);
    if (part == 0) {
      send_to_vteps(actions, key, now);
    } else {
      add_copies(actions, now);
    }
    // Bits 0-11: the network, which the frame has no tag of any more; above: which flow is next.
    const std::uint32_t next = (part + 1) << 12U | vlan.value();
    if (!ways.empty()) actions.set_reg(of::field::kReg5, next).resubmit(TunTable::FloodToTun);
    add_flow(flows, TunTable::FloodToTun, 1, match, actions.text(), cookie);
    match = Match().reg(5, next);
  }
  return flows;
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
  tun_default_flows(build);
  compile_responder_tables(build);
  if (build.patch_int) {
    from_br_int(build, *build.patch_int);
    learn_flows(build, *build.patch_int);
  }
  for (const TunnelInput& input : build.tunnel_inputs) from_vtep(build, input);
}

}  // namespace ml2
