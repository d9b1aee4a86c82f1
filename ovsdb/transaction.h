// Transaction: a change to a database, as a value; all of it happens or none (RFC 7047 section 4.1.3).
//
// Where in the walk: diff/ and ml2/ write one; Database::commit() sends it.
// Threading: values.
// Failure: see Database.
// What it does not do: no reads; `verify` says on which read values the change rests.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "datapath/base/uuid.h"
#include "ovsdb/datum.h"

namespace ml2::ovsdb {

using Columns = std::vector<std::pair<std::string, Datum>>;

struct RowInsert {
  std::string table;
  // Names the row within this transaction: use it where a column refers to the row. With persist_uuid it is also the
  // UUID that the server gives the row (ovsdb-server 3.1 and later); without, the server chooses (see Outcome).
  Uuid uuid;
  Columns columns;
  bool persist_uuid = false;
  friend bool operator==(const RowInsert&, const RowInsert&) = default;
};
// Replaces whole columns.
struct RowUpdate {
  std::string table;
  Uuid uuid;
  Columns columns;
  friend bool operator==(const RowUpdate&, const RowUpdate&) = default;
};
// Adds to and takes from a set or map column without rewriting it: cheap on large sets, and free of races with other
// writers of the same column (RFC 7047 section 5.1 "mutation").
struct RowMutate {
  std::string table;
  Uuid uuid;
  std::string column;
  Datum insert;  // keys (and values) to put in; a map key that is there is replaced
  Datum erase;   // keys to take out; of a map only the keys count
  friend bool operator==(const RowMutate&, const RowMutate&) = default;
};
struct RowDelete {
  std::string table;
  Uuid uuid;
  friend bool operator==(const RowDelete&, const RowDelete&) = default;
};
// The transaction fails as Transient if the column no longer holds what the snapshot had.
struct RowVerify {
  std::string table;
  Uuid uuid;
  std::string column;
  friend bool operator==(const RowVerify&, const RowVerify&) = default;
};

// The transaction fails as Transient unless the integer column of that row is below the limit, or the row is gone. The server
// looks, so that the column need not be read here.
struct RowBelow {
  std::string table;
  Uuid uuid;
  std::string column;
  std::int64_t limit = 0;
  friend bool operator==(const RowBelow&, const RowBelow&) = default;
};

using Operation = std::variant<RowInsert, RowUpdate, RowMutate, RowDelete, RowVerify, RowBelow>;
// What a transaction rests on; it comes before what the same transaction writes.
[[nodiscard]] inline bool is_condition(const Operation& operation) {
  return std::holds_alternative<RowVerify>(operation) || std::holds_alternative<RowBelow>(operation);
}

struct Transaction {
  std::vector<Operation> operations;
  std::string comment;  // into the server's log (RFC 7047 "comment"): who and why, e.g. "ml2-agent: wire port ..."

  [[nodiscard]] bool empty() const { return operations.empty(); }
  friend bool operator==(const Transaction&, const Transaction&) = default;
};

}  // namespace ml2::ovsdb
