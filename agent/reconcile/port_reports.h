// port_reports: what is said of a port of the intent: ACTIVE, or why not. Pure.
//
// Where in the walk: after diff(), at each step, for the ports that may stand otherwise than at the last one.
// Threading: a pure function. Failure: none.
// What it does not do: no history: a port that was ACTIVE stays so while a change to it is on its way, or the fast path that
//   serves it is away.
#pragma once

#include <optional>

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

// Of one port; nullopt: it is none of this node's. `was_active`: the last report said ACTIVE.
[[nodiscard]] std::optional<intent::PortReport> port_report(const Uuid& id, const Intent& intent,
                                                            const Desired& desired, const Plan& plan,
                                                            const Facts& facts, bool was_active,
                                                            const FastPathSide& fast_path);
// Whether a report may become another without a change of the port's state: its flows are on their way.
[[nodiscard]] bool is_on_its_way(const intent::PortReport& report, const PortState& state);
// Whether a port that is on its way is wired as soon as the plan's rows are written.
[[nodiscard]] bool is_wired_by_rows(const Port& port, const PortState& state, const Plan& plan, const Facts& facts);

}  // namespace ml2::reconcile
