// local_vlan: which VLAN of br-int stands for which segment.
//
// Where in the walk: compile/vif.cc calls it once it knows which segments have a port here.
// Threading: pure.
// Failure: keys for which no VLAN is left are in `exhausted`.
// What it does not do: nothing is stored here: the last step's result and the incumbent's keys in Port.other_config
//   (Facts) are the memory, so that a fresh agent gives every segment the VLAN that it has.
#pragma once

#include <set>
#include <string>

#include "datapath/model/facts.h"
#include "datapath/model/segment.h"

namespace ml2 {

struct LocalVlanAllocation {
  LocalVlans vlans;
  std::set<LocalVlanKey> exhausted;
};

// A VLAN for each key of `wanted`. `keep_all`: keep what earlier steps gave out although nobody wants it now (the
// intent is not complete).
[[nodiscard]] LocalVlanAllocation allocate_local_vlans(const std::set<LocalVlanKey>& wanted, const Facts& facts,
                                                       const std::string& integration_bridge, bool keep_all);

// The key that the incumbent (or we) wrote beside a port's tag; nullopt when there is none that makes sense.
[[nodiscard]] std::optional<LocalVlanKey> local_vlan_hint(const InterfaceFact& fact);

}  // namespace ml2
