// NotifySocket: the service manager's ear: datagrams to the socket that $NOTIFY_SOCKET names (sd_notify(3)), so that no library
// is needed.
//
// Where in the walk: ml2-fastpath's main() says when it is ready; agent/control/notify.h adds the agent's status and watchdog.
// Threading: one thread.
// Failure: none: without the variable, or with a socket that does not answer, nothing is said.
// What it does not do: no file descriptors are handed over.
#pragma once

#include <string>
#include <string_view>

#include "datapath/base/unique_fd.h"

namespace ml2 {

class NotifySocket {
 public:
  // Reads NOTIFY_SOCKET and takes it out of the environment; call it before threads start.
  static NotifySocket from_environment();

  // Whether there is one.
  [[nodiscard]] bool listens() const { return !address_.empty(); }
  // Sends newline-separated assignments, such as "READY=1\nSTATUS=reading".
  void send(std::string_view assignments) const;

 private:
  std::string address_;  // of a UNIX socket; a leading '@' is an abstract one; empty: nobody listens
  UniqueFd socket_;
};

// A variable's text, which nobody who is started later inherits; empty when it is not set.
[[nodiscard]] std::string take_variable(const char* name);

}  // namespace ml2
