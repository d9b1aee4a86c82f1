#include "agent/ml2/committer.h"

#include <fmt/format.h>

#include "datapath/base/log.h"
#include "ovsdb/blocking.h"

namespace ml2::plugin {

Result<ovsdb::Ml2Rows> Committer::rows() {
  if (const Status synced = ovsdb::wait_until_synced(database_, timeout_); !synced) return forward_error(synced);
  return ovsdb::read_ml2(*database_.snapshot());
}

Status Committer::commit(const Compute& compute, unsigned max_tries) {
  const auto deadline = std::chrono::steady_clock::now() + timeout_;
  Error last{ErrorKind::Transient, "nothing was tried"};
  for (unsigned attempt = 0; attempt < max_tries; ++attempt) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (attempt > 0 && left.count() <= 0) break;
    const auto now = rows();
    if (!now) return forward_error(now);
    const std::uint64_t sequence = database_.sequence();
    const auto transaction = compute(*now, attempt);
    if (!transaction) return forward_error(transaction);
    if (transaction->empty()) return {};
    const ovsdb::Outcome outcome = ovsdb::commit_and_wait(database_, *transaction, left);
    if (outcome.status) return {};
    last = outcome.status.error();
    log::debug("ml2", "{}: attempt {}: {}", transaction->comment, attempt + 1, last.message);
    // Conflict: an index is taken by a row that we had not seen. Invalid is a race too when the rows moved meanwhile
    // (a reference to a row that is gone); otherwise the server means it.
    if (last.kind == ErrorKind::Fatal) break;
    if (last.kind == ErrorKind::Invalid && database_.sequence() == sequence) break;
  }
  return tl::unexpected<Error>(last);
}

}  // namespace ml2::plugin
