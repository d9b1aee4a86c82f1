// CommandLine: the tree of commands and options as ml2ctl's files define it, over CLI11.
//
// Where in the walk: main() makes one, each commands_*.cc adds its commands, parse() sets what they point to.
// Threading: one thread.
// Failure: parse() says what is wrong with the words it was given; a definition that CLI11 refuses is our own bug and
// throws from there.
// What it does not do: no value is read or checked but from words; CLI11's header stands in command_line.cc alone, as
// it takes longer to compile than any command.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ml2::ctl {

// One option, positional argument or flag; the object itself lives in its CommandLine.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  Option& one_of(const std::vector<std::string>& words);
  Option& one_of(std::initializer_list<int> numbers);
  Option& between(double least, double most);
  // `wrong(text)` is empty, or says what is wrong with the text.
  Option& check(const std::function<std::string(const std::string&)>& wrong);
  // Each occurrence adds one value; without it a vector takes all words that follow.
  Option& repeatable();
  // As repeatable(), and in the environment separated by `delimiter`.
  Option& repeatable(char delimiter);
  Option& excludes(const Option& other);
  // The environment variable that stands for it.
  Option& env(const std::string& variable);
  // --help shows the value that the variable has now, or `text`.
  Option& show_default();
  Option& show_default(const std::string& text);
  Option& value_name(const std::string& name);

 private:
  CLI::Option* option_;
};

// One command, with the commands below it.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  // A command that does nothing by itself: one of those below it must follow.
  Command add_group(const std::string& name, const std::string& meaning);
  Command add_subcommand(const std::string& name, const std::string& meaning);
  // Names such as --mtu, or NAME for a positional argument. `value` must outlive the command.
  Option add_option(const std::string& name, std::string& value, const std::string& meaning);
  Option add_option(const std::string& name, std::optional<std::string>& value, const std::string& meaning);
  Option add_option(const std::string& name, std::vector<std::string>& value, const std::string& meaning);
  Option add_option(const std::string& name, std::optional<std::int64_t>& value, const std::string& meaning);
  Option add_option(const std::string& name, std::uint64_t& value, const std::string& meaning);
  Option add_option(const std::string& name, double& value, const std::string& meaning);
  Option add_flag(const std::string& name, bool& value, const std::string& meaning);
  Option add_flag(const std::string& name, const std::function<void()>& given, const std::string& meaning);
  // Two flags for one boolean, such as --enable and --disable; nullopt when neither is given.
  void add_switch(const std::string& on, const std::string& off, std::optional<bool>& value,
                  const std::string& on_meaning, const std::string& off_meaning);
  // Without one of its options it would do nothing: then it is a mistake, and the error says which there are.
  void needs_an_option();
  // Examples and notes below the options of --help.
  void footer(const std::string& text);
  // `given` runs when the command was chosen and its words are parsed; `before`: before the words after it are.
  void when_given(const std::function<void()>& given);
  void when_named(const std::function<void()>& named);

 private:
  CLI::App* app_;
};

class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& meaning, const std::string& version);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  [[nodiscard]] Command top();
  struct Parsed {
    bool done = false;   // --help or --version: `text` is for stdout, and that was all
    bool wrong = false;  // `text` says what is wrong, in one line
    std::string text;
  };
  [[nodiscard]] Parsed parse(int argc, char** argv);
  // For what is printed from the tree as a whole (manual page, completion).
  [[nodiscard]] const CLI::App& tree() const { return *app_; }

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace ml2::ctl
