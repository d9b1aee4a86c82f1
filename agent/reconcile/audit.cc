#include "agent/reconcile/audit.h"

#include <fmt/format.h>

#include "agent/reconcile/plan_text.h"
#include "datapath/base/poll_loop.h"
#include "datapath/compile/compile.h"
#include "datapath/diff/diff.h"

namespace ml2::reconcile {

Audit::Audit(const Reconciler& reconciler, const OpenDatabase& open_database, OpenSwitch open_switch,
             const Clock& clock)
    : reconciler_(reconciler), open_switch_(std::move(open_switch)), clock_(clock), deadline_(clock.now() + kLimit) {
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
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - clock_.now()).count() + 1);
}

void Audit::compare(const Intent& intent) {
  const ovsdb::Vswitch vswitch = ovsdb::read_vswitch(*database_->snapshot());
  Desired desired = compile(intent, gather_facts(vswitch, reconciler_.facts().host_addresses, {}));
  CanonicalFlows canonical;
  desired.flows = canonical.of_bridges(desired.flows);
  Actual actual{.vswitch = vswitch};
  for (const auto& [name, of_switch] : switches_) actual.flows[name] = of_switch->flows();
  answer_ = Result<std::string>(to_text(diff(desired, actual), reconciler_.node()));
}

}  // namespace ml2::reconcile
