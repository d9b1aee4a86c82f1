// concerned: which hosts a change to the database is for.
//
// Where in the walk: `ml2ctl --wait=host` waits for them.
// Threading: a pure function. Failure: none.
// What it does not do: hosts that only forward to a port (their flood lists, their neighbours) are not counted.
#pragma once

#include <set>
#include <string>

#include "ovsdb/ml2_rows.h"

namespace ml2::plugin {

// The hosts of the ports whose rows, network or security groups differ between two readings.
[[nodiscard]] std::set<std::string> hosts_concerned(const ovsdb::Ml2Rows& before, const ovsdb::Ml2Rows& after);

}  // namespace ml2::plugin
