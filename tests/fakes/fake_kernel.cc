#include "tests/fakes/fake_kernel.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "datapath/base/check.h"
#include "datapath/base/poll_loop.h"

namespace ml2::nl {
namespace {

// Metric of IPv6 routes that the kernel makes for addresses, and of those that come without one
// (IP6_RT_PRIO_ADDRCONF, IP6_RT_PRIO_USER of include/uapi/linux/ipv6_route.h).
constexpr std::uint32_t kIpv6AddressMetric = 256;
constexpr std::uint32_t kIpv6UserMetric = 1024;

// 0 or an errno; `detail` is what NlKernel would add.
struct Answer {
  int error_number = 0;
  std::string detail{};

  [[nodiscard]] bool ok() const { return error_number == 0; }
};

bool is_link_local(const IpAddress& address) {
  return address.is_v6() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0U) == 0x80;
}

}  // namespace

// The effect of one operation on the host.
struct FakeHost::Apply {
  FakeHost& host;
  const std::string& path;  // the namespace it is carried out in

  [[nodiscard]] Netns& here() const { return host.netns_.at(path); }
  [[nodiscard]] Netns* find_netns(const NetnsRef& ref) const {
    auto it = host.netns_.find(ref.path);
    return it == host.netns_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] static Answer no_netns(const NetnsRef& ref) { return {ENOENT, "network namespace " + ref.path}; }
  [[nodiscard]] Link* link(const std::string& name) const {
    auto it = here().state.link_names.find(name);
    return it == here().state.link_names.end() ? nullptr : &here().state.links.at(it->second);
  }

  // --- links

  [[nodiscard]] Answer create(const std::string& name, const char* kind) const {
    if (link(name) != nullptr) return {EEXIST, {}};
    host.add_link(here(), {.index = IfIndex::of<1>(), .name = name, .mtu = 1500, .kind = kind});
    return {};
  }

  Answer operator()(const CreateVeth& op) const {
    Netns* peer_netns = &here();
    std::string peer_path = path;
    if (op.peer_netns) {
      peer_netns = find_netns(*op.peer_netns);
      if (peer_netns == nullptr) return no_netns(*op.peer_netns);
      peer_path = op.peer_netns->path;
    }
    if (link(op.name) != nullptr || find_link(peer_netns->state, op.peer_name) != nullptr) return {EEXIST, {}};
    // The kernel makes the peer first (drivers/net/veth.c: veth_newlink).
    const std::uint32_t mtu = op.mtu.value_or(1500);
    const IfIndex far = host.add_link(*peer_netns, {.index = IfIndex::of<1>(),
                                                    .name = op.peer_name,
                                                    .mac = op.peer_mac.value_or(Mac()),
                                                    .mtu = mtu,
                                                    .kind = "veth"});
    const IfIndex near = host.add_link(
        here(),
        {.index = IfIndex::of<1>(), .name = op.name, .mac = op.mac.value_or(Mac()), .mtu = mtu, .kind = "veth"});
    join(path, near, peer_path, far);
    join(peer_path, far, path, near);
    return {};
  }

  // Tells one end of a veth where the other is.
  void join(const std::string& from_path, IfIndex from, const std::string& to_path, IfIndex to) const {
    Netns& netns = host.netns_.at(from_path);
    netns.devices.at(from).peer = Place{.netns = to_path, .index = to};
    Link& end = netns.state.links.at(from);
    end.peer = to;
    end.peer_netnsid = std::nullopt;
    if (from_path != to_path) {
      end.peer_netnsid = netns.ids.try_emplace(to_path, static_cast<std::int32_t>(netns.ids.size())).first->second;
    }
  }

  Answer operator()(const CreateTap& op) const { return create(op.name, "tun"); }
  Answer operator()(const CreateBridge& op) const { return create(op.name, "bridge"); }
  Answer operator()(const CreateDummy& op) const { return create(op.name, "dummy"); }
  Answer operator()(const CreateVxlan& op) const { return create(op.name, "vxlan"); }

  void remove(const std::string& from, IfIndex index) const {
    Netns& netns = host.netns_.at(from);
    netns.state.erase_link(index);
    netns.devices.erase(index);
    for (auto& [other_index, other] : netns.state.links) {
      if (other.master == index) other.master = std::nullopt;
    }
  }

  Answer operator()(const DeleteLink& op) const {
    const Link* found = link(op.name);
    if (found == nullptr) return {ENODEV, {}};
    if (found->kind.empty()) return {EOPNOTSUPP, {}};  // lo, hardware
    const IfIndex index = found->index;
    const std::optional<Place> peer = here().devices.at(index).peer;
    remove(path, index);
    if (peer) remove(peer->netns, peer->index);
    return {};
  }

  Answer operator()(const SetLink& op) const {
    Link* found = link(op.name);
    if (found == nullptr) return {ENODEV, {}};
    Link changed = *found;
    if (op.master && !op.master->empty()) {
      const Link* master = link(*op.master);
      if (master == nullptr) return {ENODEV, "master " + *op.master};
      if (master->kind != "bridge") return {EOPNOTSUPP, {}};
      if (master->index == changed.index) return {ELOOP, {}};
      changed.master = master->index;
    } else if (op.master) {
      changed.master = std::nullopt;
    }
    if (op.rename && *op.rename != op.name) {
      if (link(*op.rename) != nullptr) return {EEXIST, {}};
      changed.name = *op.rename;
    }
    if (op.mtu) changed.mtu = *op.mtu;
    if (op.mac) changed.mac = *op.mac;
    if (op.alias) changed.alias = *op.alias;
    if (op.up) changed.up = *op.up;
    const Link before = *found;
    here().state.put(changed);
    if (before.master != changed.master) change_master(before, changed);
    if (before.up && !changed.up) went_down(here(), changed.index);
    if (!before.up && changed.up) went_up(changed);
    return {};
  }

  // A bridge has an entry of its own for the MAC of each port.
  void change_master(const Link& before, const Link& after) const {
    std::erase_if(here().state.fdb, [&](const auto& item) {
      return before.master && item.second.link == before.index && item.second.bridge == before.master;
    });
    if (after.master) {
      here().state.put(FdbEntry{.link = after.index, .mac = after.mac, .bridge = after.master});
    }
  }

  void went_up(const Link& up) const {
    if (up.name == "lo") {
      here().state.put(Address{up.index, IpAddress::v4({127, 0, 0, 1}), 8, Scope::Host});
      here().state.put(Address{up.index, *IpAddress::parse("::1"), 128, Scope::Host});
    }
    for (const auto& [key, address] : here().state.addresses) {
      if (address.link == up.index) add_connected_route(address);
    }
  }

  // What the kernel flushes with IFF_UP: routes, neighbours, and IPv6 addresses (sysctl keep_addr_on_down is 0).
  static void went_down(Netns& netns, IfIndex index) {
    std::erase_if(netns.state.routes, [&](const Route& route) { return route.oif == index; });
    std::erase_if(netns.state.neighbours, [&](const auto& item) { return item.second.link == index; });
    std::erase_if(netns.state.addresses,
                  [&](const auto& item) { return item.second.link == index && item.second.address.is_v6(); });
  }

  Answer operator()(const MoveToNetns& op) const {
    Netns* target = find_netns(op.netns);
    if (target == nullptr) return no_netns(op.netns);
    const Link* found = link(op.name);
    if (found == nullptr) return {ENODEV, {}};
    if (found->name == "lo" || found->kind == "bridge") return {EINVAL, {}};
    Link moved = *found;
    if (op.new_name) moved.name = *op.new_name;
    if (find_link(target->state, moved.name) != nullptr) return {EEXIST, {}};
    const Device device = here().devices.at(moved.index);
    remove(path, moved.index);
    moved.up = false;
    moved.master = std::nullopt;
    const IfIndex index = host.add_link(*target, moved);
    target->devices.at(index) = device;
    if (device.peer) {
      join(op.netns.path, index, device.peer->netns, device.peer->index);
      join(device.peer->netns, device.peer->index, op.netns.path, index);
    }
    return {};
  }

  // --- addresses and routes

  void add_connected_route(const Address& address) const {
    const auto dst = IpNetwork::make(address.address, address.prefix_length);
    if (!dst || address.address.is_loopback()) return;
    if (address.address.is_v4() && address.prefix_length == 32) return;
    here().state.routes.insert({.dst = *dst,
                                .oif = address.link,
                                .protocol = kProtocolKernel,
                                .priority = address.address.is_v6() ? kIpv6AddressMetric : 0});
  }

  Answer operator()(const AddAddress& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    Address address{.link = found->index, .address = op.address, .prefix_length = op.prefix_length};
    if (op.address.is_loopback()) address.scope = Scope::Host;
    if (is_link_local(op.address)) address.scope = Scope::Link;
    if (here().state.addresses.contains(address.key())) return {EEXIST, {}};
    here().state.put(address);
    if (found->up) add_connected_route(address);
    return {};
  }

  Answer operator()(const DeleteAddress& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    const Address address{.link = found->index, .address = op.address, .prefix_length = op.prefix_length};
    if (here().state.addresses.erase(address.key()) == 0) return {EADDRNOTAVAIL, {}};
    const auto dst = IpNetwork::make(op.address, op.prefix_length);
    std::erase_if(here().state.routes, [&](const Route& route) {
      return route.oif == found->index && route.protocol == kProtocolKernel && dst && route.dst == *dst;
    });
    return {};
  }

  // The link whose connected route leads to `gateway`.
  [[nodiscard]] std::optional<IfIndex> link_towards(const IpAddress& gateway) const {
    for (const Route& route : here().state.routes) {
      if (!route.gateway && route.dst.contains(gateway)) return route.oif;
    }
    return std::nullopt;
  }

  Answer operator()(const ReplaceRoute& op) const {
    std::optional<IfIndex> oif;
    if (!op.link.empty()) {
      const Link* found = link(op.link);
      if (found == nullptr) return {ENODEV, {}};
      if (!found->up) return {ENETDOWN, {}};
      oif = found->index;
    }
    if (op.gateway) {
      const auto towards = link_towards(*op.gateway);
      if (!towards || (oif && *oif != *towards)) {
        return {op.dst.address().is_v4() ? ENETUNREACH : EHOSTUNREACH, {}};
      }
      oif = towards;
    }
    Route route{op.dst, op.gateway, oif, op.protocol, op.table, op.priority};
    if (op.dst.address().is_v6() && op.priority == 0) route.priority = kIpv6UserMetric;
    std::erase_if(here().state.routes, [&](const Route& other) {
      return other.dst == route.dst && other.table == route.table && other.priority == route.priority;
    });
    here().state.routes.insert(route);
    return {};
  }

  Answer operator()(const DeleteRoute& op) const {
    std::optional<IfIndex> oif;
    if (!op.link.empty()) {
      const Link* found = link(op.link);
      if (found == nullptr) return {ENODEV, {}};
      oif = found->index;
    }
    auto& routes = here().state.routes;
    for (auto it = routes.begin(); it != routes.end(); ++it) {
      if (it->dst != op.dst || it->table != op.table) continue;
      if ((op.gateway && it->gateway != op.gateway) || (oif && it->oif != oif)) continue;
      if ((op.priority != 0 && it->priority != op.priority) || (op.protocol != 0 && it->protocol != op.protocol)) {
        continue;
      }
      routes.erase(it);
      return {};
    }
    return {ESRCH, {}};
  }

  // --- neighbours and FDB

  Answer operator()(const ReplaceNeighbour& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    here().state.put(Neighbour{.link = found->index, .address = op.address, .mac = op.mac});
    return {};
  }

  Answer operator()(const DeleteNeighbour& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    return {here().state.neighbours.erase({found->index, op.address}) == 0 ? ENOENT : 0, {}};
  }

  // The other end of a veth answers when it has the address; nobody else does.
  Answer operator()(const ResolveNeighbour& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    if (!found->running || here().state.neighbours.contains({found->index, op.address})) return {};
    const auto& peer = here().devices.at(found->index).peer;
    if (!peer) return {};
    const Netns& there = host.netns_.at(peer->netns);
    const Link& far = there.state.links.at(peer->index);
    const bool answers = std::any_of(
        there.state.addresses.begin(), there.state.addresses.end(),
        [&](const auto& entry) { return entry.second.link == far.index && entry.second.address == op.address; });
    if (!answers) return {};
    here().state.put(
        Neighbour{.link = found->index, .address = op.address, .mac = far.mac, .state = NeighbourState::Reachable});
    return {};
  }

  Answer operator()(const ReplaceFdb& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    FdbEntry entry{.link = found->index, .mac = op.mac, .bridge = {}, .vlan = op.vlan, .dst = op.dst, .vni = op.vni};
    if (op.in_bridge) {
      if (!found->master) return {EOPNOTSUPP, {}};
      entry.bridge = found->master;
      entry.state = FdbState::Static;
    }
    here().state.put(entry);
    return {};
  }

  Answer operator()(const DeleteFdb& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    if (op.in_bridge && !found->master) return {EOPNOTSUPP, {}};
    const auto erased = std::erase_if(here().state.fdb, [&](const auto& item) {
      const FdbEntry& entry = item.second;
      const bool in_table = op.in_bridge ? entry.bridge == found->master : !entry.bridge;
      return entry.link == found->index && entry.mac == op.mac && in_table && entry.vlan == op.vlan &&
             entry.vni == op.vni && (!op.dst || entry.dst == op.dst);
    });
    return {erased == 0 ? ENOENT : 0, {}};
  }

  Answer operator()(const SetOffloads& op) const {
    const Link* found = link(op.link);
    if (found == nullptr) return {ENODEV, {}};
    // TSO without the checksum offload is not possible (net/core/dev.c: netdev_fix_features).
    here().devices.at(found->index).offloads = {op.tx_checksum, op.tso && op.tx_checksum, op.gso};
    return {};
  }
};

FakeHost::FakeHost() { add_netns({}); }

void FakeHost::add_netns(const NetnsRef& netns) {
  auto [it, added] = netns_.try_emplace(netns.path);
  if (added) add_link(it->second, {.index = IfIndex::of<1>(), .name = "lo", .mtu = 65536});
}

// Gives the link the index it has when that is free, or the next one, and a MAC when it has none.
IfIndex FakeHost::add_link(Netns& netns, Link link) {
  if (netns.state.links.contains(link.index)) link.index = *IfIndex::make(netns.last_index + 1);
  netns.last_index = std::max(netns.last_index, link.index.value());
  if (link.mac.is_zero() && link.name != "lo") {
    ++macs_drawn_;
    link.mac = Mac({0x0a, 0, 0, static_cast<std::uint8_t>(macs_drawn_ >> 16U),
                    static_cast<std::uint8_t>(macs_drawn_ >> 8U), static_cast<std::uint8_t>(macs_drawn_)});
  }
  netns.devices[link.index] = {};
  netns.state.put(link);
  return link.index;
}

IfIndex FakeHost::add_device(const std::string& name, Mac mac, const std::string& kind, const NetnsRef& netns) {
  auto it = netns_.find(netns.path);
  ML2_CHECK(it != netns_.end(), "a test names a namespace that it did not add");
  return add_link(it->second, {.index = IfIndex::of<1>(), .name = name, .mac = mac, .mtu = 1500, .kind = kind});
}

void FakeHost::set_carrier(const std::string& name, bool carrier, const NetnsRef& netns) {
  auto it = netns_.find(netns.path);
  const Link* link = it == netns_.end() ? nullptr : find_link(it->second.state, name);
  ML2_CHECK(link != nullptr, "a test names a device that is not there");
  it->second.devices.at(link->index).carrier = carrier;
  update_running(netns_);
}

// Operational state of all links, from their own and their neighbours' states. Bridges after what they consist of.
void FakeHost::update_running(std::map<std::string, Netns>& all) {
  for (auto& [path, netns] : all) {
    for (auto& [index, link] : netns.state.links) {
      const Device& device = netns.devices.at(index);
      link.running = link.up && device.carrier && link.kind != "tun";  // a tap runs when somebody has it open
      if (device.peer) {
        link.running = link.running && all.at(device.peer->netns).state.links.at(device.peer->index).up;
      }
    }
    for (auto& [index, link] : netns.state.links) {
      if (link.kind != "bridge") continue;
      bool any_port = false;
      for (const auto& [port_index, port] : netns.state.links) {
        any_port = any_port || (port.master == link.index && port.running);
      }
      link.running = link.up && any_port;
    }
  }
}

FakeKernel::FakeKernel(FakeHost& host, NetnsRef netns, Monitor monitor)
    : host_(host), netns_(std::move(netns)), monitor_(monitor) {
  ML2_CHECK(host.netns_.contains(netns_.path), "a test opens a namespace that it did not add");
}

FakeHost::Netns& FakeKernel::mine() const { return host_.netns_.at(netns_.path); }

Snapshot FakeKernel::visible() const {
  Snapshot seen = mine().state;
  if (!monitor_.addresses) seen.addresses.clear();
  if (!monitor_.routes) seen.routes.clear();
  if (!monitor_.neighbours) seen.neighbours.clear();
  if (!monitor_.fdb) seen.fdb.clear();
  return seen;
}

void FakeKernel::run() {
  if (fail_read_) {
    fail_read_ = false;
    lost_ = true;
    status_ = transient("cannot read the kernel's links: a fault that a test asked for; trying again");
    return;
  }
  if (!current_ || lost_) ++full_reads_;
  lost_ = false;
  status_ = {};
  Snapshot seen = visible();
  if (current_ && *current_ == seen) return;
  current_ = std::move(seen);
  ++sequence_;
}

void FakeKernel::wait() {
  if (!current_ || lost_ || fail_read_ || *current_ != visible()) ml2_poll_immediate();
}

const Snapshot* FakeKernel::snapshot() const { return current_ ? &*current_ : nullptr; }

int FakeKernel::take_fault(const Operation& operation) {
  for (std::deque<int>* queue : {&faults_[operation.index()], &any_faults_}) {
    if (queue->empty()) continue;
    const int fault = queue->front();
    queue->pop_front();
    return fault;
  }
  return 0;
}

Status FakeKernel::apply(const Batch& batch) {
  for (std::size_t i = 0; i < batch.operations.size(); ++i) {
    const Operation& operation = batch.operations[i];
    std::optional<Error> error;
    if (Status checked = check(operation); !checked) {
      error = checked.error();
    } else if (const int fault = take_fault(operation); fault != 0) {
      error = error_of(operation, fault, {});
    } else if (Answer answer = std::visit(FakeHost::Apply{host_, netns_.path}, operation); !answer.ok()) {
      error = error_of(operation, answer.error_number, answer.detail);
    }
    if (error) return tl::unexpected<Error>(error_in_batch(std::move(*error), i, batch.operations.size()));
    ++operations_done_;
    FakeHost::update_running(host_.netns_);
  }
  return {};
}

Result<Offloads> FakeKernel::offloads(const std::string& link) {
  const Link* found = find_link(mine().state, link);
  if (found == nullptr) {
    return invalid(
        fmt::format("cannot read the offloads of '{}': {}", link, std::generic_category().message(ENODEV)));
  }
  return mine().devices.at(found->index).offloads;
}

}  // namespace ml2::nl
