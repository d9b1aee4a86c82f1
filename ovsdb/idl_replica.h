// IdlReplica: one IDL and the Snapshot that follows it.
//
// Where in the walk: IdlDatabase has one.
// Threading: the thread of the poll loop.
// Failure: open() is Invalid for a table or column that the compiled-in schema does not have.
// What it does not do: no transactions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "datapath/base/change_log.h"
#include "datapath/base/result.h"
#include "ovsdb/database.h"
#include "ovsdb/idl_columns.h"
#include "ovsdb/idl_shim.h"
#include "ovsdb/snapshot.h"

namespace ml2::ovsdb {

struct IdlDeleter {
  void operator()(ml2_idl* idl) const { ml2_idl_destroy(idl); }
};

class IdlReplica {
 public:
  // Unconnected: see ml2_idl_connect().
  [[nodiscard]] static Result<IdlReplica> open(const std::string& database, const MonitoredColumns& columns);

  [[nodiscard]] ml2_idl* idl() const { return idl_.get(); }
  [[nodiscard]] const IdlColumns& columns() const { return columns_; }

  void run();
  // Everything monitored has been read on the present connection.
  [[nodiscard]] bool following() const { return following_; }
  [[nodiscard]] const Snapshot* snapshot() const { return synced_ ? &snapshot_ : nullptr; }
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  // See Database.
  [[nodiscard]] std::optional<RowChanges> changes_since(std::uint64_t sequence) const { return log_.since(sequence); }

 private:
  IdlReplica(std::unique_ptr<ml2_idl, IdlDeleter> idl, IdlColumns columns);

  [[nodiscard]] RowPtr read_row(std::size_t table, const ovsdb_idl_row* row, const Uuid& uuid) const;
  bool read_changes(std::size_t table, Table& rows);
  bool read_all(std::size_t table, Table& rows);

  std::unique_ptr<ml2_idl, IdlDeleter> idl_;
  IdlColumns columns_;
  Snapshot snapshot_;
  bool following_ = false;
  bool synced_ = false;
  std::uint64_t sequence_ = 0;
  ChangeLog<std::pair<std::string, Uuid>> log_;
  unsigned int seen_ = 0;  // the IDL's change number that snapshot_ shows
};

}  // namespace ml2::ovsdb
