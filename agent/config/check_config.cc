#include "agent/config/check_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "datapath/base/text.h"

namespace ml2::config {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kHidden = "***";

Json to_json(const Value& value) {
  return std::visit(
      [](const auto& held) -> Json {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return nullptr;
        } else if constexpr (std::is_same_v<T, StringList>) {
          Json items = Json::array();
          for (const std::string& item : held) items.push_back(item);
          return items;
        } else if constexpr (std::is_same_v<T, StringMap>) {
          Json object = Json::object();
          for (const auto& [key, item] : held) object[key] = item;
          return object;
        } else {
          return held;
        }
      },
      value);
}

std::string value_text(const Setting& setting) {
  if (setting.secret) return std::string(kHidden);
  if (std::holds_alternative<std::monostate>(setting.value)) return "(not set)";
  return text::printable(to_text(setting.value), 1000);
}

std::string type_words(OptionType type) {
  switch (type) {
    case OptionType::Bool: return "boolean";
    case OptionType::Int: return "integer";
    case OptionType::Float: return "number";
    case OptionType::Port: return "port";
    case OptionType::Ip: return "IP address";
    case OptionType::HostAddress: return "host address";
    case OptionType::String: return "string";
    case OptionType::List: return "list";
    case OptionType::Dict: return "dict";
    case OptionType::Multi: return "string, several times";
  }
  return {};
}

std::string use_words(const Option& option) {
  switch (option.use) {
    case Use::NotYet: return " Not acted on yet.";
    case Use::NoEffect: return " Accepted, without effect.";
    case Use::Acted:
    case Use::OldName: break;
  }
  return {};
}

}  // namespace

std::string config_text(const Config& config) {
  std::string text;
  for (const std::string& group : option_groups()) {
    text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", group);
    for (std::size_t i = 0; i < config.settings().size(); ++i) {
      const Option& option = all_options()[i];
      if (option.group != group) continue;
      const Setting& setting = config.settings()[i];
      text += fmt::format("{} = {}  ({})\n", option.name, value_text(setting), setting.origin);
    }
  }
  return text;
}

std::string config_json(const Config& config) {
  Json sections = Json::object();
  for (const std::string& group : option_groups()) {
    Json& section = sections[group] = Json::object();
    for (std::size_t i = 0; i < config.settings().size(); ++i) {
      const Option& option = all_options()[i];
      if (option.group != group) continue;
      const Setting& setting = config.settings()[i];
      Json& entry = section[std::string(option.name)] = Json::object();
      entry["value"] = setting.secret ? Json(kHidden) : to_json(setting.value);
      entry["origin"] = setting.origin;
    }
  }
  // A value from the environment need not be UTF-8.
  return sections.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string lines_text(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::vector<HelpRow> help_rows() {
  std::vector<HelpRow> rows;
  for (const std::string& group : option_groups()) {
    for (const Option& option : all_options()) {
      if (option.group != group) continue;
      HelpRow row{group, std::string(option.name), type_words(option.type), "(not set)", "", ""};
      if (option.fallback) row.fallback = option.fallback->empty() ? "(empty)" : std::string(*option.fallback);
      if (option.host_name) row.fallback = "(name of this host)";
      const bool bounded = option.min || option.max || !option.choices.empty() || option.check != Check::None;
      if (bounded) row.limits = allowed(option);
      row.meaning = fmt::format("{}.{}", option.meaning, use_words(option));
      if (option.reloadable) row.meaning += " Read again at SIGHUP.";
      if (option.secret) row.meaning += " Secret.";
      if (!option.removal.empty()) row.meaning += fmt::format(" Deprecated: {}.", option.removal);
      for (const OldName& old : option.old_names) {
        row.meaning += fmt::format(" Old name: [{}] {}.", old.group, old.name);
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string help_text() {
  std::string text;
  std::string group;
  for (const HelpRow& row : help_rows()) {
    if (row.group != group) text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", row.group);
    group = row.group;
    text += fmt::format("{} ({}, default: {})\n", row.name, row.type, row.fallback);
    text += fmt::format("    {}\n", row.meaning);
    if (!row.limits.empty()) text += fmt::format("    Allowed: {}\n", row.limits);
  }
  return text;
}

std::string man_escape(std::string_view words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const char c = words[i];
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    // A list without spaces may be broken here; as a whole it does not fit a line.
    if (c == ',' && i + 1 < words.size() && words[i + 1] != ' ') result += "\\:";
  }
  if (result.starts_with('.') || result.starts_with('\'')) result.insert(0, "\\&");
  return result;
}

std::string help_man() {
  std::string text = ".ad l\n";  // long lists cannot be spread over a line
  std::string group;
  for (const HelpRow& row : help_rows()) {
    if (row.group != group) text += fmt::format(".SS [{}]\n", man_escape(row.group));
    group = row.group;
    text += fmt::format(".TP\n\\fB{}\\fR (\\fI{}\\fR, default: {})\n{}\n", man_escape(row.name), man_escape(row.type),
                        man_escape(row.fallback), man_escape(row.meaning));
    if (!row.limits.empty()) text += fmt::format("Allowed: {}.\n", man_escape(row.limits));
  }
  return text;
}

std::string man_page(const std::string& version) {
  return fmt::format(R"(.TH ML2-AGENT.CONF 5 "" "ml2-agent {}"
.SH NAME
ml2-agent.conf \- configuration of ml2-agent, by the rules of Neutron's ini files
.SH DESCRIPTION
The files that \fB\-\-config\-file\fR and \fB\-\-config\-dir\fR name (ml2_conf.ini, openvswitch_agent.ini) are read in
their order; what a later one says counts. Sections are in brackets, options are lines of \fIname = value\fR, a line
that begins with # is a remark, a line that begins with a blank goes on with the value before it. $name stands for the
value of another option. A variable of the environment, OS_GROUP__NAME, counts more than a file.
.PP
\fBml2\-agent \-\-check\-config\fR prints what counts and where it came from. Unknown names are warnings, wrong values
are errors with file and line.
.SH OPTIONS
{}.SH "SEE ALSO"
.BR ml2\-agent (8),
.BR ml2ctl (1)
)",
                     man_escape(version), help_man());
}

}  // namespace ml2::config
