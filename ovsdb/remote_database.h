// RemoteDatabase: the Database seam over a real ovsdb-server, by libopenvswitch's ovsdb-cs.
//
// Where in the walk: main() opens one for Open_vSwitch and one for ML2; ml2ctl likewise.
// Threading: the thread of the poll loop.
// Failure: open() refuses wrong options as Invalid. A server that is away is no error: see status(). A transaction that
//   is not answered in time is given up as Transient; what became of it, the next snapshot shows.
// What it does not do: no conditions (every row of a monitored table is read); no check of the server's host name in
//   its certificate (libopenvswitch has none): the CA must be the operator's own.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "ovsdb/database.h"

namespace ml2::ovsdb {

class RemoteDatabase final : public Database {
 public:
  struct Options {
    std::string database = "Open_vSwitch";  // or ML2
    // Separated by commas; any that serves the database will do. See ovsdb/remotes.h.
    std::string remotes = "unix:/var/run/openvswitch/db.sock";
    MonitoredColumns columns = {};
    UnreadColumns unread = {};
    // PEM files, for ssl: remotes; all three, as both sides are verified. One set per process.
    std::string private_key = {};
    std::string certificate = {};
    std::string ca_certificate = {};
    std::chrono::milliseconds transaction_timeout = std::chrono::seconds(10);
    // Silence after which a tcp: or ssl: server is asked whether it is alive; as long again, and it is given up.
    std::chrono::milliseconds probe_interval = std::chrono::seconds(5);
    // Of a cluster: the leader only. Slower to recover (7 s against 1 s), and never a relay.
    bool leader_only = false;
  };

  // Starts connecting; does not wait.
  [[nodiscard]] static Result<std::unique_ptr<RemoteDatabase>> open(Options options);
  ~RemoteDatabase() override;
  RemoteDatabase(const RemoteDatabase&) = delete;
  RemoteDatabase& operator=(const RemoteDatabase&) = delete;

  void run() override;
  void wait() override;
  [[nodiscard]] const Snapshot* snapshot() const override;
  [[nodiscard]] std::uint64_t sequence() const override;
  [[nodiscard]] std::optional<RowChanges> changes_since(std::uint64_t sequence) const override;
  Status commit(const Transaction& transaction) override;
  [[nodiscard]] bool busy() const override;
  [[nodiscard]] std::optional<Outcome> take_outcome() override;
  [[nodiscard]] DatabaseStatus status() const override;

 private:
  class Impl;
  explicit RemoteDatabase(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ml2::ovsdb
