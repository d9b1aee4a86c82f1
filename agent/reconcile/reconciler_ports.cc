// The part of Reconciler that says what has become of each port: to the intent's source, and on the interface's row.
#include <utility>

#include "agent/reconcile/port_reports.h"
#include "agent/reconcile/reconciler.h"
#include "agent/reconcile/wired_marks.h"
#include "datapath/base/log.h"

namespace ml2::reconcile {

// Ports of which anti-spoofing has begun or ceased to drop something are judged again.
void Reconciler::watch_drops() {
  const auto bridge = bridges_.find(node_.integration_bridge);
  const std::set<std::string> news =
      spoof_drops_.run(mode_ == Mode::Act && bridge != bridges_.end() ? bridge->second.of_switch.get() : nullptr);
  const std::set<fp::PortId> fast_path_news =
      fast_path_drops_.run(mode_ == Mode::Act && fast_path_.enabled() ? &seams_.fast_path->spoofed() : nullptr);
  for (const fp::PortId port : fast_path_news) {
    if (const auto id = fast_path_ports_.find(port); id != fast_path_ports_.end()) on_their_way_.insert(id->second);
  }
  if (news.empty() && fast_path_news.empty()) return;
  if (!news.empty()) {
    for (const auto& [id, state] : desired().port_states) {
      if (news.contains(SpoofDrops::match_of(state))) on_their_way_.insert(id);
    }
  }
  dirty_ = true;
}

std::uint64_t Reconciler::spoofed_frames(const PortState& state) const {
  return state.fast_path_port != 0 ? fast_path_drops_.frames(state.fast_path_port)
                                   : spoof_drops_.frames(SpoofDrops::match_of(state));
}

// The ports of which something else is to be said than before; nullopt: any.
std::optional<std::set<Uuid>> Reconciler::judge_ports(const IntentChanges& intent_changes,
                                                      const DesiredChanges& desired_changes) {
  const Intent& intent = *seams_.source.intent();
  const bool all = !all_judged_ || intent_changes.all || desired_changes.all;
  judged_ = std::exchange(on_their_way_, {});
  for (const fp::PortId port : fast_path_.take_judged()) {
    if (const auto id = fast_path_ports_.find(port); id != fast_path_ports_.end()) judged_.insert(id->second);
  }
  judged_.insert(intent_changes.ports.begin(), intent_changes.ports.end());
  judged_.insert(desired_changes.ports.begin(), desired_changes.ports.end());
  if (all) {
    for (const auto& [id, report] : port_reports_) judged_.insert(id);
    for (const auto& [id, reason] : intent.refused) judged_.insert(id);
    for (const auto& [id, state] : desired().port_states) judged_.insert(id);
  }
  all_judged_ = true;
  std::set<Uuid> changed;
  for (const Uuid& id : judged_) judge_port(id, changed);
  return all ? std::nullopt : std::optional(std::move(changed));
}

void Reconciler::judge_port(const Uuid& id, std::set<Uuid>& changed) {
  const Intent& intent = *seams_.source.intent();
  const auto before = port_reports_.find(id);
  const bool was_active = before != port_reports_.end() && before->second.status == intent::PortStatus::Active;
  const auto found = desired().port_states.find(id);
  const PortState* state = found == desired().port_states.end() ? nullptr : &found->second;
  if (state != nullptr && state->fast_path_port != 0) {
    Uuid& whose = fast_path_ports_.try_emplace(state->fast_path_port, id).first->second;
    if (std::exchange(whose, id) != id) fast_path_drops_.forget(state->fast_path_port);
  }
  auto now = port_report(id, intent, desired(), plan_, facts_, was_active, fast_path_);
  if (now && state != nullptr && now->status == intent::PortStatus::Active) {
    now->reason = state->warning;
    const std::string drops = state->fast_path_port != 0 ? fast_path_drops_.sentence(state->fast_path_port, id)
                                                         : spoof_drops_.sentence(SpoofDrops::match_of(*state), id);
    if (!drops.empty()) {
      now->reason += (now->reason.empty() ? "" : "; ") + drops;
    }
  }
  std::optional<WallTime> wired_since;
  if (before == port_reports_.end() && state != nullptr) {
    const auto row = vswitch().interfaces.find(state->interface);
    if (row != vswitch().interfaces.end()) wired_since = marked_since(row->second, seams_.clock.wall());
  }
  journal_.port(id, now ? &*now : nullptr, state, wired_since);
  const bool is_active = now && now->status == intent::PortStatus::Active;
  if (was_active && !is_active) --active_ports_;
  if (!was_active && is_active) ++active_ports_;
  if (!now) {
    if (before == port_reports_.end()) return;
    port_reports_.erase(before);
    changed.insert(id);
    return;
  }
  if (state != nullptr && is_on_its_way(*now, *state)) on_their_way_.insert(id);
  if (before != port_reports_.end() && before->second == *now) return;
  changed.insert(id);
  if (is_active && was_active) {
    if (!now->reason.empty()) log::warn("reconcile", "port {}: {}", id.to_string(), now->reason);
  } else if (is_active) {
    if (state->fast_path_port != 0) {
      log::info("reconcile", "port {} is wired: device {}, port {} of the fast path", id.to_string(),
                state->interface, state->fast_path_port);
    } else {
      log::info("reconcile", "port {} is wired: interface {}, local VLAN {}", id.to_string(), state->interface,
                state->local_vlan ? state->local_vlan->value() : 0);
    }
    if (!now->reason.empty()) log::warn("reconcile", "port {}: {}", id.to_string(), now->reason);
    const auto port = intent.ports.find(id);
    if (port != intent.ports.end() && has_unenforced_groups(port->second)) {
      log::warn("reconcile", "port {}: {}", id.to_string(), kNotEnforced);
    }
  } else if (was_active || now->status == intent::PortStatus::Error) {
    log::info("reconcile", "port {} is not wired: {}", id.to_string(), now->reason);
  } else {  // on its way; if it stays there, find_problems() says so
    log::debug("reconcile", "port {} is not wired: {}", id.to_string(), now->reason);
  }
  port_reports_.insert_or_assign(id, *std::move(now));
}

// On the interfaces whose rows, or whose ports, are not as they were at the last step.
void Reconciler::mark_wired(const ovsdb::VswitchChanges& vswitch_changes) {
  std::set<std::string> names = std::exchange(marked_again_, {});
  names.insert(vswitch_changes.interfaces.begin(), vswitch_changes.interfaces.end());
  if (vswitch_changes.all) {
    for (const auto& [name, row] : vswitch().interfaces) names.insert(name);
  }
  for (const Uuid& id : judged_) {
    const auto state = desired().port_states.find(id);
    if (state != desired().port_states.end() && !state->second.interface.empty())
      names.insert(state->second.interface);
  }
  const std::size_t before = plan_.ovsdb.operations.size();
  for (const std::string& name : names) {
    const auto row = vswitch().interfaces.find(name);
    const auto fact = facts_.interfaces.find(name);
    if (row == vswitch().interfaces.end() || fact == facts_.interfaces.end()) {
      marked_early_.erase(name);
      continue;
    }
    const auto id = Uuid::parse(fact->second.iface_id);
    const auto state = id ? desired().port_states.find(*id) : desired().port_states.end();
    const auto report = id ? port_reports_.find(*id) : port_reports_.end();
    const bool reported =
        state != desired().port_states.end() && state->second.interface == name && report != port_reports_.end();
    const bool active = reported && report->second.status == intent::PortStatus::Active;
    const bool on_its_way = reported && is_on_its_way(report->second, state->second);
    // The VLAN that is the last thing it lacks and the mark are one transaction: nobody sees one without the other.
    const auto& ports = seams_.source.intent()->ports;
    const auto port = on_its_way ? ports.find(*id) : ports.end();
    const bool by_rows = port != ports.end() && is_wired_by_rows(port->second, state->second, plan_, facts_);
    if (by_rows) {
      marked_early_.insert(name);
    } else if (on_its_way && marked_early_.contains(name)) {
      continue;  // something of its segment has changed meanwhile
    } else {
      marked_early_.erase(name);
    }
    auto mark = wired_mark(row->second, active || by_rows, desired().complete, seams_.clock.wall());
    if (!mark) continue;
    plan_.ovsdb.operations.push_back(*std::move(mark));
    marked_again_.insert(name);
  }
  if (before == 0 && !plan_.ovsdb.operations.empty()) plan_.ovsdb.comment = "ml2-agent: mark wired interfaces";
}

}  // namespace ml2::reconcile
