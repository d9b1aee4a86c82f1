#include "agent/ml2/concerned.h"

#include <algorithm>
#include <map>

namespace ml2::plugin {
namespace {

// The keys of rows that are not the same in both.
template <class Row, class Each>
void each_change(const std::map<Uuid, Row>& before, const std::map<Uuid, Row>& after, const Each& each) {
  for (const auto& [id, row] : before) {
    const auto now = after.find(id);
    if (now == after.end() || !(now->second == row)) each(row);
  }
  for (const auto& [id, row] : after) {
    const auto then = before.find(id);
    if (then == before.end() || !(then->second == row)) each(row);
  }
}

}  // namespace

std::set<std::string> hosts_concerned(const ovsdb::Ml2Rows& before, const ovsdb::Ml2Rows& after) {
  std::set<Uuid> ports, networks, groups;
  each_change(before.ports, after.ports, [&](const ovsdb::Ml2Port& row) { ports.insert(row.uuid); });
  each_change(before.fixed_ips, after.fixed_ips, [&](const ovsdb::Ml2FixedIp& row) { ports.insert(row.port); });
  each_change(before.bindings, after.bindings, [&](const ovsdb::Ml2Binding& row) { ports.insert(row.port); });
  each_change(before.networks, after.networks, [&](const ovsdb::Ml2Network& row) { networks.insert(row.uuid); });
  each_change(before.segments, after.segments, [&](const ovsdb::Ml2Segment& row) { networks.insert(row.network); });
  each_change(before.subnets, after.subnets, [&](const ovsdb::Ml2Subnet& row) { networks.insert(row.network); });
  each_change(before.security_groups, after.security_groups,
              [&](const ovsdb::Ml2SecurityGroup& row) { groups.insert(row.uuid); });
  std::set<std::string> hosts;
  for (const ovsdb::Ml2Rows* rows : {&before, &after}) {
    for (const auto& [id, binding] : rows->bindings) {
      const auto port = rows->ports.find(binding.port);
      if (binding.host.empty() || port == rows->ports.end()) continue;
      const bool of_group = std::any_of(groups.begin(), groups.end(), [&](const Uuid& group) {
        return port->second.security_groups.contains(group);
      });
      if (ports.contains(binding.port) || networks.contains(port->second.network) || of_group) {
        hosts.insert(binding.host);
      }
    }
  }
  return hosts;
}

}  // namespace ml2::plugin
