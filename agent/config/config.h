// Config: the effective configuration as a value: every option of the table with its value and where that came from.
//
// Where in the walk: load() (loader.h) makes it once at start, reload() at SIGHUP; every room takes a const Config&
//   in its constructor and reads what it needs there.
// Threading: a value; const reads from any thread.
// Failure: none: what is in a Config has been checked. Asking for an option that the table does not have, or by the
//   wrong type, is a bug of ours (ML2_CHECK).
// What it does not do: no reading of files, no writing, no look at the system.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config/environment.h"
#include "agent/config/options.h"
#include "agent/config/value.h"

namespace ml2::config {

// An option given on the command line (--debug, --log-file): it beats the environment and the files.
struct CommandLineOption {
  std::string group;
  std::string name;
  std::string value;
};

// What was asked for on the command line.
struct ConfigSources {
  enum class Kind { File, Directory };
  struct Source {
    Kind kind = Kind::File;
    std::string path;
  };

  std::vector<Source> sources;  // --config-file and --config-dir in command-line order: later wins
  std::vector<CommandLineOption> options;
  // Names besides neutron.conf that the default search looks for, as <name>.conf and <name>.conf.d/; later wins.
  std::vector<std::string> programs = {"neutron-openvswitch-agent", "ml2-agent"};
  bool search = true;  // false: no default search
  // Empty: all. Else a program that reads this section alone: the others are neither resolved (but for what `$` takes from
  // them) nor checked, so that a mistake there is not its concern.
  std::string section;

  ConfigSources& add_file(std::string path) {
    sources.push_back({Kind::File, std::move(path)});
    return *this;
  }
  ConfigSources& add_directory(std::string path) {
    sources.push_back({Kind::Directory, std::move(path)});
    return *this;
  }
};

struct Setting {
  Value value;
  std::string origin = "default";  // "/etc/x.ini:12", "environment OS_OVS__LOCAL_IP", "command line", "default"
  bool is_set = false;             // not at its default
  bool secret = false;             // do not print the value; also of what `$` took from a secret option

  friend bool operator==(const Setting&, const Setting&) = default;
};

class Config {
 public:
  // `settings` in the order of all_options().
  Config(std::vector<Setting> settings, ConfigSources sources, Environment environment);

  [[nodiscard]] bool get_bool(std::string_view group, std::string_view name) const;
  // Int and Port. A number left empty in the file is oslo's None: this answers the declared default then.
  [[nodiscard]] std::int64_t get_int(std::string_view group, std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> get_optional_int(std::string_view group, std::string_view name) const;
  [[nodiscard]] double get_double(std::string_view group, std::string_view name) const;
  // String, Ip, HostAddress with a default; the others by get_optional_string.
  [[nodiscard]] const std::string& get_string(std::string_view group, std::string_view name) const;
  // nullopt: not set. An empty value in the file is an empty string.
  [[nodiscard]] std::optional<std::string> get_optional_string(std::string_view group, std::string_view name) const;
  [[nodiscard]] const StringList& get_list(std::string_view group, std::string_view name) const;  // List and Multi
  [[nodiscard]] const StringMap& get_dict(std::string_view group, std::string_view name) const;
  [[nodiscard]] const std::string& origin(std::string_view group, std::string_view name) const;
  // Whether a file, the environment or the command line says it, be it the default's value.
  [[nodiscard]] bool is_set(std::string_view group, std::string_view name) const;

  // In the order of all_options().
  [[nodiscard]] const std::vector<Setting>& settings() const { return settings_; }
  [[nodiscard]] const ConfigSources& sources() const { return sources_; }
  [[nodiscard]] const Environment& environment() const { return environment_; }

  // "openvswitch", "iptables", "iptables_hybrid" or "noop": [securitygroup] firewall_driver in its short form.
  [[nodiscard]] std::string firewall_driver() const;

 private:
  [[nodiscard]] const Setting& setting(std::string_view group, std::string_view name) const;

  std::vector<Setting> settings_;
  ConfigSources sources_;
  Environment environment_;
};

// What an option has when nobody sets it; `host_name` is for [DEFAULT] host.
[[nodiscard]] Value default_value(const Option& option, const std::string& host_name);

}  // namespace ml2::config
