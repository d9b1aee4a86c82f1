#include "agent/control/notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "datapath/base/poll_loop.h"

namespace ml2::control {
namespace {

std::string take(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(name);
  return text;
}

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

}  // namespace

Notify Notify::from_environment() {
  Notify notify;
  notify.address_ = take("NOTIFY_SOCKET");
  const auto interval = number(take("WATCHDOG_USEC"));
  const std::string pid = take("WATCHDOG_PID");
  if (notify.address_.size() < 2 || notify.address_.size() >= sizeof(sockaddr_un::sun_path)) notify.address_.clear();
  if (notify.address_.empty()) return notify;
  notify.socket_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (interval && (pid.empty() || number(pid) == ::getpid()))
    notify.interval_ = std::chrono::microseconds(*interval / 2);
  return notify;
}

void Notify::send(std::string_view assignments) const {
  if (address_.empty() || !socket_) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
  // An abstract name ends where the length says, a path may.
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  (void)::sendto(socket_.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to), length);
}

void Notify::status(const std::string& text) {
  if (address_.empty() || text == said_) return;
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
