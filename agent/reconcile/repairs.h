// repairs: which rows of Open_vSwitch somebody else has changed or taken away under us. Pure.
//
// Where in the walk: the reconciler asks after a diff that finds rows to write although nothing else is wanted than
//   before. Flows need no such look: a bundle for a bridge whose flows alone have changed is a repair.
// Threading: a pure function. Failure: none.
// What it does not do: a machine that is unplugged and plugged again has other rows, which is no repair.
#pragma once

#include <cstddef>
#include <set>

#include "datapath/base/uuid.h"
#include "ovsdb/transaction.h"

namespace ml2::reconcile {

// The number of rows of `transaction` that mend what was right before. `new_rows`: those that were not there then.
[[nodiscard]] std::size_t count_row_repairs(const std::set<Uuid>& new_rows, const ovsdb::Transaction& transaction);

}  // namespace ml2::reconcile
