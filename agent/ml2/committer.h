// Committer: computes a change from the newest rows, commits it, and does both again after a lost race.
//
// Where in the walk: the one place of the plugin that waits for the database.
// Threading: one thread, which it blocks; for a command or a worker thread, not for the agent's loop.
// Failure: the error of the computation, or of the database when it refuses; Transient when the time is over.
// What it does not do: no policy.
#pragma once

#include <chrono>
#include <functional>

#include "datapath/base/result.h"
#include "ovsdb/database.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::plugin {

class Committer {
 public:
  // `timeout` is for one change with all its retries.
  Committer(ovsdb::Database& database, std::chrono::milliseconds timeout) : database_(database), timeout_(timeout) {}

  // The rows as they are now; waits for the first snapshot.
  [[nodiscard]] Result<ovsdb::Ml2Rows> rows();

  // `compute` is given the newest rows and the number of races lost so far. Its errors end it, unless the rows have
  // changed under it. An empty transaction is a success.
  using Compute = std::function<Result<ovsdb::Transaction>(const ovsdb::Ml2Rows& rows, unsigned attempt)>;
  [[nodiscard]] Status commit(const Compute& compute, unsigned max_tries = kMaxTries);

  // Races are decided for one writer each time, so that even many writers come through.
  static constexpr unsigned kMaxTries = 100;

 private:
  ovsdb::Database& database_;
  std::chrono::milliseconds timeout_;
};

}  // namespace ml2::plugin
