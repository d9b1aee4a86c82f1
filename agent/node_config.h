// node_config: the ini's options as the NodeConfig that compile() reads.
//
// Where in the walk: main(), once at start.
// Threading: pure. Failure: Invalid with file:line and what is allowed, for what only options together can get wrong.
// What it does not do: no check against the host (is local_ip on it?): that is a fact, not a setting.
#pragma once

#include <string>

#include "agent/config/config.h"
#include "datapath/base/result.h"
#include "datapath/model/node.h"

namespace ml2 {

[[nodiscard]] Result<NodeConfig> node_config(const config::Config& config);

}  // namespace ml2
