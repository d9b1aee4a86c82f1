// Layout: the monitored tables and columns by name, by the numbers that cs_shim.h uses, and with their types.
//
// Where in the walk: made once when a RemoteDatabase is opened.
// Threading: values.
// Failure: lookups answer nullopt.
// What it does not do: no ranges and enums: the server checks them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ovsdb/database.h"
#include "ovsdb/row.h"

namespace ml2::ovsdb {

struct ColumnType {
  std::size_t key = 0;               // index in Atom
  std::optional<std::size_t> value;  // the same, of a map
  std::size_t n_min = 1, n_max = 1;
  bool on_server = true;  // the server's schema has the column
  bool is_read = true;    // rows of the snapshot have it

  // Of several values: a set or a map (as opposed to a scalar and an optional one).
  [[nodiscard]] bool is_collection() const { return n_max > 1; }
};

// What a column holds that nobody has written (RFC 7047 section 5.2.1).
[[nodiscard]] inline Datum default_of(const ColumnType& type) {
  if (type.n_min == 0) return {};
  static const std::vector<Atom> kZero = {std::int64_t{0}, 0.0, false, std::string(), Uuid()};  // by index in Atom
  return Datum::of(kZero.at(type.key));
}

struct TableLayout {
  std::string name;
  ColumnNames columns;
  std::vector<ColumnType> types;  // of each column
  bool is_root = true;            // rows of other tables go when nothing refers to them
  bool is_singleton = false;      // has one row at most

  [[nodiscard]] std::optional<std::size_t> column(std::string_view wanted) const {
    const auto found = std::lower_bound(columns->begin(), columns->end(), wanted);
    if (found == columns->end() || *found != wanted) return std::nullopt;
    return static_cast<std::size_t>(found - columns->begin());
  }
};

class Layout {
 public:
  Layout() = default;
  // Without types yet.
  explicit Layout(const MonitoredColumns& monitored, const UnreadColumns& unread = {}) {
    for (const auto& [name, columns] : monitored) {
      std::vector<std::string> sorted = columns;
      const auto also = unread.find(name);
      const std::set<std::string> written =
          also == unread.end() ? std::set<std::string>() : std::set(also->second.begin(), also->second.end());
      sorted.insert(sorted.end(), written.begin(), written.end());
      std::sort(sorted.begin(), sorted.end());
      sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
      TableLayout& table = tables.emplace_back();
      table.name = name;
      table.types.resize(sorted.size());
      for (std::size_t i = 0; i < sorted.size(); ++i) table.types[i].is_read = !written.contains(sorted[i]);
      table.columns = std::make_shared<const std::vector<std::string>>(std::move(sorted));
    }
  }

  [[nodiscard]] const TableLayout* table(std::string_view name) const {
    const auto found =
        std::find_if(tables.begin(), tables.end(), [&](const auto& each) { return each.name == name; });
    return found == tables.end() ? nullptr : &*found;
  }

  std::vector<TableLayout> tables;
};

}  // namespace ml2::ovsdb
