#include "agent/control/metrics_listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "agent/config/mappings.h"
#include "agent/control/metrics.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"

namespace ml2::control {
namespace {

struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
  std::string path;  // of a UNIX socket
};

Result<Endpoint> parse_endpoint(const std::string& where) {
  const auto parsed = config::parse_listen_address(where);
  if (!parsed) return forward_error(parsed);
  Endpoint endpoint;
  if (!parsed->path.empty()) {
    auto* address = reinterpret_cast<sockaddr_un*>(&endpoint.address);
    address->sun_family = AF_UNIX;
    parsed->path.copy(address->sun_path, parsed->path.size());
    endpoint.length = sizeof *address;
    endpoint.path = parsed->path;
    return endpoint;
  }
  if (parsed->address->is_v4()) {
    auto* address = reinterpret_cast<sockaddr_in*>(&endpoint.address);
    address->sin_family = AF_INET;
    address->sin_port = htons(parsed->port);
    std::memcpy(&address->sin_addr, parsed->address->bytes().data(), sizeof address->sin_addr);
    endpoint.length = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in6*>(&endpoint.address);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(parsed->port);
    std::memcpy(&address->sin6_addr, parsed->address->bytes().data(), sizeof address->sin6_addr);
    endpoint.length = sizeof *address;
  }
  return endpoint;
}

// Of an agent that was killed: that no other runs, the control socket's lock has said.
Status remove_leftover(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return {};
  if (!S_ISSOCK(there.st_mode)) return fatal(fmt::format("{} is there and is no socket", path));
  ::unlink(path.c_str());
  return {};
}

Result<UniqueFd> open_endpoint(const Endpoint& endpoint, const std::string& where) {
  if (!endpoint.path.empty()) {
    if (const Status removed = remove_leftover(endpoint.path); !removed) return forward_error(removed);
  }
  UniqueFd fd(::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return transient(fmt::format("cannot listen on {}: {}", where, std::strerror(errno)));
  const int on = 1;
  if (endpoint.path.empty()) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length) != 0 ||
      ::listen(fd.get(), 8) != 0) {
    return transient(fmt::format("cannot listen on {}: {}", where, std::strerror(errno)));
  }
  if (!endpoint.path.empty()) ::chmod(endpoint.path.c_str(), 0660);
  return fd;
}

std::string reply_to(const std::string& request, const reconcile::Reconciler& reconciler,
                     const std::string& version) {
  const auto reply = [](const char* status, const char* type, const std::string& body) {
    return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                       type, body.size(), body);
  };
  const std::vector<std::string> words = text::split(request.substr(0, request.find("\r\n")), ' ');
  if (words.size() != 3 || !words[2].starts_with("HTTP/1.")) {
    return reply("400 Bad Request", "text/plain", "this is no HTTP/1 request\n");
  }
  if (words[0] != "GET") return reply("405 Method Not Allowed", "text/plain", "only GET is answered\n");
  if (words[1] != "/metrics" && !words[1].starts_with("/metrics?")) {
    return reply("404 Not Found", "text/plain", "there is only /metrics\n");
  }
  return reply("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics_text(reconciler, version));
}

}  // namespace

Result<std::unique_ptr<MetricsListener>> MetricsListener::open(const std::string& where, const Clock& clock) {
  if (const auto endpoint = parse_endpoint(where); !endpoint) return forward_error(endpoint);
  std::unique_ptr<MetricsListener> listener(new MetricsListener(where, clock));
  listener->listen();
  return listener;
}

MetricsListener::~MetricsListener() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

void MetricsListener::listen() {
  const auto endpoint = parse_endpoint(where_);
  auto opened = endpoint ? open_endpoint(*endpoint, where_) : forward_error(endpoint);
  if (opened) {
    fd_ = std::move(*opened);
    path_ = endpoint->path;
    error_.clear();
  } else {
    error_ = opened.error().message;
    next_try_ = clock_.now() + kRetry;
  }
}

void MetricsListener::accept_clients() {
  while (clients_.size() < kMaxClients) {
    UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    clients_.push_back({std::move(fd), clock_.now() + kPatience, {}, {}});
  }
}

bool MetricsListener::serve(Client& client, const reconcile::Reconciler& reconciler, const std::string& version) {
  if (clock_.now() >= client.deadline) return false;
  while (client.reply.empty()) {
    char buffer[1024];
    const ssize_t n = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    client.request.append(buffer, static_cast<std::size_t>(n));
    if (client.request.find("\r\n\r\n") != std::string::npos) {
      client.reply = reply_to(client.request, reconciler, version);
    } else if (client.request.size() > kMaxRequest) {
      return false;
    }
  }
  const ssize_t n = ::send(client.fd.get(), client.reply.data(), client.reply.size(), MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  client.reply.erase(0, static_cast<std::size_t>(n));
  return !client.reply.empty();
}

void MetricsListener::run(const reconcile::Reconciler& reconciler, const std::string& version) {
  if (!fd_ && clock_.now() >= next_try_) listen();
  if (fd_) accept_clients();
  std::erase_if(clients_, [&](Client& client) { return !serve(client, reconciler, version); });
}

void MetricsListener::wait() {
  if (!fd_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next_try_ - clock_.now());
    ml2_poll_timer(left.count() + 1);
  } else if (clients_.size() < kMaxClients) {
    ml2_poll_fd(fd_.get(), POLLIN);
  }
  for (const Client& client : clients_) {
    ml2_poll_fd(client.fd.get(), client.reply.empty() ? POLLIN : POLLOUT);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(client.deadline - clock_.now());
    ml2_poll_timer(left.count() + 1);
  }
}

}  // namespace ml2::control
