// cli_text: what the programs' command lines share: their form as a man page and as a bash completion, both from the
// command tree, and the flags that name ini files.
//
// Where in the walk: --help-man and --help-bash-completion of ml2-agent, ml2ctl and ml2-fastpath; the build
//   installs what they print.
// Threading: one thread. Failure: none.
// What it does not do: no completion of names of rows: that would ask a database at each key.
#pragma once

#include <string>
#include <vector>

#include "agent/config/config.h"

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

// Adds --config-file and --config-dir; each that is given goes into `sources` as it comes, so that their order among each
// other is kept. `file_help`: of --config-file. `app` and `sources` live until the command line is parsed.
void add_source_flags(CLI::App& app, config::ConfigSources& sources, const std::string& file_help);

}  // namespace ml2
