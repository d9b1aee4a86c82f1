#include "agent/control/notify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>

#include "datapath/base/poll_loop.h"

namespace ml2::control {
namespace {

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

}  // namespace

Notify Notify::from_environment() {
  Notify notify;
  notify.socket_ = NotifySocket::from_environment();
  const auto interval = number(take_variable("WATCHDOG_USEC"));
  const std::string pid = take_variable("WATCHDOG_PID");
  if (!notify.socket_.listens()) return notify;
  if (interval && (pid.empty() || number(pid) == ::getpid()))
    notify.interval_ = std::chrono::microseconds(*interval / 2);
  return notify;
}

void Notify::status(const std::string& text) {
  if (!socket_.listens() || text == said_) return;
  said_ = text;
  send(fmt::format("STATUS={}", text));
}

void Notify::run(Monotonic now) {
  if (!interval_ || now < next_) return;
  next_ = now + *interval_;
  send("WATCHDOG=1");
}

void Notify::wait(Monotonic now) const {
  if (!interval_) return;
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(next_ - now).count());
}

}  // namespace ml2::control
