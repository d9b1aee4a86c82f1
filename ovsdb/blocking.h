// blocking: waiting for a Database, for command-line tools.
//
// Where in the walk: ml2ctl, `ml2-agent --cleanup` at its end, and tests; never the running agent, which has one loop for
//   everything.
// Threading: the thread of the poll loop; nothing else of the process runs meanwhile.
// Failure: Transient when the time is over.
// What it does not do: no retry.
#pragma once

#include <chrono>

#include "ovsdb/database.h"

namespace ml2::ovsdb {

// Until the database is connected and its snapshot is there.
[[nodiscard]] Status wait_until_synced(Database& database, std::chrono::milliseconds timeout);
// Sends `transaction` and waits for what becomes of it.
[[nodiscard]] Outcome commit_and_wait(Database& database, const Transaction& transaction,
                                      std::chrono::milliseconds timeout);

}  // namespace ml2::ovsdb
