#include "agent/intent/ml2_intent.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/intent/ml2_remote.h"
#include "datapath/base/strong_id.h"
#include "datapath/base/text.h"

namespace ml2::intent {
namespace {

constexpr std::int64_t kMtuMax = 65535;
constexpr std::size_t kNameMax = 4 * 255;  // bytes; Neutron's names have 255 characters (NAME_FIELD_SIZE), in UTF-8
constexpr std::int64_t kVniMax = (1 << 24) - 1;  // RFC 7348 section 5, RFC 8926 section 3.4

Result<Segment> read_segment(const ovsdb::Ml2Rows& rows, const ovsdb::Ml2Binding& binding,
                             const ovsdb::Ml2Port& port) {
  if (!binding.segment) {
    return invalid(fmt::format("Binding {} has no segment: the port is not bound; set its host again",
                               binding.uuid.to_string()));
  }
  const auto found = rows.segments.find(*binding.segment);
  if (found == rows.segments.end()) {
    return invalid(
        fmt::format("Binding {}: segment {} does not exist", binding.uuid.to_string(), binding.segment->to_string()));
  }
  const ovsdb::Ml2Segment& row = found->second;
  const std::string id = row.uuid.to_string();
  if (row.network != port.network) {
    return invalid(fmt::format("Segment {} belongs to network {}, not to the port's network {}", id,
                               row.network.to_string(), port.network.to_string()));
  }
  const auto type = parse_network_type(row.network_type);
  if (!type) {
    return invalid(fmt::format("Segment {}: network_type \"{}\" is none of local, flat, vlan, gre, vxlan, geneve", id,
                               text::printable(row.network_type, 40)));
  }
  Segment segment{.network = row.network, .type = *type};
  if (*type == NetworkType::Flat || *type == NetworkType::Vlan) {
    if (row.physical_network.empty()) {
      return invalid(fmt::format("Segment {}: a {} segment needs a physical_network", id, row.network_type));
    }
    segment.physical_network = row.physical_network;
  }
  if (*type == NetworkType::Vlan && !VlanId::make(row.segmentation_id)) {
    return invalid(fmt::format("Segment {}: VLAN {} is not in 1-4094", id, row.segmentation_id));
  }
  if ((*type == NetworkType::Vxlan || *type == NetworkType::Geneve) &&
      (row.segmentation_id < 1 || row.segmentation_id > kVniMax)) {
    return invalid(fmt::format("Segment {}: VNI {} is not in 1-{}", id, row.segmentation_id, kVniMax));
  }
  if (*type == NetworkType::Gre && !TunnelKey::make(row.segmentation_id)) {
    return invalid(fmt::format("Segment {}: GRE key {} is not in 1-4294967295", id, row.segmentation_id));
  }
  if (*type != NetworkType::Local && *type != NetworkType::Flat) {
    segment.segmentation_id = static_cast<std::uint32_t>(row.segmentation_id);
  }
  return segment;
}

Result<Port> read_port(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const ovsdb::Ml2Binding& binding,
                       const ovsdb::Ml2Port& row, const NodeConfig& node) {
  auto segment = read_segment(rows, binding, row);
  if (!segment) return forward_error(segment);
  const auto mac = Mac::parse(row.mac_address);
  if (!mac) {
    return invalid(fmt::format("mac_address \"{}\" is not six hexadecimal bytes such as fa:16:3e:00:00:01",
                               text::printable(row.mac_address, 40)));
  }
  if (mac->is_multicast() || mac->is_zero()) {
    return invalid(fmt::format("mac_address {} is {}; a port needs a unicast address", mac->to_string(),
                               mac->is_zero() ? "all zero" : "a multicast address"));
  }
  if (row.name.size() > kNameMax) {
    return invalid(
        fmt::format("the name has {} bytes, which is more than {} (255 characters): give the port a shorter "
                    "one (ml2ctl port set {} --name NAME)",
                    row.name.size(), kNameMax, row.uuid.to_string()));
  }
  Port port{.id = row.uuid,
            .name = row.name,
            .segment = *segment,
            .mac = *mac,
            .admin_state_up = row.admin_state_up,
            .device_owner = row.device_owner,
            .port_security_enabled = row.port_security_enabled,
            .security_groups = row.security_groups};
  const auto network = rows.networks.find(row.network);
  if (network != rows.networks.end()) {
    // As the incumbent: a network that is administratively down takes its ports down.
    if (!network->second.admin_state_up) port.admin_state_up = false;
    if (network->second.mtu > 0 && network->second.mtu <= kMtuMax) {
      port.mtu = static_cast<std::uint16_t>(network->second.mtu);
    }
  }
  for (const Uuid& id : referrers(index.port_fixed_ips, row.uuid)) {
    const ovsdb::Ml2FixedIp& fixed_ip = rows.fixed_ips.at(id);
    const auto address = IpAddress::parse(fixed_ip.ip_address);
    if (!address) {
      return invalid(fmt::format("Fixed_IP {}: ip_address \"{}\" is no IPv4 or IPv6 address", id.to_string(),
                                 text::printable(fixed_ip.ip_address, 40)));
    }
    port.fixed_ips.push_back(*address);
  }
  std::sort(port.fixed_ips.begin(), port.fixed_ips.end());
  if (binding.vif_type == "vhostuser" && node.fast_path.enabled) {
    // The path becomes a device of the fast path: only the one that this host's ini says.
    const std::string expected =
        fmt::format("{}/vhu{}", node.vhostuser_socket_dir, row.uuid.to_string().substr(0, 11));
    const auto socket = binding.vif_details.find("vhostuser_socket");
    const auto plugged = binding.vif_details.find("vhostuser_ovs_plug");
    port.vhost_user = plugged == binding.vif_details.end() || plugged->second != "true";
    if (port.vhost_user && (socket == binding.vif_details.end() || socket->second != expected)) {
      return invalid(
          fmt::format("its vhostuser_socket is {}, and {} was expected ([ovs] vhostuser_socket_dir): set its "
                      "host again",
                      socket == binding.vif_details.end() ? "missing" : text::printable(socket->second), expected));
    }
  }
  auto pairs = read_address_pairs(rows, row.allowed_address_pairs, *mac);
  if (!pairs) return forward_error(pairs);
  port.allowed_address_pairs = std::move(*pairs);
  return port;
}

// The bound ports of a network, those of other hosts too.
BoundPorts bound_ports(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const Uuid& network) {
  BoundPorts ports;
  for (const Uuid& id : referrers(index.network_ports, network)) {
    for (const Uuid& binding_id : referrers(index.port_bindings, id)) {
      const ovsdb::Ml2Binding& binding = rows.bindings.at(binding_id);
      if (binding.status != "ACTIVE" || !binding.segment || binding.host.empty()) continue;
      const ovsdb::Ml2Port& row = rows.ports.at(id);
      BoundPort port{.id = id,
                     .name = row.name,
                     .status = row.status,
                     .device_owner = row.device_owner,
                     .port_security_enabled = row.port_security_enabled,
                     .allowed_address_pairs = row.allowed_address_pairs,
                     .host = binding.host,
                     .segment = *binding.segment,
                     .mac = Mac::parse(text::lower(row.mac_address)),
                     .addresses = {}};
      for (const Uuid& ip : referrers(index.port_fixed_ips, id)) {
        if (const auto address = IpAddress::parse(rows.fixed_ips.at(ip).ip_address))
          port.addresses.push_back(*address);
      }
      std::sort(port.addresses.begin(), port.addresses.end());
      ports.push_back(std::move(port));
      break;
    }
  }
  return ports;
}

// What a binding makes of its port on this node, if anything.
void read_own_binding(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node,
                      const ovsdb::Ml2Binding& binding, NetworkIntent& here) {
  if (binding.host != node.host || binding.status != "ACTIVE") return;
  if (binding.vif_type == "unbound") return;  // whoever set the host is about to bind it
  const ovsdb::Ml2Port& row = rows.ports.at(binding.port);
  if (binding.vif_type == "binding_failed") {
    here.refused.emplace(
        row.uuid, binding.failure.empty() ? "the port could not be bound; set its host again" : binding.failure);
    return;
  }
  auto port = read_port(rows, index, binding, row, node);
  if (port) {
    here.segments.emplace(*binding.segment, port->segment);
    here.ports.insert_or_assign(row.uuid, std::move(*port));
  } else {
    here.refused.insert_or_assign(
        row.uuid, port.error().message +
                      "; this port is left out until its rows are right (ml2ctl port set, or create it "
                      "anew)");
  }
}

void read_vteps(const ovsdb::Ml2Rows& rows, Intent& intent) {
  for (const auto& [uuid, host] : rows.hosts) {
    if (host.name == intent.node.host) continue;
    for (const Uuid& id : host.endpoints) {
      const auto found = rows.endpoints.find(id);
      if (found == rows.endpoints.end()) continue;
      const ovsdb::Ml2Endpoint& endpoint = found->second;
      const auto type = parse_network_type(endpoint.tunnel_type);
      const auto address = IpAddress::parse(endpoint.ip_address);
      // A wrong endpoint is that host's fault and is said on that host; here it is simply no VTEP.
      if (!type || !is_tunnel(*type) || !address || address->is_unspecified() || address->is_multicast()) continue;
      if (!intent.node.tunnel_types.contains(*type)) continue;
      const auto udp_port = static_cast<std::uint16_t>(std::clamp<std::int64_t>(endpoint.udp_port, 0, 65535));
      intent.vteps.insert(Vtep{.type = *type, .address = *address, .udp_port = udp_port, .host = host.name});
    }
  }
}

const char* status_word(PortStatus status) {
  switch (status) {
    case PortStatus::Active: return "ACTIVE";
    case PortStatus::Down: return "DOWN";
    case PortStatus::Error: return "ERROR";
  }
  return "ERROR";
}

std::map<std::string, std::string> configurations(const NodeConfig& node, const NodeReport& report) {
  const auto joined = [](const std::set<std::string>& words) { return fmt::format("{}", fmt::join(words, ",")); };
  return {
      {"integration_bridge", node.integration_bridge},
      {"datapath_type", node.datapath_type},
      {"vhostuser_socket_dir", node.vhostuser_socket_dir},
      {"tunneling_ip", node.local_ip ? node.local_ip->to_string() : ""},
      {"datapath_types", joined(report.datapath_types)},
      {"iface_types", joined(report.iface_types)},
      {"switch_id", report.switch_id},
      {"l2_population", node.l2_population ? "true" : "false"},
      {"arp_responder_enabled", node.arp_responder ? "true" : "false"},
      {"fastpath", !node.fast_path.enabled    ? ""
                   : node.fast_path.all_ports ? "all"
                                              : "vhostuser"},
      {"vhostuser_mode", node.fast_path.qemu_serves ? "server" : "client"},
  };
}

std::set<std::string> type_names(const std::set<NetworkType>& types) {
  std::set<std::string> names;
  for (const NetworkType type : types) names.emplace(to_string(type));
  return names;
}

// The name of the host, other than `node`'s, that announces this endpoint already; empty when none does.
std::string other_owner(const ovsdb::Ml2Rows& rows, const NodeConfig& node, const ovsdb::Ml2Endpoint& wanted) {
  for (const auto& [uuid, host] : rows.hosts) {
    if (host.name == node.host) continue;
    for (const Uuid& id : host.endpoints) {
      const auto row = rows.endpoints.find(id);
      if (row != rows.endpoints.end() && row->second.tunnel_type == wanted.tunnel_type &&
          row->second.ip_address == wanted.ip_address) {
        return host.name;
      }
    }
  }
  return {};
}

// The VTEP endpoints of this node into `host`: what they shall be, against what its row refers to.
void write_endpoints(const ovsdb::Ml2Rows& rows, const NodeConfig& node, const NodeReport& report,
                     const ovsdb::Ml2Host* old, ovsdb::Ml2Host& host, ovsdb::Transaction& transaction) {
  std::set<Uuid>& endpoints = host.endpoints;
  endpoints.clear();
  // An address that has gone from the host stays announced until the ini says otherwise: links flap.
  const bool keep_only = !report.local_ip_present;
  for (const NetworkType type : node.tunnel_types) {
    if (!node.local_ip) break;
    ovsdb::Ml2Endpoint wanted{.uuid = Uuid::random(),
                              .tunnel_type = std::string(to_string(type)),
                              .ip_address = node.local_ip->to_string(),
                              .udp_port = type == NetworkType::Vxlan ? node.vxlan_udp_port : 0};
    bool found = false;
    if (old != nullptr) {
      for (const Uuid& id : old->endpoints) {
        const auto row = rows.endpoints.find(id);
        if (row == rows.endpoints.end() || row->second.tunnel_type != wanted.tunnel_type ||
            row->second.ip_address != wanted.ip_address || row->second.udp_port != wanted.udp_port) {
          continue;
        }
        endpoints.insert(id);
        found = true;
      }
    }
    if (found || keep_only) continue;
    if (const std::string owner = other_owner(rows, node, wanted); !owner.empty()) {
      host.problems.insert(fmt::format(
          "local_ip {} is already the {} endpoint of host {}: this node's is not announced; give one of the two "
          "another [ovs] local_ip",
          wanted.ip_address, wanted.tunnel_type, owner));
      continue;
    }
    endpoints.insert(wanted.uuid);
    transaction.operations.emplace_back(ovsdb::insert_row(wanted));
  }
}

// The beat that is written, or was.
HostBeat write_host(const ovsdb::Ml2Rows& rows, const NodeConfig& node, const NodeReport& report,
                    const HostStamp& stamp, const ovsdb::Ml2Host* old, ovsdb::Transaction& transaction) {
  ovsdb::Ml2Host host = old != nullptr ? *old : ovsdb::Ml2Host{.uuid = Uuid::random(), .name = node.host};
  host.agent_version = stamp.version;
  host.started_at = stamp.started_at;
  host.report_interval = stamp.report_interval;
  host.bridge_mappings = node.bridge_mappings;
  // For whoever binds ports, a physical network of the fast path is one that is here.
  for (const auto& [physical_network, device] : node.fast_path.physnet_devices) {
    if (node.fast_path.enabled) host.bridge_mappings.emplace(physical_network, node.integration_bridge);
  }
  host.tunnel_types = type_names(node.tunnel_types);
  host.configurations = configurations(node, report);
  HostBeat beat = stamp.beat.value_or(HostBeat());
  const std::set<std::string> unread = std::exchange(host.problems, report.problems);
  write_endpoints(rows, node, report, old, host, transaction);
  beat.problems = std::exchange(host.problems, unread);
  if (report.applied) beat.applied = report.applied;
  ovsdb::Columns changed;
  if (old != nullptr) {
    const ovsdb::Columns before = ovsdb::to_columns(*old);
    const ovsdb::Columns after = ovsdb::to_columns(host);
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (!(after[i].second == before[i].second)) changed.push_back(after[i]);
    }
  }
  // A clock that was set back would otherwise leave a heartbeat in the future that nobody renews.
  const bool due = beat.heartbeat + stamp.report_interval <= stamp.now || beat.heartbeat > stamp.now;
  if (old != nullptr && changed.empty() && beat == stamp.beat && !due) return beat;
  beat.heartbeat = stamp.now;
  if (old == nullptr) {
    host.heartbeat = beat.heartbeat;
    host.problems = beat.problems;
    host.applied = beat.applied.value_or(0);
    transaction.operations.emplace_back(ovsdb::insert_row(host));
    return beat;
  }
  changed.emplace_back("heartbeat", ovsdb::Datum::of(ovsdb::Atom(beat.heartbeat)));
  if (!stamp.beat || stamp.beat->problems != beat.problems) {
    changed.emplace_back("problems", ovsdb::Datum::strings(beat.problems));
  }
  if (beat.applied && (!stamp.beat || stamp.beat->applied != beat.applied)) {
    changed.emplace_back("applied", ovsdb::Datum::of(ovsdb::Atom(*beat.applied)));
  }
  transaction.operations.emplace_back(ovsdb::RowUpdate{"Host", old->uuid, changed});
  return beat;
}

}  // namespace

NetworkIntent read_own_ports(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node,
                             const Uuid& network) {
  NetworkIntent here;
  std::map<Uuid, const ovsdb::Ml2Binding*> bindings;
  for (const Uuid& port : referrers(index.network_ports, network)) {
    if (!rows.ports.contains(port)) continue;
    for (const Uuid& id : referrers(index.port_bindings, port)) {
      const auto binding = rows.bindings.find(id);
      if (binding != rows.bindings.end()) bindings.emplace(id, &binding->second);
    }
  }
  for (const auto& [uuid, binding] : bindings) read_own_binding(rows, index, node, *binding, here);
  return here;
}

NetworkIntent read_own_port(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node,
                            const Uuid& port) {
  NetworkIntent here;
  for (const Uuid& id : referrers(index.port_bindings, port)) {
    read_own_binding(rows, index, node, rows.bindings.at(id), here);
  }
  return here;
}

void read_hosts(const ovsdb::Ml2Rows& rows, const OtherHosts& hosts, Intent& intent) {
  intent.vteps.clear();
  read_vteps(rows, intent);
  find_same_endpoint(rows, hosts, intent.node, intent.problems);
}

Intent read_intent(const ovsdb::Ml2Rows& rows, const NodeConfig& node) {
  Intent intent{.node = node, .complete = true};
  const Ml2Index index = index_of(rows, node.host);
  for (const auto& [network, ports] : index.network_ports) {
    NetworkIntent here = read_own_ports(rows, index, node, network);
    if (!here.segments.empty()) {  // else what others have of it is none of ours
      read_neighbours(rows, index, node, network, bound_ports(rows, index, network), here);
    }
    intent.ports.merge(here.ports);
    intent.refused.merge(here.refused);
    intent.remote.merge(here.remote);
    intent.problems.merge(here.problems);
  }
  read_hosts(rows, index.hosts, intent);
  return intent;
}

std::string name_taken(const ovsdb::Ml2Rows& rows, const NodeConfig& node, const NodeReport& report,
                       const ovsdb::Ml2Host* own) {
  if (own == nullptr) own = ovsdb::host_named(rows, node.host);
  if (own == nullptr) return {};
  const auto owner = own->configurations.find("switch_id");
  if (owner == own->configurations.end() || owner->second.empty() || report.switch_id.empty()) return {};
  if (owner->second == report.switch_id) return {};
  const auto address = own->configurations.find("tunneling_ip");
  return fmt::format(
      "another node reports as host {} (its local_ip: {}), which keeps the name: nothing of this node is written to "
      "the ML2 database; give one of the two another [DEFAULT] host",
      node.host, address == own->configurations.end() ? "none" : text::printable(address->second, 60));
}

ovsdb::RowBelow name_is_free(const ovsdb::Ml2Host& own, const HostStamp& stamp) {
  constexpr std::int64_t kMissed = 3;  // heartbeats; then whoever had the name is gone
  return {"Host", own.uuid, "heartbeat", stamp.now - kMissed * own.report_interval};
}

WriteBack write_back(const ovsdb::Ml2Rows& rows, const std::map<Uuid, ovsdb::Ml2Port>& ports, const NodeConfig& node,
                     const NodeReport& report, const HostStamp& stamp, const ovsdb::Ml2Host* own, bool host) {
  ovsdb::Transaction transaction;
  transaction.comment = fmt::format("ml2-agent: {} reports", node.host);
  std::optional<HostBeat> beat = stamp.beat;
  if (host) {
    if (own == nullptr) own = ovsdb::host_named(rows, node.host);
    beat = write_host(rows, node, report, stamp, own, transaction);
  }
  for (const auto& [id, row] : ports) {
    const auto port = report.ports.find(id);
    if (port == report.ports.end()) continue;
    const char* status = status_word(port->second.status);
    const std::string& reason = port->second.reason;
    if (row.status == status && row.status_reason == reason) continue;
    transaction.operations.emplace_back(ovsdb::RowUpdate{
        "Port", id, {{"status", ovsdb::Datum::of(status)}, {"status_reason", ovsdb::Datum::of(reason)}}});
  }
  return {std::move(transaction), std::move(beat)};
}

}  // namespace ml2::intent
