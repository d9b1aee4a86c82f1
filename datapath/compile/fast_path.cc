// ml2-fastpath's tables: the NICs, the machines' ports that it serves, their segments, VTEPs and addresses, and the patch that
// joins a segment's ports on Open vSwitch with those on the fast path.
//
// Every segment has one way to other hosts. Where that is the fast path's (fast_path_carries()), Open vSwitch has none for it,
// and its ports of the segment reach everything through the patch, with their local VLAN as the tag; so there is no loop.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "datapath/base/text.h"
#include "datapath/compile/build.h"
#include "datapath/compile/fast_path_ids.h"

namespace ml2 {
namespace {

constexpr std::uint16_t kUsualMtu = 1500;
constexpr std::uint16_t kLearnAge = 300;  // seconds, as Open vSwitch's bridges (mac-aging-time)
constexpr std::size_t kNameLength = 11;   // of a port's id in the name of its device (neutron_lib constants)

std::string short_id(const Uuid& id) { return id.to_string().substr(0, kNameLength); }

// Devices of the kernel, by the driver of [fastpath] kernel_driver.
std::string kernel_devargs(const FastPathConfig& config, const std::string& link) {
  if (config.kernel_driver == "net_af_xdp") {
    return fmt::format("net_af_xdp_{0},iface={0},start_queue=0,queue_count={1}", link, config.queues);
  }
  return fmt::format("net_af_packet_{0},iface={0},qpairs={1}", link, config.queues);
}

fp::abi::Port port_record(fp::PortId id, fp::abi::PortKind kind, const std::string& devargs, std::size_t mtu) {
  fp::abi::Port record;
  record.id = id;
  record.kind = kind;
  record.mtu = static_cast<std::uint16_t>(std::min<std::size_t>(mtu, 9600));
  // A longer one is cut, and then refused by the fast path.
  std::strncpy(record.devargs, devargs.c_str(), sizeof(record.devargs) - 1);
  return record;
}

class FastPathTables {
 public:
  explicit FastPathTables(Build& build)
      : build_(build),
        node_(build.node()),
        config_(build.node().fast_path),
        facts_(build.facts.fast_path),
        desired_(build.desired.fast_path),
        ids_(build.facts.fast_path.ids) {}

  void run() {
    desired_.enabled = true;
    uplinks();
    for (const Uuid& id : build_.unplugged) {
      const Port& port = build_.intent.ports.at(id);
      if (serves(port)) machine(port, build_.desired.port_states[id]);
    }
    patch();
    vteps();
    for (auto& [key, here] : segments_) segment(here);
    desired_.ids = ids_.given();
  }

 private:
  // A segment with a port on the fast path, or with one on Open vSwitch whose way out is the fast path's.
  struct Here {
    Segment segment;
    FastPathIdAllocation::SegmentNumber number;
    std::vector<const Port*> ports;  // that the fast path serves
    std::optional<LocalVlan> vlan;   // with ports on Open vSwitch
  };

  fp::Tables& tables() { return desired_.tables; }

  [[nodiscard]] bool serves(const Port& port) const {
    // Routers, DHCP and the like are plugged into Open vSwitch by their agents.
    if (port.device_owner.starts_with("network:")) return false;
    return port.vhost_user || config_.all_ports;
  }

  std::optional<fp::PortId> add_port(fp::abi::PortKind kind, const std::string& devargs, std::size_t mtu) {
    const auto id = ids_.port(device_name(devargs));
    if (!id) return std::nullopt;
    fp::abi::Port record = port_record(*id, kind, devargs, mtu);
    record.queues = config_.queues;
    tables().put(record);
    return id;
  }

  // --- NICs ---

  void uplinks() {
    if (fast_path_carries(node_, NetworkType::Vxlan, {})) tunnel_uplink();
    for (const auto& [physical_network, devargs] : config_.physnet_devices) {
      if (tunnel_port_ && devargs == config_.tunnel_device) {
        physnets_[physical_network] = *tunnel_port_;
      } else if (const auto id = add_port(fp::abi::PortKind::Tagged, devargs, config_.physnet_mtu)) {
        physnets_[physical_network] = *id;
      }
    }
  }

  void tunnel_uplink() {
    if (!facts_.underlay) {
      tunnel_trouble_ = fmt::format("local_ip {} is not an address of this host",
                                    node_.local_ip ? node_.local_ip->to_string() : "(not set)");
      build_.desired.waiting["fast path tunnels"] = tunnel_trouble_;
      return;
    }
    tunnel_port_ = add_port(fp::abi::PortKind::Tagged, config_.tunnel_device, facts_.underlay->mtu);
    if (!tunnel_port_) return;
    fp::abi::Port& record = tables().ports.at(*tunnel_port_);
    record.tunnel = 1;
    record.local_ipv6 = node_.local_ip->is_v6() ? 1 : 0;
    record.tunnel_vlan = config_.tunnel_vlan;
    record.udp_port = node_.vxlan_udp_port;
    fp::write(record.mac, facts_.underlay->mac);
    fp::write(record.local, *node_.local_ip);
    if (config_.host_device.empty()) return;
    const auto host = add_port(fp::abi::PortKind::Wire, config_.host_device, facts_.underlay->mtu);
    if (!host) return;
    tables().ports.at(*host).peer = *tunnel_port_;
    tables().ports.at(*tunnel_port_).peer = *host;
  }

  // --- machines ---

  // Why the segment cannot be served; empty when it can.
  [[nodiscard]] std::string trouble_with(const Segment& segment) const {
    switch (segment.type) {
      case NetworkType::Local: return {};
      case NetworkType::Flat:
      case NetworkType::Vlan:
        if (physnets_.contains(segment.physical_network)) return {};
        return fmt::format("physical network {} is not in [fastpath] physnet_devices of this host",
                           text::printable(segment.physical_network));
      case NetworkType::Vxlan:
        if (tunnel_port_) return {};
        return tunnel_trouble_.empty() ? "[fastpath] tunnel_device is not set on this host, so the fast path has no "
                                         "way to the other hosts of a vxlan network"
                                       : tunnel_trouble_;
      case NetworkType::Gre:
      case NetworkType::Geneve: break;
    }
    return fmt::format("the fast path carries no {}", to_string(segment.type));
  }

  // The segment among those that are here; nullptr, and the reason: it cannot be.
  Here* enter(const Segment& segment, std::string& reason) {
    const LocalVlanKey key = key_of(segment);
    if (const auto found = segments_.find(key); found != segments_.end()) {
      if (found->second.segment == segment) return &found->second;
      reason = fmt::format("network {} has another segment with segmentation_id {} on this host",
                           key.network.to_string(), key.segmentation_id);
      return nullptr;
    }
    if (segment.type != NetworkType::Local) {
      const auto [owner, first] = carriers_.emplace(
          std::tuple(segment.type, segment.physical_network, segment.segmentation_id), segment.network);
      if (!first) {
        reason = fmt::format("network {} uses the same {} segment on this host", owner->second.to_string(),
                             to_string(segment.type));
        return nullptr;
      }
    }
    const auto number = ids_.segment(segment);
    if (!number) {
      reason = "the fast path has no number left for another segment";
      return nullptr;
    }
    return &segments_.emplace(key, Here{.segment = segment, .number = *number, .ports = {}, .vlan = {}})
                .first->second;
  }

  void machine(const Port& port, PortState& state) {
    state.waiting = trouble_with(port.segment);
    if (!state.waiting.empty()) return;
    std::string devargs;
    if (port.vhost_user) {
      const std::string name = "vhu" + short_id(port.id);
      // `client` is our end: where QEMU serves we connect, and again whenever it has restarted. `tso`: the machine may leave
      // long TCP and checksums to us, and take them so.
      devargs = fmt::format("net_vhost_{},iface={}/{},queues={},client={},tso=1", name, node_.vhostuser_socket_dir,
                            name, config_.queues, config_.qemu_serves ? 1 : 0);
      state.interface = name;
    } else {
      const std::string name = "tap" + short_id(port.id);
      if (!facts_.links.contains(name)) {
        state.waiting =
            fmt::format("no interface with external_ids:iface-id={} on {}, and no device {} for the fast path",
                        port.id.to_string(), node_.integration_bridge, name);
        return;
      }
      devargs = kernel_devargs(config_, name);
      state.interface = name;
    }
    Here* here = enter(port.segment, state.waiting);
    if (here == nullptr) return;
    const auto id = add_port(fp::abi::PortKind::Access, devargs, port.mtu != 0 ? port.mtu : kUsualMtu);
    if (!id) {
      state.waiting = "the fast path has no number left for another port";
      return;
    }
    state.fast_path_port = *id;
    here->ports.push_back(&port);
    port_ids_[port.id] = *id;
    if (node_.anti_spoofing && is_checked(port)) allow(port, *id);
  }

  void allow(const Port& port, fp::PortId id) {
    tables().ports.at(id).spoof_check = 1;
    const auto add = [&](const Mac& mac, const IpNetwork& network) {
      fp::abi::Allowed record;
      record.port = id;
      record.ipv6 = network.address().is_v6() ? 1 : 0;
      record.prefix = static_cast<std::uint8_t>(network.prefix_length());
      fp::write(record.mac, mac);
      fp::write(record.address, network.address());
      tables().put(record);
    };
    // Also what makes the MAC known when the port has no address yet.
    add(port.mac, link_local(port.mac));
    for (const IpAddress& address : port.fixed_ips)
      add(port.mac, *IpNetwork::make(address, address.is_v4() ? 32 : 128));
    for (const AddressPair& pair : port.allowed_address_pairs) {
      add(pair.mac, link_local(pair.mac));
      add(pair.mac, pair.network);
      // As on Open vSwitch, each MAC of the port may have each of its addresses.
      for (const IpAddress& address : port.fixed_ips)
        add(pair.mac, *IpNetwork::make(address, address.is_v4() ? 32 : 128));
    }
  }

  // --- the patch to the integration bridge ---

  // While Open vSwitch still has a way of its own for what the fast path carries, the patch would close a loop.
  [[nodiscard]] std::string way_of_open_vswitch() const {
    for (const auto& [name, fact] : build_.facts.interfaces) {
      if (fact.bridge == node_.tunnel_bridge && fact.type == to_string(NetworkType::Vxlan) &&
          fast_path_carries(node_, NetworkType::Vxlan, {})) {
        return fmt::format("tunnel port {} of Open vSwitch is still there", name);
      }
    }
    for (const UnmappedBridge& unmapped : build_.unmapped) {
      if (unmapped.joined)
        return fmt::format("bridge {} is still joined to {}", unmapped.bridge, node_.integration_bridge);
    }
    return {};
  }

  void patch() {
    std::vector<const LocalSegment*> shared;
    for (const auto& [key, local] : build_.segments) {
      if (segments_.contains(key) || fast_path_carries(node_, local.segment)) shared.push_back(&local);
    }
    const std::string object = std::string("patch ") + kFastPathPatch;
    const bool there = facts_.links.contains(kFastPathPatch) && facts_.links.contains(kFastPathPatchPeer);
    // Once made it stays: the next port needs it soon.
    desired_.patch = !shared.empty() || there;
    if (!desired_.patch) return;
    DesiredPort port;
    port.bridge = node_.integration_bridge;
    build_.desired.ports.insert_or_assign(kFastPathPatch, std::move(port));
    std::string waiting;
    if (!there) {
      waiting = fmt::format("the devices {} and {} are not there yet", kFastPathPatch, kFastPathPatchPeer);
    } else {
      waiting = way_of_open_vswitch();
      if (const auto id = waiting.empty() ? add_patch_port() : std::nullopt) {
        patch_port_ = *id;
        if (!build_.ofport(kFastPathPatch, node_.integration_bridge, "")) {
          waiting = fmt::format("ovs-vswitchd has not assigned an OpenFlow port to {} yet", kFastPathPatch);
        }
      }
    }
    if (!waiting.empty() && !shared.empty()) build_.desired.waiting[object] = waiting;
    for (const LocalSegment* local : shared) {
      std::string reason = trouble_with(local->segment);
      Here* here = reason.empty() ? enter(local->segment, reason) : nullptr;
      if (here != nullptr) here->vlan = local->vlan;
      wait_for_patch(local->segment, reason.empty() ? waiting : reason);
    }
  }

  std::optional<fp::PortId> add_patch_port() {
    return add_port(fp::abi::PortKind::Tagged, kernel_devargs(config_, kFastPathPatchPeer),
                    facts_.links.at(kFastPathPatchPeer).mtu);
  }

  // Ports on Open vSwitch whose network's way out is here.
  void wait_for_patch(const Segment& segment, const std::string& reason) {
    if (reason.empty() || !fast_path_carries(node_, segment)) return;
    for (auto& [id, state] : build_.desired.port_states) {
      const auto port = build_.intent.ports.find(id);
      if (port == build_.intent.ports.end() || !state.local_vlan || !(port->second.segment == segment)) continue;
      if (state.waiting.empty()) state.waiting = reason;
    }
  }

  // --- VTEPs ---

  void vteps() {
    if (!tunnel_port_) return;
    for (const Vtep& vtep : build_.intent.vteps) {
      if (vtep.type != NetworkType::Vxlan || vtep.address == node_.local_ip || !is_needed(build_.intent, vtep))
        continue;
      if (vteps_.contains(vtep.address)) continue;  // two hosts, one address
      const std::string reason = add_vtep(vtep);
      if (!reason.empty()) build_.desired.waiting["vtep " + vtep.address.to_string()] = reason;
    }
  }

  std::string add_vtep(const Vtep& vtep) {
    if (vtep.address.family() != node_.local_ip->family()) {
      return fmt::format("host {}: {} and local_ip {} are of different IP versions; no tunnel to it", vtep.host,
                         vtep.address.to_string(), node_.local_ip->to_string());
    }
    // Open vSwitch would listen on both; the fast path listens on one.
    if (vtep.udp_port != 0 && vtep.udp_port != node_.vxlan_udp_port) {
      return fmt::format(
          "host {} has vxlan_udp_port {}, and this host {}; no tunnel to it: the fast path uses one UDP port, so set "
          "[agent] "
          "vxlan_udp_port alike on both",
          vtep.host, vtep.udp_port, node_.vxlan_udp_port);
    }
    const auto found = facts_.next_hops.find(vtep.address);
    if (found == facts_.next_hops.end()) {
      return fmt::format("host {}: the kernel has no route to {}", vtep.host, vtep.address.to_string());
    }
    const NextHopFact& fact = found->second;
    desired_.next_hops[fact.hop] = fact.resolved;
    if (!fact.mac) {
      return fmt::format("host {}: no answer from {} on {}, the next hop to {}", vtep.host,
                         fact.hop.address.to_string(), fact.hop.link, vtep.address.to_string());
    }
    const auto id = ids_.vtep(vtep.address);
    if (!id) return "the fast path has no number left for another VTEP";
    fp::abi::Vtep record;
    record.id = *id;
    record.port = *tunnel_port_;
    record.ipv6 = vtep.address.is_v6() ? 1 : 0;
    record.dscp = static_cast<std::uint8_t>(node_.dscp.value_or(0));
    // Over IPv6 a checksum is the rule (RFC 6935: its absence is the exception that both ends must allow).
    record.udp_checksum = node_.tunnel_csum || vtep.address.is_v6() ? 1 : 0;
    record.vlan = config_.tunnel_vlan;
    record.udp_port = node_.vxlan_udp_port;
    record.allow_fragments = node_.dont_fragment ? 0 : 1;
    fp::write(record.source_mac, facts_.underlay->mac);
    fp::write(record.next_hop_mac, *fact.mac);
    fp::write(record.local, *node_.local_ip);
    fp::write(record.remote, vtep.address);
    tables().put(record);
    vteps_.emplace(vtep.address, *id);
    return {};
  }

  // --- segments ---

  void attach(fp::PortId port, fp::SegmentId segment, std::uint32_t vlan) {
    tables().put(fp::abi::Attachment{.port = port, .segment = segment, .vlan = static_cast<std::uint16_t>(vlan)});
  }

  void put_fdb(const Here& here, const Mac& mac, fp::PortId port, fp::VtepId vtep) {
    fp::abi::Fdb record;
    record.segment = here.number.id;
    record.port = port;
    record.vtep = vtep;
    fp::write(record.mac, mac);
    tables().put(record);
  }

  void segment(const Here& here) {
    const bool vxlan = here.segment.type == NetworkType::Vxlan;
    fp::abi::Segment record;
    record.id = here.number.id;
    record.mark = here.number.mark;
    record.vni = vxlan ? here.segment.segmentation_id : 0;
    // Where nobody says what other hosts have, it is heard.
    record.learn_age = vxlan && node_.l2_population ? 0 : kLearnAge;
    const auto found = build_.intent.remote.find(here.segment);
    const RemoteSegment* remote = found == build_.intent.remote.end() ? nullptr : &found->second;
    // Where a machine may have a MAC that nobody wrote down, an unknown one is no mistake.
    bool all_known = true;
    for (const Port* port : here.ports) {
      attach(port_ids_.at(port->id), here.number.id, 0);
      put_fdb(here, port->mac, port_ids_.at(port->id), 0);
      all_known = all_known && knows_all_macs(*port);
    }
    if (here.vlan && patch_port_ != 0) {
      attach(patch_port_, here.number.id, here.vlan->value());
      for (const auto& [id, port] : build_.intent.ports) {
        if (!(port.segment == here.segment) || !build_.desired.port_states[id].local_vlan) continue;
        put_fdb(here, port.mac, patch_port_, 0);
        all_known = all_known && knows_all_macs(port);
      }
    }
    if (const auto nic = physnets_.find(here.segment.physical_network); nic != physnets_.end()) {
      attach(nic->second, here.number.id, here.segment.segmentation_id);
    }
    if (vxlan && !node_.l2_population) {
      for (const auto& [address, id] : vteps_) tables().put(fp::abi::Flood{.segment = here.number.id, .vtep = id});
    }
    if (vxlan && remote != nullptr) {
      remote_ports(here, *remote, record);
      all_known = all_known && !remote->any_mac && remote->shared_macs.empty();
    }
    record.drop_unknown = vxlan && node_.drop_unknown_unicast && all_known ? 1 : 0;
    tables().put(record);
  }

  static bool knows_all_macs(const Port& port) {
    return is_checked(port) && std::all_of(port.allowed_address_pairs.begin(), port.allowed_address_pairs.end(),
                                           [&](const AddressPair& pair) { return pair.mac == port.mac; });
  }

  void remote_ports(const Here& here, const RemoteSegment& remote, fp::abi::Segment& record) {
    for (const IpAddress& address : remote.vteps) {
      if (const auto vtep = vteps_.find(address); vtep != vteps_.end()) {
        tables().put(fp::abi::Flood{.segment = here.number.id, .vtep = vtep->second});
      }
    }
    for (const RemotePort& port : remote.ports) {
      const auto vtep = vteps_.find(port.vtep);
      if (vtep == vteps_.end() || tables().fdb.contains({here.number.id, port.mac})) continue;
      if (!remote.shared_macs.contains(port.mac)) put_fdb(here, port.mac, 0, vtep->second);
      for (const IpAddress& address : port.answered) {
        if (address.is_v4() ? !node_.arp_responder : !node_.nd_responder) continue;
        fp::abi::Neighbour neighbour;
        neighbour.segment = here.number.id;
        neighbour.ipv6 = address.is_v6() ? 1 : 0;
        neighbour.router = port.router ? 1 : 0;
        fp::write(neighbour.mac, port.mac);
        fp::write(neighbour.address, address);
        tables().put(neighbour);
        record.answer_neighbours = 1;
      }
    }
  }

  Build& build_;
  const NodeConfig& node_;
  const FastPathConfig& config_;
  const FastPathFacts& facts_;
  DesiredFastPath& desired_;
  FastPathIdAllocation ids_;
  std::optional<fp::PortId> tunnel_port_;
  std::string tunnel_trouble_;
  fp::PortId patch_port_ = 0;  // 0: none
  std::map<std::string, fp::PortId> physnets_;
  std::map<LocalVlanKey, Here> segments_;
  std::map<std::tuple<NetworkType, std::string, std::uint32_t>, Uuid> carriers_;  // and the network that has it
  std::map<Uuid, fp::PortId> port_ids_;
  std::map<IpAddress, fp::VtepId> vteps_;
};

}  // namespace

bool fast_path_carries(const NodeConfig& node, NetworkType type, const std::string& physical_network) {
  const FastPathConfig& config = node.fast_path;
  if (!config.enabled) return false;
  if (type == NetworkType::Vxlan) return !config.tunnel_device.empty() && node.tunnel_types.contains(type);
  const bool provider = type == NetworkType::Flat || type == NetworkType::Vlan;
  return provider && config.physnet_devices.contains(physical_network);
}

void compile_fast_path(Build& build) {
  if (build.node().fast_path.enabled) FastPathTables(build).run();
}

}  // namespace ml2
