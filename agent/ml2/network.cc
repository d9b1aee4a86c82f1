// Networks and their segments.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "agent/ml2/compute.h"
#include "agent/ml2/lookup.h"

namespace ml2::plugin {
namespace {

// Ports that come and go by themselves (neutron/db/db_base_plugin_v2.py, AUTO_DELETE_PORT_OWNERS).
constexpr std::array kAutoDeleteOwners{"network:dhcp", "network:distributed"};

// IPv4: RFC 791 section 3.2; IPv6: RFC 8200 section 5.
constexpr std::int64_t kLeastIpv4Mtu = 68;
constexpr std::int64_t kLeastIpv6Mtu = 1280;

Result<std::int64_t> choose_mtu(std::optional<std::int64_t> wanted, std::int64_t most, std::int64_t least) {
  if (!wanted || *wanted == 0) return most;
  if (*wanted < least) return invalid(fmt::format("mtu {} is too small: at least {} bytes", *wanted, least));
  if (*wanted > 65535) return invalid(fmt::format("mtu {} is no MTU: at most 65535 bytes", *wanted));
  if (most > 0 && *wanted > most) {
    return invalid(fmt::format(
        "mtu {} is too big: the segments carry at most {} bytes (global_physnet_mtu of [DEFAULT], path_mtu and "
        "physical_network_mtus of [ml2], less the tunnel's headers)",
        *wanted, most));
  }
  return *wanted;
}

std::vector<SegmentKey> keys_of(const std::vector<ovsdb::Ml2Segment>& segments) {
  std::vector<SegmentKey> keys;
  for (const auto& segment : segments) {
    keys.push_back({segment.network_type, segment.physical_network, segment.segmentation_id});
  }
  return keys;
}

}  // namespace

Result<Change<NetworkContext>> create_network(const Inputs& in, const NetworkRequest& request) {
  if (!request.provider.empty() && !request.segments.empty()) {
    return invalid("give either the provider attributes of one segment or several segments, not both");
  }
  std::vector<SegmentKey> keys;
  if (request.provider.empty() && request.segments.empty()) {
    auto key = in.types.allocate(request.external, in.rows, in.random);
    if (!key) return forward_error(key);
    keys.push_back(std::move(*key));
  } else {
    auto reserved =
        in.types.reserve(request.segments.empty() ? std::vector<SegmentRequest>{request.provider} : request.segments,
                         in.rows, in.random);
    if (!reserved) return forward_error(reserved);
    keys = std::move(*reserved);
  }

  Change<NetworkContext> change;
  ovsdb::Ml2Network& network = change.context.network;
  network.uuid = Uuid::random();
  network.name = request.name;
  network.description = request.description;
  network.project_id = request.project_id;
  network.admin_state_up = request.admin_state_up;
  network.shared = request.shared;
  network.external = request.external;
  const auto mtu = choose_mtu(request.mtu, in.types.mtu(keys), kLeastIpv4Mtu);
  if (!mtu) return forward_error(mtu);
  network.mtu = *mtu;
  if (Status status = in.extensions.process_create(request, network); !status) return forward_error(status);

  change.transaction.comment = fmt::format("ml2: create network {}", network.uuid.to_string());
  change.transaction.operations.emplace_back(ovsdb::insert_row(network));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ovsdb::Ml2Segment segment;
    segment.uuid = Uuid::random();
    segment.network = network.uuid;
    segment.network_type = keys[i].network_type;
    segment.physical_network = keys[i].physical_network;
    segment.segmentation_id = keys[i].segmentation_id;
    segment.segment_index = static_cast<std::int64_t>(i);
    change.transaction.operations.emplace_back(ovsdb::insert_row(segment));
    change.context.segments.push_back(std::move(segment));
  }
  return change;
}

Result<Change<NetworkContext>> update_network(const Inputs& in, const Uuid& id, const NetworkUpdate& update) {
  const auto found = in.rows.networks.find(id);
  if (found == in.rows.networks.end()) return invalid(fmt::format("there is no network {}", id.to_string()));
  Change<NetworkContext> change;
  change.context.action = Action::Update;
  change.context.original = found->second;
  change.context.network = found->second;
  change.context.segments = segments_of(in.rows, id);
  change.transaction.comment = fmt::format("ml2: update network {}", id.to_string());
  ovsdb::Ml2Network& network = change.context.network;
  if (update.name) network.name = *update.name;
  if (update.description) network.description = *update.description;
  if (update.admin_state_up) network.admin_state_up = *update.admin_state_up;
  if (update.shared) network.shared = *update.shared;
  if (update.external) network.external = *update.external;
  if (update.mtu) {
    const auto subnets = subnets_of(in.rows, id);
    const bool ipv6 = std::any_of(subnets.begin(), subnets.end(), [](const auto& s) { return s.ip_version == 6; });
    const auto mtu =
        choose_mtu(update.mtu, in.types.mtu(keys_of(change.context.segments)), ipv6 ? kLeastIpv6Mtu : kLeastIpv4Mtu);
    if (!mtu) return forward_error(mtu);
    network.mtu = *mtu;
  }
  if (Status status = in.extensions.process_update(update, network); !status) return forward_error(status);
  add_update(change.transaction, found->second, network);

  if (update.segmentation_id) {
    const auto key =
        in.types.change_segmentation_id(change.context.segments, *update.segmentation_id, in.rows, in.random);
    if (!key) return forward_error(key);
    const ovsdb::Ml2Segment before = change.context.segments.front();
    change.context.segments.front().segmentation_id = key->segmentation_id;
    add_update(change.transaction, before, change.context.segments.front());
  }
  return change;
}

Result<Change<NetworkContext>> delete_network(const Inputs& in, const Uuid& id) {
  const auto found = in.rows.networks.find(id);
  if (found == in.rows.networks.end()) return invalid(fmt::format("there is no network {}", id.to_string()));
  Change<NetworkContext> change;
  change.context.action = Action::Delete;
  change.context.network = found->second;
  change.context.segments = segments_of(in.rows, id);
  change.transaction.comment = fmt::format("ml2: delete network {}", id.to_string());

  std::vector<std::string> in_the_way;
  for (const ovsdb::Ml2Port& port : ports_of(in.rows, id)) {
    if (std::find(kAutoDeleteOwners.begin(), kAutoDeleteOwners.end(), port.device_owner) == kAutoDeleteOwners.end()) {
      in_the_way.push_back(name_of(in.rows.ports, port.uuid));
      continue;
    }
    auto gone = delete_port(in, port.uuid);
    if (!gone) return forward_error(gone);
    auto& operations = change.transaction.operations;
    operations.insert(operations.end(), gone->transaction.operations.begin(), gone->transaction.operations.end());
  }
  if (!in_the_way.empty()) {
    constexpr std::size_t kNamed = 5;
    const std::size_t count = in_the_way.size();
    in_the_way.resize(std::min(count, kNamed));
    return conflict(fmt::format("NetworkInUse: network {} still has {} port{} ({}{}): delete {} first",
                                name_of(in.rows.networks, id), count, count == 1 ? "" : "s",
                                fmt::join(in_the_way, ", "), count > kNamed ? ", ..." : "",
                                count == 1 ? "it" : "them"));
  }
  for (const ovsdb::Ml2Subnet& subnet : subnets_of(in.rows, id)) {
    change.transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2Subnet>(), subnet.uuid});
  }
  for (const ovsdb::Ml2Segment& segment : change.context.segments) {
    change.transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2Segment>(), segment.uuid});
  }
  change.transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2Network>(), id});
  return change;
}

}  // namespace ml2::plugin
