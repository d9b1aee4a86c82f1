// compute: turns a request and the rows into one transaction; pure.
//
// Where in the walk: Plugin calls these, hands the change to the mechanism drivers' precommit, commits, and after a
//   lost race calls them again with the newer rows.
// Threading: pure functions; chance comes in as a Random.
// Failure: Invalid for a wrong request, Conflict for what is taken; both say what and by whom. In each error the
//   Neutron reason (VlanIdInUse, MacAddressInUse...) stands first where there is one.
// What it does not do: no commit, no port binding.
// Source: neutron/plugins/ml2/plugin.py, db/db_base_plugin_v2.py, db/ipam_backend_mixin.py.
#pragma once

#include "agent/ml2/extension_manager.h"
#include "agent/ml2/mechanism_driver.h"
#include "agent/ml2/options.h"
#include "agent/ml2/random.h"
#include "agent/ml2/requests.h"
#include "agent/ml2/type_manager.h"
#include "datapath/base/result.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/transaction.h"

namespace ml2::plugin {

// What every computation rests on.
struct Inputs {
  const ovsdb::Ml2Rows& rows;
  const PluginOptions& options;
  const TypeManager& types;
  const ExtensionManager& extensions;
  const Random& random;
  unsigned attempt = 0;  // races lost so far: choices become more random
};

template <class Context>
struct Change {
  Context context;
  ovsdb::Transaction transaction;
};

[[nodiscard]] Result<Change<NetworkContext>> create_network(const Inputs& in, const NetworkRequest& request);
[[nodiscard]] Result<Change<NetworkContext>> update_network(const Inputs& in, const Uuid& id,
                                                            const NetworkUpdate& update);
// With its subnets and segments; refused while it has ports, but for those that Neutron makes by itself.
[[nodiscard]] Result<Change<NetworkContext>> delete_network(const Inputs& in, const Uuid& id);

[[nodiscard]] Result<Change<SubnetContext>> create_subnet(const Inputs& in, const SubnetRequest& request);
[[nodiscard]] Result<Change<SubnetContext>> update_subnet(const Inputs& in, const Uuid& id,
                                                          const SubnetUpdate& update);
[[nodiscard]] Result<Change<SubnetContext>> delete_subnet(const Inputs& in, const Uuid& id);

[[nodiscard]] Result<Change<PortContext>> create_port(const Inputs& in, const PortRequest& request);
[[nodiscard]] Result<Change<PortContext>> update_port(const Inputs& in, const Uuid& id, const PortUpdate& update);
[[nodiscard]] Result<Change<PortContext>> delete_port(const Inputs& in, const Uuid& id);

// A host's row is its agent's: here it is prepared before the agent's first report (which keeps admin_state_up), taken
// out of service, or forgotten when its agent is gone.
[[nodiscard]] Result<Change<Uuid>> create_host(const Inputs& in, const std::string& name, bool up);
[[nodiscard]] Result<ovsdb::Transaction> set_host_admin_state(const Inputs& in, const Uuid& id, bool up);
[[nodiscard]] Result<ovsdb::Transaction> delete_host(const Inputs& in, const Uuid& id, std::int64_t now);

[[nodiscard]] Result<Change<Uuid>> create_security_group(const Inputs& in, const SecurityGroupRequest& request);
[[nodiscard]] Result<ovsdb::Transaction> delete_security_group(const Inputs& in, const Uuid& id);
[[nodiscard]] Result<Change<Uuid>> create_security_group_rule(const Inputs& in,
                                                              const SecurityGroupRuleRequest& request);
[[nodiscard]] Result<ovsdb::Transaction> delete_security_group_rule(const Inputs& in, const Uuid& id);

// The columns of `after` that differ from `before`, as an update of that row; nothing is added when none does.
template <class Row>
void add_update(ovsdb::Transaction& transaction, const Row& before, const Row& after) {
  const ovsdb::Columns old_columns = ovsdb::to_columns(before);
  ovsdb::Columns changed;
  for (auto& column : ovsdb::to_columns(after)) {
    bool same = false;
    for (const auto& old : old_columns) same = same || old == column;
    if (!same) changed.push_back(std::move(column));
  }
  if (!changed.empty()) {
    transaction.operations.emplace_back(ovsdb::RowUpdate{ovsdb::table_of<Row>(), after.uuid, std::move(changed)});
  }
}

}  // namespace ml2::plugin
