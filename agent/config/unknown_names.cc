#include "agent/config/unknown_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "agent/config/ini_text.h"
#include "agent/config/options.h"
#include "datapath/base/text.h"

namespace ml2::config {
namespace {

std::vector<std::string> names_of(std::string_view group) {
  std::vector<std::string> names;
  for (const Option& option : all_options()) {
    if (option.group == group) names.emplace_back(option.name);
  }
  return names;
}

bool is_group(std::string_view name) { return std::ranges::count(option_groups(), name) != 0; }

// oslo has sections in which nothing but old names stand, e.g. [rpc_notifier2].
bool has_old_names(std::string_view group) {
  return std::ranges::any_of(all_options(), [&](const Option& option) {
    return std::ranges::any_of(option.old_names, [&](const OldName& old) { return old.group == group; });
  });
}

// Upper case, dashes and blanks are the common slips besides typing errors.
std::string tidied(std::string_view name) {
  std::string result = text::lower(strip(name));
  std::ranges::replace(result, '-', '_');
  return result;
}

std::optional<std::string> near_name(std::string_view group, std::string_view name) {
  const std::string tidy = tidied(name);
  const auto names = names_of(group);
  if (std::ranges::count(names, tidy) != 0) return tidy;
  return text::nearest(tidy, names);
}

// Sections that have an option of this very name.
std::vector<std::string> homes_of(std::string_view name) {
  std::vector<std::string> homes;
  for (const Option& option : all_options()) {
    if (option.name == name) homes.push_back(fmt::format("[{}]", option.group));
  }
  return homes;
}

std::string hint_for_option(std::string_view group, std::string_view name) {
  if (const auto homes = homes_of(name); !homes.empty()) {
    return fmt::format("; it is an option of {}", fmt::join(homes, ", "));
  }
  if (const auto near = near_name(group, name)) return fmt::format("; did you mean '{}'?", *near);
  for (const std::string& other : option_groups()) {
    if (const auto near = near_name(other, name)) return fmt::format("; did you mean '{}' of [{}]?", *near, other);
  }
  return "";
}

std::string hint_for_section(std::string_view name) {
  const std::string tidy = tidied(name);
  if (tidy == "default") return "; did you mean [DEFAULT], which must be in upper case?";
  if (is_group(tidy)) return fmt::format("; did you mean [{}]?", tidy);
  if (const auto near = text::nearest(tidy, option_groups())) return fmt::format("; did you mean [{}]?", *near);
  return "";
}

}  // namespace

std::vector<std::string> unknown_names(const IniFile& file) {
  std::vector<std::string> warnings;
  std::set<std::string> unknown_sections;
  for (const IniSection& section : file.sections) {
    const std::string group = normalized_section(section.name);
    if (is_group(group) || has_old_names(group) || section_belongs_elsewhere(group)) continue;
    if (!unknown_sections.insert(group).second) continue;
    warnings.push_back(fmt::format("{}:{}: unknown section [{}]; its options are ignored{}", file.path, section.line,
                                   text::printable(section.name, 60), hint_for_section(section.name)));
  }
  std::set<std::pair<std::string, std::string>> seen;
  for (const IniEntry& entry : file.entries) {
    const std::string group = normalized_section(entry.section);
    if (unknown_sections.contains(group) || belongs_elsewhere(group, entry.key)) continue;
    bool old = false;
    if (find_option_or_old_name(group, entry.key, old) != nullptr) continue;
    if (!seen.emplace(group, entry.key).second) continue;
    warnings.push_back(fmt::format("{}:{}: unknown option '{}' in section [{}]; it is ignored{}", file.path,
                                   entry.line, text::printable(entry.key, 60), group,
                                   hint_for_option(group, entry.key)));
  }
  return warnings;
}

std::vector<std::string> unknown_variables(const Environment& environment) {
  std::vector<std::string> warnings;
  for (const auto& [variable, value] : environment.variables) {
    if (!variable.starts_with("OS_")) continue;
    const auto separator = variable.find("__", 3);
    if (separator == std::string::npos) continue;
    std::string group = text::lower(std::string_view(variable).substr(3, separator - 3));
    if (group == "default") group = "DEFAULT";
    const std::string name = text::lower(std::string_view(variable).substr(separator + 2));
    if (!is_group(group) || belongs_elsewhere(group, name)) continue;
    bool old = false;
    const Option* option = find_option_or_old_name(group, name, old);
    if (option != nullptr && !old) continue;
    const std::string hint = option != nullptr
                                 ? fmt::format("; the present name is '{}' of [{}]", option->name, option->group)
                                 : hint_for_option(group, name);
    warnings.push_back(fmt::format("environment {}: unknown option '{}' of section [{}]; it is ignored{}",
                                   text::printable(variable, 100), text::printable(name, 60), group, hint));
  }
  return warnings;
}

}  // namespace ml2::config
