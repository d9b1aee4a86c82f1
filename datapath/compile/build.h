// Build: one compilation under way: what goes in, what comes out, and what the features tell each other.
//
// Where in the walk: compile() makes one and hands it to the features in order; each reads what earlier ones have
// left. First the frame, which all else stands in: bridges, patch and tunnel ports, default flows. Then units, each of
// which depends on the frame and its own inputs only: a claim for each port (with the interfaces that say they are it),
// a segment for each network that has a wired port. Compiler (compiler.h) does single units anew.
// Threading: on the stack of compile(). Failure: none. What it does not do: no decisions of its own beyond how a name,
// a port number or a flow is written down.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "datapath/compile/compile.h"
#include "datapath/openflow/actions.h"
#include "datapath/openflow/flow.h"
#include "datapath/openflow/match.h"
#include "datapath/openflow/pipeline.h"

namespace ml2 {

// A physical network whose bridge is there.
struct PhysicalNetwork {
  std::string bridge;
  std::string int_port;  // on the integration bridge
  std::string phy_port;  // on the physical bridge
  std::optional<OfPort> int_ofport;
  std::optional<OfPort> phy_ofport;
};

// A bridge that is no longer mapped and still has our patch port, or what we have set in its row.
struct UnmappedBridge {
  std::string bridge;
  bool joined = false;  // to the integration bridge; frames may still pass
  bool parted = false;  // by the rows; Facts::settled alone says whether it is joined
  std::optional<OfPort> int_ofport;
  std::optional<OfPort> phy_ofport;
};

// A segment with at least one wired port here.
struct LocalSegment {
  Segment segment;
  LocalVlan vlan;
};

// An Interface on the integration bridge that says whose port it is.
struct Vif {
  std::string interface;
  const InterfaceFact* fact = nullptr;
};

// How frames get to a VTEP: by which port and, where that port serves all VTEPs, which address each frame is given.
struct TunnelWay {
  OfPort port;
  std::optional<IpAddress> tun_dst;

  friend auto operator<=>(const TunnelWay&, const TunnelWay&) = default;
};

using TunnelWays = std::map<IpAddress, TunnelWay>;  // of one tunnel type

// Where frames come from a VTEP: the port, and the outer source address where the port serves all VTEPs.
struct TunnelInput {
  NetworkType type = NetworkType::Vxlan;
  OfPort port;
  std::optional<IpAddress> tun_src;
  // The tunnel_mode before this one used it: frames are taken from it as long as it is there; nothing is learned.
  bool of_other_mode = false;
  bool leaving = false;  // and it goes now

  friend auto operator<=>(const TunnelInput&, const TunnelInput&) = default;
};

// What the units depend on and do not change.
struct Frame {
  std::map<std::string, PhysicalNetwork> physical_networks;  // by physical network
  std::vector<UnmappedBridge> unmapped;
  std::optional<OfPort> patch_tun;                // on the integration bridge
  std::optional<OfPort> patch_int;                // on the tunnel bridge
  std::map<NetworkType, TunnelWays> tunnel_ways;  // VTEPs that can be reached
  std::set<TunnelInput> tunnel_inputs;
};

struct Build : Frame {
  Build(const Intent& what, const Facts& assigned, Frame frame = {})
      : Frame(std::move(frame)), intent(what), facts(assigned) {
    desired.complete = what.complete;
  }

  const Intent& intent;
  const Facts& facts;
  Desired desired;
  // Of the units, for the fast path's (fast_path_compiler.h).
  std::map<LocalVlanKey, LocalSegment> segments;
  std::set<Uuid> unplugged;  // ports that may be wired and have no interface on the integration bridge

  [[nodiscard]] const NodeConfig& node() const { return intent.node; }
  // The number of interface `name` if it is there, on that bridge and of that type.
  [[nodiscard]] std::optional<OfPort> ofport(const std::string& name, const std::string& bridge,
                                             std::string_view type) const;
  // Flows of one network or port, computed apart from the rest.
  void merge(const std::string& bridge, of::FlowSet flows) { desired.flows[bridge].merge(flows); }
  template <class Table>
  void flow(const std::string& bridge, Table table, std::uint16_t priority, const of::Match& match,
            std::string actions, std::uint64_t cookie) {
    desired.flows[bridge].insert_or_assign(of::FlowKey{of::number(table), priority, match.text()},
                                           of::FlowBody{.actions = std::move(actions), .cookie = cookie});
  }
};

template <class Table>
void add_flow(of::FlowSet& flows, Table table, std::uint16_t priority, const of::Match& match, std::string actions,
              std::uint64_t cookie) {
  flows.insert_or_assign(of::FlowKey{of::number(table), priority, match.text()},
                         of::FlowBody{.actions = std::move(actions), .cookie = cookie});
}

// flows_tun.cc: a copy, without VLAN, with this key to each VTEP; whoever sends into tunnels does it by this. `ways`
// in the order of send_order().
void send_to_vteps(of::Actions<of::TunTable>& actions, TunnelKey key, std::span<const TunnelWay> ways);
// A network's entry in FloodToTun; where it is too long for one flow, the next one goes on (by register 5).
[[nodiscard]] of::FlowSet flood_flows(LocalVlan vlan, TunnelKey key, std::span<const TunnelWay> ways,
                                      std::uint64_t cookie);
// Sorted, each once: the order of actions is part of what is compared.
[[nodiscard]] std::vector<TunnelWay> send_order(std::vector<TunnelWay> ways);
// All VTEPs of a type that can be reached, in that order.
[[nodiscard]] std::vector<TunnelWay> ways_to_all(const Build& build, NetworkType type);

// All that the flows of l2_population and of the responders for one network depend on.
struct PopulatedNetwork {
  LocalVlan vlan;
  TunnelKey key;
  std::uint64_t cookie = 0;
  const RemoteSegment& remote;
  const TunnelWays& ways;  // of the segment's type
  // What LearnFromTun does with a frame of a MAC that may move: remembers it above what is written; empty while there
  // is no way to br-int.
  std::string learn_moved;
  bool arp_responder = false;
  bool nd_responder = false;
};
inline constexpr std::uint16_t kLearnedOfMoved = 3;  // priority in UcastToTun of what learn_moved remembers
// Some of network.remote.ports.
using RemotePorts = std::vector<const RemotePort*>;
// flows_l2pop.cc: a network's own, and those of some remote ports.
[[nodiscard]] of::FlowSet l2pop_flows(const PopulatedNetwork& network);
[[nodiscard]] of::FlowSet unicast_flows(const PopulatedNetwork& network, const RemotePorts& ports);
// flows_responder.cc: of some remote ports.
[[nodiscard]] of::FlowSet responder_flows(const PopulatedNetwork& network, const RemotePorts& ports);
void compile_responder_tables(Build& build);  // flows_responder.cc: of all networks

// Whether what a port sends is checked at all: not with port security off, nor for trusted owners.
[[nodiscard]] bool is_checked(const Port& port);  // flows_antispoof.cc
// The link-local address that a MAC makes by EUI-64 (RFC 4291 appendix A).
[[nodiscard]] IpNetwork link_local(const Mac& mac);  // flows_antispoof.cc
// Tables 24 and 25 for one port that is checked, and the way there.
[[nodiscard]] of::FlowSet antispoof_flows(const Port& port, OfPort ofport);  // flows_antispoof.cc
// The one of them that every frame but ARP and neighbour advertisements passes.
[[nodiscard]] of::FlowKey antispoof_entry(OfPort ofport);  // flows_antispoof.cc

// ports_tunnel.cc: whether a tunnel to this VTEP is wanted at all, and why it cannot be; empty when it can.
[[nodiscard]] bool is_needed(const Intent& intent, const Vtep& vtep);

// fast_path_frame.cc: the segment's way to other hosts is the fast path's: Open vSwitch has none for it.
[[nodiscard]] bool fast_path_carries(const NodeConfig& node, NetworkType type, const std::string& physical_network);
[[nodiscard]] inline bool fast_path_carries(const NodeConfig& node, const Segment& segment) {
  return fast_path_carries(node, segment.type, segment.physical_network);
}

// Whether a port may be wired.
struct Verdict {
  std::string reason;  // empty: it may
  bool refused = false;
};

// By the port that they say they are: interfaces of the integration bridge, in the order of their names.
using Claims = std::map<Uuid, std::set<std::string>>;

// What tells apart two networks that would share a tunnel key, a VLAN or a physical network.
using Carrier = std::tuple<NetworkType, std::string, std::uint32_t>;
[[nodiscard]] Carrier carrier_of(const Segment& segment);

// Which segments have a port that is wired here, and their VLANs.
struct Wiring {
  std::map<LocalVlanKey, Segment> segments;  // those that get a VLAN
  std::map<Uuid, Verdict> overruled;         // ports that may not be wired although judge() lets them: why
  LocalVlans vlans;
};

// The features, in the order in which compile() calls them. The frame:
void compile_bridges(Build& build);                        // bridges.cc: bridges that exist or are made
void leave_bridge(Build& build, const std::string& name);  // bridges.cc: one that is mapped no more is given back
void compile_patch_ports(Build& build);                    // ports_patch.cc: between the bridges
void compile_tunnel_ports(Build& build);                   // ports_tunnel.cc: to VTEPs
void compile_flows_int(Build& build);                      // flows_int.cc: the integration bridge
void compile_flows_tun(Build& build);                      // flows_tun.cc: the tunnel bridge
void compile_flows_phys(Build& build);                     // flows_phys.cc: physical bridges
// All of these.
void compile_frame(Build& build);
// vif.cc: which interface is which port; names those that make no sense.
[[nodiscard]] Claims claims_of(Build& build);
// The id that an interface of the integration bridge claims to be; nullopt: none, or what it says is no UUID.
[[nodiscard]] std::optional<Uuid> claim_of(const InterfaceFact& fact, const NodeConfig& node);
// vif.cc: what the port's own row and the frame say.
[[nodiscard]] Verdict judge(const Build& build, const Port& port);
[[nodiscard]] Wiring wiring_of(const Build& build, const Claims& claims);
// The units. A claim: a port's state, its rows, its flows.
void compile_claim(Build& build, const Uuid& id, const std::set<std::string>& interfaces, const Wiring& wiring);
void compile_direct_port(Build& build, const Port& port, OfPort ofport, LocalVlan vlan);  // flows_int.cc
void compile_dead_port(Build& build, OfPort ofport, const Uuid& id);                      // flows_int.cc
// A segment: the flows of a network on all bridges; and, of l2_population, those of some of its remote ports.
void compile_segment(Build& build, const LocalSegment& local);
void compile_remote_ports(Build& build, const LocalSegment& local, const RemotePorts& ports);  // flows_tun.cc
void compile_segment_int(Build& build, const LocalSegment& local);                             // flows_int.cc
void compile_segment_tun(Build& build, const LocalSegment& local);                             // flows_tun.cc
void compile_segment_phys(Build& build, const LocalSegment& local);                            // flows_phys.cc

}  // namespace ml2
