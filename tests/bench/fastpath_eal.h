// fastpath_eal: DPDK's environment for the fast path's benches: memory of this process alone, no PCI, errors only.
//
// Where in the walk: benches, before any other call of DPDK.
// Threading: the main thread, once. Failure: false, and a sentence on stderr. What it does not do: it starts no workers.
#pragma once

#include <fmt/format.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include <cstdio>
#include <string>
#include <vector>

namespace ml2::fastpath {

// `more`: further arguments of EAL.
[[nodiscard]] inline bool start_eal(const std::string& program, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {program, "--in-memory", "--no-pci", "--no-telemetry", "--log-level=lib.*:error"};
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) >= 0) return true;
  fmt::print(stderr, "{}: DPDK does not start: {}\n", program, rte_strerror(rte_errno));
  return false;
}

}  // namespace ml2::fastpath
