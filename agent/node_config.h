// node_config: the ini's options as the NodeConfig that compile() reads, and as the Liveness that the switches are held to.
//
// Where in the walk: main(), once at start.
// Threading: pure. Failure: Invalid with file:line and what is allowed, for what only options together can get wrong.
// What it does not do: no check against the host (is local_ip on it?): that is a fact, not a setting.
#pragma once

#include <string>

#include "agent/config/config.h"
#include "datapath/base/result.h"
#include "datapath/model/node.h"
#include "datapath/openflow/switch.h"

namespace ml2 {

[[nodiscard]] Result<NodeConfig> node_config(const config::Config& config);
// [ovs] of_inactivity_probe and of_request_timeout. An answer is waited for at most 5 s, or of_request_timeout if that is
// less: its default, 300 s, is the incumbent's patience with one request, and far too long to say that a switch hangs.
[[nodiscard]] of::Liveness liveness(const config::Config& config);

}  // namespace ml2
