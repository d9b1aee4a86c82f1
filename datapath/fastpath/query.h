// query: asks ml2-fastpath a question over its control socket (dpdk/abi/messages.h).
//
// Where in the walk: `ml2ctl fastpath`.
// Threading: one thread, which it blocks until the answer or the timeout.
// Failure: Transient when no fast path answers (which socket, why), Invalid when it refuses the question.
// What it does not do: it changes nothing, and it does not look into the rows.
#pragma once

#include <chrono>
#include <string>

#include "datapath/base/result.h"

namespace ml2::fastpath {

// Where ml2-fastpath listens unless it is told otherwise.
inline constexpr const char* kFastPathSocket = "/run/ml2-fastpath/control";

// The answer: one JSON object per line.
[[nodiscard]] Result<std::string> ask_fast_path(const std::string& socket, const std::string& question,
                                                std::chrono::milliseconds timeout);

}  // namespace ml2::fastpath
