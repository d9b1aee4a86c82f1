#include "agent/ml2/plugin.h"

#include <fmt/format.h>

#include "agent/ml2/lookup.h"
#include "datapath/base/log.h"

namespace ml2::plugin {
namespace {

// neutron/plugins/ml2/plugin.py MAX_BIND_TRIES.
constexpr unsigned kMaxBindTries = 10;

// A create that a mechanism driver could not carry out is undone; its error is what the operator sees.
tl::unexpected<Error> undone(const Status& failed, const Status& removed) {
  if (!removed) log::err("ml2", "the half-made resource could not be deleted: {}", removed.error().message);
  return forward_error(failed);
}

}  // namespace

Result<std::unique_ptr<Plugin>> Plugin::make(PluginOptions options, ovsdb::Database& database, const Clock& clock,
                                             Random random, std::chrono::milliseconds timeout) {
  auto types = TypeManager::make(options);
  if (!types) return forward_error(types);
  auto mechanisms = MechanismManager::make(options);
  if (!mechanisms) return forward_error(mechanisms);
  auto extensions = ExtensionManager::make(options);
  if (!extensions) return forward_error(extensions);
  return std::make_unique<Plugin>(std::move(options), std::move(*types), std::move(*mechanisms),
                                  std::move(*extensions), database, clock, std::move(random), timeout);
}

Plugin::Plugin(PluginOptions options, TypeManager types, MechanismManager mechanisms, ExtensionManager extensions,
               ovsdb::Database& database, const Clock& clock, Random random, std::chrono::milliseconds timeout)
    : options_(std::move(options)),
      types_(std::move(types)),
      mechanisms_(std::move(mechanisms)),
      extensions_(std::move(extensions)),
      clock_(clock),
      random_(std::move(random)),
      committer_(database, timeout) {}

std::int64_t Plugin::now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
}

Inputs Plugin::inputs(const ovsdb::Ml2Rows& rows, unsigned attempt) const {
  return {rows, options_, types_, extensions_, random_, attempt};
}

// Computes, lets the mechanism drivers add or refuse, commits, and tells them; answers the context that was
// committed.
template <class Context, class Compute>
Result<Context> Plugin::change(const Compute& compute) {
  Context committed;
  const Status status =
      committer_.commit([&](const ovsdb::Ml2Rows& rows, unsigned attempt) -> Result<ovsdb::Transaction> {
        auto computed = compute(inputs(rows, attempt));
        if (!computed) return forward_error(computed);
        if (Status agreed = mechanisms_.precommit(computed->context, computed->transaction); !agreed) {
          return forward_error(agreed);
        }
        committed = std::move(computed->context);
        return std::move(computed->transaction);
      });
  if (!status) return forward_error(status);
  return committed;
}

template <class Compute>
Result<Uuid> Plugin::commit_new(const Compute& compute) {
  Uuid id;
  const Status status =
      committer_.commit([&](const ovsdb::Ml2Rows& rows, unsigned attempt) -> Result<ovsdb::Transaction> {
        auto computed = compute(inputs(rows, attempt));
        if (!computed) return forward_error(computed);
        id = computed->context;
        return std::move(computed->transaction);
      });
  if (!status) return forward_error(status);
  return id;
}

Result<Uuid> Plugin::create_network(const NetworkRequest& request) {
  const auto made = change<NetworkContext>([&](const Inputs& in) { return plugin::create_network(in, request); });
  if (!made) return forward_error(made);
  if (Status told = mechanisms_.postcommit(*made); !told) return undone(told, delete_network(made->network.uuid));
  return made->network.uuid;
}

Status Plugin::update_network(const Uuid& id, const NetworkUpdate& update) {
  const auto made = change<NetworkContext>([&](const Inputs& in) { return plugin::update_network(in, id, update); });
  if (!made) return forward_error(made);
  return mechanisms_.postcommit(*made);
}

Status Plugin::delete_network(const Uuid& id) {
  const auto made = change<NetworkContext>([&](const Inputs& in) { return plugin::delete_network(in, id); });
  if (!made) return forward_error(made);
  return mechanisms_.postcommit(*made);
}

Result<Uuid> Plugin::create_subnet(const SubnetRequest& request) {
  const auto made = change<SubnetContext>([&](const Inputs& in) { return plugin::create_subnet(in, request); });
  if (!made) return forward_error(made);
  if (Status told = mechanisms_.postcommit(*made); !told) return undone(told, delete_subnet(made->subnet.uuid));
  return made->subnet.uuid;
}

Status Plugin::update_subnet(const Uuid& id, const SubnetUpdate& update) {
  const auto made = change<SubnetContext>([&](const Inputs& in) { return plugin::update_subnet(in, id, update); });
  if (!made) return forward_error(made);
  return mechanisms_.postcommit(*made);
}

Status Plugin::delete_subnet(const Uuid& id) {
  const auto made = change<SubnetContext>([&](const Inputs& in) { return plugin::delete_subnet(in, id); });
  if (!made) return forward_error(made);
  return mechanisms_.postcommit(*made);
}

Result<Uuid> Plugin::create_port(const PortRequest& request) {
  const auto made = change<PortContext>([&](const Inputs& in) { return plugin::create_port(in, request); });
  if (!made) return forward_error(made);
  const Uuid id = made->port.uuid;
  if (Status told = mechanisms_.postcommit(*made); !told) return undone(told, delete_port(id));
  if (!request.host.empty()) {
    if (Status bound = bind_port(id); !bound) return undone(bound, delete_port(id));
  }
  return id;
}

Status Plugin::update_port(const Uuid& id, const PortUpdate& update) {
  const auto made = change<PortContext>([&](const Inputs& in) { return plugin::update_port(in, id, update); });
  if (!made) return forward_error(made);
  if (Status told = mechanisms_.postcommit(*made); !told) return told;
  const bool rebind = update.host || update.vnic_type || update.profile;
  return rebind && !made->binding.host.empty() ? bind_port(id) : Status();
}

Status Plugin::delete_port(const Uuid& id) {
  const auto made = change<PortContext>([&](const Inputs& in) { return plugin::delete_port(in, id); });
  if (!made) return forward_error(made);
  return mechanisms_.postcommit(*made);
}

Status Plugin::bind_port(const Uuid& id) {
  return committer_.commit(
      [&](const ovsdb::Ml2Rows& rows, unsigned) -> Result<ovsdb::Transaction> {
        const auto port = rows.ports.find(id);
        if (port == rows.ports.end()) return invalid(fmt::format("port {} was deleted meanwhile", id.to_string()));
        const auto bindings = bindings_of(rows, id);
        ovsdb::Transaction transaction;
        if (bindings.empty() || bindings.front().host.empty()) return transaction;
        const ovsdb::Ml2Binding& before = bindings.front();
        const BoundPort bound = mechanisms_.bind(rows, port->second, before, now());
        transaction.comment = fmt::format("ml2: bind port {} to host {}", id.to_string(), before.host);
        // The answer holds only for the host, kind and profile that were asked for.
        const char* table = ovsdb::table_of<ovsdb::Ml2Binding>();
        for (const char* column : {"host", "vnic_type", "profile"}) {
          transaction.operations.emplace_back(ovsdb::RowVerify{table, before.uuid, column});
        }
        for (const auto& segment : bound.new_segments) {
          transaction.operations.emplace_back(ovsdb::insert_row(segment));
        }
        add_update(transaction, before, bound.binding);
        // A port that stays where it is keeps what its agent said of it; any other waits for its agent.
        const bool same = before.vif_type == bound.binding.vif_type && before.segment == bound.binding.segment;
        const bool failed = bound.binding.vif_type == "binding_failed";
        if (failed || !same) {
          ovsdb::Ml2Port after = port->second;
          after.status = failed ? "DOWN" : "BUILD";
          after.status_reason = failed ? fmt::format("binding failed: {}", bound.binding.failure)
                                       : fmt::format("waiting for the agent on host {}", before.host);
          add_update(transaction, port->second, after);
        }
        return transaction;
      },
      kMaxBindTries);
}

Result<Uuid> Plugin::create_host(const std::string& name, bool up) {
  return commit_new([&](const Inputs& in) { return plugin::create_host(in, name, up); });
}

Status Plugin::set_host_admin_state(const Uuid& id, bool up) {
  return committer_.commit([&](const ovsdb::Ml2Rows& rows, unsigned attempt) {
    return plugin::set_host_admin_state(inputs(rows, attempt), id, up);
  });
}

Status Plugin::delete_host(const Uuid& id) {
  return committer_.commit([&](const ovsdb::Ml2Rows& rows, unsigned attempt) {
    return plugin::delete_host(inputs(rows, attempt), id, now());
  });
}

Result<Uuid> Plugin::create_security_group(const SecurityGroupRequest& request) {
  return commit_new([&](const Inputs& in) { return plugin::create_security_group(in, request); });
}

Status Plugin::delete_security_group(const Uuid& id) {
  return committer_.commit([&](const ovsdb::Ml2Rows& rows, unsigned attempt) {
    return plugin::delete_security_group(inputs(rows, attempt), id);
  });
}

Result<Uuid> Plugin::create_security_group_rule(const SecurityGroupRuleRequest& request) {
  return commit_new([&](const Inputs& in) { return plugin::create_security_group_rule(in, request); });
}

Status Plugin::delete_security_group_rule(const Uuid& id) {
  return committer_.commit([&](const ovsdb::Ml2Rows& rows, unsigned attempt) {
    return plugin::delete_security_group_rule(inputs(rows, attempt), id);
  });
}

}  // namespace ml2::plugin
