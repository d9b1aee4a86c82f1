#include "agent/ml2/view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/ml2/ipam.h"
#include "agent/ml2/lookup.h"
#include "agent/ml2/mechanism_driver.h"

namespace ml2::plugin {
namespace {

using nlohmann::json;

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

// As the API has it: absent attributes of a segment are null.
void put_segment(json& shown, const ovsdb::Ml2Segment& segment) {
  shown["provider:network_type"] = segment.network_type;
  shown["provider:physical_network"] = segment.physical_network.empty() ? json() : json(segment.physical_network);
  const bool has_id = segment.network_type != "local" && segment.network_type != "flat";
  shown["provider:segmentation_id"] = has_id ? json(segment.segmentation_id) : json();
}

}  // namespace

json view(const ViewInputs& in, const ovsdb::Ml2Network& network) {
  json shown;
  shown["id"] = network.uuid.to_string();
  shown["name"] = network.name;
  shown["description"] = network.description;
  shown["project_id"] = network.project_id;
  shown["admin_state_up"] = network.admin_state_up;
  shown["status"] = "ACTIVE";  // Neutron's networks are so from the start
  shown["shared"] = network.shared;
  shown["router:external"] = network.external;
  shown["mtu"] = network.mtu;
  shown["subnets"] = json::array();
  for (const auto& subnet : subnets_of(in.rows, network.uuid)) shown["subnets"].push_back(subnet.uuid.to_string());
  std::vector<ovsdb::Ml2Segment> segments;
  for (auto& segment : segments_of(in.rows, network.uuid)) {
    if (!segment.is_dynamic) segments.push_back(std::move(segment));
  }
  if (segments.size() == 1) {
    put_segment(shown, segments.front());
  } else {
    shown["segments"] = json::array();
    for (const auto& segment : segments) {
      json one;
      put_segment(one, segment);
      shown["segments"].push_back(std::move(one));
    }
  }
  in.extensions.extend(network, shown);
  return shown;
}

json view(const ViewInputs&, const ovsdb::Ml2Subnet& subnet) {
  json shown;
  shown["id"] = subnet.uuid.to_string();
  shown["name"] = subnet.name;
  shown["description"] = subnet.description;
  shown["project_id"] = subnet.project_id;
  shown["network_id"] = subnet.network.to_string();
  shown["ip_version"] = subnet.ip_version;
  shown["cidr"] = subnet.cidr;
  shown["gateway_ip"] = or_null(subnet.gateway_ip);
  shown["enable_dhcp"] = subnet.enable_dhcp;
  shown["allocation_pools"] = json::array();
  for (const Pool& pool : pools_of(subnet)) {
    shown["allocation_pools"].push_back({{"start", pool.first.to_string()}, {"end", pool.last.to_string()}});
  }
  shown["dns_nameservers"] = subnet.dns_nameservers;
  shown["host_routes"] = json::array();
  for (const auto& [destination, next_hop] : subnet.host_routes) {
    shown["host_routes"].push_back({{"destination", destination}, {"nexthop", next_hop}});
  }
  return shown;
}

json view(const ViewInputs& in, const ovsdb::Ml2Port& port) {
  json shown;
  shown["id"] = port.uuid.to_string();
  shown["name"] = port.name;
  shown["description"] = port.description;
  shown["project_id"] = port.project_id;
  shown["network_id"] = port.network.to_string();
  shown["mac_address"] = port.mac_address;
  shown["admin_state_up"] = port.admin_state_up;
  shown["device_id"] = port.device_id;
  shown["device_owner"] = port.device_owner;
  shown["status"] = port.status;
  shown["status_reason"] = port.status_reason;
  shown["fixed_ips"] = json::array();
  for (const auto& fixed_ip : fixed_ips_of(in.rows, port.uuid)) {
    shown["fixed_ips"].push_back({{"subnet_id", fixed_ip.subnet.to_string()}, {"ip_address", fixed_ip.ip_address}});
  }
  shown["security_groups"] = json::array();
  for (const Uuid& group : port.security_groups) shown["security_groups"].push_back(group.to_string());
  shown["allowed_address_pairs"] = json::array();
  for (const Uuid& id : port.allowed_address_pairs) {
    const auto pair = in.rows.address_pairs.find(id);
    if (pair == in.rows.address_pairs.end()) continue;
    shown["allowed_address_pairs"].push_back({{"ip_address", pair->second.ip_address},
                                              {"mac_address", pair->second.mac_address.value_or(port.mac_address)}});
  }
  const auto bindings = bindings_of(in.rows, port.uuid);
  const ovsdb::Ml2Binding binding = bindings.empty() ? ovsdb::Ml2Binding() : bindings.front();
  shown["binding:host_id"] = binding.host;
  shown["binding:vnic_type"] = binding.vnic_type;
  shown["binding:vif_type"] = binding.vif_type;
  shown["binding:vif_details"] = json::object();
  for (const auto& [key, value] : binding.vif_details) {
    shown["binding:vif_details"][key] = value == "true" || value == "false" ? json(value == "true") : json(value);
  }
  shown["binding:profile"] = binding.profile.empty() ? json::object() : json(binding.profile);
  if (!binding.failure.empty()) shown["binding:failure"] = binding.failure;
  if (binding.segment) {
    const ovsdb::Ml2Host* host = ovsdb::host_named(in.rows, binding.host);
    const Status alive = host == nullptr ? Status(transient("its agent's row is gone from the database"))
                                         : check_alive(*host, in.agent_down_time, in.now);
    const bool has_left = host == nullptr && port.status == "DOWN";  // and said so: ml2-agent --cleanup
    if (!alive && !has_left) {
      shown["status"] = "UNKNOWN";
      shown["status_reason"] = fmt::format("host {}: {}", binding.host, alive.error().message);
    }
  }
  in.extensions.extend(port, shown);
  return shown;
}

json view(const ViewInputs& in, const ovsdb::Ml2Host& host) {
  json shown;
  shown["id"] = host.uuid.to_string();
  shown["name"] = host.name;
  shown["host"] = host.name;  // the name of the attribute in Neutron's agents
  shown["agent_type"] = host.agent_type;
  shown["agent_version"] = host.agent_version;
  shown["admin_state_up"] = host.admin_state_up;
  const Status alive = check_alive(host, in.agent_down_time, in.now);
  shown["alive"] = alive.has_value();
  shown["alive_reason"] = alive ? clock_trouble(host, in.now) : alive.error().message;
  shown["started_at"] = host.started_at;
  shown["heartbeat_timestamp"] = host.heartbeat;
  shown["report_interval"] = host.report_interval;
  shown["bridge_mappings"] = host.bridge_mappings.empty() ? json::object() : json(host.bridge_mappings);
  shown["tunnel_types"] = host.tunnel_types;
  shown["endpoints"] = json::array();
  for (const Uuid& id : host.endpoints) {
    const auto endpoint = in.rows.endpoints.find(id);
    if (endpoint == in.rows.endpoints.end()) continue;
    json one{{"tunnel_type", endpoint->second.tunnel_type}, {"ip_address", endpoint->second.ip_address}};
    if (endpoint->second.udp_port != 0) one["udp_port"] = endpoint->second.udp_port;
    shown["endpoints"].push_back(std::move(one));
  }
  shown["configurations"] = host.configurations.empty() ? json::object() : json(host.configurations);
  shown["problems"] = host.problems;
  return shown;
}

json view(const ViewInputs& in, const ovsdb::Ml2SecurityGroup& group) {
  json shown;
  shown["id"] = group.uuid.to_string();
  shown["name"] = group.name;
  shown["description"] = group.description;
  shown["project_id"] = group.project_id;
  shown["stateful"] = group.stateful;
  shown["security_group_rules"] = json::array();
  for (const Uuid& id : group.rules) {
    const auto rule = in.rows.security_group_rules.find(id);
    if (rule != in.rows.security_group_rules.end()) shown["security_group_rules"].push_back(view(in, rule->second));
  }
  return shown;
}

json view(const ViewInputs& in, const ovsdb::Ml2SecurityGroupRule& rule) {
  json shown;
  shown["id"] = rule.uuid.to_string();
  shown["direction"] = rule.direction;
  shown["ethertype"] = rule.ethertype;
  shown["protocol"] = or_null(rule.protocol);
  shown["port_range_min"] = or_null(rule.port_range_min);
  shown["port_range_max"] = or_null(rule.port_range_max);
  shown["remote_ip_prefix"] = or_null(rule.remote_ip_prefix);
  shown["remote_group_id"] = rule.remote_group ? json(rule.remote_group->to_string()) : json();
  shown["description"] = rule.description;
  for (const auto& [uuid, group] : in.rows.security_groups) {
    if (group.rules.contains(rule.uuid)) shown["security_group_id"] = uuid.to_string();
  }
  return shown;
}

}  // namespace ml2::plugin
