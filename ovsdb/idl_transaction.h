// idl_transaction: a Transaction as a transaction of the IDL.
//
// Where in the walk: IdlDatabase::commit().
// Threading: the thread of the poll loop.
// Failure: Invalid for what the IDL would stop the process for: unknown names, rows that are not there, other types.
//   Conflict for the insert of a row that is there: only the server could have said so, so it becomes the outcome.
// What it does not do: sends nothing.
#pragma once

#include <memory>
#include <vector>

#include "ovsdb/idl_columns.h"
#include "ovsdb/idl_shim.h"
#include "ovsdb/transaction.h"

namespace ml2::ovsdb {

struct IdlTxnDeleter {
  void operator()(ml2_idl_txn* txn) const { ml2_idl_txn_destroy(txn); }
};
using IdlTxn = std::unique_ptr<ml2_idl_txn, IdlTxnDeleter>;

[[nodiscard]] Result<IdlTxn> build_transaction(ml2_idl* idl, const IdlColumns& columns,
                                               const Transaction& transaction);

}  // namespace ml2::ovsdb
