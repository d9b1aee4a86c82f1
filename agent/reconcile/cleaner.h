// Cleaner: takes away all that is ours in Open vSwitch, and says what it was.
//
// Where in the walk: `ml2-agent --cleanup`, in the place of the reconciler; with --dry-run it only says it.
// Threading: the thread of the poll loop only.
// Failure: what fails is computed anew from the next reading; after kLimit without an end, answer() says what was in
//   the way. Run again it goes on where it was: there is no state but the marks.
// What it does not do: nothing in the ML2 database; that comes after it (agent/intent/ml2_leave.h).
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/reconcile/reconciler.h"
#include "datapath/base/clock.h"
#include "datapath/diff/cleanup.h"
#include "datapath/model/node.h"
#include "ovsdb/database.h"

namespace ml2::reconcile {

class Cleaner {
 public:
  static constexpr std::chrono::seconds kLimit{20};

  enum class Mode { Remove, Look };

  // `vswitch` and `clock` outlive it.
  Cleaner(ovsdb::Database& vswitch, OpenSwitch open_switch, NodeConfig node, const Clock& clock, Mode mode);

  void run();
  void wait();
  // What was ours, what stays and why, one line each; nullopt until it is done.
  [[nodiscard]] const std::optional<Result<std::string>>& answer() const { return answer_; }

 private:
  // The first thing that was not read yet; empty: all is.
  [[nodiscard]] std::string read();
  void step();
  void apply(const Plan& plan);
  void failed(std::string trouble);
  [[nodiscard]] std::string account() const;

  ovsdb::Database& vswitch_;
  OpenSwitch open_switch_;
  NodeConfig node_;
  const Clock& clock_;
  Mode mode_;
  Monotonic deadline_;
  std::map<std::string, std::unique_ptr<of::Switch>> switches_;
  std::optional<std::vector<std::string>> ours_;  // as it was found
  std::set<std::string> stays_;                   // seen at any reading
  std::string trouble_;
  BackOff back_off_;
  bool dirty_ = true;
  std::uint64_t seen_ = 0;  // sum of all sequences at the last step
  std::optional<Result<std::string>> answer_;
};

}  // namespace ml2::reconcile
