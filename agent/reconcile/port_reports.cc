#include "agent/reconcile/port_reports.h"

#include <fmt/format.h>

#include "datapath/compile/compile.h"

namespace ml2::reconcile {
namespace {

bool pending(const Port& port, const PortState& state, const Plan& plan, const Facts& facts) {
  if (state.fast_path_port != 0) return plan.pending_fast_path.contains(state.fast_path_port);
  if (plan.pending_cookies.contains(cookie_of_port(port.id)) ||
      plan.pending_cookies.contains(cookie_of(port.segment))) {
    return true;
  }
  const auto interface = facts.interfaces.find(state.interface);
  return interface != facts.interfaces.end() && plan.pending_ports.contains(interface->second.port);
}

}  // namespace

std::map<Uuid, intent::PortReport> port_reports(const Intent& intent, const Desired& desired, const Plan& plan,
                                                const Facts& facts, const std::map<Uuid, intent::PortReport>& before,
                                                const FastPathSide& fast_path) {
  std::map<Uuid, intent::PortReport> reports;
  for (const auto& [id, reason] : intent.refused) {
    reports[id] = {intent::PortStatus::Error, reason};
  }
  for (const auto& [id, state] : desired.port_states) {
    if (reports.contains(id)) continue;
    intent::PortReport& report = reports[id];
    if (!state.waiting.empty()) {
      report = {state.refused ? intent::PortStatus::Error : intent::PortStatus::Down, state.waiting};
      continue;
    }
    if (std::string refusal = fast_path.refusal_of(state.fast_path_port); !refusal.empty()) {
      report = {intent::PortStatus::Down, std::move(refusal)};
      continue;
    }
    const auto port = intent.ports.find(id);
    const auto old = before.find(id);
    const bool was_active = old != before.end() && old->second.status == intent::PortStatus::Active;
    if (was_active || (port != intent.ports.end() && !pending(port->second, state, plan, facts))) {
      report = {intent::PortStatus::Active, ""};
    } else {
      report = {intent::PortStatus::Down, state.fast_path_port != 0 ? "its records are on their way to the fast path"
                                                                    : "its flows are on their way to the switch"};
    }
  }
  return reports;
}

}  // namespace ml2::reconcile
