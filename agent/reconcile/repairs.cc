#include "agent/reconcile/repairs.h"

#include <string>
#include <variant>

namespace ml2::reconcile {

std::size_t count_row_repairs(const std::set<Uuid>& new_rows, const ovsdb::Transaction& transaction) {
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
    if (new_rows.contains(row)) return 0;  // plugged anew
    if (!put_back.contains(row)) mended.insert(row);
  }
  return mended.size() + put_back.size();
}

}  // namespace ml2::reconcile
