// Environment: everything outside the program that the configuration depends on, as a value.
//
// Where in the walk: main() takes process_environment() once; load() and reload() read through it. Tests and the
//   fuzzer put memory_environment() in its place: a Config from texts, without a file.
// Threading: process_environment() reads environ and the user database: call it before threads start.
// Failure: reading a file answers an Error whose message says why ("No such file or directory").
// What it does not do: no writing.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "datapath/base/result.h"

namespace ml2::config {

// Paths are absolute.
struct FileSystem {
  // The whole file; Invalid when it is missing, unreadable, a directory or larger than kMaxFileSize.
  std::function<Result<std::string>(const std::string& path)> read;
  std::function<bool(const std::string& path)> exists;
  std::function<bool(const std::string& path)> is_directory;
  // Names of the entries, in any order; empty when it cannot be read.
  std::function<std::vector<std::string>(const std::string& path)> list;
};

inline constexpr std::size_t kMaxFileSize = 16UL << 20;  // bytes; a configuration has some kilobytes

struct Environment {
  std::map<std::string, std::string> variables;
  std::string home;               // for "~"; empty: not known
  std::string working_directory;  // for relative paths
  std::string host_name;          // default of [DEFAULT] host
  FileSystem files;
};

[[nodiscard]] Environment process_environment();
// `texts`: path -> content; directories are the paths above them. Host name "test-host", home "/root", directory "/".
[[nodiscard]] Environment memory_environment(std::map<std::string, std::string> texts);
// Absolute, "~" replaced, "." and ".." and double slashes resolved by name alone (os.path.abspath).
[[nodiscard]] std::string absolute_path(const Environment& environment, const std::string& path);

}  // namespace ml2::config
