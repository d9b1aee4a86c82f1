#include "datapath/netlink/types.h"

#include <fmt/format.h>

#include <utility>

#include "datapath/base/text.h"

namespace ml2::nl {
namespace {

// Assigns and says whether that changed anything.
template <class Map, class Key, class Value>
bool assign(Map& map, Key key, const Value& value) {
  auto [it, inserted] = map.try_emplace(std::move(key), value);
  if (inserted) return true;
  if (it->second == value) return false;
  it->second = value;
  return true;
}

}  // namespace

bool Snapshot::put(Link link) {
  const IfIndex index = link.index;
  if (auto old = links.find(index); old != links.end()) {
    if (old->second == link) return false;
    if (old->second.name != link.name) {
      // The old name may already be another link's, when two links swap names.
      if (auto by_name = link_names.find(old->second.name); by_name != link_names.end() && by_name->second == index) {
        link_names.erase(by_name);
      }
    }
    link_names.insert_or_assign(link.name, index);
    old->second = std::move(link);
    return true;
  }
  link_names.insert_or_assign(link.name, index);
  links.emplace(index, std::move(link));
  return true;
}

bool Snapshot::put(const Address& address) { return assign(addresses, address.key(), address); }

bool Snapshot::put(const Neighbour& neighbour) { return assign(neighbours, neighbour.key(), neighbour); }

bool Snapshot::put(const FdbEntry& entry) {
  // A MAC that moves is told by one "new" message; the kernel sends no "delete" for the old place
  // (net/bridge/br_fdb.c: br_fdb_update; drivers/net/vxlan: vxlan_fdb_replace).
  std::size_t moved = 0;
  if (!entry.mac.is_zero() && !entry.mac.is_multicast()) {
    moved = std::erase_if(fdb, [&](const auto& item) {
      const FdbEntry& other = item.second;
      if (other.mac != entry.mac || other.vlan != entry.vlan || other.bridge != entry.bridge) return false;
      if (!entry.bridge && other.link != entry.link) return false;
      return other.key() != entry.key();
    });
  }
  return assign(fdb, entry.key(), entry) || moved != 0;
}

bool Snapshot::erase_link(IfIndex index) {
  auto it = links.find(index);
  if (it == links.end()) return false;
  if (auto by_name = link_names.find(it->second.name); by_name != link_names.end() && by_name->second == index) {
    link_names.erase(by_name);
  }
  links.erase(it);
  std::erase_if(addresses, [&](const auto& item) { return item.second.link == index; });
  std::erase_if(routes, [&](const Route& route) { return route.oif == index; });
  std::erase_if(neighbours, [&](const auto& item) { return item.second.link == index; });
  std::erase_if(fdb, [&](const auto& item) { return item.second.link == index || item.second.bridge == index; });
  return true;
}

const Link* find_link(const Snapshot& snapshot, std::string_view name) {
  auto it = snapshot.link_names.find(name);
  return it == snapshot.link_names.end() ? nullptr : find_link(snapshot, it->second);
}

const Link* find_link(const Snapshot& snapshot, IfIndex index) {
  auto it = snapshot.links.find(index);
  return it == snapshot.links.end() ? nullptr : &it->second;
}

bool has_address(const Snapshot& snapshot, const IpAddress& address) {
  for (const auto& [key, value] : snapshot.addresses) {
    if (value.address == address) return true;
  }
  return false;
}

const Link* link_with_address(const Snapshot& snapshot, const IpAddress& address) {
  for (const auto& [key, value] : snapshot.addresses) {
    if (value.address == address) return find_link(snapshot, value.link);
  }
  return nullptr;
}

const char* to_string(Scope scope) {
  switch (scope) {
    case Scope::Global: return "global";
    case Scope::Site: return "site";
    case Scope::Link: return "link";
    case Scope::Host: return "host";
  }
  return "unknown";
}

const char* to_string(NeighbourState state) {
  switch (state) {
    case NeighbourState::Incomplete: return "incomplete";
    case NeighbourState::Reachable: return "reachable";
    case NeighbourState::Stale: return "stale";
    case NeighbourState::Delay: return "delay";
    case NeighbourState::Probe: return "probe";
    case NeighbourState::Failed: return "failed";
    case NeighbourState::Permanent: return "permanent";
  }
  return "unknown";
}

const char* to_string(FdbState state) {
  switch (state) {
    case FdbState::Learned: return "learned";
    case FdbState::Static: return "static";
    case FdbState::Permanent: return "permanent";
  }
  return "unknown";
}

std::string to_string(const Link& link) {
  std::string out = fmt::format("link {} {}", link.index.value(), link.name);
  if (!link.kind.empty()) out += fmt::format(" kind {}", link.kind);
  out += fmt::format(" mac {} mtu {} {}{}", link.mac.to_string(), link.mtu, link.up ? "up" : "down",
                     link.running ? " running" : "");
  if (link.peer) out += fmt::format(" peer {}", link.peer->value());
  if (link.peer_netnsid) out += fmt::format(" peer-netnsid {}", *link.peer_netnsid);
  if (link.master) out += fmt::format(" master {}", link.master->value());
  if (!link.alias.empty()) out += fmt::format(" alias \"{}\"", text::printable(link.alias));
  return out;
}

std::string to_string(const Address& address) {
  return fmt::format("address {}/{} dev {} scope {}", address.address.to_string(), address.prefix_length,
                     address.link.value(), to_string(address.scope));
}

std::string to_string(const Route& route) {
  std::string out = fmt::format("route {}", route.dst.to_string());
  if (route.gateway) out += fmt::format(" via {}", route.gateway->to_string());
  if (route.oif) out += fmt::format(" dev {}", route.oif->value());
  return out + fmt::format(" proto {} table {} metric {}", route.protocol, route.table, route.priority);
}

std::string to_string(const Neighbour& neighbour) {
  return fmt::format("neighbour {} dev {} lladdr {} {}", neighbour.address.to_string(), neighbour.link.value(),
                     neighbour.mac.to_string(), to_string(neighbour.state));
}

std::string to_string(const FdbEntry& entry) {
  std::string out = fmt::format("fdb {} dev {}", entry.mac.to_string(), entry.link.value());
  if (entry.vlan) out += fmt::format(" vlan {}", entry.vlan->value());
  if (entry.dst) out += fmt::format(" dst {}", entry.dst->to_string());
  if (entry.vni) out += fmt::format(" vni {}", entry.vni->value());
  out += entry.bridge ? fmt::format(" master {}", entry.bridge->value()) : std::string(" self");
  return out + fmt::format(" {}", to_string(entry.state));
}

std::string to_string(const Snapshot& snapshot) {
  std::string out;
  for (const auto& [key, value] : snapshot.links) out += to_string(value) + "\n";
  for (const auto& [key, value] : snapshot.addresses) out += to_string(value) + "\n";
  for (const auto& value : snapshot.routes) out += to_string(value) + "\n";
  for (const auto& [key, value] : snapshot.neighbours) out += to_string(value) + "\n";
  for (const auto& [key, value] : snapshot.fdb) out += to_string(value) + "\n";
  return out;
}

}  // namespace ml2::nl
