// load() and reload(): from what was asked for on the command line to a Config, or to every reason why not.
//
// Where in the walk: main() calls load() before anything is touched; at SIGHUP the loop calls reload().
//   parse (ini_file) -> pick, substitute, type (resolver) -> together (cross_checks) -> Config
// Threading: main thread.
// Failure: all errors are collected, one line each, starting with file:line where there is one; then there is no
//   Config. Warnings and notices never stop anything.
// What it does not do: no logging and no exit: main() prints errors to stderr and ends with 1, logs warnings as WARN
//   and notices as INFO.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/config/config.h"

namespace ml2::config {

struct LoadResult {
  std::optional<Config> config;  // when errors is empty
  std::vector<std::string> errors;
  std::vector<std::string> warnings;  // unknown, deprecated, old, contradictory
  std::vector<std::string> notices;   // known options that are set and not acted on
};

// Without any File in `sources` neutron.conf and those of `sources.programs` are searched as oslo does; without any
// Directory likewise the .conf.d directories.
[[nodiscard]] LoadResult load(const ConfigSources& sources, const Environment& environment);

// A reloadable option that has another value now; secrets are "***".
struct Change {
  std::string group;
  std::string name;
  std::string before;
  std::string after;
  std::string origin;
};

struct ReloadResult {
  std::optional<Config> config;  // `running` with the changes; none when there are errors: keep what runs
  std::vector<Change> changes;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;  // also one for each other option that changed: it needs a restart
};

// Reads the same files again (the environment and the command line are those of the start, as no process's change).
[[nodiscard]] ReloadResult reload(const Config& running);

}  // namespace ml2::config
