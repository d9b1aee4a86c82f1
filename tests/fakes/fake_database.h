// FakeDatabase: the Database seam over an ovsdb-server in memory, with faults on request.
//
// Where in the walk: in place of RemoteDatabase in unit and state tests; tests/contract holds both to one suite.
// Threading: one thread.
// Failure: as the real one: by Status and Outcome. What only a wrong test does (an unknown schema file, an edit that
//   the schema refuses) stops the test.
// What it does not do: no clock: a transaction is in flight until the next run(). Like RemoteDatabase, it lets the server
//   decide on rows of non-root tables: RowDelete of one does nothing, it goes when nothing refers to it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "datapath/base/change_log.h"
#include "ovsdb/database.h"
#include "tests/fakes/fake_database_schema.h"

namespace ml2::ovsdb {

class FakeDatabase final : public Database {
 public:
  // `schema_file`: e.g. ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema", or kVswitchSchema. An empty `monitored` means all.
  // Connected, but snapshot() is nullptr until the first run(); disconnect() before that makes a server that is away.
  explicit FakeDatabase(const std::string& schema_file, const MonitoredColumns& monitored = {},
                        const UnreadColumns& unread = {});
  static constexpr const char* kVswitchSchema = "/usr/share/openvswitch/vswitch.ovsschema";

  void run() override;
  void wait() override;
  [[nodiscard]] const Snapshot* snapshot() const override { return synced_ ? &snapshot_ : nullptr; }
  [[nodiscard]] std::uint64_t sequence() const override { return sequence_; }
  [[nodiscard]] std::optional<RowChanges> changes_since(std::uint64_t sequence) const override {
    return log_.since(sequence);
  }
  Status commit(const Transaction& transaction) override;
  [[nodiscard]] bool busy() const override { return in_flight_.has_value(); }
  [[nodiscard]] std::optional<Outcome> take_outcome() override;
  [[nodiscard]] DatabaseStatus status() const override;

  // Faults.
  // The server goes away: what is in flight is not carried out, its outcome is Transient.
  void disconnect(std::string reason = "connection refused");
  void reconnect();
  // The next transaction is refused with `error`.
  void fail_next_commit(Error error) { next_error_ = std::move(error); }
  // The next transaction is carried out, but its outcome is Transient: the reply is lost.
  void lose_next_reply() { lose_reply_ = true; }
  // The server restarts: every row comes back as a new pointer with the old value; what is in flight is lost.
  void restart();

  // Another client's writes: at once, seen by our run().
  Outcome execute(const Transaction& transaction);
  // Convenience for rows that the schema allows; `uuid` as persist_uuid.
  Uuid insert(const std::string& table, Columns columns, std::optional<Uuid> uuid = std::nullopt);
  void update(const std::string& table, const Uuid& uuid, Columns columns);
  void mutate(const std::string& table, const Uuid& uuid, const std::string& column, Datum insert, Datum erase = {});
  void remove(const std::string& table, const Uuid& uuid);
  // What the server holds now, all columns; run() is not needed to see it.
  [[nodiscard]] const Snapshot& server() const { return server_; }
  // The transactions that this client committed successfully, oldest first.
  [[nodiscard]] const std::vector<Transaction>& committed() const { return committed_; }

 private:
  struct InFlight {
    Transaction transaction;
    std::vector<Datum> verified;  // of each RowVerify, in order: what the snapshot held
  };

  [[nodiscard]] Result<InFlight> check(const Transaction& transaction, const Snapshot& seen, bool all_columns) const;
  [[nodiscard]] Status check_columns(const std::string& table, const Columns& columns, bool all_columns) const;
  [[nodiscard]] const ColumnSchema* find_column(const std::string& table, const std::string& column,
                                                bool all_columns) const;
  [[nodiscard]] Status must_be_read(const std::string& table, const std::string& column, bool all_columns) const;
  [[nodiscard]] Outcome apply(const InFlight& request);
  void refresh();
  void count_outcome(Outcome outcome);

  DatabaseSchema schema_;
  std::map<std::string, std::set<std::string>> monitored_;
  std::map<std::string, std::set<std::string>> unread_;
  std::map<std::string, ColumnNames> names_;  // the same, as rows have them
  Snapshot server_;
  Snapshot snapshot_;
  std::map<Uuid, RowPtr> source_;  // the server's row that a row of snapshot_ was made from
  bool synced_ = false;
  bool connected_ = true;
  bool was_connected_ = true;
  std::string reason_;
  std::uint64_t sequence_ = 0;
  ChangeLog<std::pair<std::string, Uuid>> log_;
  std::uint64_t reconnects_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t failures_ = 0;
  std::optional<InFlight> in_flight_;
  std::optional<Outcome> outcome_;
  std::optional<Error> next_error_;
  bool lose_reply_ = false;
  std::vector<Transaction> committed_;
};

}  // namespace ml2::ovsdb
