// IdlColumns: the monitored tables and columns by name and by the numbers that idl_shim.h uses.
//
// Where in the walk: made once when an IdlDatabase is opened.
// Threading: values.
// Failure: lookups answer nullopt.
// What it does not do: no types: the shim knows them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ovsdb/database.h"

namespace ml2::ovsdb {

class IdlColumns {
 public:
  struct TableColumns {
    std::string name;
    std::vector<std::string> columns;  // sorted, unique
  };

  IdlColumns() = default;
  explicit IdlColumns(const MonitoredColumns& monitored) {
    for (const auto& [name, columns] : monitored) {
      TableColumns table{name, columns};
      std::sort(table.columns.begin(), table.columns.end());
      table.columns.erase(std::unique(table.columns.begin(), table.columns.end()), table.columns.end());
      tables_.push_back(std::move(table));
    }
  }

  [[nodiscard]] const std::vector<TableColumns>& tables() const { return tables_; }
  [[nodiscard]] std::optional<std::size_t> table(std::string_view name) const {
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (tables_[i].name == name) return i;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::size_t> column(std::size_t table, std::string_view name) const {
    const std::vector<std::string>& columns = tables_[table].columns;
    const auto found = std::lower_bound(columns.begin(), columns.end(), name);
    if (found == columns.end() || *found != name) return std::nullopt;
    return static_cast<std::size_t>(found - columns.begin());
  }

 private:
  std::vector<TableColumns> tables_;
};

}  // namespace ml2::ovsdb
