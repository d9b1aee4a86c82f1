#include "agent/config/options.h"

#include <algorithm>
#include <map>
#include <utility>

#include "datapath/base/check.h"

namespace ml2::config {
namespace {

using Name = std::pair<std::string_view, std::string_view>;

std::vector<Option> build_table() {
  std::vector<Option> table;
  for (auto part : {ovs_options, agent_options, ml2_options, fast_path_options, default_options, extension_options,
                    messaging_options}) {
    for (Option& option : part()) {
      if (option.type == OptionType::Port) {
        option.min = option.min.value_or(0);
        option.max = option.max.value_or(65535);
      }
      table.push_back(std::move(option));
    }
  }
  return table;
}

std::map<Name, std::size_t> build_index() {
  std::map<Name, std::size_t> index;
  const auto& table = all_options();
  for (std::size_t i = 0; i < table.size(); ++i) {
    ML2_CHECK(index.emplace(Name(table[i].group, table[i].name), i).second, "an option is in the table twice");
  }
  return index;
}

std::multimap<Name, std::size_t> build_old_index() {
  std::multimap<Name, std::size_t> index;
  const auto& table = all_options();
  for (std::size_t i = 0; i < table.size(); ++i) {
    for (const OldName& old : table[i].old_names) index.emplace(Name(old.group, old.name), i);
  }
  return index;
}

}  // namespace

const std::vector<Option>& all_options() {
  static const std::vector<Option> kTable = build_table();
  return kTable;
}

const Option* find_option(std::string_view group, std::string_view name) {
  static const std::map<Name, std::size_t> kIndex = build_index();
  const auto found = kIndex.find(Name(group, name));
  return found == kIndex.end() ? nullptr : &all_options()[found->second];
}

const Option* find_option_or_old_name(std::string_view group, std::string_view name, bool& old) {
  old = false;
  if (const Option* option = find_option(group, name)) return option;
  static const std::multimap<Name, std::size_t> kIndex = build_old_index();
  const auto found = kIndex.find(Name(group, name));
  if (found == kIndex.end()) return nullptr;
  old = true;
  return &all_options()[found->second];
}

std::size_t option_index(const Option& option) {
  const auto& table = all_options();
  const auto index = static_cast<std::size_t>(&option - table.data());
  ML2_CHECK(index < table.size(), "the option is not of the table");
  return index;
}

const std::vector<std::string>& option_groups() {
  static const std::vector<std::string> kGroups = [] {
    std::vector<std::string> groups;
    for (const Option& option : all_options()) {
      if (std::ranges::find(groups, option.group) == groups.end()) groups.emplace_back(option.group);
    }
    return groups;
  }();
  return kGroups;
}

}  // namespace ml2::config
