// ml2_intent: rows of the ML2 database to Intent, and reports back into a transaction. Pure.
//
// Where in the walk: Ml2DbSource calls both; all validation of what stands in the database is here.
// Threading: pure functions.
// Failure: a row that makes no sense refuses the ports that need it, with a sentence naming row and field; the rest
//   of the database goes on.
// What it does not do: no connection, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/intent/intent_source.h"
#include "agent/intent/ml2_index.h"
#include "agent/intent/ml2_remote.h"
#include "datapath/model/intent.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/transaction.h"

namespace ml2::intent {

// The part of the database that concerns `node.host`. `complete` is true in the result.
[[nodiscard]] Intent read_intent(const ovsdb::Ml2Rows& rows, const NodeConfig& node);
// Its parts: what one network's rows say, which depends on them and on the hosts only: the ports bound here (of `rows`
// those of other hosts may be missing) and their segments, to which read_neighbours() adds the rest if there are any;
// and what the hosts say, into `intent.vteps` and `intent.problems`.
[[nodiscard]] NetworkIntent read_own_ports(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node,
                                           const Uuid& network);
// The same of one of its ports alone.
[[nodiscard]] NetworkIntent read_own_port(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node,
                                          const Uuid& port);
void read_hosts(const ovsdb::Ml2Rows& rows, const OtherHosts& hosts, Intent& intent);

// What the node last wrote of its host's row into columns that no agent reads (ml2_agent_unread()): it keeps it itself.
struct HostBeat {
  std::int64_t heartbeat = 0;  // seconds since 1970
  std::set<std::string> problems;
  std::optional<std::int64_t> applied;  // nullopt: whatever the last life of the agent wrote

  friend bool operator==(const HostBeat&, const HostBeat&) = default;
};

struct HostStamp {
  std::string version;                // of the agent
  std::int64_t started_at = 0;        // seconds since 1970
  std::int64_t now = 0;               // seconds since 1970
  std::int64_t report_interval = 30;  // seconds
  std::optional<HostBeat> beat = {};  // nullopt: not known; then all of it is written
};

// Another node has reported under this node's host name: a sentence; empty when none has. The one that was there first
// keeps the name while its heartbeat is fresh; this one is not to write anything, or the two would take turns for ever.
// `own`: this host's row, if the caller knows it; nullptr: it is looked for.
[[nodiscard]] std::string name_taken(const ovsdb::Ml2Rows& rows, const NodeConfig& node, const NodeReport& report,
                                     const ovsdb::Ml2Host* own = nullptr);
// What a transaction has to rest on that takes the name over: that whoever had it has missed three heartbeats.
[[nodiscard]] ovsdb::RowBelow name_is_free(const ovsdb::Ml2Host& own, const HostStamp& stamp);

struct WriteBack {
  ovsdb::Transaction transaction;
  std::optional<HostBeat> beat;  // the next stamp's, once the transaction is carried out
};
// What differs between the rows and the report: the host's own row, and status and status_reason of the ports bound
// to it. Nothing else is ever written. The heartbeat alone is written when it is older than the report interval.
// `ports`: the rows of those ports of the report that may differ from it; of `rows` the hosts and endpoints count.
// `own`: as above. `host`: whether the host's own row may differ; else it is not looked at.
[[nodiscard]] WriteBack write_back(const ovsdb::Ml2Rows& rows, const std::map<Uuid, ovsdb::Ml2Port>& ports,
                                   const NodeConfig& node, const NodeReport& report, const HostStamp& stamp,
                                   const ovsdb::Ml2Host* own = nullptr, bool host = true);

}  // namespace ml2::intent
