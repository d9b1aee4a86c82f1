// Database: the seam to one OVSDB database: snapshot out, transaction in.
//
// Where in the walk: the agent holds two (Open_vSwitch and ML2), ml2ctl one or two. RemoteDatabase is the real one,
//   tests/fakes/FakeDatabase the other; tests/contract holds both to the same suite.
// Threading: the thread of the poll loop only.
// Failure: a lost connection is not an error: snapshot() goes on showing the last state, status().connected says no,
//   and after the reconnect everything is read again before snapshot() moves.
// What it does not do: no policy, no retry of a transaction: the caller computes it anew from the new snapshot.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "datapath/base/result.h"
#include "ovsdb/snapshot.h"
#include "ovsdb/transaction.h"

namespace ml2::ovsdb {

// Rows that are new, changed or gone, by table and UUID.
using RowChanges = std::set<std::pair<std::string, Uuid>>;

// What became of the last transaction.
struct Outcome {
  // Transient: try again from a new snapshot (a race, a lost connection, our timeout). Invalid: the server refused it
  // (a constraint); the message is the server's. Conflict: a unique index is taken. Ok: committed and, on a cluster,
  // durable.
  Status status;
  // The server's UUIDs of inserted rows, by the UUID that RowInsert named. Empty unless committed.
  std::map<Uuid, Uuid> inserted;
  // Transient since a condition does not hold: a RowVerify or RowBelow, or another client was first.
  bool overtaken = false;
};

struct DatabaseStatus {
  bool connected = false;        // a server is answering and the snapshot follows it
  std::string remote;            // the remotes as configured
  std::string error;             // why not connected, if known; empty otherwise
  bool old_schema = false;       // the server's schema lacks tables or columns that are asked for
  std::uint64_t reconnects = 0;  // times a lost connection came back
  std::uint64_t commits = 0;     // transactions sent
  std::uint64_t failures = 0;    // transactions that did not commit
};

class Database {
 public:
  virtual ~Database() = default;

  // Makes progress; never blocks.
  virtual void run() = 0;
  // Registers with the poll loop what would make run() worth calling.
  virtual void wait() = 0;

  // nullptr until everything monitored has been read once. Stays valid and unchanged until the next run().
  [[nodiscard]] virtual const Snapshot* snapshot() const = 0;
  // Grows whenever snapshot() changes.
  [[nodiscard]] virtual std::uint64_t sequence() const = 0;
  // The rows in which snapshot() may differ from what it was at number `sequence`; nullopt: nobody knows, read all.
  [[nodiscard]] virtual std::optional<RowChanges> changes_since(std::uint64_t sequence) const = 0;

  // Sends `transaction`. Fails as Transient when one is in flight or there is no connection (nothing was sent then),
  // as Invalid when it names a table, column or row that does not exist.
  virtual Status commit(const Transaction& transaction) = 0;
  // A transaction is in flight: sent, outcome unknown.
  [[nodiscard]] virtual bool busy() const = 0;
  // The outcome of the last transaction, once; the snapshot that run() shows beside it already holds the change.
  [[nodiscard]] virtual std::optional<Outcome> take_outcome() = 0;

  [[nodiscard]] virtual DatabaseStatus status() const = 0;
};

// Which columns to monitor: table name -> column names. Only these are read (and writable).
using MonitoredColumns = std::map<std::string, std::vector<std::string>>;
// Columns of monitored tables that are written only, and whole: no row of the snapshot has them, and nobody is woken by
// what others write there.
using UnreadColumns = std::map<std::string, std::vector<std::string>>;

}  // namespace ml2::ovsdb
