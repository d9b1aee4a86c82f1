// MetricsListener: answers GET /metrics on a UNIX socket or a loopback port ([agent] metrics_listen).
//
// Where in the walk: beside Control in the agent's loop. HTTP/1.1 with one request for each connection (RFC 9112), as
//   Prometheus and curl ask; no thread of its own.
// Threading: the thread of the poll loop only.
// Failure: open() says why it cannot listen. Clients that send nonsense, too much or nothing are cut off.
// What it does not do: no TLS, no authentication: hence no address but loopback.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/reconcile/reconciler.h"
#include "datapath/base/clock.h"
#include "datapath/base/result.h"
#include "datapath/base/unique_fd.h"

namespace ml2::control {

class MetricsListener {
 public:
  static constexpr std::size_t kMaxClients = 16;
  static constexpr std::size_t kMaxRequest = 8192;  // bytes
  static constexpr std::chrono::seconds kPatience{5};

  // `where`: unix:/PATH, 127.0.0.1:PORT or [::1]:PORT. `clock` outlives it.
  [[nodiscard]] static Result<std::unique_ptr<MetricsListener>> open(const std::string& where, const Clock& clock);
  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  void run(const reconcile::Reconciler& reconciler, const std::string& version);
  void wait();

 private:
  struct Client {
    UniqueFd fd;
    Monotonic deadline;
    std::string request;
    std::string reply;  // what is still to be sent
  };

  MetricsListener(UniqueFd fd, std::string path, const Clock& clock)
      : fd_(std::move(fd)), path_(std::move(path)), clock_(clock) {}
  void accept_clients();
  // Whether the client stays.
  bool serve(Client& client, const reconcile::Reconciler& reconciler, const std::string& version);

  UniqueFd fd_;
  std::string path_;  // of a UNIX socket
  const Clock& clock_;
  std::vector<Client> clients_;
};

}  // namespace ml2::control
