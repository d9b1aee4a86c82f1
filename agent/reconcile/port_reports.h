// port_reports: what is said of each port of the intent: ACTIVE, or why not. Pure.
//
// Where in the walk: after diff(), at each step.
// Threading: a pure function. Failure: none.
// What it does not do: no history: a port that was ACTIVE stays so while a change to it is on its way, or the fast path that
//   serves it is away.
#pragma once

#include <map>

#include "agent/intent/intent_source.h"
#include "agent/reconcile/fast_path_side.h"
#include "datapath/diff/plan.h"
#include "datapath/model/desired.h"
#include "datapath/model/intent.h"

namespace ml2::reconcile {

// Said at start, in `status` and for each port that has groups.
inline constexpr const char* kNotEnforced = "security groups are not enforced by this version: all traffic passes";
[[nodiscard]] inline bool has_unenforced_groups(const Port& port) {
  return port.port_security_enabled && !port.security_groups.empty();
}

[[nodiscard]] std::map<Uuid, intent::PortReport> port_reports(const Intent& intent, const Desired& desired,
                                                              const Plan& plan, const Facts& facts,
                                                              const std::map<Uuid, intent::PortReport>& before,
                                                              const FastPathSide& fast_path);

}  // namespace ml2::reconcile
