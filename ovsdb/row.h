// Row: one row of an OVSDB table, its columns packed into one block of bytes; Value: one column of it, read in place.
//
// Where in the walk: a Snapshot is made of rows. A node has tens of thousands of them (every port of its networks, on
//   whatever host), so a row costs about what its texts do, and its columns' names are kept once a table.
// Threading: values; a Row that is shared does not change and may be read from any thread.
// Failure: a column that is not there reads as the empty value; the typed readers answer as Datum's do.
// What it does not do: no schema: a column has the type of the value that was put in.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datapath/base/uuid.h"
#include "ovsdb/datum.h"

namespace ml2::ovsdb {

using ColumnNames = std::shared_ptr<const std::vector<std::string>>;  // sorted, unique

struct UuidChanges;

// A view: valid as long as the row that it was taken from. What Datum has, without making one.
class Value {
 public:
  Value() = default;  // empty
  explicit Value(const std::uint8_t* packed) : packed_(packed) {}

  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const;  // atoms; of a map: keys
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<double> real() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::string> string() const;
  [[nodiscard]] std::optional<std::string_view> text() const;  // string() in place
  [[nodiscard]] std::optional<Uuid> uuid() const;
  [[nodiscard]] std::set<std::string> string_set() const { return datum().string_set(); }
  [[nodiscard]] std::set<std::int64_t> integer_set() const { return datum().integer_set(); }
  [[nodiscard]] std::set<Uuid> uuid_set() const { return datum().uuid_set(); }
  [[nodiscard]] std::map<std::string, std::string> string_map() const { return datum().string_map(); }
  [[nodiscard]] std::string to_string() const { return datum().to_string(); }
  [[nodiscard]] Datum datum() const;
  // NOLINTNEXTLINE(google-explicit-constructor): a Value is wherever a Datum is wanted
  operator Datum() const { return datum(); }

 private:
  friend class RowColumns;
  friend std::optional<UuidChanges> changes_between(const Value& before, const Value& now);
  const std::uint8_t* packed_ = nullptr;
};

// What a set of UUIDs has won and lost; both sorted.
struct UuidChanges {
  std::vector<Uuid> come, gone;
};
// At the price of what differs: a bridge of thousands of ports changes with each of them. nullopt: one of the two is no
// set of UUIDs, or they are not sorted.
[[nodiscard]] std::optional<UuidChanges> changes_between(const Value& before, const Value& now);

// A value on its way into a row, atom by atom: first the keys in their order, then a map's values.
class ValuePacker {
 public:
  void start(std::size_t keys, bool is_map);
  void add(std::int64_t integer);
  void add(double real);
  void add(bool boolean);
  void add(std::string_view text);
  void add(const Uuid& uuid);
  void add(const Atom& atom);

 private:
  friend class RowColumns;
  std::vector<std::uint8_t> bytes_;
};

// The columns of a row, by name. Written to by whoever makes a row, before it is shared.
class RowColumns {
 public:
  RowColumns() = default;
  explicit RowColumns(ColumnNames names) : names_(std::move(names)) {}
  explicit RowColumns(const std::map<std::string, Datum>& columns);

  [[nodiscard]] Value column(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const;
  // The column is the same in both, or in neither.
  [[nodiscard]] bool has_same(std::string_view name, const RowColumns& other) const;
  // Column number `column` of the names; in their order, each once; cheaper than set(). A datum that has not as many
  // values as keys loses its values.
  void append(std::size_t column, const Datum& value);
  void append(std::size_t column, const ValuePacker& value);
  // As `other`, which has the same names, has it; nothing if it does not.
  void append(std::size_t column, const RowColumns& other);
  // The set of UUIDs that `other` has there without those of `toggled` (sorted) that are in it, and with those that are not:
  // how an update says what has become of a set (ovsdb-server(7), 4.1.14). False, and nothing is appended: it is no set
  // of UUIDs.
  [[nodiscard]] bool append_toggled(std::size_t column, const RowColumns& other, const std::vector<Uuid>& toggled);
  void set(std::string_view name, const Datum& value);
  void erase(std::string_view name);
  void shrink() { bytes_.shrink_to_fit(); }
  // All that are there; for tests and texts.
  [[nodiscard]] std::map<std::string, Datum> all() const;

  // The same columns with the same values.
  friend bool operator==(const RowColumns& a, const RowColumns& b);

 private:
  using Packed = std::pair<const std::uint8_t*, std::size_t>;  // a value and its length; nullptr: no such column
  [[nodiscard]] Packed find(std::string_view name) const;
  [[nodiscard]] Packed find(std::size_t column) const;
  void replace(std::string_view name, const Datum* value);

  ColumnNames names_;
  std::vector<std::uint8_t> bytes_;  // of each column: its number, the length of its value, its value
};

struct Row {
  Uuid uuid;
  RowColumns columns;  // the monitored ones only

  [[nodiscard]] Value column(std::string_view name) const { return columns.column(name); }
  friend bool operator==(const Row&, const Row&) = default;
};

using RowPtr = std::shared_ptr<const Row>;

}  // namespace ml2::ovsdb
