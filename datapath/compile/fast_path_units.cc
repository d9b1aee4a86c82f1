// The part of FastPathCompiler that concerns networks: the ports here, their segments, and what other hosts have of these.
#include <fmt/format.h>

#include <algorithm>

#include "datapath/compile/fast_path_compiler.h"

namespace ml2 {
namespace {

constexpr std::uint16_t kUsualMtu = 1500;
constexpr std::uint16_t kLearnAge = 300;  // seconds, as Open vSwitch's bridges (mac-aging-time)
constexpr std::size_t kNameLength = 11;   // of a port's id in the name of its device (neutron_lib constants)

std::string short_id(const Uuid& id) { return id.to_string().substr(0, kNameLength); }

bool knows_all_macs(const Port& port) {
  return is_checked(port) && std::all_of(port.allowed_address_pairs.begin(), port.allowed_address_pairs.end(),
                                         [&](const AddressPair& pair) { return pair.mac == port.mac; });
}

// Whether another host has a port with this MAC.
bool is_far(const Intent& intent, const Segment& segment, const Mac& mac) {
  const auto remote = intent.remote.find(segment);
  if (remote == intent.remote.end()) return false;
  const std::vector<RemotePort>& ports = remote->second.ports;
  const auto found = std::lower_bound(ports.begin(), ports.end(), mac,
                                      [](const RemotePort& port, const Mac& wanted) { return port.mac < wanted; });
  return found != ports.end() && found->mac == mac;
}

void put_fdb(fp::Tables& to, fp::SegmentId segment, const Mac& mac, fp::PortId port, fp::VtepId vtep) {
  fp::abi::Fdb record;
  record.segment = segment;
  record.port = port;
  record.vtep = vtep;
  fp::write(record.mac, mac);
  to.put(record);
}

void attach(fp::Tables& to, fp::PortId port, fp::SegmentId segment, std::uint32_t vlan) {
  to.put(fp::abi::Attachment{.port = port, .segment = segment, .vlan = static_cast<std::uint16_t>(vlan)});
}

void allow(const Port& port, fp::PortId id, fp::Tables& to) {
  to.ports.at(id).spoof_check = 1;
  const auto add = [&](const Mac& mac, const IpNetwork& network) {
    fp::abi::Allowed record;
    record.port = id;
    record.ipv6 = network.address().is_v6() ? 1 : 0;
    record.prefix = static_cast<std::uint8_t>(network.prefix_length());
    fp::write(record.mac, mac);
    fp::write(record.address, network.address());
    to.put(record);
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

}  // namespace

bool FastPathCompiler::serves(const NodeConfig& node, const Port& port) {
  // Routers, DHCP and the like are plugged into Open vSwitch by their agents.
  if (port.device_owner.starts_with("network:")) return false;
  return port.vhost_user || node.fast_path.all_ports;
}

// The segment among those that are here; nullptr, and the reason: it cannot be.
FastPathCompiler::Here* FastPathCompiler::enter(Step& step, const Segment& segment, std::string& reason) {
  const LocalVlanKey key = key_of(segment);
  if (const auto found = segments_.find(key); found != segments_.end()) {
    if (found->second.segment == segment) return &found->second;
    regular_ = false;
    reason = fmt::format("network {} has another segment with segmentation_id {} on this host",
                         key.network.to_string(), key.segmentation_id);
    return nullptr;
  }
  if (segment.type != NetworkType::Local) {
    const auto [owner, first] = carriers_.emplace(carrier_of(segment), key);
    if (!first) {
      regular_ = false;
      reason = fmt::format("network {} uses the same {} segment on this host", owner->second.network.to_string(),
                           to_string(segment.type));
      return nullptr;
    }
  }
  const auto number = step.ids.segment(segment);
  if (!number) {
    regular_ = false;
    reason = "the fast path has no number left for another segment";
    return nullptr;
  }
  if (number->mark != mark_of(segment)) regular_ = false;  // another has it: which, their order says
  if (step.changes != nullptr) step.changes->ids.segments.insert(number->mark);
  step.reach.insert(key);
  Here here;
  here.segment = segment;
  here.number = *number;
  return &segments_.emplace(key, std::move(here)).first->second;
}

void FastPathCompiler::join(Step& step, const Port& port, Here& here, const std::string& device) {
  const LocalVlanKey key = key_of(here.segment);
  Member& member = members_[port.id];
  member.key = key;
  member.mac = port.mac;
  member.device = device;
  if (!device.empty()) {
    here.machines.insert(port.id);
    if (devices_.try_emplace(device, port.id).first->second != port.id) regular_ = false;
  }
  ++here.macs[port.mac];
  if (!knows_all_macs(port)) here.any_mac.insert(port.id);
  step.touched.insert(key);
  if (is_far(step.build.intent, here.segment, port.mac)) step.reach.insert(key);
}

void FastPathCompiler::leave(Step& step, const Uuid& id, Member& member) {
  if (!member.key) return;
  Here& here = segments_.at(*member.key);
  here.machines.erase(id);
  here.any_mac.erase(id);
  if (const auto mac = here.macs.find(member.mac); --mac->second == 0) here.macs.erase(mac);
  if (!member.device.empty()) devices_.erase(member.device);
  step.touched.insert(*member.key);
  if (is_far(step.build.intent, here.segment, member.mac)) step.reach.insert(*member.key);
  member.key.reset();
  member.device.clear();
}

// A port that the fast path serves.
fp::Tables FastPathCompiler::machine(Step& step, const Port& port, PortState& state) {
  const NodeConfig& node = step.node();
  fp::Tables next;
  state.waiting = trouble_with(port.segment);
  if (!state.waiting.empty()) return next;
  std::string devargs;
  if (port.vhost_user) {
    state.interface = "vhu" + short_id(port.id);
    // `client` is our end: where QEMU serves we connect, and again whenever it has restarted. `tso`: the machine may leave
    // long TCP and checksums to us, and take them so.
    devargs =
        fmt::format("net_vhost_{},iface={}/{},queues={},client={},tso=1", state.interface, node.vhostuser_socket_dir,
                    state.interface, step.config().queues, step.config().qemu_serves ? 1 : 0);
  } else {
    const std::string name = "tap" + short_id(port.id);
    if (!step.facts().links.contains(name)) {
      state.waiting =
          fmt::format("no interface with external_ids:iface-id={} on {}, and no device {} for the fast path",
                      port.id.to_string(), node.integration_bridge, name);
      return next;
    }
    devargs = kernel_devargs(step.config(), name);
    state.interface = name;
  }
  Here* here = enter(step, port.segment, state.waiting);
  if (here == nullptr) return next;
  const auto id = add_port(step, next, fp::abi::PortKind::Access, devargs, port.mtu != 0 ? port.mtu : kUsualMtu);
  if (!id) {
    state.waiting = "the fast path has no number left for another port";
    return next;
  }
  state.fast_path_port = *id;
  const std::string device = device_name(devargs);
  if (step.changes != nullptr) step.changes->ids.ports.insert(device);
  join(step, port, *here, device);
  if (node.anti_spoofing && is_checked(port)) allow(port, *id, next);
  attach(next, *id, here->number.id, 0);
  put_fdb(next, here->number.id, port.mac, *id, 0);
  return next;
}

// A port that Open vSwitch serves: what is here of its segment is reached by the patch.
fp::Tables FastPathCompiler::beside(Step& step, const Port& port, PortState& state) {
  fp::Tables next;
  const LocalVlanKey key = key_of(port.segment);
  if (fast_path_carries(step.node(), port.segment) && state.waiting.empty()) {
    state.waiting = trouble_with(port.segment);
    const auto refusal = refusals_.find(key);
    if (state.waiting.empty()) state.waiting = refusal == refusals_.end() ? patch_waiting_ : refusal->second;
  }
  const auto here = segments_.find(key);
  if (patch_port_ == 0 || here == segments_.end() || !here->second.vlan || here->second.segment != port.segment) {
    return next;
  }
  join(step, port, here->second, "");
  put_fdb(next, here->second.number.id, port.mac, patch_port_, 0);
  return next;
}

// What other hosts have of it.
fp::Tables FastPathCompiler::reach(Step& step, Here& here) const {
  const NodeConfig& node = step.node();
  fp::Tables next;
  here.far_known = true;
  here.answers = false;
  if (here.segment.type != NetworkType::Vxlan) return next;
  const fp::SegmentId id = here.number.id;
  const auto vtep_of = [&](const IpAddress& address) {
    const auto found = vteps_.find(address);
    return found == vteps_.end() ? fp::VtepId{0} : found->second.id;
  };
  if (!node.l2_population) {
    for (const auto& [address, end] : vteps_) {
      if (end.id != 0) next.put(fp::abi::Flood{.segment = id, .vtep = end.id});
    }
  }
  const auto found = step.build.intent.remote.find(here.segment);
  if (found == step.build.intent.remote.end()) return next;
  const RemoteSegment& remote = found->second;
  here.far_known = !remote.any_mac && remote.shared_macs.empty();
  for (const IpAddress& address : remote.vteps) {
    if (const fp::VtepId vtep = vtep_of(address); vtep != 0) next.put(fp::abi::Flood{.segment = id, .vtep = vtep});
  }
  for (const RemotePort& port : remote.ports) {
    const fp::VtepId vtep = vtep_of(port.vtep);
    if (vtep == 0 || here.macs.contains(port.mac) || next.fdb.contains({id, port.mac})) continue;
    if (!remote.shared_macs.contains(port.mac)) put_fdb(next, id, port.mac, 0, vtep);
    for (const IpAddress& address : port.answered) {
      if (address.is_v4() ? !node.arp_responder : !node.nd_responder) continue;
      fp::abi::Neighbour neighbour;
      neighbour.segment = id;
      neighbour.ipv6 = address.is_v6() ? 1 : 0;
      neighbour.router = port.router ? 1 : 0;
      fp::write(neighbour.mac, port.mac);
      fp::write(neighbour.address, address);
      next.put(neighbour);
      here.answers = true;
    }
  }
  return next;
}

// The segment itself, and the devices by which it leaves.
fp::Tables FastPathCompiler::itself(Step& step, const Here& here) const {
  const NodeConfig& node = step.node();
  const bool vxlan = here.segment.type == NetworkType::Vxlan;
  fp::Tables next;
  fp::abi::Segment record;
  record.id = here.number.id;
  record.mark = here.number.mark;
  record.vni = vxlan ? here.segment.segmentation_id : 0;
  // Where nobody says what other hosts have, it is heard.
  record.learn_age = vxlan && node.l2_population ? 0 : kLearnAge;
  record.answer_neighbours = here.answers ? 1 : 0;
  // Where a machine may have a MAC that nobody wrote down, an unknown one is no mistake.
  record.drop_unknown = vxlan && node.drop_unknown_unicast && here.any_mac.empty() && here.far_known ? 1 : 0;
  next.put(record);
  if (here.vlan && patch_port_ != 0) attach(next, patch_port_, here.number.id, here.vlan->value());
  if (const auto nic = physnets_.find(here.segment.physical_network); nic != physnets_.end()) {
    attach(next, nic->second, here.number.id, here.segment.segmentation_id);
  }
  return next;
}

}  // namespace ml2
