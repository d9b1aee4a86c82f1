// repairs: which rows of Open_vSwitch somebody else has changed or taken away under us. Pure.
//
// Where in the walk: the reconciler asks after a diff that finds rows to write although nothing else is wanted than
//   before. Flows need no such look: a bundle for a bridge whose flows alone have changed is a repair.
// Threading: a pure function. Failure: none.
// What it does not do: a machine that is unplugged and plugged again has other rows, which is no repair.
#pragma once

#include <cstddef>
#include <string>

#include "datapath/model/desired.h"
#include "ovsdb/transaction.h"
#include "ovsdb/vswitch.h"

namespace ml2::reconcile {

// The rows that compile() asks for, without what belongs to flows.
struct DesiredRows {
  std::map<std::string, DesiredBridge> bridges;
  std::map<std::string, DesiredPort> ports;
  std::map<std::string, DesiredVif> vifs;
};

// The number of rows of `transaction` that mend what was right before: `before` and `desired` ask for the same.
[[nodiscard]] std::size_t count_row_repairs(const DesiredRows& before, const ovsdb::Vswitch& vswitch_before,
                                            const Desired& desired, const ovsdb::Transaction& transaction);

}  // namespace ml2::reconcile
