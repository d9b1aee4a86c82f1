// cli_text: a program's command line as a man page and as a bash completion, both from its command tree.
//
// Where in the walk: --help-man and --help-bash-completion of ml2-agent and ml2ctl; the build installs what they print.
// Threading: pure functions. Failure: none.
// What it does not do: no completion of names of rows: that would ask a database at each key.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ml2 {

struct ManSection {
  std::string title;  // "FILES"
  std::string body;   // man(7) source
};
// A page of man(7): NAME, SYNOPSIS, DESCRIPTION, OPTIONS, COMMANDS (where there are some), `sections`, EXAMPLES.
[[nodiscard]] std::string man_page(const CLI::App& app, int section, const std::string& version,
                                   const std::vector<ManSection>& sections);

[[nodiscard]] std::string bash_completion(const CLI::App& app);

}  // namespace ml2
