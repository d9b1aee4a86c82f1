#include "datapath/fastpath/query.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "datapath/base/unique_fd.h"
#include "dpdk/abi/messages.h"

namespace ml2::fastpath {

Result<std::string> ask_fast_path(const std::string& socket, const std::string& question,
                                  std::chrono::milliseconds timeout) {
  const auto failed = [&socket](const char* what) {
    return transient(fmt::format("no fast path answers on {}: {}: {}", socket, what, std::strerror(errno)));
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.empty() || socket.size() >= sizeof(address.sun_path)) {
    return invalid(
        fmt::format("{}: a socket's path of 1 to {} bytes was expected", socket, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return failed("no socket");
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timeval patience{seconds.count(),
                         std::chrono::duration_cast<std::chrono::microseconds>(timeout - seconds).count()};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return failed("connect");

  abi::Header header;
  header.type = abi::Type::Query;
  header.request = 1;
  header.count = static_cast<std::uint32_t>(question.size());
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  message += question;
  if (::send(fd.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0) return failed("send");
  std::string rows;
  std::vector<char> buffer(abi::kMaxMessage);
  for (;;) {
    const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) return failed("receive");
    if (static_cast<std::size_t>(size) < sizeof(header))
      return transient(fmt::format("{}: the fast path closed the connection", socket));
    std::memcpy(&header, buffer.data(), sizeof(header));
    if (header.magic != abi::kMagic) return invalid(fmt::format("{}: what answers is no fast path", socket));
    const std::string body(buffer.data() + sizeof(header), static_cast<std::size_t>(size) - sizeof(header));
    if (header.type == abi::Type::Failed) return invalid(body);
    if (header.type != abi::Type::Rows)
      return invalid(
          fmt::format("{}: an answer of type {} was not expected", socket, static_cast<unsigned>(header.type)));
    rows += body;
    if (header.last != 0) return rows;
  }
}

}  // namespace ml2::fastpath
