// Control: the agent's control socket, spoken by ml2ctl and ovs-appctl (unixctl, ovs-appctl(8)).
//
// Where in the walk: beside the reconciler in the loop; its commands read the agent's state and never block.
// Threading: the thread of the poll loop only. One per process: libopenvswitch's command table is process-wide.
// Failure: open() says why the socket cannot be made; a second agent on the same socket is a Conflict.
// What it does not do: no command of its own; main() adds them. vlog/set, version, coverage/show, memory/show and
//   list-commands come from libopenvswitch.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datapath/base/result.h"
#include "datapath/base/unique_fd.h"

struct unixctl_conn;
struct unixctl_server;

namespace ml2::control {

// The one answer to a command; may be kept and given in a later pass of the loop. An answer that is dropped unsaid
// tells the caller so, since a client would wait for ever.
class Reply {
 public:
  explicit Reply(unixctl_conn* conn) : conn_(conn) {}
  Reply(Reply&& other) noexcept : conn_(other.conn_) { other.conn_ = nullptr; }
  Reply& operator=(Reply&&) = delete;
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply();

  void ok(const std::string& text);
  void error(const std::string& text);

 private:
  unixctl_conn* conn_;
};

using Arguments = std::vector<std::string>;
using Handler = std::function<void(const Arguments&, Reply)>;

class Control {
 public:
  // Makes the directory (0750) and the socket (0600) and takes `path`.lock, which a second agent finds taken.
  [[nodiscard]] static Result<std::unique_ptr<Control>> open(const std::string& path);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  void add(const std::string& name, const std::string& usage, int min_arguments, int max_arguments, Handler handler);
  void run();
  void wait();

 private:
  Control(UniqueFd lock, unixctl_server* server) : lock_(std::move(lock)), server_(server) {}

  UniqueFd lock_;
  unixctl_server* server_;
  std::vector<std::unique_ptr<Handler>> handlers_;  // libopenvswitch holds pointers to them
};

}  // namespace ml2::control
