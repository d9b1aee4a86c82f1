// Ports: MAC and IP addresses, security, and the binding's row (bind_port() of the mechanism drivers fills it in).
#include <fmt/format.h>

#include <algorithm>

#include "agent/ml2/compute.h"
#include "agent/ml2/ipam.h"
#include "agent/ml2/lookup.h"
#include "datapath/base/mac.h"
#include "datapath/base/text.h"

namespace ml2::plugin {
namespace {

std::map<std::string, std::string> macs_of(const ovsdb::Ml2Rows& rows, const Uuid& network, const Uuid& except) {
  std::map<std::string, std::string> macs;
  for (const ovsdb::Ml2Port& port : ports_of(rows, network)) {
    if (port.uuid != except) macs[text::lower(port.mac_address)] = name_of(rows.ports, port.uuid);
  }
  return macs;
}

Result<std::string> check_mac(const Inputs& in, std::string_view given, const Uuid& network, const Uuid& port) {
  const auto mac = Mac::parse(given);
  if (!mac) {
    return invalid(fmt::format("{} is no MAC address: six two-digit hexadecimal groups, fa:16:3e:00:00:01",
                               text::printable(given)));
  }
  if (mac->is_multicast())
    return invalid(fmt::format("{} is a multicast MAC address: no port can have it", mac->to_string()));
  if (mac->is_zero()) return invalid("00:00:00:00:00:00 cannot be a port's MAC address");
  const auto macs = macs_of(in.rows, network, port);
  if (const auto user = macs.find(mac->to_string()); user != macs.end()) {
    return conflict(fmt::format("MacAddressInUse: {} is in use on network {} by port {}", mac->to_string(),
                                name_of(in.rows.networks, network), user->second));
  }
  return mac->to_string();
}

// The first three bytes of base_mac, the fourth too unless it is zero, and random ones (neutron-lib
// net.get_random_mac).
Result<std::string> draw_mac(const Inputs& in, const Uuid& network) {
  const auto macs = macs_of(in.rows, network, Uuid());
  constexpr int kMaxTries = 64;
  for (int i = 0; i < kMaxTries; ++i) {
    auto bytes = in.options.base_mac.bytes();
    for (std::size_t byte = bytes[3] == 0 ? 3 : 4; byte < bytes.size(); ++byte) {
      bytes[byte] = static_cast<std::uint8_t>(in.random(256));
    }
    const std::string mac = Mac(bytes).to_string();
    if (!macs.contains(mac)) return mac;
  }
  return conflict(
      fmt::format("MacAddressGenerationFailure: {} random addresses of base_mac {} of [DEFAULT] were all in use",
                  kMaxTries, in.options.base_mac.to_string()));
}

// Takes addresses of the network's subnets for one port.
class AddressTaker {
 public:
  AddressTaker(const Inputs& in, const Uuid& network, const Uuid& port)
      : in_(in), network_(network), port_(port), subnets_(subnets_of(in.rows, network)) {}

  // Beside these the port has others already.
  void keep(const ovsdb::Ml2FixedIp& fixed_ip) {
    if (const auto address = IpAddress::parse(fixed_ip.ip_address)) taken_[fixed_ip.subnet].insert(*address);
  }

  Result<ovsdb::Ml2FixedIp> take(const FixedIpRequest& request) {
    if (!request.subnet && !request.ip_address) return invalid("a fixed IP needs a subnet, an ip_address or both");
    const auto subnet = find_subnet(request);
    if (!subnet) return forward_error(subnet);
    if (!request.ip_address) return take_next(**subnet);
    const auto address = check_address(**subnet, *request.ip_address);
    if (!address) return forward_error(address);
    for (const auto& [uuid, other] : in_.rows.fixed_ips) {
      if (other.subnet != (*subnet)->uuid || other.port == port_) continue;
      if (IpAddress::parse(other.ip_address) != address.value()) continue;
      return conflict(fmt::format("IpAddressInUse: {} of subnet {} is in use by port {}", address->to_string(),
                                  describe(**subnet), name_of(in_.rows.ports, other.port)));
    }
    if (!taken_[(*subnet)->uuid].insert(*address).second) {
      return invalid(fmt::format("{} is given twice for this port", address->to_string()));
    }
    return make((*subnet)->uuid, *address);
  }

  // One of an IPv4 subnet and one of an IPv6 subnet, as far as the network has them.
  Result<std::vector<ovsdb::Ml2FixedIp>> take_defaults() {
    std::vector<ovsdb::Ml2FixedIp> fixed_ips;
    for (const std::int64_t ip_version : {4, 6}) {
      std::optional<Error> used_up;
      bool found = false;
      for (const ovsdb::Ml2Subnet& subnet : subnets_) {
        if (subnet.ip_version != ip_version) continue;
        auto fixed_ip = take_next(subnet);
        if (!fixed_ip) {
          used_up = fixed_ip.error();
          continue;
        }
        fixed_ips.push_back(std::move(*fixed_ip));
        found = true;
        break;
      }
      if (!found && used_up) return tl::unexpected<Error>(*used_up);
    }
    return fixed_ips;
  }

 private:
  Result<const ovsdb::Ml2Subnet*> find_subnet(const FixedIpRequest& request) const {
    std::map<Uuid, ovsdb::Ml2Subnet> by_id;
    for (const ovsdb::Ml2Subnet& subnet : subnets_) by_id[subnet.uuid] = subnet;
    if (request.subnet) {
      const auto id = find_resource(by_id, fmt::format("subnet on network {}", name_of(in_.rows.networks, network_)),
                                    *request.subnet);
      if (!id) return forward_error(id);
      return &in_.rows.subnets.at(*id);
    }
    const auto address = IpAddress::parse(*request.ip_address);
    if (!address) return invalid(fmt::format("{} is no IP address", text::printable(*request.ip_address)));
    for (const ovsdb::Ml2Subnet& subnet : subnets_) {
      const auto prefix = IpNetwork::parse(subnet.cidr);
      if (prefix && prefix->contains(*address)) return &in_.rows.subnets.at(subnet.uuid);
    }
    return invalid(fmt::format("InvalidIpForNetwork: {} is in no subnet of network {}", address->to_string(),
                               name_of(in_.rows.networks, network_)));
  }

  Result<ovsdb::Ml2FixedIp> take_next(const ovsdb::Ml2Subnet& subnet) {
    std::set<IpAddress> used = taken_[subnet.uuid];
    for (const auto& [address, port] : used_addresses(in_.rows, subnet.uuid)) used.insert(address);
    const auto address = next_free_address(subnet, used, in_.attempt, in_.random);
    if (!address) return forward_error(address);
    taken_[subnet.uuid].insert(*address);
    return make(subnet.uuid, *address);
  }

  [[nodiscard]] ovsdb::Ml2FixedIp make(const Uuid& subnet, const IpAddress& address) const {
    ovsdb::Ml2FixedIp fixed_ip;
    fixed_ip.uuid = Uuid::random();
    fixed_ip.port = port_;
    fixed_ip.subnet = subnet;
    fixed_ip.ip_address = address.to_string();
    return fixed_ip;
  }

  const Inputs& in_;
  Uuid network_;
  Uuid port_;
  std::vector<ovsdb::Ml2Subnet> subnets_;
  std::map<Uuid, std::set<IpAddress>> taken_;
};

Result<std::set<Uuid>> find_groups(const Inputs& in, const std::vector<std::string>& names) {
  std::set<Uuid> groups;
  for (const std::string& name : names) {
    const auto group = find_resource(in.rows.security_groups, "security group", name);
    if (!group) return forward_error(group);
    groups.insert(*group);
  }
  return groups;
}

Result<std::vector<ovsdb::Ml2AddressPair>> make_pairs(const std::vector<AddressPairRequest>& requests) {
  std::vector<ovsdb::Ml2AddressPair> pairs;
  for (const AddressPairRequest& request : requests) {
    ovsdb::Ml2AddressPair pair;
    pair.uuid = Uuid::random();
    const auto prefix = IpNetwork::parse(request.ip_address);
    if (!prefix) {
      return invalid(
          fmt::format("allowed address {} is no IP address or prefix", text::printable(request.ip_address)));
    }
    const bool bare = request.ip_address.find('/') == std::string::npos;
    pair.ip_address = bare ? prefix->address().to_string() : prefix->to_string();
    if (request.mac_address) {
      const auto mac = Mac::parse(*request.mac_address);
      if (!mac || mac->is_multicast() || mac->is_zero()) {
        return invalid(
            fmt::format("allowed address: {} is no unicast MAC address", text::printable(*request.mac_address)));
      }
      pair.mac_address = mac->to_string();
    }
    for (const ovsdb::Ml2AddressPair& other : pairs) {
      if (other.ip_address == pair.ip_address && other.mac_address == pair.mac_address) {
        return invalid(fmt::format("DuplicateAddressPairInRequest: {} is given twice", pair.ip_address));
      }
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::set<Uuid> ids_of(const std::vector<ovsdb::Ml2AddressPair>& pairs) {
  std::set<Uuid> ids;
  for (const auto& pair : pairs) ids.insert(pair.uuid);
  return ids;
}

}  // namespace

Result<Change<PortContext>> create_port(const Inputs& in, const PortRequest& request) {
  const auto network = in.rows.networks.find(request.network);
  if (network == in.rows.networks.end()) {
    return invalid(fmt::format("there is no network {}", request.network.to_string()));
  }
  Change<PortContext> change;
  change.context.network = network->second;
  ovsdb::Ml2Port& port = change.context.port;
  port.uuid = Uuid::random();
  port.network = request.network;
  port.name = request.name;
  port.description = request.description;
  port.project_id = request.project_id;
  port.admin_state_up = request.admin_state_up;
  port.device_id = request.device_id;
  port.device_owner = request.device_owner;
  auto mac = request.mac_address ? check_mac(in, *request.mac_address, request.network, Uuid())
                                 : draw_mac(in, request.network);
  if (!mac) return forward_error(mac);
  port.mac_address = std::move(*mac);

  AddressTaker taker(in, request.network, port.uuid);
  if (request.fixed_ips) {
    for (const FixedIpRequest& one : *request.fixed_ips) {
      auto fixed_ip = taker.take(one);
      if (!fixed_ip) return forward_error(fixed_ip);
      change.context.fixed_ips.push_back(std::move(*fixed_ip));
    }
  } else {
    auto fixed_ips = taker.take_defaults();
    if (!fixed_ips) return forward_error(fixed_ips);
    change.context.fixed_ips = std::move(*fixed_ips);
  }
  auto groups = find_groups(in, request.security_groups);
  if (!groups) return forward_error(groups);
  port.security_groups = std::move(*groups);
  const auto pairs = make_pairs(request.allowed_address_pairs);
  if (!pairs) return forward_error(pairs);
  port.allowed_address_pairs = ids_of(*pairs);
  if (Status status = in.extensions.process_create(request, network->second, port); !status) {
    return forward_error(status);
  }
  port.status = "DOWN";
  port.status_reason = request.host.empty() ? "not bound to a host" : "not bound yet";

  ovsdb::Ml2Binding& binding = change.context.binding;
  binding.uuid = Uuid::random();
  binding.port = port.uuid;
  binding.host = request.host;
  binding.vnic_type = request.vnic_type;
  binding.profile = request.profile;

  ovsdb::Transaction& transaction = change.transaction;
  transaction.comment = fmt::format("ml2: create port {}", port.uuid.to_string());
  for (const auto& pair : *pairs) transaction.operations.emplace_back(ovsdb::insert_row(pair));
  transaction.operations.emplace_back(ovsdb::insert_row(port));
  for (const auto& fixed_ip : change.context.fixed_ips) {
    transaction.operations.emplace_back(ovsdb::insert_row(fixed_ip));
  }
  transaction.operations.emplace_back(ovsdb::insert_row(binding));
  return change;
}

Result<Change<PortContext>> update_port(const Inputs& in, const Uuid& id, const PortUpdate& update) {
  const auto found = in.rows.ports.find(id);
  if (found == in.rows.ports.end()) return invalid(fmt::format("there is no port {}", id.to_string()));
  Change<PortContext> change;
  change.context.action = Action::Update;
  change.context.original = found->second;
  change.context.port = found->second;
  const auto network = in.rows.networks.find(found->second.network);
  if (network != in.rows.networks.end()) change.context.network = network->second;
  ovsdb::Ml2Port& port = change.context.port;
  ovsdb::Transaction& transaction = change.transaction;
  transaction.comment = fmt::format("ml2: update port {}", id.to_string());
  if (update.name) port.name = *update.name;
  if (update.description) port.description = *update.description;
  if (update.admin_state_up) port.admin_state_up = *update.admin_state_up;
  if (update.device_id) port.device_id = *update.device_id;
  if (update.device_owner) port.device_owner = *update.device_owner;
  if (update.mac_address) {
    auto mac = check_mac(in, *update.mac_address, port.network, id);
    if (!mac) return forward_error(mac);
    port.mac_address = std::move(*mac);
  }
  if (update.security_groups) {
    auto groups = find_groups(in, *update.security_groups);
    if (!groups) return forward_error(groups);
    port.security_groups = std::move(*groups);
  }
  if (update.allowed_address_pairs) {
    // Rows that no port refers to any more are collected by the server: Address_Pair is no root table.
    const auto pairs = make_pairs(*update.allowed_address_pairs);
    if (!pairs) return forward_error(pairs);
    port.allowed_address_pairs = ids_of(*pairs);
    for (const auto& pair : *pairs) transaction.operations.emplace_back(ovsdb::insert_row(pair));
  }
  if (Status status = in.extensions.process_update(update, change.context.network, port); !status) {
    return forward_error(status);
  }
  add_update(transaction, found->second, port);

  AddressTaker taker(in, port.network, id);
  std::vector<ovsdb::Ml2FixedIp> kept = fixed_ips_of(in.rows, id);
  if (update.fixed_ips) {
    const std::vector<ovsdb::Ml2FixedIp> before = std::move(kept);
    kept.clear();
    for (const FixedIpRequest& one : *update.fixed_ips) {
      auto fixed_ip = taker.take(one);
      if (!fixed_ip) return forward_error(fixed_ip);
      const auto same = std::find_if(before.begin(), before.end(), [&](const auto& old) {
        return old.subnet == fixed_ip->subnet && old.ip_address == fixed_ip->ip_address;
      });
      if (same == before.end()) transaction.operations.emplace_back(ovsdb::insert_row(*fixed_ip));
      kept.push_back(same == before.end() ? *fixed_ip : *same);
    }
    for (const auto& old : before) {
      if (std::none_of(kept.begin(), kept.end(), [&](const auto& now) { return now.uuid == old.uuid; })) {
        transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2FixedIp>(), old.uuid});
      }
    }
  } else {
    for (const auto& fixed_ip : kept) taker.keep(fixed_ip);
  }
  for (const FixedIpRequest& one : update.add_fixed_ips) {
    auto fixed_ip = taker.take(one);
    if (!fixed_ip) return forward_error(fixed_ip);
    transaction.operations.emplace_back(ovsdb::insert_row(*fixed_ip));
    kept.push_back(std::move(*fixed_ip));
  }
  change.context.fixed_ips = std::move(kept);

  const auto bindings = bindings_of(in.rows, id);
  ovsdb::Ml2Binding before;
  if (bindings.empty()) {
    before.uuid = Uuid::random();
    before.port = id;
  } else {
    before = bindings.front();
  }
  ovsdb::Ml2Binding& binding = change.context.binding;
  binding = before;
  if (update.host) binding.host = *update.host;
  if (update.vnic_type) binding.vnic_type = *update.vnic_type;
  if (update.profile) binding.profile = *update.profile;
  if (binding != before) {
    // What was bound for the other host, kind or profile is so no longer.
    binding.vif_type = "unbound";
    binding.vif_details.clear();
    binding.segment.reset();
    binding.mechanism_driver.clear();
    binding.failure.clear();
  }
  if (bindings.empty()) {
    if (binding != before) transaction.operations.emplace_back(ovsdb::insert_row(binding));
  } else {
    add_update(transaction, before, binding);
  }
  if (update.host && update.host->empty() && !before.host.empty()) {
    const char* table = ovsdb::table_of<ovsdb::Ml2Port>();
    transaction.operations.emplace_back(ovsdb::RowUpdate{
        table,
        id,
        {{"status", ovsdb::Datum::of("DOWN")}, {"status_reason", ovsdb::Datum::of("not bound to a host")}}});
  }
  return change;
}

Result<Change<PortContext>> delete_port(const Inputs& in, const Uuid& id) {
  const auto found = in.rows.ports.find(id);
  if (found == in.rows.ports.end()) return invalid(fmt::format("there is no port {}", id.to_string()));
  Change<PortContext> change;
  change.context.action = Action::Delete;
  change.context.port = found->second;
  const auto network = in.rows.networks.find(found->second.network);
  if (network != in.rows.networks.end()) change.context.network = network->second;
  change.context.fixed_ips = fixed_ips_of(in.rows, id);
  change.transaction.comment = fmt::format("ml2: delete port {}", id.to_string());
  for (const auto& fixed_ip : change.context.fixed_ips) {
    change.transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2FixedIp>(), fixed_ip.uuid});
  }
  for (const auto& binding : bindings_of(in.rows, id)) {
    if (change.context.binding.uuid.is_zero()) change.context.binding = binding;
    change.transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2Binding>(), binding.uuid});
  }
  change.transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2Port>(), id});
  return change;
}

}  // namespace ml2::plugin
