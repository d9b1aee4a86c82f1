// IniFile: one configuration file, read by the line rules of oslo.config (oslo_config/iniparser.py).
//
// These differ from other ini readers in ways that matter to operators: comments only in column 0, no comment after a
// value, a line that starts with a blank continues the value above, `:` separates as well as `=`, keys are
// case-sensitive.
//
// Where in the walk: agent/config reads each file of the sources with it, then the loader picks the values that win.
// Threading: pure functions of the text.
// Failure: a bad line is an IniError with its line number; reading goes on, so that one run reports them all
//   (at most kMaxIniErrors; a file that is no ini file at all would have thousands).
// What it does not do: no types, no substitution, no knowledge of options; section names are kept as written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ml2::config {

inline constexpr std::size_t kMaxIniErrors = 20;

struct IniSection {
  std::string name;  // as written: "ovs", "OVS", " ovs "
  std::size_t line = 0;

  friend bool operator==(const IniSection&, const IniSection&) = default;
};

struct IniEntry {
  std::string section;
  std::string key;
  std::string value;     // continuation lines are joined with '\n'
  std::size_t line = 0;  // of the key

  friend bool operator==(const IniEntry&, const IniEntry&) = default;
};

struct IniError {
  std::size_t line = 0;
  std::string message;

  friend bool operator==(const IniError&, const IniError&) = default;
};

struct IniFile {
  std::string path;  // for messages
  std::vector<IniSection> sections;
  std::vector<IniEntry> entries;  // in the order of the file
  std::vector<IniError> errors;
};

[[nodiscard]] IniFile parse_ini(std::string path, std::string_view text);

// Section names are case-insensitive, except that DEFAULT must be exactly that ("[default]" is another section).
[[nodiscard]] std::string normalized_section(std::string_view name);

}  // namespace ml2::config
