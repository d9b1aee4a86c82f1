// cleanup: what Open vSwitch still holds of ours, and the next thing to do so that it holds nothing of ours.
//
// Where in the walk: `ml2-agent --cleanup`: a diff against nothing, by the marks of ARCHITECTURE.md's table. Read,
//   diff, apply, and again until the plan is empty.
// Threading: pure.
// Failure: total. What looks like ours and has no mark stays, and `stays` says so.
// What it does not do: what the incumbent agent left is not ours until we have taken it over.
// Order: the integration bridge's flows first, so that no frame passes between two bridges while the flows that stop
//   loops go; then the others' flows; then ports, VLANs of VM ports; bridges last. A physical bridge goes on as the
//   plain switch that it was: its default flow stays, without our mark.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "datapath/diff/plan.h"
#include "datapath/model/node.h"

namespace ml2 {

struct Cleanup {
  Plan plan;                       // the next step; empty: nothing of ours is left
  std::vector<std::string> ours;   // everything of ours that is there, for people: "port patch-tun on br-int"
  std::vector<std::string> stays;  // what is left alone although one may ask, and why
};

// The bridges that exist and whose flows have to be read first: those of the ini and those with ports of ours.
[[nodiscard]] std::set<std::string> cleanup_bridges(const NodeConfig& node, const ovsdb::Vswitch& vswitch);

// A bridge of cleanup_bridges() that is not in actual.flows is left alone, with what hangs on it (Plan::held).
[[nodiscard]] Cleanup diff_to_nothing(const NodeConfig& node, const Actual& actual);

}  // namespace ml2
