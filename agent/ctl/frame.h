// frame: a frame as a person describes it, for `ml2ctl trace` and `ml2ctl fastpath trace`.
//
// Where in the walk: ml2ctl, before the fast path is asked.
// Threading: pure. Failure: Invalid: neither hexadecimal nor a flow, and what libopenvswitch has against it.
// What it does not do: no source that a port would have: see complete_flow().
#pragma once

#include <string>

#include "datapath/base/result.h"

namespace ml2::ctl {

// In hexadecimal, from the destination MAC on. `description`: that already, or a packet as ovs-ofctl(8) writes flows; what
// every packet has and nobody writes is added: a TTL of 64, ARP as a request.
[[nodiscard]] Result<std::string> frame_in_hexadecimal(const std::string& description);

}  // namespace ml2::ctl
