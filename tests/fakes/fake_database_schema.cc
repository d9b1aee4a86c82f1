#include "tests/fakes/fake_database_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "datapath/base/check.h"
#include "datapath/base/text.h"

namespace ml2::ovsdb {
namespace {

using nlohmann::json;

AtomType atom_type(const std::string& name) {
  if (name == "integer") return AtomType::Integer;
  if (name == "real") return AtomType::Real;
  if (name == "boolean") return AtomType::Boolean;
  if (name == "uuid") return AtomType::Uuid;
  ML2_CHECK(name == "string", "a schema has only the five atomic types");
  return AtomType::String;
}

Atom atom_of(const json& value, AtomType type) {
  switch (type) {
    case AtomType::Integer: return value.get<std::int64_t>();
    case AtomType::Real: return value.get<double>();
    case AtomType::Boolean: return value.get<bool>();
    case AtomType::String: return value.get<std::string>();
    case AtomType::Uuid: break;
  }
  ML2_CHECK(false, "no schema of ours has an enum of UUIDs");
  return Uuid();
}

BaseType base_type(const json& definition) {
  BaseType base;
  if (definition.is_string()) {
    base.type = atom_type(definition.get<std::string>());
    return base;
  }
  base.type = atom_type(definition.at("type").get<std::string>());
  if (definition.contains("enum")) {
    const json& choices = definition.at("enum");
    if (choices.is_array()) {
      for (const json& choice : choices.at(1)) base.choices.push_back(atom_of(choice, base.type));
    } else {
      base.choices.push_back(atom_of(choices, base.type));
    }
  }
  base.min_integer = definition.value("minInteger", base.min_integer);
  base.max_integer = definition.value("maxInteger", base.max_integer);
  base.min_real = definition.value("minReal", base.min_real);
  base.max_real = definition.value("maxReal", base.max_real);
  base.min_length = definition.value("minLength", base.min_length);
  base.max_length = definition.value("maxLength", base.max_length);
  base.ref_table = definition.value("refTable", "");
  base.strong = definition.value("refType", "strong") == "strong";
  return base;
}

ColumnSchema column_schema(const json& definition) {
  ColumnSchema column;
  column.is_mutable = definition.value("mutable", true);
  const json& type = definition.at("type");
  if (type.is_string()) {
    column.key = base_type(type);
    return column;
  }
  column.key = base_type(type.at("key"));
  if (type.contains("value")) column.value = base_type(type.at("value"));
  column.min = type.value("min", std::size_t{1});
  if (type.contains("max")) {
    column.max = type.at("max").is_string() ? std::numeric_limits<std::size_t>::max()  // "unlimited"
                                            : type.at("max").get<std::size_t>();
  }
  return column;
}

TableSchema table_schema(const json& definition) {
  TableSchema table;
  for (const auto& [name, column] : definition.at("columns").items()) {
    table.columns.emplace(name, column_schema(column));
  }
  table.indexes = definition.value("indexes", table.indexes);
  table.max_rows = definition.value("maxRows", table.max_rows);
  table.is_root = definition.value("isRoot", false);
  return table;
}

Atom default_atom(const BaseType& base) {
  // lib/ovsdb-data.c: with an enum the default is still the zero of the type, unless that is none of the choices.
  Atom zero;
  switch (base.type) {
    case AtomType::Integer: zero = std::int64_t{0}; break;
    case AtomType::Real: zero = 0.0; break;
    case AtomType::Boolean: zero = false; break;
    case AtomType::String: zero = std::string(); break;
    case AtomType::Uuid: zero = Uuid(); break;
  }
  return zero;
}

Status check_atom(const Atom& atom, const BaseType& base) {
  const std::string shown = Datum::of(atom).to_string();
  if (!base.choices.empty() && std::find(base.choices.begin(), base.choices.end(), atom) == base.choices.end()) {
    std::string choices;
    for (const Atom& choice : base.choices) {
      choices += (choices.empty() ? "" : ", ") + Datum::of(choice).to_string();
    }
    return invalid(fmt::format("{} is not one of the allowed values ([{}])", shown, choices));
  }
  if (const auto* integer = std::get_if<std::int64_t>(&atom)) {
    if (*integer < base.min_integer || *integer > base.max_integer) {
      return invalid(fmt::format("{} is not in the valid range {} to {} (inclusive)", shown, base.min_integer,
                                 base.max_integer));
    }
  } else if (const auto* real = std::get_if<double>(&atom)) {
    if (!(*real >= base.min_real && *real <= base.max_real)) {
      return invalid(
          fmt::format("{} is not in the valid range {} to {} (inclusive)", shown, base.min_real, base.max_real));
    }
  } else if (const auto* string = std::get_if<std::string>(&atom)) {
    if (!text::is_utf8(*string)) return invalid(fmt::format("{} is not a valid UTF-8 string", shown));
    if (string->size() < base.min_length || string->size() > base.max_length) {
      return invalid(fmt::format("{} length {} is outside the allowed range", shown, string->size()));
    }
  }
  return {};
}

}  // namespace

DatabaseSchema read_schema(const std::string& file) {
  std::ifstream in(file);
  ML2_CHECK(in.good(), "the schema file of a FakeDatabase can be read");
  const json document = json::parse(in);
  DatabaseSchema schema;
  schema.name = document.at("name").get<std::string>();
  bool any_root = false;
  for (const auto& [name, definition] : document.at("tables").items()) {
    any_root |= schema.tables.emplace(name, table_schema(definition)).first->second.is_root;
  }
  // RFC 7047 section 3.2: a schema without isRoot is of the time before garbage collection.
  if (!any_root) {
    for (auto& [name, table] : schema.tables) table.is_root = true;
  }
  return schema;
}

Datum default_datum(const ColumnSchema& column) {
  if (column.min == 0) return Datum::none();
  Datum datum = Datum::of(default_atom(column.key));
  if (column.value) datum.values.push_back(default_atom(*column.value));
  return datum;
}

bool has_type(const Datum& datum, const ColumnSchema& column) {
  const auto fits = [](const BaseType& base) {
    return [&base](const Atom& atom) {
      const auto* string = std::get_if<std::string>(&atom);
      if (string != nullptr && string->find('\0') != std::string::npos) return false;
      // The order of both is that of Atom's alternatives.
      return static_cast<std::size_t>(base.type) == atom.index();
    };
  };
  if (!std::all_of(datum.keys.begin(), datum.keys.end(), fits(column.key))) return false;
  if (column.value) {
    return datum.values.size() == datum.keys.size() &&
           std::all_of(datum.values.begin(), datum.values.end(), fits(*column.value));
  }
  return datum.values.empty();
}

Status check_constraints(const Datum& datum, const ColumnSchema& column) {
  for (const Atom& atom : datum.keys) {
    if (Status status = check_atom(atom, column.key); !status) return status;
  }
  for (const Atom& atom : datum.values) {
    if (Status status = check_atom(atom, *column.value); !status) return status;
  }
  return {};
}

}  // namespace ml2::ovsdb
