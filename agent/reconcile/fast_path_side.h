// FastPathSide: the reconciler's dealings with ml2-fastpath: its connection, updates, refusals, and the next hops that the
//   kernel is to know for it.
//
// Where in the walk: the Reconciler asks it for what was read, and hands it each Plan.
// Threading: the thread of the poll loop only.
// Failure: an update that fails, or of which something was refused, is computed anew from the next reading; where the same
//   records are left over each time, they are sent again after a growing pause, and whatever else changes goes at once.
// What it does not do: no decisions: compile() and diff() make them. Without [fastpath] enabled it does nothing at all.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/reconcile/back_off.h"
#include "agent/reconcile/journal.h"
#include "datapath/base/clock.h"
#include "datapath/diff/plan.h"
#include "datapath/fastpath/fast_path.h"
#include "datapath/model/desired.h"
#include "datapath/netlink/kernel.h"

namespace ml2::reconcile {

class FastPathSide {
 public:
  // `fast_path`: nullptr when it is not enabled. All outlive this.
  FastPathSide(fp::FastPath* fast_path, nl::Kernel& kernel, const Clock& clock, Journal& journal)
      : fast_path_(fast_path), kernel_(kernel), clock_(clock), journal_(journal) {}

  // Makes progress; true: something ended, so that a step is due.
  [[nodiscard]] bool run();
  // `in_sync`: also for what apply() will do.
  void wait(const Plan& plan, bool in_sync);
  [[nodiscard]] bool enabled() const { return fast_path_ != nullptr; }

  // What the in-sync gate waits for; empty: nothing. A fast path that is not there is not waited for.
  [[nodiscard]] std::string gate() const;
  // Whether it was read anew since seen().
  [[nodiscard]] bool changed() const { return enabled() && fast_path_->sequence() != seen_; }
  // The records that may have changed since; nullopt: any.
  [[nodiscard]] std::optional<fp::RecordKeys> changes() const {
    return enabled() ? fast_path_->changes_since(seen_) : std::nullopt;
  }
  void seen();
  [[nodiscard]] const fp::Tables* tables() const { return enabled() ? fast_path_->tables() : nullptr; }

  // DesiredFastPath::next_hops is not what it was when apply() was called last.
  void look_at_next_hops() { next_hops_looked_at_ = false; }
  void apply(const Plan& plan, const DesiredFastPath& desired);
  // Whether nothing is on its way to it; false while it has not been read.
  [[nodiscard]] bool idle() const { return !enabled() || (fast_path_->tables() != nullptr && !in_flight_); }

  // Sentences for an operator: no connection, what was refused, NICs without a link, other processors than `wanted` says.
  [[nodiscard]] std::set<std::string> problems(const FastPathConfig& wanted) const;
  // Why the fast path refused this port; empty when it did not.
  [[nodiscard]] std::string refusal_of(fp::PortId port) const;
  // The ports of which that is another than at the last call.
  [[nodiscard]] std::set<fp::PortId> take_judged() { return std::exchange(judged_, {}); }
  [[nodiscard]] fp::FastPathStatus status() const { return enabled() ? fast_path_->status() : fp::FastPathStatus(); }

 private:
  [[nodiscard]] bool take_silence(const fp::FastPathStatus& status);
  [[nodiscard]] bool take_troubles(const fp::FastPathStatus& status);
  void send(const fp::Update& update);
  void make_links(const nl::Batch& links);
  void resolve(const std::map<NextHop, bool>& next_hops);
  [[nodiscard]] bool stuck(const fp::Update& update) const;
  void refuse(std::vector<std::string> sentences);

  fp::FastPath* fast_path_;
  nl::Kernel& kernel_;
  const Clock& clock_;
  Journal& journal_;

  std::uint64_t seen_ = 0;
  bool had_tables_ = false;
  bool silent_ = false;  // as it was told last
  bool in_flight_ = false;
  BackOff back_off_;
  fp::Update last_;                   // that was sent last, while something of it was refused
  std::vector<std::string> refused_;  // of the last update; of addresses that have one reason, one sentence
  std::map<fp::PortId, std::string> refused_ports_;  // of these: the first for each port
  std::set<fp::PortId> judged_;
  std::map<std::string, std::string> troubles_;  // FastPathStatus::troubles, as they were heard last
  std::string error_;                            // of the last update; empty when it went well
  BackOff links_back_off_;
  std::string links_error_;
  std::map<NextHop, Monotonic> ask_at_;  // when the kernel is asked for it next
  std::optional<Monotonic> ask_next_;    // the first of these
  bool next_hops_looked_at_ = false;
};

}  // namespace ml2::reconcile
