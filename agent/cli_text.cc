#include "agent/cli_text.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cctype>
#include <string_view>

#include "agent/config/check_config.h"
#include "datapath/base/text.h"

namespace ml2 {
namespace {

using config::man_escape;

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

// In CLI11 a group without a name is hidden.
std::vector<const CLI::Option*> options_of(const CLI::App& app, bool positional) {
  std::vector<const CLI::Option*> result;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty() || option->get_positional() != positional) continue;
    result.push_back(option);
  }
  return result;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  std::vector<const CLI::App*> result;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) result.push_back(command);
  }
  return result;
}

// "-h", "--help"
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// CLI11 writes "TEXT:{table,json} [table]": the type, what is allowed, the default.
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return text::split(type.substr(open + 1, close - open - 1), ',');
}

// Paragraphs of --help's own text; lines that are indented stay lines.
std::string paragraphs(const std::string& words) {
  std::string result;
  bool filled = true;
  for (const std::string& line : text::split(words, '\n')) {
    const bool indented = line.starts_with(' ');
    if (indented == filled) result += indented ? ".nf\n" : ".fi\n";
    filled = !indented;
    if (line.empty()) {
      result += ".PP\n";
    } else {
      result += man_escape(line) + (indented ? "\n" : "\n.br\n");
    }
  }
  return result + (filled ? "" : ".fi\n");
}

std::string option_man(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : names_of(option)) {
    names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", man_escape(name));
  }
  if (option.get_positional()) names = fmt::format("\\fI{}\\fR", man_escape(option.get_name(true)));
  if (takes_value(option) && !option.get_positional()) {
    names += fmt::format(" \\fI{}\\fR", man_escape(type_of(option)));
  }
  std::string text = fmt::format(".TP\n{}\n{}", names, man_escape(option.get_description()));
  if (const auto choices = choices_of(option); !choices.empty()) {
    std::string words;
    for (const std::string& choice : choices) words += (words.empty() ? "" : ", ") + choice;
    text += fmt::format(". One of: {}", man_escape(words));
  }
  if (!option.get_default_str().empty()) text += fmt::format(". Default: {}", man_escape(option.get_default_str()));
  if (!option.get_envname().empty()) {
    text += fmt::format(". From the environment: {}", man_escape(option.get_envname()));
  }
  return text + ".\n";
}

std::string synopsis(const CLI::App& app, const std::string& path) {
  std::string text = fmt::format("\\fB{}\\fR [\\fIoption\\fR...]", man_escape(path));
  for (const CLI::Option* option : options_of(app, true)) {
    text += fmt::format(" \\fI{}\\fR{}", man_escape(option->get_name(true)),
                        option->get_items_expected_max() > 1 ? "..." : "");
  }
  return text;
}

// Every command that does something, each with its options.
void command_man(const CLI::App& app, const std::string& path, std::string& text) {
  const auto commands = commands_of(app);
  if (commands.empty()) {
    text += fmt::format(".SS {}\n{}\n.PP\n{}.\n", man_escape(path), synopsis(app, path),
                        man_escape(app.get_description()));
    for (const bool positional : {true, false}) {
      for (const CLI::Option* option : options_of(app, positional)) {
        if (option != app.get_help_ptr()) text += option_man(*option);
      }
    }
    if (!app.get_footer().empty()) text += ".PP\n" + paragraphs(app.get_footer());
    return;
  }
  for (const CLI::App* command : commands) command_man(*command, path + " " + command->get_name(), text);
}

// --- bash

void completion_cases(const CLI::App& app, const std::string& path, std::string& words, std::string& values) {
  std::string text;
  for (const CLI::App* command : commands_of(app)) {
    text += command->get_name() + " ";
    completion_cases(*command, path + " " + command->get_name(), words, values);
  }
  for (const CLI::Option* option : options_of(app, false)) {
    for (const std::string& name : names_of(*option)) {
      text += name + " ";
      if (!takes_value(*option)) continue;
      std::string choices;
      for (const std::string& choice : choices_of(*option)) choices += (choices.empty() ? "" : " ") + choice;
      // Two commands may have an option of one name with other values: the path tells them apart.
      values += fmt::format("    \"{}:{}\") values=\"{}\" ;;\n", path, name, choices);
    }
  }
  if (!text.empty()) text.pop_back();
  words += fmt::format("    \"{}\") words=\"{}\" ;;\n", path, text);
}

}  // namespace

std::string man_page(const CLI::App& app, int section, const std::string& version,
                     const std::vector<ManSection>& sections) {
  const std::string name = app.get_name();
  // The first line of the description is NAME's, the others are DESCRIPTION's.
  std::string description = app.get_description();
  if (description.starts_with(name + ": ")) description.erase(0, name.size() + 2);
  const std::size_t end = description.find('\n');
  std::string first = description.substr(0, end);
  if (first.ends_with('.')) first.pop_back();
  std::string text = fmt::format(".TH {} {} \"\" \"{} {}\"\n.SH NAME\n{} \\- {}\n", man_escape(upper(name)), section,
                                 man_escape(name), man_escape(version), man_escape(name), man_escape(first));
  const auto commands = commands_of(app);
  text += fmt::format(".SH SYNOPSIS\n{}{}\n", synopsis(app, name), commands.empty() ? "" : " \\fIcommand\\fR ...");
  if (end != std::string::npos) text += ".SH DESCRIPTION\n" + paragraphs(description.substr(end + 1));
  text += ".SH OPTIONS\n";
  for (const CLI::Option* option : options_of(app, false)) text += option_man(*option);
  if (!commands.empty()) {
    text += ".SH COMMANDS\n";
    command_man(app, name, text);
  }
  for (const ManSection& part : sections) text += fmt::format(".SH {}\n{}", part.title, part.body);
  if (!app.get_footer().empty()) text += ".SH NOTES\n" + paragraphs(app.get_footer());
  return text;
}

std::string bash_completion(const CLI::App& app) {
  const std::string name = app.get_name();
  std::string words, values;
  completion_cases(app, name, words, values);
  // The command's path is made of the words so far that are commands; option values among them are skipped.
  return fmt::format(R"(# bash completion of {0}, made from its command tree
_{0}_words() {{
    words=
    case $1 in
{1}    esac
}}
_{0}_values() {{
    values=-
    case $1 in
{2}    esac
}}
_{0}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path={0} words values word i skip=0
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [ "$skip" = 1 ]; then
            skip=0
        elif [[ $word == -* ]]; then
            _{0}_option "$word"
            [ "$values" = - ] || skip=1
        else
            _{0}_words "$path"
            [[ " $words " != *" $word "* ]] || path+=" $word"
        fi
    done
    if [ "$skip" = 1 ]; then
        if [ -n "$values" ]; then
            mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        fi
        return
    fi
    _{0}_words "$path"
    word=$words
    if [[ $cur == -* && $path != {0} ]]; then
        _{0}_words {0} # options of the whole program may stand after a command, too
        word+=" $words"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
}}
_{0}_option() {{
    _{0}_values "$path:$1"
    [ "$values" != - ] || _{0}_values "{0}:$1"
}}
complete -F _{0} {0}
)",
                     name, words, values);
}

void add_source_flags(CLI::App& app, config::ConfigSources& sources, const std::string& file_help) {
  using Kind = config::ConfigSources::Kind;
  const auto add = [&](const std::string& name, Kind kind, const std::string& help) {
    app.add_option_function<std::vector<std::string>>(
           name,
           [&sources, kind](const std::vector<std::string>& paths) {
             for (const std::string& path : paths) sources.sources.push_back({kind, path});
           },
           help)
        ->trigger_on_parse()
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("PATH");
  };
  add("--config-file", Kind::File, file_help);
  add("--config-dir", Kind::Directory, "a directory whose *.conf files are read in order");
}

}  // namespace ml2
