// dumps: what the reconciler holds, whole: intent, facts, desired, plan, events; as text for people, one object a line,
// or as JSON.
//
// Where in the walk: `ml2ctl dump WHAT` and `ml2ctl events`.
// Threading: pure functions over the reconciler's state. Failure: none.
// What it does not do: no counters (explain has them).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/reconcile/reconciler.h"

namespace ml2::control {

[[nodiscard]] std::string intent_text(const reconcile::Reconciler& reconciler);
[[nodiscard]] std::string facts_text(const reconcile::Reconciler& reconciler);
[[nodiscard]] std::string desired_text(const reconcile::Reconciler& reconciler);
[[nodiscard]] std::string intent_json(const reconcile::Reconciler& reconciler);
[[nodiscard]] std::string facts_json(const reconcile::Reconciler& reconciler);
[[nodiscard]] std::string desired_json(const reconcile::Reconciler& reconciler);
[[nodiscard]] std::string plan_json(const reconcile::Reconciler& reconciler);

// The events after number `since`, oldest first.
[[nodiscard]] std::string events_text(const reconcile::Journal& journal, std::uint64_t since);
[[nodiscard]] std::string events_json(const reconcile::Journal& journal, std::uint64_t since);

// The last thing that failed, {"time", "where", "error"}, or null.
[[nodiscard]] nlohmann::json last_error(const reconcile::Reconciler& reconciler);

// JSON of texts that may hold any bytes: what is no UTF-8 is replaced, never thrown at.
[[nodiscard]] std::string print(const nlohmann::json& value);

}  // namespace ml2::control
