// check_config: the configuration and the option table as text, for --check-config and --help-config.
//
// Where in the walk: main() prints what these functions return to stdout.
// Threading: pure functions.
// Failure: none. Secrets that somebody set are shown as "***".
// What it does not do: no printing, no exit status: main() ends with 0, or prints the errors to stderr and ends
// with 1.
#pragma once

#include <string>
#include <vector>

#include "agent/config/config.h"

namespace ml2::config {

// Every option, grouped by section: "option = value" and the origin.
[[nodiscard]] std::string config_text(const Config& config);
// {"section": {"option": {"value": ..., "origin": "..."}}}; lists as arrays, dicts as objects, None as null. Ends
// with a newline.
[[nodiscard]] std::string config_json(const Config& config);
// One line each, as main() prints them to stderr.
[[nodiscard]] std::string lines_text(const std::vector<std::string>& lines);

// One option as words, for any form of help.
struct HelpRow {
  std::string group;
  std::string name;
  std::string type;      // "integer", "list"
  std::string fallback;  // "(not set)", "(empty)" or the default
  std::string limits;    // what is allowed; empty where the type says it all
  std::string meaning;   // with old names, and what ml2-agent does not do with it
};
[[nodiscard]] std::vector<HelpRow> help_rows();
// --help-config.
[[nodiscard]] std::string help_text();
// The same rows as the OPTIONS part of a man page (man(7): .SS for a section, .TP for an option).
[[nodiscard]] std::string help_man();
// The whole page, ml2-agent.conf(5).
[[nodiscard]] std::string man_page(const std::string& version);
// A backslash and a leading dot or quote are commands to troff; '-' is a minus sign that can be copied only as "\-".
[[nodiscard]] std::string man_escape(std::string_view words);

}  // namespace ml2::config
