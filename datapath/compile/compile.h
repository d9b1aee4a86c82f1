// compile: from what is asked and what the world has assigned to what Open vSwitch shall hold.
//
// Where in the walk: Intent + Facts -> compile() -> Desired -> diff(). One file of this folder per feature; build.h
//   is what they share.
// Threading: pure functions; equal input gives equal output.
// Failure: total. What cannot be computed yet (a port without an OpenFlow number, a physical bridge that is not
//   there) is left out and named, in PortState::waiting for a port and in Desired::waiting for anything else.
// What it does not do: no comparison with what is there, no order of changes: diff/. No security groups yet.
#pragma once

#include <cstdint>
#include <set>

#include "datapath/base/ip.h"
#include "datapath/base/uuid.h"
#include "datapath/model/desired.h"
#include "datapath/model/facts.h"
#include "datapath/model/intent.h"
#include "datapath/model/segment.h"
#include "datapath/netlink/types.h"
#include "ovsdb/vswitch.h"

namespace ml2 {

[[nodiscard]] Desired compile(const Intent& intent, const Facts& facts);

// Facts of the OVSDB rows; `previous` is the last step's Desired::local_vlans, empty after a start.
[[nodiscard]] Facts gather_facts(const ovsdb::Vswitch& vswitch, const std::set<IpAddress>& host_addresses,
                                 const LocalVlans& previous);
// Brings `facts`, Facts::fast_path apart, up to date with `vswitch`, in which `changes` have happened: as gather_facts()
// would, at the price of what has changed. `moved`: the last step's Desired::local_vlans where that step changed it (DesiredChanges), else nullptr.
FactsChanges update_facts(const ovsdb::Vswitch& vswitch, const ovsdb::VswitchChanges& changes,
                          const std::set<IpAddress>& host_addresses, const LocalVlans* moved, Facts& facts);

// Of the kernel and of what was read back of the fast path (nullptr: nothing could be); `previous` is the last step's.
[[nodiscard]] FastPathFacts gather_fast_path_facts(const Intent& intent, const nl::Snapshot& kernel,
                                                   const fp::Tables* read_back, const FastPathIds& previous);

// Cookies that compile() stamps, for whoever asks whether an object's flows are in (Plan::pending_cookies).
[[nodiscard]] std::uint64_t cookie_of(const Segment& segment);  // flows of a segment on all bridges
[[nodiscard]] std::uint64_t cookie_of_port(const Uuid& port);   // flows of one port
[[nodiscard]] std::uint64_t cookie_of_pipeline();               // default flows and those of patch and tunnel ports
[[nodiscard]] std::uint64_t cookie_of_learned();                // flows that the switch learns by itself

}  // namespace ml2
