// Notify: what the service manager is told of the agent: ready, reloading, stopping, alive, and how it stands.
//
// Where in the walk: main() makes one from the environment; the loop calls run() in each pass.
// Threading: one thread.
// Failure: none: without the variables, or with a socket that does not answer, nothing is said.
// What it does not do: no file descriptors are handed over.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "datapath/base/clock.h"
#include "datapath/base/notify_socket.h"

namespace ml2::control {

class Notify {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment.
  static Notify from_environment();

  // Sends newline-separated assignments, such as "READY=1\nSTATUS=reading".
  void send(std::string_view assignments) const { socket_.send(assignments); }
  // STATUS=, when it is another than last time: `systemctl status` shows it.
  void status(const std::string& text);
  // WATCHDOG=1 at half the time after which the service manager would take us for dead.
  void run(Monotonic now);
  void wait(Monotonic now) const;

 private:
  NotifySocket socket_;
  std::optional<std::chrono::microseconds> interval_;  // of WATCHDOG=1
  Monotonic next_{};
  std::string said_;
};

}  // namespace ml2::control
