#include "ovsdb/idl_replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace ml2::ovsdb {
namespace {

Uuid uuid_of(const ovsdb_idl_row* row) {
  std::array<std::uint8_t, 16> bytes{};
  ml2_idl_row_uuid(row, bytes.data());
  return Uuid(bytes);
}

Atom atom_of(const ml2_atom& atom) {
  switch (atom.type) {
    case ML2_ATOM_INTEGER: return atom.integer;
    case ML2_ATOM_REAL: return atom.real;
    case ML2_ATOM_BOOLEAN: return atom.boolean;
    case ML2_ATOM_STRING: return std::string(atom.string);
    case ML2_ATOM_UUID: break;
  }
  std::array<std::uint8_t, 16> bytes{};
  std::copy(std::begin(atom.uuid), std::end(atom.uuid), bytes.begin());
  return Uuid(bytes);
}

}  // namespace

Result<IdlReplica> IdlReplica::open(const std::string& database, const MonitoredColumns& monitored) {
  IdlColumns columns(monitored);
  std::vector<std::vector<const char*>> names;
  std::vector<ml2_idl_choice> choices;
  for (const auto& table : columns.tables()) {
    std::vector<const char*>& list = names.emplace_back();
    for (const std::string& column : table.columns) list.push_back(column.c_str());
    choices.push_back({table.name.c_str(), list.data(), list.size()});
  }
  const char* unknown = nullptr;
  std::unique_ptr<ml2_idl, IdlDeleter> idl(
      ml2_idl_create(database.c_str(), choices.data(), choices.size(), &unknown));
  if (!idl) {
    return invalid(fmt::format("the schema of database {} that is built in knows no \"{}\"", database, unknown));
  }
  return IdlReplica(std::move(idl), std::move(columns));
}

IdlReplica::IdlReplica(std::unique_ptr<ml2_idl, IdlDeleter> idl, IdlColumns columns)
    : idl_(std::move(idl)), columns_(std::move(columns)) {}

void IdlReplica::run() {
  ml2_idl_run(idl_.get());
  const bool was_following = std::exchange(following_, ml2_idl_is_following(idl_.get()));
  if (!following_) return;  // the replica may be half-read: the snapshot stays
  const unsigned int now = ml2_idl_seqno(idl_.get());
  if (was_following && now == seen_) {
    ml2_idl_track_clear(idl_.get());  // rows are tracked also for changes that turned out to be none
    return;
  }
  seen_ = now;
  bool changed = !std::exchange(synced_, true);
  for (std::size_t i = 0; i < columns_.tables().size(); ++i) {
    Table& rows = snapshot_.tables[columns_.tables()[i].name];
    changed |= was_following ? read_changes(i, rows) : read_all(i, rows);
  }
  ml2_idl_track_clear(idl_.get());
  if (changed) ++sequence_;
}

RowPtr IdlReplica::read_row(std::size_t table, const ovsdb_idl_row* from, const Uuid& uuid) const {
  const std::vector<std::string>& names = columns_.tables()[table].columns;
  auto row = std::make_shared<Row>();
  row->uuid = uuid;
  for (std::size_t column = 0; column < names.size(); ++column) {
    bool is_map = false;
    const std::size_t n = ml2_idl_datum_size(from, column, &is_map);
    if (n == 0) continue;  // reads as empty anyway; most optional columns are, on thousands of rows
    Datum datum;
    datum.keys.reserve(n);
    for (std::size_t i = 0; i < n; ++i) datum.keys.push_back(atom_of(ml2_idl_key(from, column, i)));
    if (is_map) {
      datum.values.reserve(n);
      for (std::size_t i = 0; i < n; ++i) datum.values.push_back(atom_of(ml2_idl_value(from, column, i)));
    }
    row->columns.emplace_hint(row->columns.end(), names[column], std::move(datum));
  }
  return row;
}

bool IdlReplica::read_changes(std::size_t table, Table& rows) {
  bool changed = false;
  const auto note = [&](const Uuid& uuid) {
    log_.add(sequence_ + 1, {columns_.tables()[table].name, uuid});
    changed = true;
  };
  const auto read = [&](const ovsdb_idl_row* live, const Uuid& uuid) {
    RowPtr row = read_row(table, live, uuid);
    RowPtr& shown = rows[uuid];
    if (shown && *shown == *row) return;
    shown = std::move(row);
    note(uuid);
  };
  for (const ovsdb_idl_row* row = ml2_idl_tracked_first(idl_.get(), table); row != nullptr;
       row = ml2_idl_tracked_next(row)) {
    const Uuid uuid = uuid_of(row);
    const ovsdb_idl_row* live = ml2_idl_find(idl_.get(), table, uuid.bytes().data());
    if (live == nullptr) {
      if (rows.erase(uuid) != 0) note(uuid);
    } else {
      read(live, uuid);
    }
  }
  // What tracking does not tell: rows of nothing but defaults, and rows that a reload from nothing dropped. All live
  // rows that are tracked are in `rows` now, so equal numbers mean equal sets.
  return ml2_idl_count(idl_.get(), table) == rows.size() ? changed : read_all(table, rows) || changed;
}

bool IdlReplica::read_all(std::size_t table, Table& rows) {
  Table next;
  for (const ovsdb_idl_row* live = ml2_idl_first(idl_.get(), table); live != nullptr; live = ml2_idl_next(live)) {
    const Uuid uuid = uuid_of(live);
    RowPtr row = read_row(table, live, uuid);
    const auto shown = rows.find(uuid);
    next.emplace(uuid, shown != rows.end() && *shown->second == *row ? shown->second : std::move(row));
  }
  if (next == rows) return false;
  rows = std::move(next);
  log_.add_all(sequence_ + 1);
  return true;
}

}  // namespace ml2::ovsdb
