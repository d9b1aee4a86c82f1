#include "tests/states/state_lists.h"

namespace ml2::testing {
namespace {

constexpr NetworkType kVxlan = NetworkType::Vxlan;

// Networks 101... , ports 1...

std::vector<State> tunnels() {
  const State nothing = base_state().named("nothing");
  const State one_port = State(nothing.named("one_port")).port(1, vxlan(101, 1270)).vtep(kVxlan, "10.0.0.2");
  const State two_networks = State(one_port.named("two_networks"))
                                 .port(2, vxlan(102, 1271))
                                 .port(3, vxlan(101, 1270))
                                 .vtep(kVxlan, "10.0.0.3");
  State host_gone = State(two_networks.named("host_gone")).without_vtep(kVxlan, "10.0.0.2").without_port(1);
  // Network 101 loses its last port: its VLAN is free again.
  const State network_gone = State(host_gone.named("network_gone")).without_port(3);
  const State reused = State(network_gone.named("reused")).port(4, vxlan(103, 1272)).port(5, vxlan(101, 1270));
  return {nothing, one_port, two_networks, host_gone, network_gone, reused};
}

std::vector<State> all_types() {
  State nothing = base_state().named("nothing");
  nothing.intent.node.tunnel_types = {kVxlan, NetworkType::Gre, NetworkType::Geneve};
  State all = nothing.named("all");
  all.port(1, vxlan(101, 1270))
      .port(2, vlan(102, "physnet1", 100))
      .port(3, flat(103, "physnet1"))
      .port(4, local(104));
  all.port(5, gre(105, 977)).port(6, geneve(106, 237));
  all.vtep(kVxlan, "10.0.0.2").vtep(NetworkType::Gre, "10.0.0.2").vtep(NetworkType::Geneve, "10.0.0.2");
  // The same port on another segment: its VLAN changes, nobody else's does.
  const State moved = State(all.named("moved")).port(2, vlan(107, "physnet1", 200)).without_port(3);
  return {nothing, all, moved};
}

std::vector<State> ports() {
  State alive = base_state().named("alive");
  alive.port(1, vxlan(101, 1270)).port(2, vlan(102, "physnet1", 100)).vtep(kVxlan, "10.0.0.2");
  State down = alive.named("admin_down");
  down.intent.ports.at(uuid_of(1)).admin_state_up = false;
  // Refused, unknown to the source, not plugged, and of a segment that this host cannot carry.
  State troubled = alive.named("troubled");
  troubled.port(3, vxlan(101, 1270), false).port(4, vlan(103, "physnet9", 7)).port(5, geneve(104, 9));
  troubled.port(6, vlan(102, "physnet1", 4095)).port(7, vxlan(105, 1U << 24U));
  troubled.intent.refused[uuid_of(8)] = "mac_address fa:16 of port 8 is no MAC address";
  troubled.plugged["tap8"] = uuid_of(8);
  troubled.plugged["tap9"] = uuid_of(9);
  return {alive, down, troubled};
}

// explicitly_egress_direct, without a firewall.
std::vector<State> egress_direct() {
  State normal = base_state().named("normal");
  normal.port(1, vxlan(101, 1270)).port(2, vlan(102, "physnet1", 100)).port(3, local(103)).port(4, vxlan(101, 1270));
  normal.vtep(kVxlan, "10.0.0.2");
  State direct = normal.named("direct");
  direct.intent.node.explicitly_egress_direct = true;
  return {normal, direct};
}

std::vector<State> bridges() {
  State without = base_state().named("no_bridge");
  without.bridges.clear();
  without.port(1, vlan(101, "physnet1", 100)).port(2, vxlan(102, 5)).vtep(kVxlan, "10.0.0.2");
  State with = without.named("with_bridge");
  with.bridges = {"br-ex"};
  State mapped_more = with.named("two_bridges");
  mapped_more.bridges = {"br-ex", "br-provider-storage"};
  mapped_more.intent.node.bridge_mappings["storage"] = "br-provider-storage";
  mapped_more.port(3, vlan(103, "storage", 100)).port(4, flat(104, "storage"));
  return {without, with, mapped_more};
}

std::vector<State> local_ip() {
  const State usable = State(base_state().named("usable")).port(1, vxlan(101, 1270)).vtep(kVxlan, "10.0.0.2");
  State gone = usable.named("address_gone");
  gone.addresses = {ip("127.0.0.1")};
  gone.keeps_past = true;  // tunnels that are there go on working
  return {usable, gone, usable.named("address_back")};
}

std::vector<State> tunnels_over_ipv6() {
  State state = base_state().named("vxlan_and_gre");
  state.intent.node.local_ip = ip("2001:db8::1");
  state.intent.node.tunnel_types = {kVxlan, NetworkType::Gre};
  state.intent.node.vxlan_udp_port = 8472;
  state.intent.node.tunnel_csum = true;
  state.intent.node.dscp = 46;
  state.addresses = {ip("2001:db8::1")};
  state.port(1, vxlan(101, 1270)).port(2, gre(102, 5));
  state.vtep(kVxlan, "2001:db8::2").vtep(NetworkType::Gre, "2001:db8::2").vtep(kVxlan, "10.0.0.2");
  state.vtep(kVxlan, "2001:db8::1");
  State flow_based = state.named("flow_based");
  flow_based.intent.node.tunnel_mode = TunnelMode::FlowBased;
  flow_based.vtep(kVxlan, "2001:db8::3");
  // Ports that are there keep their names.
  State renamed = state.named("names_of_later_releases");
  renamed.intent.node.tunnel_port_hash = TunnelPortHash::Blake2bDigest;
  renamed.keeps_past = true;
  return {state, flow_based, renamed};
}

// From a port per peer to one port for all and back, while hosts come and go.
std::vector<State> tunnel_modes() {
  State per_peer = base_state().named("port_per_peer");
  per_peer.intent.node.tunnel_types = {kVxlan, NetworkType::Geneve};
  per_peer.port(1, vxlan(101, 1270)).port(2, geneve(102, 9));
  per_peer.vtep(kVxlan, "10.0.0.2").vtep(kVxlan, "10.0.0.3").vtep(NetworkType::Geneve, "10.0.0.2");
  State flow_based = per_peer.named("flow_based");
  flow_based.intent.node.tunnel_mode = TunnelMode::FlowBased;
  const State host_gone = State(flow_based.named("host_gone")).without_vtep(kVxlan, "10.0.0.3");
  State udp_port = flow_based.named("another_udp_port");  // of one host: the lower one is used with it
  udp_port.intent.node.vxlan_udp_port = 8472;
  udp_port.intent.vteps.insert(Vtep{kVxlan, ip("10.0.0.4"), 4789, "host-10.0.0.4"});
  udp_port.intent.vteps.insert(Vtep{kVxlan, ip("10.0.0.5"), 9000, "host-10.0.0.5"});
  State per_peer_again = udp_port.named("port_per_peer_again");
  per_peer_again.intent.node.tunnel_mode = TunnelMode::PortPerPeer;
  return {per_peer, flow_based, host_gone, udp_port, per_peer_again};
}

RemotePort remote_port(const char* address, const char* vtep, std::vector<IpAddress> answered) {
  return RemotePort{.mac = mac(address), .vtep = ip(vtep), .answered = std::move(answered)};
}

std::vector<State> l2_population() {
  const Segment segment = vxlan(101, 1270);
  State alone = base_state().named("alone");
  NodeConfig& node = alone.intent.node;
  node.l2_population = node.arp_responder = node.nd_responder = true;
  alone.port(1, segment).vtep(kVxlan, "10.0.0.2").vtep(kVxlan, "10.0.0.3").vtep(kVxlan, "10.0.0.4");
  alone.intent.remote[segment];
  // Two hosts have ports of the network, the third has none: no tunnel to it.
  State neighbours = alone.named("neighbours");
  RemoteSegment& remote = neighbours.intent.remote[segment];
  remote.vteps = {ip("10.0.0.2"), ip("10.0.0.3")};
  remote.ports = {remote_port("fa:16:3e:00:01:02", "10.0.0.2", {ip("10.1.0.2"), ip("fd01::2")}),
                  remote_port("fa:16:3e:00:01:03", "10.0.0.3", {ip("10.1.0.1"), ip("fd01::1")})};
  remote.ports[1].router = true;
  // A port has gone to the other host, and two others may send from one MAC.
  State moved = neighbours.named("moved");
  RemoteSegment& after = moved.intent.remote[segment];
  after.vteps = {ip("10.0.0.3")};
  after.ports[0].vtep = ip("10.0.0.3");
  after.shared_macs = {mac("00:00:5e:00:01:0a"), mac("fa:16:3e:00:01:03")};
  State strict = moved.named("unknown_unicast_dropped");
  strict.intent.node.drop_unknown_unicast = true;
  strict.intent.remote[segment].any_mac = true;
  State flow_based = strict.named("flow_based");
  flow_based.intent.node.tunnel_mode = TunnelMode::FlowBased;
  return {alone, neighbours, moved, strict, flow_based};
}

std::vector<State> anti_spoofing() {
  State checked = base_state().named("checked");
  checked.intent.node.anti_spoofing = true;
  checked.port(1, vxlan(101, 1270)).port(2, vlan(102, "physnet1", 100)).port(3, vxlan(101, 1270));
  Port& port = checked.intent.ports.at(uuid_of(1));
  port.fixed_ips = {ip("10.1.0.5"), ip("fd01::5")};
  State pairs = checked.named("pairs");
  const auto pair = [](const Mac& from, const char* network) {
    return AddressPair{.mac = from, .network = IpNetwork::parse(network).value()};
  };
  pairs.intent.ports.at(uuid_of(1)).allowed_address_pairs = {pair(port.mac, "10.20.30.0/24"),
                                                             pair(mac("00:00:5e:00:01:0a"), "fd01::100")};
  pairs.intent.ports.at(uuid_of(2)).allowed_address_pairs = {pair(mac("fa:16:3e:00:00:02"), "0.0.0.0/0")};
  State unchecked = checked.named("unchecked");
  unchecked.intent.ports.at(uuid_of(1)).port_security_enabled = false;
  unchecked.intent.ports.at(uuid_of(2)).device_owner = "network:dhcp";
  return {checked, pairs, unchecked};
}

}  // namespace

std::map<std::string, std::vector<State>> state_lists() {
  return {{"tunnels", tunnels()},
          {"all_types", all_types()},
          {"ports", ports()},
          {"bridges", bridges()},
          {"local_ip", local_ip()},
          {"tunnels_over_ipv6", tunnels_over_ipv6()},
          {"tunnel_modes", tunnel_modes()},
          {"egress_direct", egress_direct()},
          {"l2_population", l2_population()},
          {"anti_spoofing", anti_spoofing()}};
}

}  // namespace ml2::testing
