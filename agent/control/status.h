// status: the agent's state for a person and for a program.
//
// Where in the walk: `ml2ctl status`, and `ovs-appctl -t ml2-agent status [json]`.
// Threading: pure functions over the reconciler's state. Failure: none.
// What it does not do: no history, no metrics.
#pragma once

#include <string>

#include "agent/reconcile/reconciler.h"

namespace ml2::control {

struct AgentFacts {
  std::string version;
  WallTime started{};
  std::string ovs_rundir;
  std::string ml2_schema;                 // version of ml2.ovsschema that this program knows
  bool security_groups_expected = false;  // the ini asks for a firewall driver other than noop
};

[[nodiscard]] std::string status_json(const reconcile::Reconciler& reconciler, const AgentFacts& agent);
[[nodiscard]] std::string status_table(const reconcile::Reconciler& reconciler, const AgentFacts& agent);

}  // namespace ml2::control
