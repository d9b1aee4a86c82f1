// ml2_leave: takes what is this node's out of the ML2 database, so that other hosts send nothing to it any more.
//
// Where in the walk: `ml2-agent --cleanup`, when nothing of ours is left in Open vSwitch; with --dry-run it is only said.
// Threading: the thread of the poll loop; it waits for the database (ovsdb/blocking.h).
// Failure: a database that does not answer is no failure of the cleanup: the text says so, and what to do.
// What it does not do: bindings stay. Where a machine shall run is not the agent's to say, and an agent that comes back
//   finds its ports.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "ovsdb/database.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/transaction.h"

namespace ml2::intent {

// Who leaves: its [DEFAULT] host, and the UUID of its Open_vSwitch row, by which its Host row is known as its own.
struct Leaver {
  std::string host;
  std::string switch_id;
};

struct Leaving {
  ovsdb::Transaction transaction;
  std::vector<std::string> ours;   // what it takes away, for people: "host hv1"
  std::vector<std::string> stays;  // what it does not, and why
};
// The ports bound to the host go DOWN, and its Host row goes; nothing when another node has the name. Pure.
[[nodiscard]] Leaving leave(const ovsdb::Ml2Rows& rows, const Leaver& leaver);
// The columns that leave() looks at.
[[nodiscard]] ovsdb::MonitoredColumns leave_columns();

// What was done (`look`: would be done), one line each. `where`: the database's address, for people.
[[nodiscard]] std::string leave_ml2(ovsdb::Database& database, const std::string& where, const Leaver& leaver,
                                    bool look, std::chrono::milliseconds timeout);

}  // namespace ml2::intent
