// The part of FastPathCompiler that concerns the host: its NICs, the patch to the integration bridge, the other hosts' VTEPs.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "datapath/base/text.h"
#include "datapath/compile/fast_path_compiler.h"

namespace ml2 {
namespace {

fp::abi::Port port_record(fp::PortId id, fp::abi::PortKind kind, const std::string& devargs, std::size_t mtu) {
  fp::abi::Port record;
  record.id = id;
  record.kind = kind;
  record.mtu = static_cast<std::uint16_t>(std::min<std::size_t>(mtu, 9600));
  // A longer one is cut, and then refused by the fast path.
  std::strncpy(record.devargs, devargs.c_str(), sizeof(record.devargs) - 1);
  return record;
}

}  // namespace

std::string kernel_devargs(const FastPathConfig& config, const std::string& link) {
  if (config.kernel_driver == "net_af_xdp") {
    return fmt::format("net_af_xdp_{0},iface={0},start_queue=0,queue_count={1}", link, config.queues);
  }
  return fmt::format("net_af_packet_{0},iface={0},qpairs={1}", link, config.queues);
}

bool fast_path_carries(const NodeConfig& node, NetworkType type, const std::string& physical_network) {
  const FastPathConfig& config = node.fast_path;
  if (!config.enabled) return false;
  if (type == NetworkType::Vxlan) return !config.tunnel_device.empty() && node.tunnel_types.contains(type);
  const bool provider = type == NetworkType::Flat || type == NetworkType::Vlan;
  return provider && config.physnet_devices.contains(physical_network);
}

std::optional<fp::PortId> FastPathCompiler::add_port(Step& step, fp::Tables& to, fp::abi::PortKind kind,
                                                     const std::string& devargs, std::size_t mtu) {
  const auto id = step.ids.port(device_name(devargs));
  if (!id) {
    regular_ = false;
    return std::nullopt;
  }
  fp::abi::Port record = port_record(*id, kind, devargs, mtu);
  record.queues = step.config().queues;
  to.put(record);
  return id;
}

// --- NICs ---

void FastPathCompiler::uplinks(Step& step) {
  if (fast_path_carries(step.node(), NetworkType::Vxlan, {})) tunnel_uplink(step);
  for (const auto& [physical_network, devargs] : step.config().physnet_devices) {
    if (tunnel_port_ && devargs == step.config().tunnel_device) {
      physnets_[physical_network] = *tunnel_port_;
    } else if (const auto id =
                   add_port(step, step.tables(), fp::abi::PortKind::Tagged, devargs, step.config().physnet_mtu)) {
      physnets_[physical_network] = *id;
    }
  }
}

void FastPathCompiler::tunnel_uplink(Step& step) {
  const NodeConfig& node = step.node();
  const std::optional<FastPathLink>& underlay = step.facts().underlay;
  const std::string& host_device = step.config().host_device;
  if (!underlay) {
    tunnel_trouble_ = fmt::format("local_ip {} is not an address of this host",
                                  node.local_ip ? node.local_ip->to_string() : "(not set)");
    if (!host_device.empty())
      tunnel_trouble_ +=
          fmt::format(": give it to the kernel's end of tunnel_host_device {}", text::printable(host_device));
    step.desired.waiting["fast path tunnels"] = tunnel_trouble_;
    // The interface that is to have the address may be one that only the host's device makes (net_tap, net_virtio_user): so
    // it is opened all the same, with the NIC behind it, which ends no tunnel before it has a MAC.
    if (!node.local_ip || host_device.empty()) return;
  }
  const std::size_t mtu = underlay ? underlay->mtu : step.config().physnet_mtu;
  tunnel_port_ = add_port(step, step.tables(), fp::abi::PortKind::Tagged, step.config().tunnel_device, mtu);
  if (!tunnel_port_) return;
  fp::abi::Port& record = step.tables().ports.at(*tunnel_port_);
  record.tunnel = 1;
  record.local_ipv6 = node.local_ip->is_v6() ? 1 : 0;
  record.tunnel_vlan = step.config().tunnel_vlan;
  record.udp_port = node.vxlan_udp_port;
  if (underlay) fp::write(record.mac, underlay->mac);
  fp::write(record.local, *node.local_ip);
  if (host_device.empty()) return;
  const auto host = add_port(step, step.tables(), fp::abi::PortKind::Wire, host_device, mtu);
  if (!host) return;
  step.tables().ports.at(*host).peer = *tunnel_port_;
  step.tables().ports.at(*tunnel_port_).peer = *host;
}

// Why the segment cannot be served; empty when it can.
std::string FastPathCompiler::trouble_with(const Segment& segment) const {
  switch (segment.type) {
    case NetworkType::Local: return {};
    case NetworkType::Flat:
    case NetworkType::Vlan:
      if (physnets_.contains(segment.physical_network)) return {};
      return fmt::format("physical network {} is not in [fastpath] physnet_devices of this host",
                         text::printable(segment.physical_network));
    case NetworkType::Vxlan:
      if (has_tunnels()) return {};
      return tunnel_trouble_.empty() ? "[fastpath] tunnel_device is not set on this host, so the fast path has no "
                                       "way to the other hosts of a vxlan network"
                                     : tunnel_trouble_;
    case NetworkType::Gre:
    case NetworkType::Geneve: break;
  }
  return fmt::format("the fast path carries no {}", to_string(segment.type));
}

// --- the patch to the integration bridge ---

namespace {

// While Open vSwitch still has a way of its own for what the fast path carries, the patch would close a loop.
std::string way_of_open_vswitch(const Build& build) {
  const NodeConfig& node = build.node();
  for (const auto& [name, fact] : build.facts.interfaces) {
    if (fact.bridge == node.tunnel_bridge && fact.type == to_string(NetworkType::Vxlan) &&
        fast_path_carries(node, NetworkType::Vxlan, {})) {
      return fmt::format("tunnel port {} of Open vSwitch is still there", name);
    }
  }
  for (const UnmappedBridge& unmapped : build.unmapped) {
    if (unmapped.joined)
      return fmt::format("bridge {} is still joined to {}", unmapped.bridge, node.integration_bridge);
  }
  return {};
}

}  // namespace

void FastPathCompiler::patch(Step& step, const std::map<LocalVlanKey, LocalSegment>& local) {
  for (const auto& [key, segment] : local) {
    if (segments_.contains(key) || fast_path_carries(step.node(), segment.segment)) shared_.insert(key);
  }
  const auto& links = step.facts().links;
  const auto far = links.find(kFastPathPatchPeer);
  const bool there = links.contains(kFastPathPatch) && far != links.end();
  if (!there) {
    patch_waiting_ = fmt::format("the devices {} and {} are not there yet", kFastPathPatch, kFastPathPatchPeer);
  } else {
    patch_waiting_ = way_of_open_vswitch(step.build);
    const auto id = patch_waiting_.empty()
                        ? add_port(step, step.tables(), fp::abi::PortKind::Tagged,
                                   kernel_devargs(step.config(), kFastPathPatchPeer), far->second.mtu)
                        : std::nullopt;
    if (id) {
      patch_port_ = *id;
      if (!step.build.ofport(kFastPathPatch, step.node().integration_bridge, "")) {
        patch_waiting_ = fmt::format("ovs-vswitchd has not assigned an OpenFlow port to {} yet", kFastPathPatch);
      }
    }
  }
  // Once made it stays: the next port needs it soon.
  step.desired.fast_path.patch = !shared_.empty() || there;
  if (!step.desired.fast_path.patch) return;
  DesiredPort port;
  port.bridge = step.node().integration_bridge;
  step.desired.ports.insert_or_assign(kFastPathPatch, std::move(port));
  if (!patch_waiting_.empty() && !shared_.empty()) {
    step.desired.waiting[std::string("patch ") + kFastPathPatch] = patch_waiting_;
  }
  for (const LocalVlanKey& key : shared_) {
    const LocalSegment& shared = local.at(key);
    std::string reason = trouble_with(shared.segment);
    if (!reason.empty()) continue;
    if (Here* here = enter(step, shared.segment, reason); here != nullptr) {
      here->vlan = shared.vlan;
    } else {
      refusals_[key] = reason;
    }
  }
}

// --- VTEPs ---

// What there is to be of the VTEP with this address, and which next hop the kernel shall know for it.
fp::Tables FastPathCompiler::far_end(Step& step, const IpAddress& address) {
  fp::Tables next;
  if (step.changes != nullptr) step.changes->next_hops = true;
  FarEnd& end = vteps_[address];
  const std::string object = "vtep " + address.to_string();
  step.desired.waiting.erase(object);
  const fp::VtepId before = std::exchange(end.id, 0);
  if (end.hop) {
    std::set<IpAddress>& behind = hops_.at(*end.hop);
    behind.erase(address);
    if (behind.empty()) {
      step.desired.fast_path.next_hops.erase(*end.hop);
      hops_.erase(*end.hop);
    }
    end.hop.reset();
  }
  const std::set<Vtep>& vteps = step.build.intent.vteps;
  for (auto vtep = vteps.lower_bound(Vtep{.type = NetworkType::Vxlan, .address = address, .host = {}});
       vtep != vteps.end() && vtep->type == NetworkType::Vxlan && vtep->address == address && end.id == 0; ++vtep) {
    if (address == step.node().local_ip || !is_needed(step.build.intent, *vtep)) continue;
    const std::string reason = vtep_record(step, *vtep, end, next);
    if (!reason.empty()) step.desired.waiting[object] = reason;
  }
  if (end.id == before) return next;
  if (end.id == 0) step.desired.fast_path.ids.vteps.take(address);
  if (step.changes == nullptr) return next;
  step.changes->ids.vteps.insert(address);
  for (const auto& [key, here] : segments_) {
    if (here.segment.type != NetworkType::Vxlan) continue;
    const auto remote = step.build.intent.remote.find(here.segment);
    const bool concerned = !step.node().l2_population ||
                           (remote != step.build.intent.remote.end() && remote->second.vteps.contains(address));
    if (concerned) step.reach.insert(key);
  }
  return next;
}

// Answers why not; empty when it is in `next`. (It may wait for its next hop all the same.)
std::string FastPathCompiler::vtep_record(Step& step, const Vtep& vtep, FarEnd& end, fp::Tables& next) {
  const NodeConfig& node = step.node();
  if (vtep.address.family() != node.local_ip->family()) {
    return fmt::format("host {}: {} and local_ip {} are of different IP versions; no tunnel to it", vtep.host,
                       vtep.address.to_string(), node.local_ip->to_string());
  }
  // Open vSwitch would listen on both; the fast path listens on one.
  if (vtep.udp_port != 0 && vtep.udp_port != node.vxlan_udp_port) {
    return fmt::format(
        "host {} has vxlan_udp_port {}, and this host {}; no tunnel to it: the fast path uses one UDP port, so set "
        "[agent] "
        "vxlan_udp_port alike on both",
        vtep.host, vtep.udp_port, node.vxlan_udp_port);
  }
  const auto found = step.facts().next_hops.find(vtep.address);
  if (found == step.facts().next_hops.end()) {
    return fmt::format("host {}: the kernel has no route to {}", vtep.host, vtep.address.to_string());
  }
  const NextHopFact& fact = found->second;
  step.desired.fast_path.next_hops[fact.hop] = fact.resolved;
  hops_[fact.hop].insert(vtep.address);
  end.hop = fact.hop;
  if (!fact.mac) {
    return fmt::format("host {}: no answer from {} on {}, the next hop to {}", vtep.host,
                       fact.hop.address.to_string(), fact.hop.link, vtep.address.to_string());
  }
  const auto id = step.ids.vtep(vtep.address);
  if (!id) {
    regular_ = false;
    return "the fast path has no number left for another VTEP";
  }
  fp::abi::Vtep record;
  record.id = *id;
  record.port = *tunnel_port_;
  record.ipv6 = vtep.address.is_v6() ? 1 : 0;
  // As with Open vSwitch's tos=inherit: what is not IP has 0.
  record.dscp = static_cast<std::uint8_t>(node.dscp_inherit ? 0 : node.dscp.value_or(0));
  record.inherit_dscp = node.dscp_inherit ? 1 : 0;
  // Over IPv6 a checksum is the rule (RFC 6935: its absence is the exception that both ends must allow).
  record.udp_checksum = node.tunnel_csum || vtep.address.is_v6() ? 1 : 0;
  record.vlan = step.config().tunnel_vlan;
  record.udp_port = node.vxlan_udp_port;
  record.allow_fragments = node.dont_fragment ? 0 : 1;
  fp::write(record.source_mac, step.facts().underlay->mac);
  fp::write(record.next_hop_mac, *fact.mac);
  fp::write(record.local, *node.local_ip);
  fp::write(record.remote, vtep.address);
  next.put(record);
  end.id = *id;
  if (!fact.resolved) {
    step.desired.waiting["vtep " + vtep.address.to_string()] =
        fmt::format("host {}: no answer from {} on {}, the next hop to {}; its last known MAC {} is used", vtep.host,
                    fact.hop.address.to_string(), fact.hop.link, vtep.address.to_string(), fact.mac->to_string());
  }
  return {};
}

}  // namespace ml2
