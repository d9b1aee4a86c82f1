#include "agent/config/resolver.h"

#include <fmt/format.h>

#include <algorithm>

#include "datapath/base/text.h"

namespace ml2::config {
namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_name(char c) { return starts_name(c) || (c >= '0' && c <= '9') || c == '.'; }

// The name that starts at `at`, empty when none does.
std::string_view name_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  if (end < text.size() && starts_name(text[end])) {
    while (end < text.size() && continues_name(text[end])) ++end;
  }
  return text.substr(std::min(at, text.size()), end - at);
}

// "\$" means "$$", which means "$".
std::string doubled_dollars(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '$';
    result += escape ? '$' : text[i];
  }
  return result;
}

}  // namespace

std::string full_name(const Option& option) { return fmt::format("[{}] {}", option.group, option.name); }

std::string environment_name(const Option& option) {
  return fmt::format("OS_{}__{}", upper(option.group), upper(option.name));
}

std::string bad_value(const Option& option, const std::string& origin, const std::string& text, bool secret,
                      const std::string& why) {
  // Of a secret not even the reason, which may quote a part of it.
  if (secret) return fmt::format("{}: {} is not valid; allowed: {}", origin, full_name(option), allowed(option));
  return fmt::format("{}: {} = '{}' is not valid: {}; allowed: {}", origin, full_name(option), text::printable(text),
                     why, allowed(option));
}

Resolver::Resolver(const std::vector<IniFile>& files, const Environment& environment,
                   const std::vector<CommandLineOption>& options)
    : files_(files), environment_(environment), options_(options), slots_(all_options().size()) {
  for (const IniFile& file : files_) {
    FileIndex& index = indexes_.emplace_back();
    for (const IniEntry& entry : file.entries) {
      index[{normalized_section(entry.section), entry.key}].push_back(&entry);
    }
  }
}

std::vector<Setting> Resolver::resolve_all(std::string_view section) {
  std::vector<Setting> settings;
  for (const Option& option : all_options()) {
    if (section.empty() || section == option.group) {
      settings.push_back(resolve(option).setting);
    } else {
      settings.push_back(Setting{.value = default_value(option, environment_.host_name)});
    }
  }
  return settings;
}

std::optional<Resolver::Raw> Resolver::winning(const Option& option) {
  for (auto given = options_.rbegin(); given != options_.rend(); ++given) {
    if (given->group == option.group && given->name == option.name) return Raw{{given->value}, "command line"};
  }
  auto from_file = from_files(option);
  const std::string variable = environment_name(option);
  if (const auto found = environment_.variables.find(variable); found != environment_.variables.end()) {
    return Raw{{found->second}, "environment " + variable};
  }
  return from_file;
}

std::optional<Resolver::Raw> Resolver::from_files(const Option& option) {
  std::vector<OldName> names = {{option.group, option.name}};
  names.insert(names.end(), option.old_names.begin(), option.old_names.end());
  Raw collected;
  for (std::size_t i = files_.size(); i-- > 0;) {
    for (std::size_t n = 0; n < names.size(); ++n) {
      const auto found = indexes_[i].find({std::string(names[n].group), std::string(names[n].name)});
      if (found == indexes_[i].end()) continue;
      const std::string origin = fmt::format("{}:{}", files_[i].path, found->second.back()->line);
      if (n > 0) warn_old_name(option, names[n], origin);
      if (option.type != OptionType::Multi) return Raw{{found->second.back()->value}, origin};
      if (collected.texts.empty()) collected.origin = origin;
      std::vector<std::string> texts;
      for (const IniEntry* entry : found->second) texts.push_back(entry->value);
      collected.texts.insert(collected.texts.begin(), texts.begin(), texts.end());
    }
  }
  if (collected.texts.empty()) return std::nullopt;
  return collected;
}

void Resolver::warn_old_name(const Option& option, const OldName& name, const std::string& origin) {
  warnings_.push_back(fmt::format("{}: option {} of section [{}] is deprecated; use option {} of section [{}]",
                                  origin, name.name, name.group, option.name, option.group));
}

Resolver::Slot& Resolver::resolve(const Option& option) {
  Slot& slot = slots_[option_index(option)];
  if (slot.state != State::New) return slot;
  slot.state = State::Open;
  slot.setting.value = default_value(option, environment_.host_name);
  const auto raw = winning(option);
  if (!raw) {
    slot.state = State::Done;
    return slot;
  }
  finish(option, *raw, slot);
  if (slot.state == State::Open) slot.state = State::Done;
  return slot;
}

void Resolver::finish(const Option& option, const Raw& raw, Slot& slot) {
  slot.setting.origin = raw.origin;
  slot.setting.is_set = true;
  slot.setting.secret = option.secret;
  StringList several;
  for (const std::string& text : raw.texts) {
    const auto substituted = substitute(option, raw.origin, text, slot.setting.secret);
    if (!substituted) {
      slot.state = State::Failed;
      return;
    }
    auto value = parse_value(option, *substituted);
    if (!value) {
      errors_.push_back(bad_value(option, raw.origin, *substituted, slot.setting.secret, value.error().message));
      slot.state = State::Failed;
      return;
    }
    if (option.type == OptionType::Multi) {
      several.push_back(std::get<std::string>(*value));
    } else {
      slot.setting.value = std::move(*value);
    }
  }
  if (option.type == OptionType::Multi) slot.setting.value = std::move(several);
  warn_value(option, slot.setting);
}

void Resolver::warn_value(const Option& option, const Setting& setting) {
  if (!option.removal.empty()) {
    warnings_.push_back(
        fmt::format("{}: {} is deprecated for removal: {}", setting.origin, full_name(option), option.removal));
  }
  if (option.fallback && std::holds_alternative<std::monostate>(setting.value)) {
    warnings_.push_back(
        fmt::format("{}: {} is empty; its default {} is used", setting.origin, full_name(option), *option.fallback));
  }
  const auto* list = std::get_if<StringList>(&setting.value);
  if (list == nullptr || setting.secret) return;
  for (const std::string& item : *list) {
    if (item.find('\n') == std::string::npos) continue;
    warnings_.push_back(fmt::format(
        "{}: {} has the one entry '{}' over two lines; a list over several lines needs a comma at the end of each",
        setting.origin, full_name(option), text::printable(item)));
  }
}

std::optional<std::string> Resolver::substitute(const Option& option, const std::string& origin,
                                                const std::string& written, bool& secret) {
  const std::string text = doubled_dollars(written);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c != '$') {
      result += c;
      continue;
    }
    if (next == '$') {
      result += '$';
      ++i;
      continue;
    }
    const bool braces = next == '{';
    const std::string name(name_at(text, i + (braces ? 2 : 1)));
    const std::size_t end = i + (braces ? 2 : 1) + name.size();
    if (name.empty() || (braces && (end >= text.size() || text[end] != '}'))) {
      result += c;  // no reference: stays as it is
      continue;
    }
    const auto value = referenced(option, origin, name, secret);
    if (!value) return std::nullopt;
    result += *value;
    if (result.size() > kMaxSubstituted) {
      errors_.push_back(fmt::format("{}: {} grows beyond {} bytes by its '$' references", origin, full_name(option),
                                    kMaxSubstituted));
      return std::nullopt;
    }
    i = braces ? end : end - 1;
  }
  return result;
}

std::optional<std::string> Resolver::referenced(const Option& option, const std::string& origin,
                                                const std::string& name, bool& secret) {
  const Option* target = nullptr;
  if (const auto dot = name.find('.'); dot != std::string::npos) {
    target = find_option(normalized_section(name.substr(0, dot)), name.substr(dot + 1));
  } else {
    target = find_option(option.group, name);
    if (target == nullptr) target = find_option("DEFAULT", name);
  }
  if (target == nullptr) {
    errors_.push_back(fmt::format(
        "{}: {} refers to the option '${}', which is not known in [{}] or [DEFAULT] (write '$$' for a dollar sign)",
        origin, full_name(option), text::printable(name), option.group));
    return std::nullopt;
  }
  const Slot& slot = resolve(*target);
  if (slot.state == State::Open) {
    errors_.push_back(fmt::format("{}: {} refers by '${}' to an option that refers back to it", origin,
                                  full_name(option), text::printable(name)));
    return std::nullopt;
  }
  if (slot.state == State::Failed) return std::nullopt;
  secret = secret || target->secret || slot.setting.secret;
  return to_python(slot.setting.value);
}

}  // namespace ml2::config
