// trace: walks one described frame through the live tables, and says each decision; nothing is sent, learned or counted.
//
// Where in the walk: query.cc hands `trace` on; the walk is the workers' own, with counters and a sink of the trace's.
// Threading: the control thread: it writes the tables, so they stand still meanwhile.
// Failure: Invalid for what is no port or no frame.
// What it does not do: no offloads of machines (a frame is whole and has its checksums); what a device would do with it.
#pragma once

#include <string_view>

#include "datapath/base/result.h"
#include "dpdk/process/control.h"

namespace ml2::fastpath {

// `argument`: a port's id and a frame in hexadecimal.
[[nodiscard]] Status trace(ControlParts& parts, std::string_view argument, const EmitRow& emit);

}  // namespace ml2::fastpath
