// query: asks ml2-fastpath a question over its control socket (dpdk/abi/messages.h).
//
// Where in the walk: `ml2ctl fastpath`.
// Threading: one thread, which it blocks until the answer or the timeout.
// Failure: Transient when no fast path answers (which socket, why; of one that is there and silent, its pid and what to do),
//   Invalid when it refuses the question.
// What it does not do: it changes nothing, and it does not look into the rows.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "datapath/base/result.h"

namespace ml2::fastpath {

// What to say of an ml2-fastpath that is there and silent. `fd`: a connection to it; -1: it took none.
[[nodiscard]] std::string not_answering(int fd, const std::string& socket);

// The answer: one JSON object per line.
[[nodiscard]] Result<std::string> ask_fast_path(const std::string& socket, const std::string& question,
                                                std::chrono::milliseconds timeout);

// Asks for a capture and hands over its rows as they come, one JSON object each; the last one says how many there were. It ends
// when the fast path ends it, after `duration` (zero: not), or when `stop` answers true; stop is asked a few times a second.
[[nodiscard]] Status stream_capture(const std::string& socket, const std::string& words,
                                    std::chrono::milliseconds timeout, std::chrono::milliseconds duration,
                                    const std::function<bool()>& stop,
                                    const std::function<Status(const std::string& row)>& take);

}  // namespace ml2::fastpath
