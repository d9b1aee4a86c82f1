// Plugin: the ML2 plugin: create, update and delete networks, subnets, ports and what belongs to them.
//
// Where in the walk: ml2ctl calls it (and ml2-server); it writes the ML2 database that the agents read.
// Threading: one thread, which it blocks until the database has answered.
// Failure: Invalid for wrong requests, Conflict for what is taken or in use, Transient when the database is away.
//   When a mechanism driver fails after a create, the resource is deleted again and its error returned.
// What it does not do: it does not wait for an agent to wire a port: Port.status tells.
// Source: neutron/plugins/ml2/plugin.py.
#pragma once

#include <chrono>
#include <memory>

#include "agent/ml2/committer.h"
#include "agent/ml2/compute.h"
#include "agent/ml2/mechanism_manager.h"
#include "datapath/base/clock.h"
#include "ovsdb/database.h"

namespace ml2::plugin {

class Plugin {
 public:
  // With the drivers that the options name.
  [[nodiscard]] static Result<std::unique_ptr<Plugin>> make(PluginOptions options, ovsdb::Database& database,
                                                            const Clock& clock, Random random,
                                                            std::chrono::milliseconds timeout);
  Plugin(PluginOptions options, TypeManager types, MechanismManager mechanisms, ExtensionManager extensions,
         ovsdb::Database& database, const Clock& clock, Random random, std::chrono::milliseconds timeout);

  [[nodiscard]] Result<ovsdb::Ml2Rows> rows() { return committer_.rows(); }
  [[nodiscard]] const PluginOptions& options() const { return options_; }
  [[nodiscard]] const ExtensionManager& extensions() const { return extensions_; }
  [[nodiscard]] std::int64_t now() const;  // seconds since 1970

  [[nodiscard]] Result<Uuid> create_network(const NetworkRequest& request);
  [[nodiscard]] Status update_network(const Uuid& id, const NetworkUpdate& update);
  [[nodiscard]] Status delete_network(const Uuid& id);

  [[nodiscard]] Result<Uuid> create_subnet(const SubnetRequest& request);
  [[nodiscard]] Status update_subnet(const Uuid& id, const SubnetUpdate& update);
  [[nodiscard]] Status delete_subnet(const Uuid& id);

  // Binds the port too when it has a host; that nobody could bind it is no error: see Binding.failure.
  [[nodiscard]] Result<Uuid> create_port(const PortRequest& request);
  // Binds it again when the host is given, or vnic type or profile change.
  [[nodiscard]] Status update_port(const Uuid& id, const PortUpdate& update);
  [[nodiscard]] Status delete_port(const Uuid& id);
  [[nodiscard]] Status bind_port(const Uuid& id);

  [[nodiscard]] Result<Uuid> create_host(const std::string& name, bool up);
  [[nodiscard]] Status set_host_admin_state(const Uuid& id, bool up);
  [[nodiscard]] Status delete_host(const Uuid& id);

  [[nodiscard]] Result<Uuid> create_security_group(const SecurityGroupRequest& request);
  [[nodiscard]] Status delete_security_group(const Uuid& id);
  [[nodiscard]] Result<Uuid> create_security_group_rule(const SecurityGroupRuleRequest& request);
  [[nodiscard]] Status delete_security_group_rule(const Uuid& id);

 private:
  [[nodiscard]] Inputs inputs(const ovsdb::Ml2Rows& rows, unsigned attempt) const;
  template <class Context, class Compute>
  [[nodiscard]] Result<Context> change(const Compute& compute);
  // A row that no mechanism driver is asked about; answers its id.
  template <class Compute>
  [[nodiscard]] Result<Uuid> commit_new(const Compute& compute);

  PluginOptions options_;
  TypeManager types_;
  MechanismManager mechanisms_;
  ExtensionManager extensions_;
  const Clock& clock_;
  Random random_;
  Committer committer_;
};

}  // namespace ml2::plugin
