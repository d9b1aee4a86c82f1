#include "agent/ctl/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <sstream>

#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

// CLI11 says of a word that is no command, and of none, only that one is missing.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  const auto commands = deepest->get_subcommands([](const CLI::App*) { return true; });
  const std::vector<std::string> extra = app.remaining(true);
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  const std::string words = error.what();
  constexpr std::string_view kNoNumber = "Could not convert: ";  // "--mtu = abc"; all else is text, which converts
  if (words.starts_with(kNoNumber)) return words.substr(kNoNumber.size()) + ": expected a number";
  if (!commands.empty() && extra.empty() && error.get_name() == "RequiredError" &&
      words.starts_with("A subcommand")) {
    return fmt::format("{} needs a command: {}", deepest->get_name(), fmt::join(names, ", "));
  }
  if (commands.empty() || extra.empty() || extra.front().starts_with('-')) return words;
  const auto near = text::nearest(extra.front(), names);
  return fmt::format("there is no command {}{}: {}", text::printable(extra.front()),
                     near ? fmt::format(", did you mean {}?", *near) : "", fmt::join(names, ", "));
}

}  // namespace

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::one_of(const std::vector<std::string>& words) {
  option_->check(CLI::IsMember(words));
  return *this;
}

Option& Option::one_of(std::initializer_list<int> numbers) {
  option_->check(CLI::IsMember(std::vector<int>(numbers)));
  return *this;
}

Option& Option::between(double least, double most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Option& Option::check(const std::function<std::string(const std::string&)>& wrong) {
  option_->check(wrong);
  return *this;
}

Option& Option::repeatable() {
  option_->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return *this;
}

Option& Option::repeatable(char delimiter) {
  repeatable();
  option_->delimiter(delimiter);
  return *this;
}

Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Option& Option::env(const std::string& variable) {
  option_->envname(variable);
  return *this;
}

Option& Option::show_default() {
  option_->capture_default_str();
  return *this;
}

Option& Option::show_default(const std::string& text) {
  option_->default_str(text);
  return *this;
}

Option& Option::value_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Command Command::add_group(const std::string& name, const std::string& meaning) {
  CLI::App* group = app_->add_subcommand(name, meaning);
  group->require_subcommand(1);
  return Command(*group);
}

Command Command::add_subcommand(const std::string& name, const std::string& meaning) {
  return Command(*app_->add_subcommand(name, meaning));
}

Option Command::add_option(const std::string& name, std::string& value, const std::string& meaning) {
  return Option(app_->add_option(name, value, meaning));
}
Option Command::add_option(const std::string& name, std::optional<std::string>& value, const std::string& meaning) {
  return Option(app_->add_option(name, value, meaning));
}
Option Command::add_option(const std::string& name, std::vector<std::string>& value, const std::string& meaning) {
  return Option(app_->add_option(name, value, meaning));
}
Option Command::add_option(const std::string& name, std::optional<std::int64_t>& value, const std::string& meaning) {
  return Option(app_->add_option(name, value, meaning));
}
Option Command::add_option(const std::string& name, std::uint64_t& value, const std::string& meaning) {
  return Option(app_->add_option(name, value, meaning));
}
Option Command::add_option(const std::string& name, double& value, const std::string& meaning) {
  return Option(app_->add_option(name, value, meaning));
}

Option Command::add_flag(const std::string& name, bool& value, const std::string& meaning) {
  return Option(app_->add_flag(name, value, meaning));
}

Option Command::add_flag(const std::string& name, const std::function<void()>& given, const std::string& meaning) {
  return Option(app_->add_flag_callback(name, given, meaning));
}

void Command::add_switch(const std::string& on, const std::string& off, std::optional<bool>& value,
                         const std::string& on_meaning, const std::string& off_meaning) {
  const Option first = add_flag(on, std::function<void()>([&value] { value = true; }), on_meaning);
  add_flag(off, std::function<void()>([&value] { value = false; }), off_meaning).excludes(first);
}

void Command::needs_an_option() {
  app_->parse_complete_callback([app = app_] {
    std::string names;
    for (const CLI::Option* option : app->get_options(
             [&](const CLI::Option* one) { return !one->get_positional() && one != app->get_help_ptr(); })) {
      if (option->count() != 0) return;
      names += (names.empty() ? "" : ", ") + option->get_name();
    }
    throw CLI::RequiredError("nothing to change: one of " + names + " is required", CLI::ExitCodes::RequiredError);
  });
}

void Command::footer(const std::string& text) { app_->footer(text); }

void Command::when_given(const std::function<void()>& given) { app_->callback(given); }

void Command::when_named(const std::function<void()>& named) {
  app_->preparse_callback([named](std::size_t) { named(); });
}

CommandLine::CommandLine(const std::string& name, const std::string& meaning, const std::string& version)
    : app_(std::make_unique<CLI::App>(meaning, name)) {
  app_->set_version_flag("--version", version);
  app_->fallthrough();
  app_->require_subcommand(1);
}

CommandLine::~CommandLine() = default;

Command CommandLine::top() { return Command(*app_); }

CommandLine::Parsed CommandLine::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
    return {};
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return {.wrong = true, .text = usage_error(*app_, error)};
    std::ostringstream out;
    app_->exit(error, out, out);
    return {.done = true, .text = out.str()};
  }
}

}  // namespace ml2::ctl
