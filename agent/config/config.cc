#include "agent/config/config.h"

#include "agent/config/mappings.h"
#include "datapath/base/check.h"

namespace ml2::config {
namespace {

template <class T>
const T& as(const Value& value) {
  const T* held = std::get_if<T>(&value);
  ML2_CHECK(held != nullptr, "the option is not of the type that is asked for, or has no default");
  return *held;
}

}  // namespace

Config::Config(std::vector<Setting> settings, ConfigSources sources, Environment environment)
    : settings_(std::move(settings)), sources_(std::move(sources)), environment_(std::move(environment)) {
  ML2_CHECK(settings_.size() == all_options().size(), "a Config has one setting for each option of the table");
}

const Setting& Config::setting(std::string_view group, std::string_view name) const {
  const Option* option = find_option(group, name);
  ML2_CHECK(option != nullptr, "the option is not in the table");
  return settings_[option_index(*option)];
}

bool Config::get_bool(std::string_view group, std::string_view name) const {
  return as<bool>(setting(group, name).value);
}

std::int64_t Config::get_int(std::string_view group, std::string_view name) const {
  const Value& value = setting(group, name).value;
  if (!std::holds_alternative<std::monostate>(value)) return as<std::int64_t>(value);
  return as<std::int64_t>(default_value(*find_option(group, name), {}));
}

std::optional<std::int64_t> Config::get_optional_int(std::string_view group, std::string_view name) const {
  const Value& value = setting(group, name).value;
  if (std::holds_alternative<std::monostate>(value)) return std::nullopt;
  return as<std::int64_t>(value);
}

double Config::get_double(std::string_view group, std::string_view name) const {
  const Value& value = setting(group, name).value;
  if (!std::holds_alternative<std::monostate>(value)) return as<double>(value);
  return as<double>(default_value(*find_option(group, name), {}));
}

const std::string& Config::get_string(std::string_view group, std::string_view name) const {
  return as<std::string>(setting(group, name).value);
}

std::optional<std::string> Config::get_optional_string(std::string_view group, std::string_view name) const {
  const Value& value = setting(group, name).value;
  if (std::holds_alternative<std::monostate>(value)) return std::nullopt;
  return as<std::string>(value);
}

const StringList& Config::get_list(std::string_view group, std::string_view name) const {
  return as<StringList>(setting(group, name).value);
}

const StringMap& Config::get_dict(std::string_view group, std::string_view name) const {
  return as<StringMap>(setting(group, name).value);
}

const std::string& Config::origin(std::string_view group, std::string_view name) const {
  return setting(group, name).origin;
}

bool Config::is_set(std::string_view group, std::string_view name) const { return setting(group, name).is_set; }

std::string Config::firewall_driver() const {
  const auto driver = firewall_driver_name(get_optional_string("securitygroup", "firewall_driver").value_or(""));
  ML2_CHECK(driver.has_value(), "the loader has checked firewall_driver");
  return *driver;
}

Value default_value(const Option& option, const std::string& host_name) {
  if (option.host_name) return host_name;
  if (!option.fallback) return {};
  if (option.type == OptionType::Multi) return split_list(*option.fallback);
  const auto value = parse_value(option, *option.fallback);
  ML2_CHECK(value.has_value(), "the table has a default that its own type refuses");
  return *value;
}

}  // namespace ml2::config
