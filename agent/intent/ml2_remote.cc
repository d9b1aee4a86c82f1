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

std::string name_of(const ovsdb::Ml2Port& port) {
  return port.name.empty() ? port.uuid.to_string() : text::printable(port.name, 60);
}

std::string name_of_network(const ovsdb::Ml2Rows& rows, const Uuid& network) {
  const auto found = rows.networks.find(network);
  const bool named = found != rows.networks.end() && !found->second.name.empty();
  return named ? text::printable(found->second.name, 60) : network.to_string();
}

// A port of one of this node's networks, whichever host it is bound to.
struct BoundPort {
  const ovsdb::Ml2Port* row = nullptr;
  const ovsdb::Ml2Binding* binding = nullptr;
  std::optional<Mac> mac;
  std::vector<IpAddress> addresses;  // sorted
};

// By network, in the order of their ids.
using BoundPorts = std::map<Uuid, std::map<Uuid, BoundPort>>;

BoundPorts bound_ports(const ovsdb::Ml2Rows& rows, const Neighbourhood& here) {
  BoundPorts result;
  for (const auto& [id, segment] : here.segments) result[segment.network];
  for (const auto& [id, binding] : rows.bindings) {
    if (binding.status != "ACTIVE" || !binding.segment || binding.host.empty()) continue;
    const auto port = rows.ports.find(binding.port);
    if (port == rows.ports.end()) continue;
    const auto network = result.find(port->second.network);
    if (network == result.end()) continue;
    network->second.emplace(
        port->first, BoundPort{&port->second, &binding, Mac::parse(text::lower(port->second.mac_address)), {}});
  }
  for (const auto& [id, fixed_ip] : rows.fixed_ips) {
    const auto row = rows.ports.find(fixed_ip.port);
    if (row == rows.ports.end()) continue;
    const auto network = result.find(row->second.network);
    if (network == result.end()) continue;
    const auto port = network->second.find(fixed_ip.port);
    if (port == network->second.end()) continue;
    if (const auto address = IpAddress::parse(fixed_ip.ip_address)) port->second.addresses.push_back(*address);
  }
  for (auto& [network, ports] : result) {
    for (auto& [id, port] : ports) std::sort(port.addresses.begin(), port.addresses.end());
  }
  return result;
}

// Which of two ports keeps what both have: the lower one.
std::tuple<bool, bool, Uuid> rank(const BoundPort& port) {
  return {port.row->status != "ACTIVE", port.row->status == "ERROR", port.row->uuid};
}

// Ports that may not be wired as another port of the network has their MAC or one of their addresses, and why.
std::map<Uuid, std::string> find_twins(const std::map<Uuid, BoundPort>& ports) {
  std::map<Uuid, std::string> twins;
  const auto settle = [&](const BoundPort*& owner, const BoundPort& other, const std::string& what,
                          const char* option) {
    if (owner == nullptr || owner == &other) {
      owner = &other;
      return;
    }
    const BoundPort& loser = rank(*owner) < rank(other) ? other : *owner;
    if (&loser == owner) owner = &other;
    twins.emplace(loser.row->uuid,
                  fmt::format("{} is that of port {} on host {}, too, which keeps it; give this port another (ml2ctl "
                              "port set {} {})",
                              what, name_of(*owner->row), text::printable(owner->binding->host, 60),
                              loser.row->uuid.to_string(), option));
  };
  std::map<Mac, const BoundPort*> macs;
  std::map<IpAddress, const BoundPort*> addresses;
  for (const auto& [id, port] : ports) {
    if (port.mac) settle(macs[*port.mac], port, "mac_address " + port.mac->to_string(), "--mac-address MAC");
  }
  for (const auto& [id, port] : ports) {
    if (twins.contains(id)) continue;
    for (const IpAddress& address : port.addresses) {
      settle(addresses[address], port, "fixed IP " + address.to_string(), "--no-fixed-ip --fixed-ip ip-address=IP");
    }
  }
  return twins;
}

// Addresses and MACs that allowed address pairs let several ports of a network use.
struct Shared {
  std::map<IpAddress, std::set<Uuid>> addresses;  // single ones: virtual addresses that move; who may use them
  std::set<Mac> macs;
};

Shared shared_of(const ovsdb::Ml2Rows& rows, const std::map<Uuid, BoundPort>& ports) {
  Shared shared;
  for (const auto& [id, port] : ports) {
    if (!port.mac || port.row->allowed_address_pairs.empty()) continue;
    const auto pairs = read_address_pairs(rows, *port.row, *port.mac);
    if (!pairs) continue;
    for (const AddressPair& pair : *pairs) {
      if (pair.mac != *port.mac) shared.macs.insert(pair.mac);
      const unsigned full = pair.network.address().is_v4() ? 32 : 128;
      if (pair.network.prefix_length() == full) shared.addresses[pair.network.address()].insert(id);
    }
  }
  return shared;
}

struct OtherHost {
  const ovsdb::Ml2Host* row = nullptr;
  std::map<NetworkType, const ovsdb::Ml2Endpoint*> endpoints;
};

std::map<std::string, OtherHost> other_hosts(const ovsdb::Ml2Rows& rows, const std::string& own) {
  std::map<std::string, OtherHost> hosts;
  for (const auto& [uuid, row] : rows.hosts) {
    if (row.name == own) continue;
    OtherHost& host = hosts[row.name];
    host.row = &row;
    for (const Uuid& id : row.endpoints) {
      const auto endpoint = rows.endpoints.find(id);
      if (endpoint == rows.endpoints.end()) continue;
      if (const auto type = parse_network_type(endpoint->second.tunnel_type)) {
        host.endpoints.emplace(*type, &endpoint->second);
      }
    }
  }
  return hosts;
}

void same_endpoint(const std::map<std::string, OtherHost>& hosts, Intent& intent) {
  if (!intent.node.local_ip) return;
  for (const auto& [name, host] : hosts) {
    for (const NetworkType type : intent.node.tunnel_types) {
      const auto endpoint = host.endpoints.find(type);
      if (endpoint == host.endpoints.end()) continue;
      if (IpAddress::parse(endpoint->second->ip_address) != intent.node.local_ip) continue;
      intent.problems.insert(
          fmt::format("local_ip {} is already the {} endpoint of host {}: this node's is not announced; give one of "
                      "the two another [ovs] local_ip",
                      endpoint->second->ip_address, to_string(type), text::printable(name, 60)));
    }
  }
}

// The VTEP of the host of a port of `segment`; what does not fit is said.
std::optional<IpAddress> vtep_of(const ovsdb::Ml2Rows& rows, const std::map<std::string, OtherHost>& hosts,
                                 const std::string& name, const Segment& segment, Intent& intent) {
  const auto host = hosts.find(name);
  if (host == hosts.end() || host->second.row->heartbeat == 0) return std::nullopt;  // its agent has yet to report
  const auto endpoint = host->second.endpoints.find(segment.type);
  const std::string type(to_string(segment.type));
  if (endpoint == host->second.endpoints.end()) {
    intent.problems.insert(fmt::format(
        "host {} has ports of network {}, but announces no {} endpoint (its tunnel_types: {}): no traffic to it; set "
        "[agent] tunnel_types and [ovs] local_ip there",
        text::printable(name, 60), name_of_network(rows, segment.network), type,
        host->second.row->tunnel_types.empty()
            ? "none"
            : text::printable(fmt::format("{}", fmt::join(host->second.row->tunnel_types, ",")))));
    return std::nullopt;
  }
  return IpAddress::parse(endpoint->second->ip_address);
}

// EUI-64 (RFC 4291 appendix A): by it a router is known to its network (RFC 4861 section 4.2).
IpAddress link_local_of(const Mac& mac) {
  const auto& m = mac.bytes();
  return IpAddress::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 0x02U), m[1], m[2], 0xff, 0xfe,
                        m[3], m[4], m[5]});
}

bool is_router(const ovsdb::Ml2Port& port) {
  return port.device_owner.starts_with("network:router") || port.device_owner.starts_with("network:ha_router");
}

RemotePort remote_port(const BoundPort& port, const IpAddress& vtep, const Shared& shared,
                       const std::set<IpAddress>& gateways) {
  RemotePort result{.mac = *port.mac, .vtep = vtep, .router = is_router(*port.row)};
  for (const IpAddress& address : port.addresses) {
    if (gateways.contains(address)) result.router = true;
    // One that another port may take over is answered by whoever has it.
    const auto users = shared.addresses.find(address);
    const bool movable =
        users != shared.addresses.end() && !(users->second.size() == 1 && users->second.contains(port.row->uuid));
    if (!movable) result.answered.push_back(address);
  }
  if (result.router) result.answered.push_back(link_local_of(*port.mac));
  std::sort(result.answered.begin(), result.answered.end());
  return result;
}

std::set<IpAddress> gateways_of(const ovsdb::Ml2Rows& rows, const BoundPorts& networks) {
  std::set<IpAddress> gateways;
  for (const auto& [id, subnet] : rows.subnets) {
    if (!subnet.gateway_ip || !networks.contains(subnet.network)) continue;
    if (const auto address = IpAddress::parse(*subnet.gateway_ip)) gateways.insert(*address);
  }
  return gateways;
}

}  // namespace

Result<std::vector<AddressPair>> read_address_pairs(const ovsdb::Ml2Rows& rows, const ovsdb::Ml2Port& port,
                                                    const Mac& own) {
  std::vector<AddressPair> pairs;
  for (const Uuid& id : port.allowed_address_pairs) {
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

void read_neighbours(const ovsdb::Ml2Rows& rows, const Neighbourhood& here, Intent& intent) {
  const std::map<std::string, OtherHost> hosts = other_hosts(rows, intent.node.host);
  same_endpoint(hosts, intent);
  const BoundPorts networks = bound_ports(rows, here);
  const std::set<IpAddress> gateways = intent.node.nd_responder ? gateways_of(rows, networks) : std::set<IpAddress>();
  if (intent.node.l2_population) {
    for (const auto& [id, segment] : here.segments) {
      if (is_tunnel(segment.type)) intent.remote[segment];
    }
  }
  for (const auto& [network, ports] : networks) {
    const std::map<Uuid, std::string> twins = find_twins(ports);
    for (const auto& [id, reason] : twins) {
      if (intent.ports.erase(id) != 0) intent.refused.insert_or_assign(id, reason);
    }
    const Shared shared = intent.node.l2_population ? shared_of(rows, ports) : Shared();
    for (const auto& [id, port] : ports) {
      const auto segment = here.segments.find(*port.binding->segment);
      if (port.binding->host == intent.node.host || segment == here.segments.end()) continue;
      if (!is_tunnel(segment->second.type) || !intent.node.tunnel_types.contains(segment->second.type)) continue;
      const auto vtep = vtep_of(rows, hosts, port.binding->host, segment->second, intent);
      // As the incumbent's: of ports that are wired; whether their agent lives now does not matter.
      const bool wired = vtep && port.mac && port.row->status == "ACTIVE" && !twins.contains(id);
      if (!intent.node.l2_population || !wired) continue;
      RemoteSegment& remote = intent.remote[segment->second];
      remote.vteps.insert(*vtep);
      remote.any_mac =
          remote.any_mac || (!port.row->port_security_enabled && !port.row->device_owner.starts_with("network:"));
      remote.ports.push_back(remote_port(port, *vtep, shared, gateways));
    }
    for (auto& [segment, remote] : intent.remote) {
      if (segment.network == network) remote.shared_macs = shared.macs;
    }
  }
  for (auto& [segment, remote] : intent.remote) {
    std::sort(remote.ports.begin(), remote.ports.end(),
              [](const RemotePort& one, const RemotePort& other) { return one.mac < other.mac; });
  }
}

std::string why_not_here(const ovsdb::Ml2Rows& rows, const std::string& host, const Uuid& port) {
  const auto row = rows.ports.find(port);
  if (row == rows.ports.end()) {
    return fmt::format("external_ids:iface-id {} is no port of the ML2 database; correct it, or unplug it",
                       port.to_string());
  }
  std::string elsewhere;
  for (const auto& [id, binding] : rows.bindings) {
    if (binding.port != port) continue;
    if (binding.host == host) return {};  // about to be bound, or to migrate here
    if (binding.status == "ACTIVE") elsewhere = binding.host;
  }
  if (elsewhere.empty()) {
    return fmt::format("port {} is bound to no host; bind it (ml2ctl port set {} --host {})", name_of(row->second),
                       port.to_string(), host);
  }
  return fmt::format(
      "port {} is bound to host {}, which keeps it; unplug it here, or move the port (ml2ctl port set "
      "{} --host {})",
      name_of(row->second), text::printable(elsewhere, 60), port.to_string(), host);
}

}  // namespace ml2::intent
