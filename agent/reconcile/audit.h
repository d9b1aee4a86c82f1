// Audit: reads everything again over fresh connections, computes everything from nothing, and says what it finds.
//
// Where in the walk: the `recompute` command; every system test ends with one. It shares nothing with the reconciler
//   but the intent: other database client, other OpenFlow channels, no memory of local VLANs, no memoised flows. So
//   it also finds what a broken cache or a missed notification would hide.
// Threading: the thread of the poll loop only.
// Failure: what cannot be read within the time limit is named in the answer.
// What it does not do: it changes nothing.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/reconcile/reconciler.h"
#include "datapath/base/clock.h"
#include "ovsdb/database.h"

namespace ml2::reconcile {

using OpenDatabase = std::function<Result<std::unique_ptr<ovsdb::Database>>()>;

class Audit {
 public:
  static constexpr std::chrono::seconds kLimit{20};

  // `reconciler` and `clock` outlive the audit. `fast_path`: a fresh client of it; nullptr when it is not enabled.
  Audit(const Reconciler& reconciler, const OpenDatabase& open_database, OpenSwitch open_switch,
        std::unique_ptr<fp::FastPath> fast_path, const Clock& clock);

  void run();
  void wait();
  // The plan as text ("plan is empty" is the good answer), or why it could not be computed; nullopt until then.
  [[nodiscard]] const std::optional<Result<std::string>>& answer() const { return answer_; }

 private:
  void compare(const Intent& intent);

  const Reconciler& reconciler_;
  OpenSwitch open_switch_;
  const Clock& clock_;
  Monotonic deadline_;
  std::unique_ptr<ovsdb::Database> database_;
  std::map<std::string, std::unique_ptr<of::Switch>> switches_;
  std::unique_ptr<fp::FastPath> fast_path_;
  std::optional<Result<std::string>> answer_;
};

}  // namespace ml2::reconcile
