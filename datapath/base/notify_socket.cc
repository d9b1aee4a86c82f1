#include "datapath/base/notify_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace ml2 {

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(name);
  return text;
}

NotifySocket NotifySocket::from_environment() {
  NotifySocket notify;
  notify.address_ = take_variable("NOTIFY_SOCKET");
  if (notify.address_.size() < 2 || notify.address_.size() >= sizeof(sockaddr_un::sun_path)) notify.address_.clear();
  if (notify.address_.empty()) return notify;
  notify.socket_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return notify;
}

void NotifySocket::send(std::string_view assignments) const {
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

}  // namespace ml2
