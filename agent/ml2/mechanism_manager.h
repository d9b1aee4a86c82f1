// MechanismManager: the mechanism drivers of the ini file in their order, and the rules of port binding.
//
// Where in the walk: Plugin calls precommit on each computed change, postcommit after the commit, and bind() for a
//   port that has a host.
// Threading: one thread.
// Failure: precommit: the first error, with the driver's name. bind() never fails: a port that nobody binds comes
//   back as binding_failed with every driver's reason in Binding.failure.
// What it does not do: no commit (commit.h); Plugin repeats bind() when host, vnic type or profile changed meanwhile.
// Source: neutron/plugins/ml2/managers.py, class MechanismManager (bind_port, _bind_port_level).
#pragma once

#include <memory>
#include <vector>

#include "agent/ml2/mechanism_driver.h"

namespace ml2::plugin {

// What bind() found.
struct BoundPort {
  ovsdb::Ml2Binding binding;                    // to be written
  std::vector<ovsdb::Ml2Segment> new_segments;  // dynamic ones, to be inserted
};

class MechanismManager {
 public:
  // The drivers that `mechanism_drivers` names.
  [[nodiscard]] static Result<MechanismManager> make(const PluginOptions& options);
  explicit MechanismManager(std::vector<std::unique_ptr<MechanismDriver>> drivers) : drivers_(std::move(drivers)) {}

  [[nodiscard]] Status precommit(const NetworkContext& context, ovsdb::Transaction& transaction);
  [[nodiscard]] Status precommit(const SubnetContext& context, ovsdb::Transaction& transaction);
  [[nodiscard]] Status precommit(const PortContext& context, ovsdb::Transaction& transaction);
  // Of a create: the first error, nobody after it is called. Of an update or delete: all are called, errors are
  // logged.
  [[nodiscard]] Status postcommit(const NetworkContext& context);
  [[nodiscard]] Status postcommit(const SubnetContext& context);
  [[nodiscard]] Status postcommit(const PortContext& context);

  // The binding of `port` for the host, vnic type and profile of `binding`; `now` in seconds since 1970.
  [[nodiscard]] BoundPort bind(const ovsdb::Ml2Rows& rows, const ovsdb::Ml2Port& port,
                               const ovsdb::Ml2Binding& binding, std::int64_t now);

 private:
  struct Level;
  bool bind_level(const ovsdb::Ml2Rows& rows, const ovsdb::Ml2Port& port, const ovsdb::Ml2Host* host,
                  std::int64_t now, const std::vector<ovsdb::Ml2Segment>& segments, std::vector<Level>& above,
                  BoundPort& bound, std::vector<std::string>& reasons);

  std::vector<std::unique_ptr<MechanismDriver>> drivers_;
};

}  // namespace ml2::plugin
