// ControlClient: asks the local agent through its control socket.
//
// Where in the walk: `ml2ctl status`, explain, dump...; `ml2ctl trace` asks ovs-vswitchd the same way.
// Threading: one thread, which it blocks until the reply or the timeout.
// Failure: Transient when no agent answers (which socket, why), Invalid when the agent refuses the command.
// What it does not do: no TCP; the socket's permissions are the access control.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "datapath/base/result.h"

namespace ml2::ctl {

// Where ml2-agent listens unless it is told otherwise.
inline constexpr const char* kControlSocket = "/run/ml2-agent/ml2-agent.ctl";

// The reply to `command` as text. `who` listens there, for messages: the agent, or another daemon with unixctl.
[[nodiscard]] Result<std::string> ask_agent(const std::string& socket, const std::string& command,
                                            const std::vector<std::string>& arguments,
                                            std::chrono::milliseconds timeout, const std::string& who = "ml2-agent");

}  // namespace ml2::ctl
