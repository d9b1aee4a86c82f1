// wait: lets a command end when its change is in the switches: `ml2ctl --wait=host|all ...`.
//
// Where in the walk: main() calls it behind the command's action. It adds one to ML2_Global.sequence and waits until
//   the Host rows concerned have reached it in `applied`, which each agent writes when its switches have confirmed all
//   flows by a barrier.
// Threading: one thread, which it blocks.
// Failure: the hosts that are late are named, each with what is known of it. The change itself is made all the same.
//   Hosts whose agents are down are not waited for with `all`; a warning names them.
// What it does not do: it does not wait for machines to be plugged.
#pragma once

#include "agent/ctl/session.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::ctl {

// `before`: the rows as they were before the command. Transient when hosts are late.
[[nodiscard]] Status wait_until_applied(Session& session, const ovsdb::Ml2Rows& before);

}  // namespace ml2::ctl
