#include "agent/reconcile/journal.h"

#include <fmt/format.h>

#include <utility>

namespace ml2::reconcile {
namespace {

const char* word(intent::PortStatus status) {
  switch (status) {
    case intent::PortStatus::Active: return "ACTIVE";
    case intent::PortStatus::Down: return "DOWN";
    case intent::PortStatus::Error: return "ERROR";
  }
  return "ERROR";
}

}  // namespace

std::string_view to_string(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::Sync: return "sync";
    case Event::Kind::Connection: return "connection";
    case Event::Kind::Rows: return "rows";
    case Event::Kind::Flows: return "flows";
    case Event::Kind::Records: return "records";
    case Event::Kind::Confirmed: return "confirmed";
    case Event::Kind::Failed: return "failed";
    case Event::Kind::Repair: return "repair";
    case Event::Kind::Port: return "port";
    case Event::Kind::Problem: return "problem";
    case Event::Kind::Solved: return "solved";
  }
  return "?";
}

void Journal::add(Event::Kind kind, std::string subject, std::string text, std::size_t size) {
  const WallTime now = clock_.wall();
  if (kind == Event::Kind::Rows || kind == Event::Kind::Flows || kind == Event::Kind::Records) last_change_ = now;
  if (kind == Event::Kind::Repair) repairs_ += size;
  events_.push_back(Event{.id = ++last_id_,
                          .time = now,
                          .kind = kind,
                          .cause = kind == Event::Kind::Connection ? std::string() : cause_,
                          .subject = std::move(subject),
                          .text = std::move(text),
                          .size = size});
  if (events_.size() > kMaxEvents) events_.pop_front();
}

void Journal::port(const Uuid& id, const intent::PortReport* report, const PortState* state,
                   std::optional<WallTime> wired_since) {
  const Monotonic now = clock_.now();
  if (report == nullptr) {
    if (ports_.erase(id) != 0) add(Event::Kind::Port, id.to_string(), "no port of this host any more");
    return;
  }
  const auto [found, is_new] = ports_.try_emplace(id);
  PortHistory& history = found->second;
  const bool has_interface = state != nullptr && !state->interface.empty();
  const bool had_interface = std::exchange(history.has_interface, has_interface);
  // A port that was plugged before the agent started, or before anybody asked for it: nobody knows when.
  if (has_interface && !had_interface && !is_new) history.plugged = now;
  if (!has_interface) history.plugged.reset();
  if (!is_new && history.report == *report) return;
  const bool was_active = !is_new && history.report.status == intent::PortStatus::Active;
  // Once for each plug: a port that comes back after a bridge was lost has not been plugged again.
  if (report->status == intent::PortStatus::Active && history.plugged) {
    history.seconds_to_wire =
        std::chrono::duration<double>(now - *std::exchange(history.plugged, std::nullopt)).count();
    wirings_.observe(*history.seconds_to_wire);
  }
  history.report = *report;
  const bool is_active = report->status == intent::PortStatus::Active;
  if (is_new &&
      is_active) {  // no port is wired in the step that first hears of it: an agent before this one wired it
    history.since = wired_since;
  } else if (!was_active || !is_active) {
    history.since = clock_.wall();
  }
  add(Event::Kind::Port, id.to_string(),
      report->reason.empty() ? std::string(word(report->status))
                             : fmt::format("{}: {}", word(report->status), report->reason));
}

}  // namespace ml2::reconcile
