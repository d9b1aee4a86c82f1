#include "agent/reconcile/audit.h"

#include <fmt/format.h>

#include <ctime>

#include "agent/reconcile/plan_text.h"
#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/compile/compiler.h"
#include "datapath/diff/diff.h"
#include "datapath/openflow/codec.h"

namespace ml2::reconcile {

Audit::Audit(const Reconciler& reconciler, const OpenDatabase& open_database, OpenSwitch open_switch,
             std::unique_ptr<fp::FastPath> fast_path, const Clock& clock)
    : reconciler_(reconciler),
      open_switch_(std::move(open_switch)),
      clock_(clock),
      deadline_(clock.now() + kLimit),
      fast_path_(std::move(fast_path)) {
  auto database = open_database();
  if (database) {
    database_ = std::move(*database);
  } else {
    answer_ = Result<std::string>(forward_error(database));
  }
}

void Audit::run() {
  if (answer_) return;
  database_->run();
  std::string missing;
  const Intent* intent = reconciler_.source().intent();
  if (intent == nullptr) missing = "intent";
  if (database_->snapshot() == nullptr) {
    missing = "Open_vSwitch database";
  } else {
    for (const auto& [name, status] : reconciler_.switch_status()) {
      std::unique_ptr<of::Switch>& of_switch = switches_[name];
      if (of_switch == nullptr) of_switch = open_switch_(name);
      of_switch->run();
      if (of_switch->flows() == nullptr) missing = "flows of bridge " + name;
    }
  }
  if (fast_path_ != nullptr) {
    fast_path_->run();
    if (fast_path_->tables() == nullptr) missing = "fast path's tables";
  }
  if (missing.empty()) {
    compare(*intent);
  } else if (clock_.now() >= deadline_) {
    answer_ =
        Result<std::string>(transient(fmt::format("{} could not be read within {} s", missing, kLimit.count())));
  }
}

void Audit::wait() {
  if (answer_) {
    ml2_poll_immediate();
    return;
  }
  database_->wait();
  for (auto& [name, of_switch] : switches_) of_switch->wait();
  if (fast_path_ != nullptr) fast_path_->wait();
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - clock_.now()).count() + 1);
}

// Everything from nothing, as a freshly started agent would; and whether what the running agent has come to by changes
// is the same.
void Audit::compare(const Intent& intent) {
  const std::clock_t begun = std::clock();
  const ovsdb::Vswitch vswitch = ovsdb::read_vswitch(*database_->snapshot());
  const fp::Tables* fast_path = fast_path_ != nullptr ? fast_path_->tables() : nullptr;
  const nl::Snapshot* kernel = reconciler_.kernel().snapshot();
  Actual actual{.vswitch = vswitch};
  if (fast_path_ != nullptr) {
    actual.fast_path = fast_path;
    actual.kernel = kernel;
  }
  for (const auto& [name, of_switch] : switches_) actual.flows[name] = of_switch->flows();
  Facts facts = gather_facts(vswitch, reconciler_.facts().host_addresses, {});
  facts.fast_path = gather_fast_path_facts(intent, *kernel, fast_path, {});
  Compiler compiler([](const of::FlowKey& key, const of::FlowBody& body) { return of::canonical(key, body); });
  compiler.update(intent, {.all = true}, facts, {.all = true}, actual.flows);
  const Plan plan = diff(compiler.desired(), actual);
  log::info("reconcile", "recompute: compile and diff from nothing took {:.1f} ms of CPU",
            1000.0 * static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC);
  std::string text = to_text(plan, reconciler_.node());
  if (reconciler_.converged() && vswitch == reconciler_.vswitch()) {  // both have seen the same
    for (const std::string& part : differences(compiler.desired(), reconciler_.desired())) {
      text += fmt::format("\nthe running agent wants other {} than computed from nothing (a bug)", part);
    }
  }
  answer_ = Result<std::string>(std::move(text));
}

}  // namespace ml2::reconcile
