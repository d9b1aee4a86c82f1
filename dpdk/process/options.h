// options: what ml2-fastpath is started with: [fastpath] of the ini (agent/config/options_fastpath.cc, the rows that are
// `process`), and the same options on the command line, which count more.
//
// Where in the walk: read once, before EAL starts.
// Threading: values.
// Failure: an unknown option, or a value that does not fit, is a sentence for the operator, with file and line where it has
//   one. What is wrong in other sections of the file is the agent's concern: it does not keep the fast path from coming back.
// What it does not do: no ports and no networks: those come over the socket. Of the devices that the ini names it takes only
//   which NICs DPDK may touch.
#pragma once

#include <string>
#include <vector>

#include "agent/config/environment.h"
#include "datapath/base/result.h"
#include "dpdk/walk/isa.h"

namespace ml2::fastpath {

struct Options {
  std::string socket;
  std::vector<unsigned> cores;  // one worker on each
  int control_core = -1;        // of everything else; -1: any
  bool huge_pages = true;
  unsigned memory_mb = 0;            // 0: what mbufs need
  unsigned mbufs = 0;                // packet buffers, of 2 KB each
  std::vector<std::string> pci;      // NICs that may be used, each once; none by default
  std::vector<std::string> drivers;  // shared objects of drivers that are not DPDK's own
  std::string isa;                   // best, scalar, avx2, avx512

  std::vector<std::string> warnings;  // unknown names in [fastpath]
  bool version = false;               // asked for: print it and end
  std::string page;                   // asked for: print this and end: --help, --check-config, ...
};

// `arguments` without the program's name.
[[nodiscard]] Result<Options> read_options(const std::vector<std::string>& arguments,
                                           const config::Environment& environment);
// The arguments that EAL is started with, program name included.
[[nodiscard]] std::vector<std::string> eal_arguments(const Options& options);

}  // namespace ml2::fastpath
