#include "ovsdb/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace ml2::ovsdb {
namespace {

Uuid uuid_of(const std::uint8_t* bytes) {
  std::array<std::uint8_t, 16> copy{};
  std::copy_n(bytes, copy.size(), copy.begin());
  return Uuid(copy);
}

Atom atom_of(const ml2_atom& atom) {
  switch (atom.type) {
    case ML2_ATOM_INTEGER: return atom.integer;
    case ML2_ATOM_REAL: return atom.real;
    case ML2_ATOM_BOOLEAN: return atom.boolean;
    case ML2_ATOM_STRING: return std::string(atom.string);
    case ML2_ATOM_UUID: break;
  }
  return uuid_of(atom.uuid);
}

// Sorted and without duplicates, as a Datum is; a server sends them so.
Datum datum_of(const ml2_cs_value& value) {
  Datum datum;
  datum.keys.reserve(value.n);
  for (std::size_t i = 0; i < value.n; ++i) datum.keys.push_back(atom_of(value.keys[i]));
  if (value.values != nullptr) {
    datum.values.reserve(value.n);
    for (std::size_t i = 0; i < value.n; ++i) datum.values.push_back(atom_of(value.values[i]));
  }
  if (std::adjacent_find(datum.keys.begin(), datum.keys.end(), std::greater_equal<>()) == datum.keys.end()) {
    return datum;
  }
  if (datum.values.empty()) return Datum::set(std::move(datum.keys));
  std::map<Atom, Atom> sorted;
  for (std::size_t i = 0; i < value.n; ++i) sorted.emplace(datum.keys[i], datum.values[i]);
  datum = {};
  for (const auto& [key, mapped] : sorted) {
    datum.keys.push_back(key);
    datum.values.push_back(mapped);
  }
  return datum;
}

void pack(const ml2_atom& atom, ValuePacker& packer) {
  switch (atom.type) {
    case ML2_ATOM_INTEGER: return packer.add(std::int64_t{atom.integer});
    case ML2_ATOM_REAL: return packer.add(atom.real);
    case ML2_ATOM_BOOLEAN: return packer.add(atom.boolean);
    case ML2_ATOM_STRING: return packer.add(std::string_view(atom.string));
    case ML2_ATOM_UUID: return packer.add(uuid_of(atom.uuid));
  }
}

// nullopt: it is no sorted set of UUIDs, or an empty one.
std::optional<std::vector<Uuid>> uuids_of(const Datum& datum) {
  if (datum.keys.empty() || !datum.values.empty()) return std::nullopt;
  std::vector<Uuid> uuids;
  for (const Atom& atom : datum.keys) {
    const Uuid* uuid = std::get_if<Uuid>(&atom);
    if (uuid == nullptr || (!uuids.empty() && !(uuids.back() < *uuid))) return std::nullopt;
    uuids.push_back(*uuid);
  }
  return uuids;
}

}  // namespace

Datum apply_difference(const Datum& before, const Datum& difference, bool is_collection) {
  if (!is_collection) return difference;
  Datum now;
  const auto take = [&now](const Datum& from, std::size_t i) {
    now.keys.push_back(from.keys[i]);
    if (!from.values.empty()) now.values.push_back(from.values[i]);
  };
  std::size_t old = 0;
  std::size_t other = 0;
  while (old < before.keys.size() || other < difference.keys.size()) {
    if (other == difference.keys.size()) {
      take(before, old++);
    } else if (old == before.keys.size() || difference.keys[other] < before.keys[old]) {
      take(difference, other++);
    } else if (before.keys[old] < difference.keys[other]) {
      take(before, old++);
    } else {
      const bool is_map = !before.values.empty() && !difference.values.empty();
      if (is_map && before.values[old] != difference.values[other]) take(difference, other);
      ++old;
      ++other;
    }
  }
  return now;
}

// C calls these; what they are given is the Replica.
struct Replica::Events {
  static void begin(void* aux, bool clear) { static_cast<Replica*>(aux)->begin(clear); }
  static bool row(void* aux, std::size_t table, ml2_cs_change change, const std::uint8_t* uuid,
                  const ml2_cs_value* values, std::size_t n) {
    return static_cast<Replica*>(aux)->row(table, change, uuid_of(uuid), values, n);
  }
  static void end(void* aux) { static_cast<Replica*>(aux)->end(); }
  static void reply(void* aux, bool refused, const char* json) {
    static_cast<Replica*>(aux)->answer_ = Answer{refused, json};
  }
  static void lost(void* aux) { static_cast<Replica*>(aux)->lost_ = true; }
};

Result<std::unique_ptr<Replica>> Replica::open(const std::string& database, const MonitoredColumns& monitored,
                                               const UnreadColumns& unread) {
  std::unique_ptr<Replica> replica(new Replica(monitored, unread));
  std::vector<std::vector<const char*>> names;
  std::vector<std::unique_ptr<bool[]>> flags;
  std::vector<ml2_cs_choice> choices;
  for (const TableLayout& table : replica->layout_.tables) {
    std::vector<const char*>& list = names.emplace_back();
    for (const std::string& column : *table.columns) list.push_back(column.c_str());
    auto& is_unread = flags.emplace_back(std::make_unique<bool[]>(list.size()));
    for (std::size_t i = 0; i < list.size(); ++i) is_unread[i] = !table.types[i].is_read;
    choices.push_back({table.name.c_str(), list.data(), list.size(), is_unread.get()});
    replica->snapshot_.tables[table.name];
  }
  const char* unknown = nullptr;
  replica->cs_.reset(ml2_cs_create(database.c_str(), choices.data(), choices.size(), &unknown));
  if (!replica->cs_) {
    return invalid(fmt::format("the schema of database {} that is built in knows no \"{}\"", database, unknown));
  }
  replica->read_types();
  return replica;
}

void Replica::read_types() {
  for (std::size_t i = 0; i < layout_.tables.size(); ++i) {
    TableLayout& table = layout_.tables[i];
    table.is_root = ml2_cs_is_root(cs_.get(), i);
    table.is_singleton = ml2_cs_is_singleton(cs_.get(), i);
    for (std::size_t j = 0; j < table.types.size(); ++j) {
      const ml2_column_type type = ml2_cs_column_type(cs_.get(), i, j);
      table.types[j] = {.key = type.key,
                        .value = type.is_map ? std::optional<std::size_t>(type.value) : std::nullopt,
                        .n_min = type.n_min,
                        .n_max = type.n_max,
                        .on_server = ml2_cs_server_has(cs_.get(), i, j),
                        .is_read = table.types[j].is_read};
    }
  }
}

void Replica::run() {
  static constexpr ml2_cs_events kEvents = {Events::begin, Events::row, Events::end, Events::reply, Events::lost};
  changed_ = false;
  ml2_cs_run(cs_.get(), &kEvents, this);
  following_ = ml2_cs_is_following(cs_.get());
  if (changed_) ++sequence_;
}

void Replica::begin(bool clear) {
  if (!clear) return;
  former_ = std::exchange(snapshot_, {});
  for (const TableLayout& table : layout_.tables) snapshot_.tables[table.name];
  read_types();
}

bool Replica::row(std::size_t number, ml2_cs_change change, const Uuid& uuid, const ml2_cs_value* values,
                  std::size_t n) {
  const TableLayout& table = layout_.tables[number];
  Table& rows = snapshot_.tables.find(table.name)->second;
  const auto found = rows.find(uuid);
  const auto note = [&] {
    if (former_) return;
    log_.add(sequence_ + 1, {table.name, uuid});
    changed_ = true;
  };
  if (change == ML2_CS_DELETE) {
    if (found == rows.end()) return true;
    rows.erase(found);
    note();
    return true;
  }
  if (found == rows.end() && change != ML2_CS_INSERT) return false;
  const Row* before = change == ML2_CS_INSERT ? nullptr : found->second.get();
  RowPtr now = changed_row(table, change, before, uuid, values, n);
  if (former_) {
    const Table& old = former_->table(table.name);
    const auto same = old.find(uuid);
    if (same != old.end() && *same->second == *now) now = same->second;
  }
  if (found == rows.end()) {
    rows.emplace(uuid, std::move(now));
  } else if (*found->second == *now) {
    return true;
  } else {
    found->second = std::move(now);
  }
  note();
  return true;
}

RowPtr Replica::changed_row(const TableLayout& table, ml2_cs_change change, const Row* before, const Uuid& uuid,
                            const ml2_cs_value* values, std::size_t n) const {
  ValuePacker packer;
  std::vector<const ml2_cs_value*> sent(table.types.size());
  for (std::size_t i = 0; i < n; ++i) sent[values[i].column] = &values[i];
  auto row = std::make_shared<Row>();
  row->uuid = uuid;
  row->columns = RowColumns(table.columns);
  for (std::size_t column = 0; column < sent.size(); ++column) {
    const ColumnType& type = table.types[column];
    // What is empty is left out: most optional columns are, on thousands of rows.
    if (before == nullptr && sent[column] == nullptr) {
      if (type.n_min == 0 || !type.on_server || !type.is_read) continue;
      row->columns.append(column, default_of(type));
    } else if (before == nullptr && sent[column]->n == 1 && sent[column]->values == nullptr) {
      packer.start(1, false);
      pack(sent[column]->keys[0], packer);
      row->columns.append(column, packer);
    } else if (sent[column] == nullptr) {
      row->columns.append(column, before->columns);
    } else {
      Datum now = datum_of(*sent[column]);
      if (change == ML2_CS_DIFF) {
        if (const auto toggled = uuids_of(now);
            toggled && type.is_collection() && row->columns.append_toggled(column, before->columns, *toggled)) {
          continue;
        }
        now = apply_difference(before->column((*table.columns)[column]), now, type.is_collection());
      }
      if (!now.empty()) row->columns.append(column, now);
    }
  }
  row->columns.shrink();
  return row;
}

void Replica::end() {
  const std::optional<Snapshot> before = std::exchange(former_, std::nullopt);
  const bool was_synced = std::exchange(synced_, true);
  if (was_synced && (!before || before->tables == snapshot_.tables)) return;
  changed_ = true;
  log_.add_all(sequence_ + 1);
}

}  // namespace ml2::ovsdb
