// Security groups and their rules (neutron/db/securitygroups_db.py).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "agent/ml2/compute.h"
#include "agent/ml2/lookup.h"
#include "datapath/base/ip.h"
#include "datapath/base/text.h"

namespace ml2::plugin {
namespace {

// neutron-lib constants IP_PROTOCOL_MAP; others go by number.
constexpr std::array kProtocols{"ah",         "dccp",      "egp",        "esp",       "gre",       "icmp",
                                "icmpv6",     "ipv6-icmp", "igmp",       "ipip",      "ospf",      "pgm",
                                "rsvp",       "sctp",      "tcp",        "udp",       "udplite",   "vrrp",
                                "ipv6-encap", "ipv6-frag", "ipv6-nonxt", "ipv6-opts", "ipv6-route"};

bool has_ports(const std::string& protocol) {
  constexpr std::array kWithPorts{"tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "33", "132", "136"};
  return std::find(kWithPorts.begin(), kWithPorts.end(), protocol) != kWithPorts.end();
}

bool is_icmp(const std::string& protocol) {
  constexpr std::array kIcmp{"icmp", "icmpv6", "ipv6-icmp", "1", "58"};
  return std::find(kIcmp.begin(), kIcmp.end(), protocol) != kIcmp.end();
}

Status check_ports(const SecurityGroupRuleRequest& request) {
  const auto& first = request.port_range_min;
  const auto& last = request.port_range_max;
  if (!first && !last) return {};
  const std::string protocol = request.protocol.value_or("");
  if (is_icmp(protocol)) {  // type and code (RFC 792, RFC 4443)
    if (!first)
      return invalid("SecurityGroupMissingIcmpType: an ICMP code (port_range_max) needs a type (port_range_min)");
    for (const auto& value : {first, last}) {
      if (value && (*value < 0 || *value > 255))
        return invalid(fmt::format("{} is no ICMP type or code: 0 to 255", *value));
    }
    return {};
  }
  if (!has_ports(protocol)) return invalid("port ranges need a protocol that has ports, such as tcp or udp");
  if (!first || !last) return invalid("give both ends of the port range");
  if (*first < 1 || *last > 65535 || *first > *last) {
    return invalid(
        fmt::format("SecurityGroupInvalidPortRange: {}:{} is no range of ports within 1 to 65535", *first, *last));
  }
  return {};
}

}  // namespace

Result<Change<Uuid>> create_security_group(const Inputs&, const SecurityGroupRequest& request) {
  if (request.name.empty()) return invalid("a security group needs a name");
  ovsdb::Ml2SecurityGroup group;
  group.uuid = Uuid::random();
  group.name = request.name;
  group.description = request.description;
  group.project_id = request.project_id;
  group.stateful = request.stateful;
  Change<Uuid> change;
  change.context = group.uuid;
  change.transaction.comment = fmt::format("ml2: create security group {}", group.uuid.to_string());
  // As in Neutron, a new group lets everything out and nothing in.
  for (const char* ethertype : {"IPv4", "IPv6"}) {
    ovsdb::Ml2SecurityGroupRule rule;
    rule.uuid = Uuid::random();
    rule.direction = "egress";
    rule.ethertype = ethertype;
    group.rules.insert(rule.uuid);
    change.transaction.operations.emplace_back(ovsdb::insert_row(rule));
  }
  change.transaction.operations.emplace_back(ovsdb::insert_row(group));
  return change;
}

Result<ovsdb::Transaction> delete_security_group(const Inputs& in, const Uuid& id) {
  std::vector<std::string> users;
  for (const auto& [uuid, port] : in.rows.ports) {
    if (port.security_groups.contains(id)) users.push_back(name_of(in.rows.ports, uuid));
  }
  if (!users.empty()) {
    return conflict(fmt::format("SecurityGroupInUse: security group {} is used by {} port{}, first {}",
                                name_of(in.rows.security_groups, id), users.size(), users.size() == 1 ? "" : "s",
                                users.front()));
  }
  ovsdb::Transaction transaction;
  transaction.comment = fmt::format("ml2: delete security group {}", id.to_string());
  transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2SecurityGroup>(), id});
  return transaction;
}

Result<Change<Uuid>> create_security_group_rule(const Inputs& in, const SecurityGroupRuleRequest& request) {
  if (!in.rows.security_groups.contains(request.security_group)) {
    return invalid(fmt::format("there is no security group {}", request.security_group.to_string()));
  }
  ovsdb::Ml2SecurityGroupRule rule;
  rule.uuid = Uuid::random();
  rule.direction = request.direction;
  rule.ethertype = request.ethertype;
  if (rule.direction != "ingress" && rule.direction != "egress") {
    return invalid(fmt::format("direction {} is neither ingress nor egress", text::printable(request.direction)));
  }
  if (rule.ethertype != "IPv4" && rule.ethertype != "IPv6") {
    return invalid(fmt::format("ethertype {} is neither IPv4 nor IPv6", text::printable(request.ethertype)));
  }
  if (request.protocol) {
    const std::string protocol = text::lower(*request.protocol);
    const auto number = text::to_int(protocol);
    const bool named = std::find(kProtocols.begin(), kProtocols.end(), protocol) != kProtocols.end();
    if (!named && (!number || *number < 0 || *number > 255)) {
      return invalid(
          fmt::format("SecurityGroupRuleInvalidProtocol: protocol {} is neither a number of 0 to 255 nor one of {}",
                      text::printable(*request.protocol), fmt::join(kProtocols, ", ")));
    }
    rule.protocol = protocol;
  }
  if (Status ports = check_ports(request); !ports) return forward_error(ports);
  rule.port_range_min = request.port_range_min;
  rule.port_range_max = request.port_range_max;
  if (request.remote_ip_prefix && request.remote_group) {
    return invalid("SecurityGroupRemoteGroupAndRemoteIpPrefix: give either a remote prefix or a remote group");
  }
  if (request.remote_ip_prefix) {
    const auto prefix = IpNetwork::parse(*request.remote_ip_prefix);
    if (!prefix)
      return invalid(fmt::format("remote prefix {} is no prefix", text::printable(*request.remote_ip_prefix)));
    if (prefix->address().is_v4() != (rule.ethertype == "IPv4")) {
      return invalid(fmt::format("remote prefix {} is not {}", prefix->to_string(), rule.ethertype));
    }
    rule.remote_ip_prefix = prefix->to_string();
  }
  if (request.remote_group) {
    const auto remote = find_resource(in.rows.security_groups, "security group", *request.remote_group);
    if (!remote) return forward_error(remote);
    rule.remote_group = *remote;
  }
  rule.description = request.description;
  for (const Uuid& other_id : in.rows.security_groups.at(request.security_group).rules) {
    const auto other = in.rows.security_group_rules.find(other_id);
    if (other == in.rows.security_group_rules.end()) continue;
    ovsdb::Ml2SecurityGroupRule same = other->second;
    same.uuid = rule.uuid;
    same.description = rule.description;
    if (same == rule)
      return conflict(fmt::format("SecurityGroupRuleExists: rule {} is the same", other_id.to_string()));
  }
  Change<Uuid> change;
  change.context = rule.uuid;
  change.transaction.comment = fmt::format("ml2: add rule to security group {}", request.security_group.to_string());
  change.transaction.operations.emplace_back(ovsdb::insert_row(rule));
  change.transaction.operations.emplace_back(
      ovsdb::RowMutate{ovsdb::table_of<ovsdb::Ml2SecurityGroup>(), request.security_group, "rules",
                       ovsdb::Datum::uuids({rule.uuid}), ovsdb::Datum::none()});
  return change;
}

Result<ovsdb::Transaction> delete_security_group_rule(const Inputs& in, const Uuid& id) {
  ovsdb::Transaction transaction;
  transaction.comment = fmt::format("ml2: delete security group rule {}", id.to_string());
  for (const auto& [uuid, group] : in.rows.security_groups) {
    if (!group.rules.contains(id)) continue;
    transaction.operations.emplace_back(ovsdb::RowMutate{ovsdb::table_of<ovsdb::Ml2SecurityGroup>(), uuid, "rules",
                                                         ovsdb::Datum::none(), ovsdb::Datum::uuids({id})});
  }
  if (transaction.empty()) return invalid(fmt::format("there is no security group rule {}", id.to_string()));
  return transaction;
}

}  // namespace ml2::plugin
