// Snapshot: what an OVSDB database holds, as values; a Row is shared and never changes.
//
// Where in the walk: the Database seam hands it out; intent and diff read it. A row that did not change keeps its
//   pointer from one snapshot to the next, so "did this row change" is a comparison of pointers.
// Threading: values; a Row may be read from any thread.
// Failure: a table or row that is not there reads as empty.
// What it does not do: no back-references, no index but the UUID.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "datapath/base/uuid.h"
#include "ovsdb/row.h"

namespace ml2::ovsdb {

using Table = std::map<Uuid, RowPtr>;

struct Snapshot {
  std::map<std::string, Table, std::less<>> tables;  // by table name; a monitored table is there even when empty

  [[nodiscard]] const Table& table(std::string_view name) const {
    static const Table kEmpty;
    const auto found = tables.find(name);
    return found == tables.end() ? kEmpty : found->second;
  }
  // nullptr when there is no such row.
  [[nodiscard]] const Row* row(std::string_view table_name, const Uuid& uuid) const {
    const Table& rows = table(table_name);
    const auto found = rows.find(uuid);
    return found == rows.end() ? nullptr : found->second.get();
  }
};

}  // namespace ml2::ovsdb
