#include "agent/intent/ml2_remote.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "datapath/base/text.h"

namespace ml2::intent {
namespace {

std::string name_of(const Uuid& port, std::string_view name) {
  return name.empty() ? port.to_string() : text::printable(name, 60);
}

std::string name_of_network(const ovsdb::Ml2Rows& rows, const Uuid& network) {
  const auto found = rows.networks.find(network);
  const bool named = found != rows.networks.end() && !found->second.name.empty();
  return named ? text::printable(found->second.name, 60) : network.to_string();
}

// Which of two ports keeps what both have: the lower one.
std::tuple<bool, bool, Uuid> rank(const BoundPort& port) {
  return {port.status != "ACTIVE", port.status == "ERROR", port.id};
}

template <class T>
bool has_twice(const std::vector<T>& sorted) {
  return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
}

// Ports that may not be wired as another port of the network has their MAC or one of their addresses, and why.
std::map<Uuid, std::string> find_twins(const BoundPorts& ports) {
  std::map<Uuid, std::string> twins;
  const auto settle = [&](const BoundPort*& owner, const BoundPort& other, const std::string& what,
                          const char* option) {
    if (owner == nullptr || owner == &other) {
      owner = &other;
      return;
    }
    const BoundPort& loser = rank(*owner) < rank(other) ? other : *owner;
    if (&loser == owner) owner = &other;
    twins.emplace(loser.id,
                  fmt::format("{} is that of port {} on host {}, too, which keeps it; give this port another (ml2ctl "
                              "port set {} {})",
                              what, name_of(owner->id, owner->name), text::printable(owner->host, 60),
                              loser.id.to_string(), option));
  };
  std::map<Mac, const BoundPort*> macs;
  std::map<IpAddress, const BoundPort*> addresses;
  for (const BoundPort& port : ports) {
    if (port.mac) settle(macs[*port.mac], port, "mac_address " + port.mac->to_string(), "--mac-address MAC");
  }
  for (const BoundPort& port : ports) {
    if (twins.contains(port.id)) continue;
    for (const IpAddress& address : port.addresses) {
      settle(addresses[address], port, "fixed IP " + address.to_string(), "--no-fixed-ip --fixed-ip ip-address=IP");
    }
  }
  return twins;
}

Shared shared_of(const ovsdb::Ml2Rows& rows, const BoundPorts& ports) {
  Shared shared;
  for (const BoundPort& port : ports) {
    if (!port.mac || port.allowed_address_pairs.empty()) continue;
    const auto pairs = read_address_pairs(rows, port.allowed_address_pairs, *port.mac);
    if (!pairs) continue;
    for (const AddressPair& pair : *pairs) {
      if (pair.mac != *port.mac) shared.macs.insert(pair.mac);
      const unsigned full = pair.network.address().is_v4() ? 32 : 128;
      if (pair.network.prefix_length() == full) shared.addresses[pair.network.address()].insert(port.id);
    }
  }
  return shared;
}

// The VTEP of the host of a port of `segment`; what does not fit is said.
std::optional<IpAddress> vtep_of(const ovsdb::Ml2Rows& rows, const OtherHosts& hosts, std::string_view name,
                                 const Segment& segment, std::set<std::string>& problems) {
  const auto host = hosts.find(name);
  if (host == hosts.end()) return std::nullopt;
  const ovsdb::Ml2Host& row = rows.hosts.at(host->second.row);
  if (has_yet_to_report(row)) return std::nullopt;
  const auto endpoint = host->second.endpoints.find(segment.type);
  const std::string type(to_string(segment.type));
  if (endpoint == host->second.endpoints.end()) {
    problems.insert(fmt::format(
        "host {} has ports of network {}, but announces no {} endpoint (its tunnel_types: {}): no traffic to it; set "
        "[agent] tunnel_types and [ovs] local_ip there",
        text::printable(name, 60), name_of_network(rows, segment.network), type,
        row.tunnel_types.empty() ? "none" : text::printable(fmt::format("{}", fmt::join(row.tunnel_types, ",")))));
    return std::nullopt;
  }
  return IpAddress::parse(rows.endpoints.at(endpoint->second).ip_address);
}

// EUI-64 (RFC 4291 appendix A): by it a router is known to its network (RFC 4861 section 4.2).
IpAddress link_local_of(const Mac& mac) {
  const auto& m = mac.bytes();
  return IpAddress::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 0x02U), m[1], m[2], 0xff, 0xfe,
                        m[3], m[4], m[5]});
}

bool is_router(const BoundPort& port) {
  return port.device_owner.starts_with("network:router") || port.device_owner.starts_with("network:ha_router");
}

RemotePort remote_port(const BoundPort& port, const IpAddress& vtep, const Shared& shared,
                       const std::set<IpAddress>& gateways) {
  RemotePort result{.mac = *port.mac, .vtep = vtep, .router = is_router(port)};
  for (const IpAddress& address : port.addresses) {
    if (gateways.contains(address)) result.router = true;
    // One that another port may take over is answered by whoever has it.
    const auto users = shared.addresses.find(address);
    const bool movable =
        users != shared.addresses.end() && !(users->second.size() == 1 && users->second.contains(port.id));
    if (!movable) result.answered.push_back(address);
  }
  if (result.router) result.answered.push_back(link_local_of(*port.mac));
  std::sort(result.answered.begin(), result.answered.end());
  return result;
}

std::set<IpAddress> gateways_of(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const Uuid& network) {
  std::set<IpAddress> gateways;
  for (const Uuid& id : referrers(index.network_subnets, network)) {
    const ovsdb::Ml2Subnet& subnet = rows.subnets.at(id);
    if (!subnet.gateway_ip) continue;
    if (const auto address = IpAddress::parse(*subnet.gateway_ip)) gateways.insert(*address);
  }
  return gateways;
}

// What others are told of a port of another host; nullopt: nothing.
std::optional<FarPort::Wired> wired_port(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node,
                                         const BoundPort& port, const std::map<Uuid, Segment>& segments,
                                         const Shared& shared, const std::set<IpAddress>& gateways,
                                         std::set<std::string>& problems) {
  const auto found = segments.find(port.segment);
  if (found == segments.end()) return std::nullopt;
  const Segment& segment = found->second;
  if (!is_tunnel(segment.type) || !node.tunnel_types.contains(segment.type)) return std::nullopt;
  const auto vtep = vtep_of(rows, index.hosts, port.host, segment, problems);
  // As the incumbent's: of ports that are wired; whether their agent lives now does not matter.
  if (!node.l2_population || !vtep || !port.mac || port.status != "ACTIVE") return std::nullopt;
  return FarPort::Wired{.segment = segment,
                        .port = remote_port(port, *vtep, shared, gateways),
                        .any_mac = !port.port_security_enabled && !port.device_owner.starts_with("network:")};
}

}  // namespace

Result<std::vector<AddressPair>> read_address_pairs(const ovsdb::Ml2Rows& rows, const std::set<Uuid>& ids,
                                                    const Mac& own) {
  std::vector<AddressPair> pairs;
  for (const Uuid& id : ids) {
    const auto row = rows.address_pairs.find(id);
    if (row == rows.address_pairs.end()) continue;
    AddressPair pair{.mac = own};
    if (row->second.mac_address) {
      const auto mac = Mac::parse(text::lower(*row->second.mac_address));
      if (!mac || mac->is_zero() || mac->is_multicast()) {
        return invalid(fmt::format("Address_Pair {}: mac_address \"{}\" is no unicast MAC such as fa:16:3e:00:00:01",
                                   id.to_string(), text::printable(*row->second.mac_address, 40)));
      }
      pair.mac = *mac;
    }
    const auto network = IpNetwork::parse(row->second.ip_address);
    if (!network) {
      return invalid(fmt::format("Address_Pair {}: ip_address \"{}\" is no IP address or prefix", id.to_string(),
                                 text::printable(row->second.ip_address, 60)));
    }
    pair.network = *network;
    pairs.push_back(pair);
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  return pairs;
}

void gather_addresses(const BoundPorts& ports, NetworkIntent& here) {
  here.macs.reserve(ports.size());
  here.addresses.reserve(ports.size());
  for (const BoundPort& port : ports) {
    if (port.mac) here.macs.push_back(*port.mac);
    here.addresses.insert(here.addresses.end(), port.addresses.begin(), port.addresses.end());
  }
  std::sort(here.macs.begin(), here.macs.end());
  std::sort(here.addresses.begin(), here.addresses.end());
}

void find_same_endpoint(const ovsdb::Ml2Rows& rows, const OtherHosts& hosts, const NodeConfig& node,
                        std::set<std::string>& problems) {
  if (!node.local_ip) return;
  for (const auto& [name, host] : hosts) {
    for (const NetworkType type : node.tunnel_types) {
      const auto endpoint = host.endpoints.find(type);
      if (endpoint == host.endpoints.end()) continue;
      const std::string& address = rows.endpoints.at(endpoint->second).ip_address;
      if (IpAddress::parse(address) != node.local_ip) continue;
      problems.insert(
          fmt::format("local_ip {} is already the {} endpoint of host {}: this node's is not announced; give one of "
                      "the two another [ovs] local_ip",
                      address, to_string(type), text::printable(name, 60)));
    }
  }
}

FarPort read_far_port(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node, const Uuid& network,
                      const BoundPort& port, const std::map<Uuid, Segment>& segments, const Shared& shared,
                      std::set<std::string>& problems) {
  const std::set<IpAddress> gateways = node.nd_responder ? gateways_of(rows, index, network) : std::set<IpAddress>();
  return {.mac = port.mac,
          .addresses = port.addresses,
          .wired = wired_port(rows, index, node, port, segments, shared, gateways, problems)};
}

void read_neighbours(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node, const Uuid& network,
                     const BoundPorts& ports, NetworkIntent& here) {
  const std::set<IpAddress> gateways = node.nd_responder ? gateways_of(rows, index, network) : std::set<IpAddress>();
  if (node.l2_population) {
    for (const auto& [id, segment] : here.segments) {
      if (is_tunnel(segment.type)) here.remote[segment];
    }
  }
  gather_addresses(ports, here);
  std::map<Uuid, std::string> twins;
  if (has_twice(here.macs) || has_twice(here.addresses)) twins = find_twins(ports);
  here.has_twins = !twins.empty();
  for (const auto& [id, reason] : twins) {
    if (here.ports.erase(id) != 0) here.refused.insert_or_assign(id, reason);
  }
  if (node.l2_population) here.shared = shared_of(rows, ports);
  for (const BoundPort& port : ports) {
    if (port.host == node.host) continue;
    auto wired = wired_port(rows, index, node, port, here.segments, here.shared, gateways, here.problems);
    if (!wired || twins.contains(port.id)) continue;
    RemoteSegment& remote = here.remote[wired->segment];
    remote.vteps.insert(wired->port.vtep);
    remote.any_mac = remote.any_mac || wired->any_mac;
    here.any_mac[wired->segment] += wired->any_mac ? 1 : 0;
    remote.ports.push_back(std::move(wired->port));
  }
  for (auto& [segment, remote] : here.remote) {
    remote.shared_macs = here.shared.macs;
    std::sort(remote.ports.begin(), remote.ports.end(),
              [](const RemotePort& one, const RemotePort& other) { return one.mac < other.mac; });
  }
}

std::string why_not_here(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const std::string& host,
                         const Uuid& port) {
  const auto row = rows.ports.find(port);
  if (row == rows.ports.end()) {
    return fmt::format("external_ids:iface-id {} is no port of the ML2 database; correct it, or unplug it",
                       port.to_string());
  }
  std::string elsewhere;
  for (const Uuid& id : referrers(index.port_bindings, port)) {
    const ovsdb::Ml2Binding& binding = rows.bindings.at(id);
    if (binding.host == host) return {};  // about to be bound, or to migrate here
    if (binding.status == "ACTIVE") elsewhere = binding.host;
  }
  if (elsewhere.empty()) {
    return fmt::format("port {} is bound to no host; bind it (ml2ctl port set {} --host {})",
                       name_of(port, row->second.name), port.to_string(), host);
  }
  return fmt::format(
      "port {} is bound to host {}, which keeps it; unplug it here, or move the port (ml2ctl port set "
      "{} --host {})",
      name_of(port, row->second.name), text::printable(elsewhere, 60), port.to_string(), host);
}

}  // namespace ml2::intent
