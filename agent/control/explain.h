// explain: how one port stands on this host, step by step, with its flows and their counters.
//
// Where in the walk: `ml2ctl explain PORT`. find_port() turns what a person types into a port, CounterReading asks the
//   switches, explain_json() puts all together, explain_text() writes it down for people.
// Threading: the thread of the poll loop only.
// Failure: Invalid when no port or more than one is meant. A switch that does not tell its counters within kLimit is
//   shown without.
// What it does not do: nothing of ports of other hosts (ml2ctl looks into the ML2 database for those).
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/reconcile/reconciler.h"

namespace ml2::control {

// A port of this host by id, name, the name of its interface, or the start of its id if no other begins so.
[[nodiscard]] Result<Uuid> find_port(const reconcile::Reconciler& reconciler, const std::string& text);

// By bridge.
using FlowCounts = std::map<std::string, std::map<of::FlowKey, of::FlowCounters>>;

class CounterReading {
 public:
  static constexpr std::chrono::milliseconds kLimit{2000};

  // Asks each switch that is connected. `clock` outlives the reading.
  CounterReading(const reconcile::Reconciler& reconciler, const Clock& clock);
  void run(const reconcile::Reconciler& reconciler);
  void wait() const;
  [[nodiscard]] bool done() const;
  [[nodiscard]] const FlowCounts& counts() const { return counts_; }

 private:
  const Clock& clock_;
  Monotonic deadline_;
  std::map<std::string, std::uint32_t> open_;  // by bridge: the request whose answer is to come
  FlowCounts counts_;
};

// `port` is one that find_port() answered.
[[nodiscard]] nlohmann::json explain_json(const reconcile::Reconciler& reconciler, const Uuid& port,
                                          const FlowCounts& counts);
[[nodiscard]] std::string explain_text(const nlohmann::json& explained);

}  // namespace ml2::control
