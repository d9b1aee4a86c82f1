#include "agent/control/agent_commands.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "agent/control/dumps.h"
#include "agent/control/process_shim.h"
#include "agent/reconcile/plan_text.h"
#include "datapath/base/text.h"

namespace ml2::control {
namespace {

// The last argument says how; nullopt when it is another word (then the caller has been told).
std::optional<bool> wants_json(const Arguments& arguments, std::size_t at, Reply& reply) {
  if (arguments.size() <= at || arguments[at] == "table") return false;
  if (arguments[at] == "json") return true;
  reply.error(fmt::format("\"{}\" is neither table nor json", text::printable(arguments[at], 40)));
  return std::nullopt;
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += (text.empty() ? "" : "; ") + sentence;
  return text;
}

std::string dump(const reconcile::Reconciler& reconciler, const std::string& what, bool json) {
  if (what == "intent") return json ? intent_json(reconciler) : intent_text(reconciler);
  if (what == "facts") return json ? facts_json(reconciler) : facts_text(reconciler);
  if (what == "desired") return json ? desired_json(reconciler) : desired_text(reconciler);
  return json ? plan_json(reconciler) : reconcile::to_text(reconciler.plan(), reconciler.node());
}

}  // namespace

AgentCommands::AgentCommands(Control& control, reconcile::Reconciler& reconciler, const Clock& clock,
                             AgentFacts facts, Places places)
    : reconciler_(reconciler), clock_(clock), facts_(std::move(facts)), places_(std::move(places)) {
  control.add("status", "[table|json]", 0, 1, [this](const Arguments& arguments, Reply reply) {
    const auto json = wants_json(arguments, 0, reply);
    reconciler_.look_for_drops();
    if (json) reply.ok(*json ? status_json(reconciler_, facts_) : status_table(reconciler_, facts_));
  });
  control.add("explain", "PORT [table|json]", 1, 2,
              [this](const Arguments& arguments, Reply reply) { explain(arguments, std::move(reply)); });
  for (const char* what : {"intent", "facts", "desired", "plan"}) {
    control.add(std::string("dump-") + what, "[table|json]", 0, 1,
                [this, what = std::string(what)](const Arguments& arguments, Reply reply) {
                  const auto json = wants_json(arguments, 0, reply);
                  if (!json) return;
                  if (what == "plan" && !reconciler_.in_sync()) {
                    reply.error("not in sync yet: " + joined(reconciler_.gate()));
                    return;
                  }
                  reply.ok(dump(reconciler_, what, *json));
                });
  }
  control.add("events", "[SINCE [table|json]]", 0, 2, [this](const Arguments& arguments, Reply reply) {
    const auto since = arguments.empty() ? std::optional<std::int64_t>(0) : text::to_int(arguments[0]);
    if (!since || *since < 0) {
      reply.error(fmt::format("events: \"{}\" is no event's number", text::printable(arguments[0], 40)));
      return;
    }
    const auto json = wants_json(arguments, 1, reply);
    if (!json) return;
    const auto from = static_cast<std::uint64_t>(*since);
    reply.ok(*json ? events_json(reconciler_.journal(), from) : events_text(reconciler_.journal(), from));
  });
  control.add("recompute", "", 0, 0, [this](const Arguments&, Reply reply) { recompute(std::move(reply)); });
  control.add("exit", "", 0, 0, [this](const Arguments&, Reply reply) {
    places_.exit();
    reply.ok("");
  });
}

void AgentCommands::recompute(Reply reply) {
  if (!reconciler_.in_sync()) {
    reply.error("not in sync yet: " + joined(reconciler_.gate()));
    return;
  }
  audits_.push_back(
      {std::make_unique<reconcile::Audit>(reconciler_, places_.open_vswitch, places_.open_switch,
                                          places_.open_fast_path ? places_.open_fast_path() : nullptr, clock_),
       std::move(reply)});
}

void AgentCommands::explain(const Arguments& arguments, Reply reply) {
  const auto json = wants_json(arguments, 1, reply);
  if (!json) return;
  if (const auto port = find_port(reconciler_, arguments[0]); !port) {
    const std::string gate = joined(reconciler_.gate());
    reply.error(port.error().message + (gate.empty() ? "" : " (not in sync yet: " + gate + ")"));
    return;
  }
  if (!reading_) reading_.emplace(reconciler_, clock_);
  reconciler_.look_for_drops();
  explains_.push_back({arguments[0], *json, std::move(reply)});
}

void AgentCommands::run() {
  const auto size = [](const auto& container) { return static_cast<unsigned>(container.size()); };
  unsigned flows = 0;
  for (const auto& [bridge, set] : reconciler_.desired().flows) flows += size(set);
  const ml2_memory_count counts[] = {{"ports", size(reconciler_.port_reports())},
                                     {"flows", flows},
                                     {"interfaces", size(reconciler_.facts().interfaces)},
                                     {"events", size(reconciler_.journal().events())}};
  ml2_memory_run(counts, static_cast<int>(std::size(counts)));
  run_audits();
  run_explains();
}

void AgentCommands::wait() {
  ml2_memory_wait();
  for (RunningAudit& running : audits_) running.audit->wait();
  if (reading_) reading_->wait();
}

void AgentCommands::run_audits() {
  for (RunningAudit& running : audits_) {
    running.audit->run();
    if (!running.audit->answer()) continue;
    const Result<std::string>& answer = *running.audit->answer();
    if (answer) {
      running.reply.ok(*answer);
    } else {
      running.reply.error(answer.error().message);
    }
    running.audit.reset();
  }
  std::vector<RunningAudit> still;
  for (RunningAudit& running : audits_) {
    if (running.audit) still.push_back(std::move(running));
  }
  audits_.swap(still);
}

void AgentCommands::run_explains() {
  if (!reading_) return;
  reading_->run(reconciler_);
  if (!reading_->done()) return;
  for (RunningExplain& running : explains_) {
    const auto port = find_port(reconciler_, running.port);  // it may have gone meanwhile
    if (!port) {
      running.reply.error(port.error().message);
      continue;
    }
    const nlohmann::json explained = explain_json(reconciler_, *port, reading_->counts());
    running.reply.ok(running.json ? print(explained) : explain_text(explained));
  }
  explains_.clear();
  reading_.reset();
}

}  // namespace ml2::control
