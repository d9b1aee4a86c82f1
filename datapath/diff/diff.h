// diff: what has to be done so that Open vSwitch holds what it shall.
//
// Where in the walk: compile() -> Desired -> diff(Desired, Actual) -> Plan -> the reconciler applies it, reads Actual
//   again and comes back, until Plan::empty(). All rules of order are here: make before break, loops between bridges.
// Threading: pure.
// Failure: total. What is in the way and not ours is left alone and named in Plan::held ("conflict: ...").
// What it does not do: no memory of earlier plans: whether they worked is seen in Actual.
// Whose a row or a flow is, and so what may be deleted:
//   Port         kOwnerKey in external_ids; of tunnel ports also the incumbent's: name <type>-<hash>, our local_ip
//   flow         of::is_ours(cookie); the incumbent's cookie: that of its canary, or of its own default flow
//   Bridge       never deleted
//   VM's Port    not ours: only tag, vlan_mode, trunks and the five keys in other_config
// Both sides' flows must have gone through the codec's canonical form.
#pragma once

#include "datapath/diff/plan.h"
#include "datapath/model/desired.h"

namespace ml2 {

[[nodiscard]] Plan diff(const Desired& desired, const Actual& actual);
// Whether Plan::links would not be empty.
[[nodiscard]] bool has_to_make_links(const Desired& desired, const nl::Snapshot& kernel);

}  // namespace ml2
