#include "ovsdb/blocking.h"

#include <fmt/format.h>

#include "datapath/base/poll_loop.h"

namespace ml2::ovsdb {
namespace {

// Runs the database until `done()` or the deadline; true when done.
template <class Done>
bool run_until(Database& database, std::chrono::milliseconds timeout, Done done) {
  const long long deadline = ml2_time_msec() + timeout.count();
  for (;;) {
    database.run();
    if (done()) return true;
    const long long left = deadline - ml2_time_msec();
    if (left <= 0) return false;
    database.wait();
    ml2_poll_timer(left);
    ml2_poll_block();
  }
}

}  // namespace

Status wait_until_synced(Database& database, std::chrono::milliseconds timeout) {
  const bool synced =
      run_until(database, timeout, [&] { return database.snapshot() != nullptr && database.status().connected; });
  if (synced) return {};
  return transient(
      fmt::format("the database did not come within {} ms: {}", timeout.count(), database.status().error));
}

Outcome commit_and_wait(Database& database, const Transaction& transaction, std::chrono::milliseconds timeout) {
  if (Status sent = database.commit(transaction); !sent) return {sent, {}};
  std::optional<Outcome> outcome;
  run_until(database, timeout, [&] {
    outcome = database.take_outcome();
    return outcome.has_value();
  });
  if (outcome) return *std::move(outcome);
  return {transient(
              fmt::format("no answer to the transaction within {} ms; it may still be carried out", timeout.count())),
          {}};
}

}  // namespace ml2::ovsdb
