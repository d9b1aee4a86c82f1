// Hosts: their agents make the rows; an operator prepares them and takes them out of service.
#include <fmt/format.h>

#include "agent/ml2/compute.h"
#include "agent/ml2/lookup.h"

namespace ml2::plugin {

Result<Change<Uuid>> create_host(const Inputs& in, const std::string& name, bool up) {
  if (name.empty()) return invalid("a host needs a name: [DEFAULT] host of its agent");
  if (ovsdb::host_named(in.rows, name) != nullptr) return conflict(fmt::format("there is a host {} already", name));
  const ovsdb::Ml2Host host{.uuid = Uuid::random(), .name = name, .admin_state_up = up};
  Change<Uuid> change{.context = host.uuid};
  change.transaction.comment = fmt::format("ml2: create host {}", name);
  change.transaction.operations.emplace_back(ovsdb::insert_row(host));
  return change;
}

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
