#include "datapath/fastpath/query.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "datapath/base/text.h"
#include "datapath/base/unique_fd.h"
#include "dpdk/abi/messages.h"

namespace ml2::fastpath {

namespace {

tl::unexpected<Error> no_answer(const std::string& socket, const char* what) {
  return transient(fmt::format("no fast path answers on {}: {}: {}", socket, what, std::strerror(errno)));
}

Result<UniqueFd> connect_to(const std::string& socket, std::chrono::milliseconds timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.empty() || socket.size() >= sizeof(address.sun_path)) {
    return invalid(
        fmt::format("{}: a socket's path of 1 to {} bytes was expected", socket, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return no_answer(socket, "no socket");
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timeval patience{seconds.count(),
                         std::chrono::duration_cast<std::chrono::microseconds>(timeout - seconds).count()};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EAGAIN) return transient(not_answering(fd.get(), socket));
    return no_answer(socket, "connect");
  }
  return fd;
}

Status send_question(int fd, const std::string& socket, std::uint32_t request, const std::string& question) {
  abi::Header header;
  header.type = abi::Type::Query;
  header.request = request;
  header.count = static_cast<std::uint32_t>(question.size());
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  message += question;
  if (::send(fd, message.data(), message.size(), MSG_NOSIGNAL) < 0) {
    if (errno == EAGAIN) return transient(not_answering(fd, socket));
    return no_answer(socket, "send");
  }
  return {};
}

// One message of rows into `rows`; true: it was the last.
Result<bool> receive_rows(int fd, const std::string& socket, std::string& rows) {
  std::vector<char> buffer(abi::kMaxMessage);
  abi::Header header;
  const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (size < 0 && errno == EAGAIN) return transient(not_answering(fd, socket));
  if (size < 0) return no_answer(socket, "receive");
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
  return header.last != 0;
}

}  // namespace

std::string not_answering(int fd, const std::string& socket) {
  // Of a connection's other end: who called listen().
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
  const std::string pid = known ? fmt::format(" (pid {})", peer.pid) : "";
  return fmt::format(
      "ml2-fastpath{} at {} does not answer: it hangs or is stopped; see its state ({}) and log, then let it go on "
      "(kill -CONT) or restart it",
      pid, socket, known ? fmt::format("ps -o stat,wchan -p {}", peer.pid) : "ps -C ml2-fastpath -o pid,stat,wchan");
}

Result<std::string> ask_fast_path(const std::string& socket, const std::string& question,
                                  std::chrono::milliseconds timeout) {
  const auto fd = connect_to(socket, timeout);
  if (!fd) return forward_error(fd);
  if (auto sent = send_question(fd->get(), socket, 1, question); !sent) return forward_error(sent);
  std::string rows;
  for (;;) {
    const auto last = receive_rows(fd->get(), socket, rows);
    if (!last) return forward_error(last);
    if (*last) return rows;
  }
}

Status stream_capture(const std::string& socket, const std::string& words, std::chrono::milliseconds timeout,
                      std::chrono::milliseconds duration, const std::function<bool()>& stop,
                      const std::function<Status(const std::string& row)>& take) {
  const auto fd = connect_to(socket, timeout);
  if (!fd) return forward_error(fd);
  if (auto sent = send_question(fd->get(), socket, 1, "capture " + words); !sent) return sent;
  const auto begun = std::chrono::steady_clock::now();
  bool stopping = false;
  for (;;) {
    const bool over = duration.count() != 0 && std::chrono::steady_clock::now() - begun >= duration;
    if (!stopping && (over || stop())) {
      stopping = true;
      if (auto sent = send_question(fd->get(), socket, 2, "capture-stop"); !sent) return sent;
    }
    pollfd ready{fd->get(), POLLIN, 0};
    const int count = ::poll(&ready, 1, 200);
    if (count < 0 && errno != EINTR) return no_answer(socket, "poll");
    if (count <= 0) continue;
    std::string rows;
    const auto last = receive_rows(fd->get(), socket, rows);
    if (!last) return forward_error(last);
    for (const std::string& row : text::split(rows, '\n')) {
      if (row.empty()) continue;
      if (auto taken = take(row); !taken) return taken;
    }
    if (*last) return {};
  }
}

}  // namespace ml2::fastpath
