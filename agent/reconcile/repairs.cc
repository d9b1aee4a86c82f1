#include "agent/reconcile/repairs.h"

#include <set>
#include <variant>

namespace ml2::reconcile {

std::size_t count_row_repairs(const DesiredRows& before, const ovsdb::Vswitch& vswitch_before, const Desired& desired,
                              const ovsdb::Transaction& transaction) {
  if (before.bridges != desired.bridges || before.ports != desired.ports || before.vifs != desired.vifs) return 0;
  std::set<Uuid> known;
  for (const auto& [name, row] : vswitch_before.ports) known.insert(row.uuid);
  for (const auto& [name, row] : vswitch_before.interfaces) known.insert(row.uuid);
  for (const auto& [name, row] : vswitch_before.bridges) known.insert(row.uuid);
  std::set<Uuid> mended;
  std::set<Uuid> put_back;
  for (const ovsdb::Operation& operation : transaction.operations) {
    if (const auto* insert = std::get_if<ovsdb::RowInsert>(&operation)) {
      if (insert->table != "Interface") put_back.insert(insert->uuid);  // it comes with its Port
      continue;
    }
    const auto* update = std::get_if<ovsdb::RowUpdate>(&operation);
    const auto* mutate = std::get_if<ovsdb::RowMutate>(&operation);
    if (update == nullptr && mutate == nullptr) continue;
    const std::string& table = update != nullptr ? update->table : mutate->table;
    const Uuid& row = update != nullptr ? update->uuid : mutate->uuid;
    if (table == "Open_vSwitch" || (table == "Bridge" && mutate != nullptr && mutate->column == "ports")) continue;
    if (!known.contains(row) && !put_back.contains(row)) return 0;  // a row that is new here: plugged anew
    if (known.contains(row)) mended.insert(row);
  }
  return mended.size() + put_back.size();
}

}  // namespace ml2::reconcile
