#include "ovsdb/datum.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <compare>

namespace ml2::ovsdb {
namespace {

// A total order even over NaN, which OVSDB does not have but a hostile caller may.
bool before(const Atom& a, const Atom& b) {
  if (const auto* x = std::get_if<double>(&a)) {
    if (const auto* y = std::get_if<double>(&b)) return std::strong_order(*x, *y) < 0;
  }
  return a < b;
}

bool same(const Atom& a, const Atom& b) { return !before(a, b) && !before(b, a); }

template <class T>
std::optional<T> only(const Datum& datum) {
  if (datum.keys.size() != 1 || !datum.values.empty()) return std::nullopt;
  const T* atom = std::get_if<T>(&datum.keys.front());
  return atom == nullptr ? std::nullopt : std::optional<T>(*atom);
}

template <class T>
std::set<T> all(const std::vector<Atom>& atoms) {
  std::set<T> result;
  for (const Atom& atom : atoms) {
    if (const T* value = std::get_if<T>(&atom)) result.insert(result.end(), *value);
  }
  return result;
}

// lib/ovsdb-data.c string_needs_quotes(): what would not read back as the same word.
bool needs_quotes(const std::string& text) {
  if (text.empty() || text == "true" || text == "false" || Uuid::parse(text)) return true;
  const auto is_word = [](char c, bool first) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '_' || (first ? std::isalpha(byte) != 0 : std::isalnum(byte) != 0 || byte == '-' || byte == '.');
  };
  if (!is_word(text.front(), true)) return true;
  return !std::all_of(text.begin() + 1, text.end(), [&](char c) { return is_word(c, false); });
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string text_of(const Atom& atom) {
  if (const auto* integer = std::get_if<std::int64_t>(&atom)) return fmt::format("{}", *integer);
  if (const auto* real = std::get_if<double>(&atom)) return fmt::format("{}", *real);
  if (const auto* boolean = std::get_if<bool>(&atom)) return *boolean ? "true" : "false";
  if (const auto* uuid = std::get_if<Uuid>(&atom)) return uuid->to_string();
  const auto& string = std::get<std::string>(atom);
  return needs_quotes(string) ? quoted(string) : string;
}

}  // namespace

Datum Datum::set(std::vector<Atom> atoms) {
  std::sort(atoms.begin(), atoms.end(), before);
  atoms.erase(std::unique(atoms.begin(), atoms.end(), same), atoms.end());
  return Datum{std::move(atoms), {}};
}

Datum Datum::strings(const std::set<std::string>& strings) { return Datum{{strings.begin(), strings.end()}, {}}; }

Datum Datum::uuids(const std::set<Uuid>& uuids) { return Datum{{uuids.begin(), uuids.end()}, {}}; }

Datum Datum::map(const std::map<std::string, std::string>& map) {
  Datum datum;
  datum.keys.reserve(map.size());
  datum.values.reserve(map.size());
  for (const auto& [key, value] : map) {
    datum.keys.emplace_back(key);
    datum.values.emplace_back(value);
  }
  return datum;
}

std::optional<std::int64_t> Datum::integer() const { return only<std::int64_t>(*this); }
std::optional<double> Datum::real() const { return only<double>(*this); }
std::optional<bool> Datum::boolean() const { return only<bool>(*this); }
std::optional<std::string> Datum::string() const { return only<std::string>(*this); }
std::optional<Uuid> Datum::uuid() const { return only<Uuid>(*this); }

std::set<std::string> Datum::string_set() const { return all<std::string>(keys); }
std::set<std::int64_t> Datum::integer_set() const { return all<std::int64_t>(keys); }
std::set<Uuid> Datum::uuid_set() const { return all<Uuid>(keys); }

std::map<std::string, std::string> Datum::string_map() const {
  std::map<std::string, std::string> result;
  const std::size_t count = std::min(keys.size(), values.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto* key = std::get_if<std::string>(&keys[i]);
    const auto* value = std::get_if<std::string>(&values[i]);
    if (key != nullptr && value != nullptr) result.emplace_hint(result.end(), *key, *value);
  }
  return result;
}

std::string Datum::to_string() const {
  if (!values.empty()) {
    std::string out = "{";
    for (std::size_t i = 0; i < std::min(keys.size(), values.size()); ++i) {
      if (i != 0) out += ", ";
      out += text_of(keys[i]) + "=" + text_of(values[i]);
    }
    return out + "}";
  }
  if (keys.size() == 1) return text_of(keys.front());
  std::string out = "[";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i != 0) out += ", ";
    out += text_of(keys[i]);
  }
  return out + "]";
}

}  // namespace ml2::ovsdb
