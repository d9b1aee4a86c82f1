#include "agent/config/loader.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/config/cross_checks.h"
#include "agent/config/ini_file.h"
#include "agent/config/resolver.h"
#include "agent/config/unknown_names.h"
#include "datapath/base/text.h"

namespace ml2::config {
namespace {

class Loader {
 public:
  Loader(const ConfigSources& sources, const Environment& environment)
      : sources_(sources), environment_(environment) {}

  LoadResult load() {
    read_files();
    for (const CommandLineOption& given : sources_.options) {
      if (find_option(given.group, given.name) != nullptr) continue;
      error(fmt::format("command line: there is no option '{}' in section [{}]", text::printable(given.name),
                        text::printable(given.group)));
    }
    Resolver resolver(files_, environment_, sources_.options);
    std::vector<Setting> settings = resolver.resolve_all(sources_.section);
    append(result_.errors, resolver.errors());
    append(result_.warnings, resolver.warnings());
    if (resolver.errors().empty() && sources_.section.empty()) {
      carry_over_old_names(settings, result_.errors, result_.warnings);
      check_together(settings, result_.errors, result_.warnings);
    }
    for (const IniFile& file : files_) append(result_.warnings, unknown_names(concerned(file)));
    if (sources_.section.empty()) {
      append(result_.warnings, unknown_variables(environment_));
      result_.notices = not_acted_on(settings, environment_.host_name);
    }
    if (result_.errors.empty()) result_.config.emplace(std::move(settings), sources_, environment_);
    return std::move(result_);
  }

 private:
  using Kind = ConfigSources::Kind;

  [[nodiscard]] bool names_any(Kind kind) const {
    return std::ranges::any_of(sources_.sources, [&](const auto& source) { return source.kind == kind; });
  }

  // What of a file is read: all, or one section.
  [[nodiscard]] IniFile concerned(IniFile file) const {
    if (sources_.section.empty()) return file;
    const auto other = [&](const std::string& name) { return normalized_section(name) != sources_.section; };
    std::erase_if(file.sections, [&](const IniSection& section) { return other(section.name); });
    std::erase_if(file.entries, [&](const IniEntry& entry) { return other(entry.section); });
    return file;
  }

  void read_files() {
    if (sources_.search && !names_any(Kind::File)) {
      for (const std::string& path : find_defaults(".conf")) read_file(path);
    }
    if (sources_.search && !names_any(Kind::Directory)) {
      for (const std::string& path : find_defaults(".conf.d")) read_directory(path);
    }
    for (const auto& source : sources_.sources) {
      const std::string path = absolute_path(environment_, source.path);
      if (source.kind == Kind::File) {
        read_file(path);
      } else if (!environment_.files.exists(path)) {
        error(fmt::format("{}: the directory given by --config-dir does not exist", path));
      } else {
        if (!environment_.files.is_directory(path)) {
          result_.warnings.push_back(
              fmt::format("{}: --config-dir names no directory; nothing is read from it", path));
        }
        read_directory(path);
      }
    }
  }

  // Of each name the first that exists, in oslo's order of places.
  [[nodiscard]] std::vector<std::string> find_defaults(const std::string& extension) const {
    std::vector<std::string> places = {absolute_path(environment_, "~/.neutron"), absolute_path(environment_, "~"),
                                       "/etc/neutron", "/etc"};
    for (const char* snap : {"SNAP_COMMON", "SNAP"}) {
      const auto variable = environment_.variables.find(snap);
      if (variable != environment_.variables.end() && !variable->second.empty()) {
        places.push_back(variable->second + "/etc/neutron");
      }
    }
    std::vector<std::string> names = {"neutron"};
    names.insert(names.end(), sources_.programs.begin(), sources_.programs.end());
    std::vector<std::string> found;
    for (const std::string& name : names) {
      const auto exists = [&](const std::string& place) {
        return environment_.files.exists(place + "/" + name + extension);
      };
      const auto place = std::ranges::find_if(places, exists);
      if (place != places.end()) found.push_back(*place + "/" + name + extension);
    }
    return found;
  }

  void read_directory(const std::string& path) {
    std::vector<std::string> names = environment_.files.list(path);
    std::ranges::sort(names);
    for (const std::string& name : names) {
      // As the shell's *.conf: no hidden files.
      if (name.ends_with(".conf") && !name.starts_with('.')) read_file(path + "/" + name);
    }
  }

  void read_file(const std::string& path) {
    const auto content = environment_.files.read(path);
    if (!content) return error(fmt::format("{}: the file cannot be read: {}", path, content.error().message));
    files_.push_back(parse_ini(path, *content));
    for (const IniError& bad : files_.back().errors) error(fmt::format("{}:{}: {}", path, bad.line, bad.message));
  }

  void error(std::string line) { result_.errors.push_back(std::move(line)); }

  static void append(std::vector<std::string>& to, const std::vector<std::string>& lines) {
    to.insert(to.end(), lines.begin(), lines.end());
  }

  const ConfigSources& sources_;
  const Environment& environment_;
  std::vector<IniFile> files_;
  LoadResult result_;
};

std::string shown(const Setting& setting) { return setting.secret ? "***" : text::printable(to_text(setting.value)); }

}  // namespace

LoadResult load(const ConfigSources& sources, const Environment& environment) {
  return Loader(sources, environment).load();
}

ReloadResult reload(const Config& running) {
  LoadResult fresh = load(running.sources(), running.environment());
  ReloadResult result{.config = std::nullopt,
                      .changes = {},
                      .errors = std::move(fresh.errors),
                      .warnings = std::move(fresh.warnings)};
  if (!fresh.config) return result;
  std::vector<Setting> settings = running.settings();
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const Option& option = all_options()[i];
    const Setting& now = fresh.config->settings()[i];
    Setting& before = settings[i];
    if (now.value == before.value) {
      before = now;  // the line may have moved
    } else if (option.reloadable) {
      result.changes.push_back(
          {std::string(option.group), std::string(option.name), shown(before), shown(now), now.origin});
      before = now;
    } else {
      result.warnings.push_back(fmt::format("{}: {} has changed from '{}' to '{}'; this needs a restart of the agent",
                                            now.origin, full_name(option), shown(before), shown(now)));
    }
  }
  result.config.emplace(std::move(settings), running.sources(), running.environment());
  return result;
}

}  // namespace ml2::config
