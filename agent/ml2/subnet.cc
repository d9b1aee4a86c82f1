// Subnets: prefixes of a network with their gateway and allocation pools.
#include <fmt/format.h>

#include <algorithm>

#include "agent/ml2/compute.h"
#include "agent/ml2/ipam.h"
#include "agent/ml2/lookup.h"
#include "datapath/base/text.h"

namespace ml2::plugin {
namespace {

// Two subnets of one network that overlap are refused, and no index can say so: every writer of subnets also takes
// the next number here, so that of two at once one has to look again.
constexpr const char* kSubnetsRevision = "ml2-subnets-revision";

void take_revision(ovsdb::Transaction& transaction, const ovsdb::Ml2Network& network) {
  const auto found = network.external_ids.find(kSubnetsRevision);
  const std::int64_t revision = found == network.external_ids.end() ? 0 : text::to_int(found->second).value_or(0);
  const char* table = ovsdb::table_of<ovsdb::Ml2Network>();
  transaction.operations.emplace_back(ovsdb::RowVerify{table, network.uuid, "external_ids"});
  transaction.operations.emplace_back(
      ovsdb::RowMutate{table, network.uuid, "external_ids",
                       ovsdb::Datum::map({{kSubnetsRevision, std::to_string(revision + 1)}}), ovsdb::Datum::none()});
}

Result<std::optional<IpAddress>> choose_gateway(const GatewayChoice& choice, const IpNetwork& network) {
  switch (choice.kind) {
    case GatewayChoice::Kind::None: return std::nullopt;
    case GatewayChoice::Kind::Auto: {
      const unsigned bits = network.address().is_v4() ? 32 : 128;
      if (network.prefix_length() == bits) return std::nullopt;
      return usable_range(network).first;
    }
    case GatewayChoice::Kind::Address: break;
  }
  const auto address = IpAddress::parse(choice.address);
  if (!address) return invalid(fmt::format("gateway {} is no IP address", text::printable(choice.address)));
  if (address->family() != network.address().family()) {
    return invalid(fmt::format("gateway {} is not of the IP version of {}", choice.address, network.to_string()));
  }
  const Pool usable = usable_range(network);
  // A gateway outside of the subnet is allowed (reached over the link), its network or broadcast address is not.
  if (network.contains(*address) && !usable.contains(*address)) {
    return invalid(fmt::format("gateway {} is the {} address of {}", address->to_string(),
                               *address == network.address() ? "network" : "broadcast", network.to_string()));
  }
  return *address;
}

Result<std::set<std::string>> check_nameservers(const std::vector<std::string>& texts) {
  std::set<std::string> nameservers;
  for (const std::string& one : texts) {
    const auto address = IpAddress::parse(one);
    if (!address) return invalid(fmt::format("DNS name server {} is no IP address", text::printable(one)));
    nameservers.insert(address->to_string());
  }
  return nameservers;
}

Result<std::map<std::string, std::string>> check_host_routes(const std::map<std::string, std::string>& texts) {
  std::map<std::string, std::string> routes;
  for (const auto& [destination_text, next_hop_text] : texts) {
    const auto destination = IpNetwork::parse(destination_text);
    const auto next_hop = IpAddress::parse(next_hop_text);
    if (!destination) return invalid(fmt::format("host route to {}: no prefix", text::printable(destination_text)));
    if (!next_hop || next_hop->family() != destination->address().family()) {
      return invalid(fmt::format("host route to {}: the next hop {} is no address of its IP version",
                                 destination->to_string(), text::printable(next_hop_text)));
    }
    routes[destination->to_string()] = next_hop->to_string();
  }
  return routes;
}

}  // namespace

Result<Change<SubnetContext>> create_subnet(const Inputs& in, const SubnetRequest& request) {
  const auto network = in.rows.networks.find(request.network);
  if (network == in.rows.networks.end()) {
    return invalid(fmt::format("there is no network {}", request.network.to_string()));
  }
  const auto prefix = IpNetwork::parse(request.cidr);
  if (!prefix || request.cidr.find('/') == std::string::npos) {
    return invalid(
        fmt::format("cidr {} is no prefix such as 10.0.0.0/24 or fd00::/64", text::printable(request.cidr)));
  }
  const std::int64_t ip_version = prefix->address().is_v4() ? 4 : 6;
  if (request.ip_version && *request.ip_version != ip_version) {
    return invalid(fmt::format("cidr {} is not of ip_version {}", prefix->to_string(), *request.ip_version));
  }
  if (prefix->prefix_length() == 0 || prefix->address().is_multicast() || prefix->address().is_loopback()) {
    return invalid(
        fmt::format("cidr {} cannot be a subnet's: it holds no unicast addresses of its own", prefix->to_string()));
  }
  if (ip_version == 6 && network->second.mtu > 0 && network->second.mtu < 1280) {
    return invalid(fmt::format("network {} has an MTU of {} bytes: IPv6 needs 1280 (RFC 8200 section 5)",
                               name_of(in.rows.networks, request.network), network->second.mtu));
  }
  for (const ovsdb::Ml2Subnet& other : subnets_of(in.rows, request.network)) {
    const auto other_prefix = IpNetwork::parse(other.cidr);
    if (other_prefix && other_prefix->overlaps(*prefix)) {
      return invalid(
          fmt::format("cidr {} overlaps subnet {} of the same network", prefix->to_string(), describe(other)));
    }
  }
  const auto gateway = choose_gateway(request.gateway, *prefix);
  if (!gateway) return forward_error(gateway);
  Result<std::vector<Pool>> pools = default_pools(*prefix, *gateway);
  if (!request.allocation_pools.empty()) pools = parse_pools(request.allocation_pools, *prefix, *gateway);
  if (!pools) return forward_error(pools);
  auto nameservers = check_nameservers(request.dns_nameservers);
  if (!nameservers) return forward_error(nameservers);
  auto host_routes = check_host_routes(request.host_routes);
  if (!host_routes) return forward_error(host_routes);

  Change<SubnetContext> change;
  ovsdb::Ml2Subnet& subnet = change.context.subnet;
  subnet.uuid = Uuid::random();
  subnet.network = request.network;
  subnet.name = request.name;
  subnet.description = request.description;
  subnet.project_id = request.project_id;
  subnet.cidr = prefix->to_string();
  subnet.ip_version = ip_version;
  if (*gateway) subnet.gateway_ip = (*gateway)->to_string();
  subnet.enable_dhcp = request.enable_dhcp;
  subnet.allocation_pools = to_strings(*pools);
  subnet.dns_nameservers = std::move(*nameservers);
  subnet.host_routes = std::move(*host_routes);
  change.transaction.comment = fmt::format("ml2: create subnet {}", subnet.uuid.to_string());
  take_revision(change.transaction, network->second);
  change.transaction.operations.emplace_back(ovsdb::insert_row(subnet));
  return change;
}

Result<Change<SubnetContext>> update_subnet(const Inputs& in, const Uuid& id, const SubnetUpdate& update) {
  const auto found = in.rows.subnets.find(id);
  if (found == in.rows.subnets.end()) return invalid(fmt::format("there is no subnet {}", id.to_string()));
  const auto prefix = IpNetwork::parse(found->second.cidr);
  if (!prefix) {
    return invalid(fmt::format("subnet {}: the cidr in the database is no prefix", describe(found->second)));
  }
  Change<SubnetContext> change;
  change.context.action = Action::Update;
  change.context.original = found->second;
  change.context.subnet = found->second;
  change.transaction.comment = fmt::format("ml2: update subnet {}", id.to_string());
  ovsdb::Ml2Subnet& subnet = change.context.subnet;
  if (update.name) subnet.name = *update.name;
  if (update.description) subnet.description = *update.description;
  if (update.enable_dhcp) subnet.enable_dhcp = *update.enable_dhcp;
  if (update.gateway) {
    const auto gateway = choose_gateway(*update.gateway, *prefix);
    if (!gateway) return forward_error(gateway);
    subnet.gateway_ip.reset();
    if (*gateway) {
      const auto used = used_addresses(in.rows, id);
      const auto user = used.find(**gateway);
      // A router's port has the gateway's address; anybody else's would be cut off.
      if (user != used.end() && found->second.gateway_ip != (*gateway)->to_string()) {
        return conflict(
            fmt::format("GatewayIpInUse: {} is in use by port {}", (*gateway)->to_string(), user->second));
      }
      subnet.gateway_ip = (*gateway)->to_string();
    }
  }
  std::optional<IpAddress> gateway;
  if (subnet.gateway_ip) gateway = IpAddress::parse(*subnet.gateway_ip);
  if (update.allocation_pools) {
    const auto pools = parse_pools(*update.allocation_pools, *prefix, gateway);
    if (!pools) return forward_error(pools);
    subnet.allocation_pools = to_strings(*pools);
  } else if (update.gateway && gateway) {
    for (const Pool& pool : pools_of(subnet)) {
      if (pool.contains(*gateway)) {
        return invalid(
            fmt::format("GatewayConflictWithAllocationPools: the gateway {} lies in allocation pool {}-{}: change "
                        "the pools as well",
                        gateway->to_string(), pool.first.to_string(), pool.last.to_string()));
      }
    }
  }
  if (update.dns_nameservers) {
    auto nameservers = check_nameservers(*update.dns_nameservers);
    if (!nameservers) return forward_error(nameservers);
    subnet.dns_nameservers = std::move(*nameservers);
  }
  if (update.host_routes) {
    auto routes = check_host_routes(*update.host_routes);
    if (!routes) return forward_error(routes);
    subnet.host_routes = std::move(*routes);
  }
  add_update(change.transaction, found->second, subnet);
  return change;
}

Result<Change<SubnetContext>> delete_subnet(const Inputs& in, const Uuid& id) {
  const auto found = in.rows.subnets.find(id);
  if (found == in.rows.subnets.end()) return invalid(fmt::format("there is no subnet {}", id.to_string()));
  std::set<std::string> users;
  for (const auto& [address, port] : used_addresses(in.rows, id)) {
    users.insert(fmt::format("{} by port {}", address.to_string(), port));
  }
  if (!users.empty()) {
    return conflict(fmt::format("SubnetInUse: {} address{} of subnet {} {} in use, first {}", users.size(),
                                users.size() == 1 ? "" : "es", describe(found->second),
                                users.size() == 1 ? "is" : "are", *users.begin()));
  }
  Change<SubnetContext> change;
  change.context.action = Action::Delete;
  change.context.subnet = found->second;
  change.transaction.comment = fmt::format("ml2: delete subnet {}", id.to_string());
  change.transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2Subnet>(), id});
  return change;
}

}  // namespace ml2::plugin
