// Resolver: picks, for each option, the text that wins, replaces `$` in it and gives it its type.
//
// Order, high to low: command line, environment OS_<GROUP>__<OPTION>, files (the last file that has the option under
// any of its names; inside one file the present name before the old ones, and of one name its last line), default.
// Only the text that wins is checked: a bad one below it is no error.
//
// Substitution is Python's string.Template with oslo's names: `$opt`, `${opt}`, `${group.opt}`, and `$$` or `\$` for
// a dollar sign. A name is looked up in the option's own group, then in DEFAULT, and stands for that option's
// effective value, whatever its origin. It is done on the text, before a list is split.
//
// Where in the walk: the loader's middle step, between the files and the checks over several options.
// Threading: one owner.
// Failure: every bad value is a line in errors(); its option keeps the default, which nobody sees as there is no
//   Config then. References in a circle and texts that grow beyond kMaxSubstituted are errors of the option that has
//   them.
// What it does not do: no unknown names (unknown_names.h), no rules over several options (cross_checks.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/config/config.h"
#include "agent/config/ini_file.h"

namespace ml2::config {

inline constexpr std::size_t kMaxSubstituted = 1UL << 20;  // bytes

class Resolver {
 public:
  // `files` in order: later wins. All three outlive the resolver.
  Resolver(const std::vector<IniFile>& files, const Environment& environment,
           const std::vector<CommandLineOption>& options);

  // All options, in the table's order; with a section's name those of other sections keep their defaults.
  [[nodiscard]] std::vector<Setting> resolve_all(std::string_view section = {});
  [[nodiscard]] const std::vector<std::string>& errors() const { return errors_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  enum class State { New, Open, Done, Failed };
  struct Slot {
    State state = State::New;
    Setting setting;
  };
  // What the winning source says, before substitution. Several texts only for Multi.
  struct Raw {
    std::vector<std::string> texts;
    std::string origin;
  };
  // (normalized section, key) -> entries in the order of the file.
  using FileIndex = std::map<std::pair<std::string, std::string>, std::vector<const IniEntry*>>;

  [[nodiscard]] std::optional<Raw> winning(const Option& option);
  [[nodiscard]] std::optional<Raw> from_files(const Option& option);
  void warn_old_name(const Option& option, const OldName& name, const std::string& origin);
  Slot& resolve(const Option& option);
  void finish(const Option& option, const Raw& raw, Slot& slot);
  // nullopt: an error, already reported here or at the option that is referred to.
  [[nodiscard]] std::optional<std::string> substitute(const Option& option, const std::string& origin,
                                                      const std::string& text, bool& secret);
  [[nodiscard]] std::optional<std::string> referenced(const Option& option, const std::string& origin,
                                                      const std::string& name, bool& secret);
  void warn_value(const Option& option, const Setting& setting);

  const std::vector<IniFile>& files_;
  const Environment& environment_;
  const std::vector<CommandLineOption>& options_;
  std::vector<FileIndex> indexes_;  // of files_
  std::vector<Slot> slots_;         // of all_options()
  std::vector<std::string> errors_;
  std::vector<std::string> warnings_;
};

// "[ovs] local_ip"
[[nodiscard]] std::string full_name(const Option& option);
// "OS_OVS__LOCAL_IP"
[[nodiscard]] std::string environment_name(const Option& option);
// "/etc/x.ini:12: [ovs] ovsdb_timeout = 'ten' is not valid: it is not ...; allowed: ..."; hides secrets.
[[nodiscard]] std::string bad_value(const Option& option, const std::string& origin, const std::string& text,
                                    bool secret, const std::string& why);

}  // namespace ml2::config
