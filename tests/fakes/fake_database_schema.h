// fake_database_schema: an OVSDB schema (RFC 7047 section 3.2) as FakeDatabase needs it.
//
// Where in the walk: read once from an .ovsschema file when a FakeDatabase is made.
// Threading: values.
// Failure: an unreadable schema stops the test: it is the test's own file.
// What it does not do: no ephemeral columns, no version comparison.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datapath/base/result.h"
#include "ovsdb/datum.h"

namespace ml2::ovsdb {

enum class AtomType { Integer, Real, Boolean, String, Uuid };

struct BaseType {
  AtomType type = AtomType::String;
  std::vector<Atom> choices;  // "enum"; empty: any
  std::int64_t min_integer = std::numeric_limits<std::int64_t>::min();
  std::int64_t max_integer = std::numeric_limits<std::int64_t>::max();
  double min_real = std::numeric_limits<double>::lowest();
  double max_real = std::numeric_limits<double>::max();
  std::size_t min_length = 0;  // characters
  std::size_t max_length = std::numeric_limits<std::size_t>::max();
  std::string ref_table;  // empty: no reference
  bool strong = true;     // of a reference
};

struct ColumnSchema {
  BaseType key;
  std::optional<BaseType> value;  // of a map
  std::size_t min = 1;
  std::size_t max = 1;
  bool is_mutable = true;

  [[nodiscard]] bool is_scalar() const { return !value && min == 1 && max == 1; }
};

struct TableSchema {
  std::map<std::string, ColumnSchema> columns;
  std::vector<std::vector<std::string>> indexes;
  std::size_t max_rows = std::numeric_limits<std::size_t>::max();
  bool is_root = false;
};

struct DatabaseSchema {
  std::string name;
  std::map<std::string, TableSchema> tables;
};

[[nodiscard]] DatabaseSchema read_schema(const std::string& file);

// What a column holds that an insert does not mention (RFC 7047 section 5.2.1).
[[nodiscard]] Datum default_datum(const ColumnSchema& column);
// Atoms of the column's types, as many as it may hold: else nothing that could be sent.
[[nodiscard]] bool has_type(const Datum& datum, const ColumnSchema& column);
// The constraints that only the server checks: ranges, enums, lengths; the message is ovsdb-server's.
[[nodiscard]] Status check_constraints(const Datum& datum, const ColumnSchema& column);

}  // namespace ml2::ovsdb
