// Hosts: their agents make the rows; an operator takes them out of service.
#include <fmt/format.h>

#include "agent/ml2/compute.h"
#include "agent/ml2/lookup.h"

namespace ml2::plugin {

Result<ovsdb::Transaction> set_host_admin_state(const Inputs& in, const Uuid& id, bool up) {
  const auto found = in.rows.hosts.find(id);
  if (found == in.rows.hosts.end()) return invalid(fmt::format("there is no host {}", id.to_string()));
  ovsdb::Ml2Host host = found->second;
  host.admin_state_up = up;
  ovsdb::Transaction transaction;
  transaction.comment = fmt::format("ml2: set host {}", host.name);
  add_update(transaction, found->second, host);
  return transaction;
}

Result<ovsdb::Transaction> delete_host(const Inputs& in, const Uuid& id, std::int64_t now) {
  const auto found = in.rows.hosts.find(id);
  if (found == in.rows.hosts.end()) return invalid(fmt::format("there is no host {}", id.to_string()));
  if (check_alive(found->second, in.options.agent_down_time, now)) {
    return conflict(
        fmt::format("host {}: its agent is alive and would report again at once: stop it first", found->second.name));
  }
  for (const auto& [uuid, binding] : in.rows.bindings) {
    if (binding.host != found->second.name) continue;
    return conflict(fmt::format("host {} still has ports, first {}: give them another host or delete them first",
                                found->second.name, name_of(in.rows.ports, binding.port)));
  }
  ovsdb::Transaction transaction;
  transaction.comment = fmt::format("ml2: delete host {}", found->second.name);
  transaction.operations.emplace_back(ovsdb::RowDelete{ovsdb::table_of<ovsdb::Ml2Host>(), id});
  return transaction;
}

}  // namespace ml2::plugin
