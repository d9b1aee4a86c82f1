// MetricsListener: answers GET /metrics on a UNIX socket or a loopback port ([agent] metrics_listen).
//
// Where in the walk: beside Control in the agent's loop. HTTP/1.1 with one request for each connection (RFC 9112), as
//   Prometheus and curl ask; no thread of its own.
// Threading: the thread of the poll loop only.
// Failure: open() refuses what is no such address. One that another process has (or whose directory is not there yet) is
//   error(), and run() tries it again every kRetry: figures are no reason for ports to be without an agent. Clients that send nonsense, too much or nothing are cut off.
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
  static constexpr std::chrono::seconds kRetry{5};

  // `where`: unix:/PATH, 127.0.0.1:PORT or [::1]:PORT. `clock` outlives it.
  [[nodiscard]] static Result<std::unique_ptr<MetricsListener>> open(const std::string& where, const Clock& clock);
  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  void run(const reconcile::Reconciler& reconciler, const std::string& version);
  void wait();
  // Why nothing is listened on now; empty: it is.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Client {
    UniqueFd fd;
    Monotonic deadline;
    std::string request;
    std::string reply;  // what is still to be sent
  };

  MetricsListener(std::string where, const Clock& clock) : where_(std::move(where)), clock_(clock) {}
  void listen();
  void accept_clients();
  // Whether the client stays.
  bool serve(Client& client, const reconcile::Reconciler& reconciler, const std::string& version);

  std::string where_;
  const Clock& clock_;
  UniqueFd fd_;       // none: see error_
  std::string path_;  // of a UNIX socket that fd_ listens on
  std::string error_;
  Monotonic next_try_{};
  std::vector<Client> clients_;
};

}  // namespace ml2::control
