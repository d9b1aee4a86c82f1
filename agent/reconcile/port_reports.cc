#include "agent/reconcile/port_reports.h"

#include <set>
#include <string>

#include "datapath/compile/compile.h"

namespace ml2::reconcile {
namespace {

// Flows or records.
bool packet_path_pending(const Port& port, const PortState& state, const Plan& plan) {
  if (state.fast_path_port != 0) return plan.pending_fast_path.contains(state.fast_path_port);
  return plan.pending_cookies.contains(cookie_of_port(port.id)) ||
         plan.pending_cookies.contains(cookie_of(port.segment));
}

bool has_row_in(const std::set<std::string>& ports, const PortState& state, const Facts& facts) {
  if (state.fast_path_port != 0) return false;
  const auto interface = facts.interfaces.find(state.interface);
  return interface != facts.interfaces.end() && ports.contains(interface->second.port);
}

bool pending(const Port& port, const PortState& state, const Plan& plan, const Facts& facts) {
  return packet_path_pending(port, state, plan) || has_row_in(plan.pending_ports, state, facts);
}

}  // namespace

std::optional<intent::PortReport> port_report(const Uuid& id, const Intent& intent, const Desired& desired,
                                              const Plan& plan, const Facts& facts, bool was_active,
                                              const FastPathSide& fast_path) {
  if (const auto refusal = intent.refused.find(id); refusal != intent.refused.end()) {
    return intent::PortReport{intent::PortStatus::Error, refusal->second};
  }
  const auto found = desired.port_states.find(id);
  if (found == desired.port_states.end()) return std::nullopt;
  const PortState& state = found->second;
  if (!state.waiting.empty()) {
    return intent::PortReport{state.refused ? intent::PortStatus::Error : intent::PortStatus::Down, state.waiting};
  }
  if (std::string refusal = fast_path.refusal_of(state.fast_path_port); !refusal.empty()) {
    return intent::PortReport{intent::PortStatus::Down, std::move(refusal)};
  }
  const auto port = intent.ports.find(id);
  if (was_active || (port != intent.ports.end() && !pending(port->second, state, plan, facts))) {
    return intent::PortReport{intent::PortStatus::Active, ""};
  }
  return intent::PortReport{intent::PortStatus::Down, state.fast_path_port != 0
                                                          ? "its records are on their way to the fast path"
                                                          : "its flows are on their way to the switch"};
}

bool is_wired_by_rows(const Port& port, const PortState& state, const Plan& plan, const Facts& facts) {
  return !packet_path_pending(port, state, plan) && has_row_in(plan.set_ports, state, facts);
}

bool is_on_its_way(const intent::PortReport& report, const PortState& state) {
  return report.status == intent::PortStatus::Down && state.waiting.empty();
}

}  // namespace ml2::reconcile
