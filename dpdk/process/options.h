// options: the command line of ml2-fastpath.
//
// Where in the walk: read once, before EAL starts.
// Threading: values.
// Failure: an unknown option, or a value that does not fit, is a sentence for the operator.
// What it does not do: no ports and no networks: those come over the socket.
#pragma once

#include <string>
#include <vector>

#include "datapath/base/result.h"
#include "dpdk/walk/isa.h"

namespace ml2::fastpath {

struct Options {
  std::string socket = "/run/ml2-fastpath/control";
  std::vector<unsigned> cores = {1};  // one worker on each
  int control_core = -1;              // of everything else; -1: any
  bool huge_pages = true;
  unsigned memory_mb = 0;        // 0: what mbufs need
  unsigned mbufs = 65535;        // packet buffers, of 2 KB each
  std::vector<std::string> pci;  // NICs that may be used; none by default
  std::string isa;               // empty: the best that the processor has
  bool help = false;
  bool version = false;
};

[[nodiscard]] Result<Options> parse_options(int argc, char** argv);
[[nodiscard]] const char* usage();
// The arguments that EAL is started with, program name included.
[[nodiscard]] std::vector<std::string> eal_arguments(const Options& options);

}  // namespace ml2::fastpath
