// metrics: the agent's figures as Prometheus reads them (text format 0.0.4).
//
// Where in the walk: MetricsListener asks for them at each scrape; nothing is counted for their sake alone.
// Threading: a pure function over the reconciler's state and this process's own usage.
// Failure: none.
// What it does not do: no HTTP (metrics_listener.h).
#pragma once

#include <string>

#include "agent/reconcile/reconciler.h"

namespace ml2::control {

[[nodiscard]] std::string metrics_text(const reconcile::Reconciler& reconciler, const std::string& version);

}  // namespace ml2::control
