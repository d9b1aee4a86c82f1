// wired_marks: tells others on this host that a port is wired: two keys in its Interface's external_ids. Pure.
//
// Where in the walk: after the ports have been judged, into the transaction of the same step; of the interfaces that may have
//   become another way. Hypervisors and scripts
//   wait for `ml2-installed=true` as those of OVN wait for ovn-installed; ml2-installed-ts is when, in milliseconds
//   since 1970.
// Threading: a pure function. Failure: none.
// What it does not do: it does not say that the agent is alive: the marks stay when it ends, as the flows do.
#pragma once

#include <optional>

#include "datapath/base/clock.h"
#include "ovsdb/transaction.h"
#include "ovsdb/vswitch.h"

namespace ml2::reconcile {

inline constexpr const char* kInstalledKey = "ml2-installed";
inline constexpr const char* kInstalledTimeKey = "ml2-installed-ts";

// What has to be done about the marks of one interface, which is that of a wired port or is not; nullopt: nothing.
// `complete`: of the intent; until then no mark is taken away.
[[nodiscard]] std::optional<ovsdb::Operation> wired_mark(const ovsdb::InterfaceRow& row, bool wired, bool complete,
                                                         WallTime now);

// When the interface says that its port was wired; nullopt when it does not, or of the time to come.
[[nodiscard]] std::optional<WallTime> marked_since(const ovsdb::InterfaceRow& row, WallTime now);

}  // namespace ml2::reconcile
