// ml2_intent: rows of the ML2 database to Intent, and reports back into a transaction. Pure.
//
// Where in the walk: Ml2DbSource calls both; all validation of what stands in the database is here.
// Threading: pure functions.
// Failure: a row that makes no sense refuses the ports that need it, with a sentence naming row and field; the rest
//   of the database goes on.
// What it does not do: no connection, no clock.
#pragma once

#include <cstdint>
#include <string>

#include "agent/intent/intent_source.h"
#include "datapath/model/intent.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/transaction.h"

namespace ml2::intent {

// The part of the database that concerns `node.host`. `complete` is true in the result.
[[nodiscard]] Intent read_intent(const ovsdb::Ml2Rows& rows, const NodeConfig& node);

struct HostStamp {
  std::string version;                // of the agent
  std::int64_t started_at = 0;        // seconds since 1970
  std::int64_t now = 0;               // seconds since 1970
  std::int64_t report_interval = 30;  // seconds
};

// Another node reports under this node's host name, and its heartbeat is fresh: a sentence; empty when none does. The
// one that was there first keeps the name; this one is not to write anything, or the two would take turns for ever.
[[nodiscard]] std::string name_taken(const ovsdb::Ml2Rows& rows, const NodeConfig& node, const NodeReport& report,
                                     const HostStamp& stamp);

// What differs between the rows and the report: the host's own row, and status and status_reason of the ports bound
// to it. Nothing else is ever written. The heartbeat alone is written when it is older than the report interval.
[[nodiscard]] ovsdb::Transaction write_back(const ovsdb::Ml2Rows& rows, const NodeConfig& node,
                                            const NodeReport& report, const HostStamp& stamp);

}  // namespace ml2::intent
