// l2_population: where frames of a tunnel network go, from what the intent knows of other hosts (neutron
// agent/l2population_rpc.py, br_tun.py install_unicast_to_tun(), install_flood_to_tun()).
#include <algorithm>
#include <span>
#include <utility>

#include "datapath/compile/build.h"
#include "datapath/openflow/actions.h"
#include "datapath/openflow/field.h"

namespace ml2 {
namespace {

using of::Actions;
using of::Match;
using of::TunTable;

// In UcastToTun: what was heard (1) yields to what is written (2), and for MACs that several ports may send from what
// is written yields to what was heard last (kLearnedOfMoved).
constexpr std::uint16_t kWritten = 2;

constexpr Mac kAllNodes({0x33, 0x33, 0x00, 0x00, 0x00, 0x01});  // of ff02::1 (RFC 2464 section 7)

// unicast_flows() say where frames to this MAC go.
bool is_written(const PopulatedNetwork& network, const Mac& mac) {
  const std::vector<RemotePort>& ports = network.remote.ports;
  const auto port = std::ranges::lower_bound(ports, mac, {}, &RemotePort::mac);
  return port != ports.end() && port->mac == mac && network.ways.contains(port->vtep);
}

}  // namespace

of::FlowSet l2pop_flows(const PopulatedNetwork& network) {
  of::FlowSet flows;
  std::vector<TunnelWay> flood;
  for (const IpAddress& vtep : network.remote.vteps) {
    if (const auto way = network.ways.find(vtep); way != network.ways.end()) flood.push_back(way->second);
  }
  if (!flood.empty()) {
    flows = flood_flows(network.vlan, network.key, send_order(std::move(flood)), network.cookie);
  }
  const auto learn = [&](const Match& match) {
    if (network.learn_moved.empty()) return;
    add_flow(flows, TunTable::LearnFromTun, 2, match, network.learn_moved, network.cookie);
  };
  // Any holder of a shared MAC may have it now: until it is heard, its frames go to all. A failover is heard by the
  // first frame of the new holder, which is a gratuitous ARP or an unsolicited neighbour advertisement as a rule.
  for (const Mac& mac : network.remote.shared_macs) {
    if (!is_written(network, mac)) {
      add_flow(flows, TunTable::UcastToTun, kWritten, Match().dl_vlan(network.vlan).dl_dst(mac),
               Actions(TunTable::UcastToTun).goto_table(TunTable::FloodToTun).text(), network.cookie);
    }
    learn(Match().dl_vlan(network.vlan).dl_src(mac));
  }
  // Where any MAC may move, announcements alone count, not every frame.
  if (network.remote.any_mac) {
    learn(Match().dl_vlan(network.vlan).arp().dl_dst_broadcast());
    learn(Match().dl_vlan(network.vlan).icmp6_type(of::kIcmp6NeighbourAdvertisement).dl_dst(kAllNodes));
  }
  return flows;
}

of::FlowSet unicast_flows(const PopulatedNetwork& network, const RemotePorts& ports) {
  of::FlowSet flows;
  for (const RemotePort* port : ports) {
    const auto way = network.ways.find(port->vtep);
    if (way == network.ways.end()) continue;  // its tunnel has no number yet: flooded, or heard
    Actions actions(TunTable::UcastToTun);
    send_to_vteps(actions, network.key, std::span(&way->second, 1));
    add_flow(flows, TunTable::UcastToTun, kWritten, Match().dl_vlan(network.vlan).dl_dst(port->mac), actions.text(),
             network.cookie);
  }
  return flows;
}

}  // namespace ml2
