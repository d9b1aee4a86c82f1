// Atom and Datum: OVSDB values (RFC 7047 section 5.1) as plain C++ values.
//
// Where in the walk: in every Row of a Snapshot and every operation of a Transaction.
// Threading: values.
// Failure: the typed readers answer nullopt (or the empty value) when the type or the count is another one: rows of a
//   foreign or newer schema are input, not a bug.
// What it does not do: no constraints of a schema (ranges, enums): the server checks them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "datapath/base/uuid.h"

namespace ml2::ovsdb {

using Atom = std::variant<std::int64_t, double, bool, std::string, Uuid>;

// A column's value: a scalar is one key; an absent optional is no key; a set is n keys; a map has values too.
struct Datum {
  std::vector<Atom> keys;    // sorted, unique
  std::vector<Atom> values;  // of a map: as many as keys, in their order; else empty

  [[nodiscard]] static Datum none() { return {}; }
  [[nodiscard]] static Datum of(Atom atom) { return Datum{{std::move(atom)}, {}}; }
  [[nodiscard]] static Datum of(std::string_view text) { return of(Atom(std::string(text))); }
  [[nodiscard]] static Datum of(const std::string& text) { return of(Atom(text)); }
  [[nodiscard]] static Datum of(const char* text) { return of(Atom(std::string(text))); }
  [[nodiscard]] static Datum set(std::vector<Atom> atoms);  // sorts, drops duplicates
  [[nodiscard]] static Datum strings(const std::set<std::string>& strings);
  [[nodiscard]] static Datum uuids(const std::set<Uuid>& uuids);
  [[nodiscard]] static Datum map(const std::map<std::string, std::string>& map);

  [[nodiscard]] bool empty() const { return keys.empty(); }
  // The one atom of a scalar or present optional; nullopt when there is none, more than one, or another type.
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<double> real() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::string> string() const;
  [[nodiscard]] std::optional<Uuid> uuid() const;
  // All atoms of that type, others are skipped.
  [[nodiscard]] std::set<std::string> string_set() const;
  [[nodiscard]] std::set<std::int64_t> integer_set() const;
  [[nodiscard]] std::set<Uuid> uuid_set() const;
  [[nodiscard]] std::map<std::string, std::string> string_map() const;
  // As ovs-vsctl prints it: tcp, [a, b], {k=v}.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Datum&, const Datum&) = default;
};

}  // namespace ml2::ovsdb
