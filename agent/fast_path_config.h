// fast_path_config: the ini's [fastpath] as the FastPathConfig that compile() reads.
//
// Where in the walk: node_config(), once at start.
// Threading: pure. Failure: Invalid with file:line and what is allowed, for what only options together can get wrong.
// What it does not do: no check whether ml2-fastpath runs or a device is there: those are facts, not settings.
#pragma once

#include "agent/config/config.h"
#include "datapath/base/result.h"
#include "datapath/model/node.h"

namespace ml2 {

// `node`: the rest of it.
[[nodiscard]] Result<FastPathConfig> fast_path_config(const config::Config& config, const NodeConfig& node);

}  // namespace ml2
