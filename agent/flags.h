// flags: what ml2-agent is told on its command line.
//
// Where in the walk: first in main(); --help, the man pages for the build, and wrong usage end here.
// Threading: one thread, before anything else runs.
// Failure: wrong usage is said on stderr, with CLI11's exit status.
// What it does not do: no reading of the files that are named (config/loader).
#pragma once

#include <optional>
#include <string>

#include "agent/config/loader.h"

namespace ml2 {

struct Flags {
  config::ConfigSources sources;
  std::string ovs_rundir = "/var/run/openvswitch";
  std::string ctl = "/run/ml2-agent/ml2-agent.ctl";
  std::string format = "table";
  bool check_config = false;
  bool help_config = false;
  bool dry_run = false;
  bool cleanup = false;
  bool version = false;
};

// Also looks at OVS_RUNDIR. An exit status: what was asked for is done, or the usage is wrong.
[[nodiscard]] std::optional<int> read_flags(int argc, char** argv, Flags& flags);

}  // namespace ml2
