// wired_marks: tells others on this host that a port is wired: two keys in its Interface's external_ids. Pure.
//
// Where in the walk: after the ports have been judged, into the transaction of the same step. Hypervisors and scripts
//   wait for `ml2-installed=true` as those of OVN wait for ovn-installed; ml2-installed-ts is when, in milliseconds
//   since 1970.
// Threading: a pure function. Failure: none.
// What it does not do: it does not say that the agent is alive: the marks stay when it ends, as the flows do.
#pragma once

#include <map>

#include "agent/intent/intent_source.h"
#include "datapath/base/clock.h"
#include "datapath/model/desired.h"
#include "ovsdb/transaction.h"
#include "ovsdb/vswitch.h"

namespace ml2::reconcile {

inline constexpr const char* kInstalledKey = "ml2-installed";
inline constexpr const char* kInstalledTimeKey = "ml2-installed-ts";

// Adds what is missing on interfaces of ACTIVE ports and takes it from all others.
void mark_wired(const std::map<Uuid, intent::PortReport>& reports, const Desired& desired,
                const ovsdb::Vswitch& vswitch, WallTime now, ovsdb::Transaction& transaction);

}  // namespace ml2::reconcile
