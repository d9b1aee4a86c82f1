// ml2_reading_rows: ML2 rows that a test changes, as snapshots and what has changed between them.
//
// Where in the walk: tests of Ml2Reading. Threading: one thread. Failure: none.
// What it does not do: no references are checked, nothing is collected.
#pragma once

#include <map>
#include <memory>
#include <type_traits>
#include <utility>

#include "ovsdb/ml2_rows.h"

namespace ml2::intent {

class ReadingRows {
 public:
  template <class T>
  void put(std::map<Uuid, T>& rows, T row) {
    rows.insert_or_assign(row.uuid, std::move(row));
  }
  // All rows as a snapshot, and which of them differ from the last one's.
  std::pair<ovsdb::Snapshot, ovsdb::RowChanges> look() {
    ovsdb::Snapshot next;
    const auto all = [&](const auto& rows) {
      for (const auto& [uuid, row] : rows) {
        auto made = std::make_shared<ovsdb::Row>();
        made->uuid = uuid;
        for (auto& [column, datum] : ovsdb::to_columns(row)) made->columns.set(column, datum);
        next.tables[ovsdb::table_of<std::decay_t<decltype(row)>>()].emplace(uuid, std::move(made));
      }
    };
    all(rows_.networks);
    all(rows_.segments);
    all(rows_.subnets);
    all(rows_.ports);
    all(rows_.fixed_ips);
    all(rows_.address_pairs);
    all(rows_.bindings);
    all(rows_.hosts);
    all(rows_.endpoints);
    ovsdb::RowChanges changes;
    for (const auto* one : {&next, &shown_}) {
      const ovsdb::Snapshot& other = one == &next ? shown_ : next;
      for (const auto& [table, rows] : one->tables) {
        for (const auto& [uuid, row] : rows) {
          const ovsdb::Row* there = other.row(table, uuid);
          if (there == nullptr || !(*there == *row)) changes.emplace(table, uuid);
        }
      }
    }
    shown_ = next;
    return {std::move(next), std::move(changes)};
  }
  [[nodiscard]] const ovsdb::Ml2Rows& rows() const { return rows_; }

 protected:
  ovsdb::Ml2Rows rows_;

 private:
  ovsdb::Snapshot shown_;
};

}  // namespace ml2::intent
