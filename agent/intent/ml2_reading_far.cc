// Ml2Reading, of ports that are bound to other hosts: each by itself, as long as it concerns none of its network's others.
#include <algorithm>
#include <utility>

#include "agent/intent/ml2_reading.h"

namespace ml2::intent {
namespace {

template <class T>
void put_in(std::vector<T>& sorted, const T& value) {
  sorted.insert(std::ranges::upper_bound(sorted, value), value);
}
template <class T>
void take_out(std::vector<T>& sorted, const T& value) {
  const auto found = std::ranges::lower_bound(sorted, value);
  if (found != sorted.end() && *found == value) sorted.erase(found);
}

}  // namespace

// A port of another host has changed, or will; `before`: now is before.
void Ml2Reading::dirty_port(const Uuid& port, bool before, Dirty& dirty) const {
  if (dirty.newcomers.contains(port)) return;
  const auto network = network_of(port);
  if (!network || dirty.networks.contains(*network)) return;
  if (const auto known = dirty.far.find(port); known != dirty.far.end()) {
    if (known->second.network == *network) return;
    dirty.networks.insert(known->second.network);
  } else if (before) {
    if (auto far = read_far(port)) {
      dirty.far.emplace(port, *std::move(far));
      return;
    }
  }
  dirty.networks.insert(*network);
}

// As the rows are now; nullopt: it cannot be looked at alone.
std::optional<Ml2Reading::Far> Ml2Reading::read_far(const Uuid& port) const {
  Far far{.network = network_of(port).value_or(Uuid()), .port = {}};
  bool here = false;
  const auto bound = port_rows_.bound(port, node_.host, index_, here);
  if (here) return std::nullopt;
  const auto part = parts_.find(far.network);
  if (part == parts_.end() || part->second.segments.empty()) return far;  // it concerns nobody here
  if (part->second.has_twins) return std::nullopt;
  if (!bound) return far;
  ovsdb::Ml2Rows pairs;
  const BoundPorts read = port_rows_.read_bound({*bound}, index_, pairs);
  if (!read.front().allowed_address_pairs.empty()) return std::nullopt;
  std::set<std::string> problems;
  far.port = read_far_port(rows_, index_, node_, far.network, read.front(), part->second.segments,
                           part->second.shared, problems);
  // How many others say the same of their host is not known.
  if (!problems.empty()) return std::nullopt;
  return far;
}

// The port as it is now, in place of what it was; false: its network has to be read.
bool Ml2Reading::replace_far(const Uuid& port, const Far& before, IntentChanges& changes) {
  Far now{.network = before.network, .port = {}};
  if (network_of(port)) {
    auto read = read_far(port);
    if (!read || read->network != before.network) return false;
    now = *std::move(read);
  }
  const auto found = parts_.find(before.network);
  if (found == parts_.end() || found->second.segments.empty()) return true;
  Part& part = found->second;
  if (part.has_twins) return false;
  if (before.port.mac) take_out(part.macs, *before.port.mac);
  for (const IpAddress& address : before.port.addresses) take_out(part.addresses, address);
  if (now.port.mac && std::ranges::binary_search(part.macs, *now.port.mac)) return false;
  for (const IpAddress& address : now.port.addresses) {
    if (std::ranges::binary_search(part.addresses, address)) return false;
  }
  if (now.port.mac) put_in(part.macs, *now.port.mac);
  for (const IpAddress& address : now.port.addresses) put_in(part.addresses, address);
  if (before.port.wired != now.port.wired) replace_wired(part, before.port, now.port, changes);
  return true;
}

void Ml2Reading::replace_wired(Part& part, const FarPort& before, const FarPort& now, IntentChanges& changes) {
  const auto place = [](RemoteSegment& remote, const Mac& mac) {
    return std::ranges::lower_bound(remote.ports, mac, {}, &RemotePort::mac);
  };
  if (before.wired) {
    RemoteSegment& remote = intent_.remote.at(before.wired->segment);
    const RemotePort& port = before.wired->port;
    if (const auto at = place(remote, port.mac); at != remote.ports.end() && at->mac == port.mac) {
      remote.ports.erase(at);
    }
    if (std::ranges::find(remote.ports, port.vtep, &RemotePort::vtep) == remote.ports.end()) {
      remote.vteps.erase(port.vtep);
    }
    if (before.wired->any_mac) remote.any_mac = --part.any_mac[before.wired->segment] != 0;
    changes.remote_ports[before.wired->segment].insert(port.mac);
  }
  if (now.wired) {
    RemoteSegment& remote = intent_.remote.at(now.wired->segment);
    remote.ports.insert(place(remote, now.wired->port.mac), now.wired->port);
    remote.vteps.insert(now.wired->port.vtep);
    if (now.wired->any_mac) remote.any_mac = ++part.any_mac[now.wired->segment] != 0;
    changes.remote_ports[now.wired->segment].insert(now.wired->port.mac);
  }
}

}  // namespace ml2::intent
