// rights: whether this process may do what an agent does, and if not, what is missing.
//
// Where in the walk: main() asks before it opens anything.
// Threading: none. Failure: none: what cannot be looked at is left to the first use.
// What it does not do: it changes no right. Sockets of Open vSwitch belong to the user of ovs-vswitchd (root on Debian)
//   with mode 0750: connecting needs that user or CAP_DAC_OVERRIDE (unix(7), capabilities(7)).
#pragma once

#include <string>
#include <vector>

namespace ml2::control {

// One sentence for each; empty: all is there. `remotes` are of the Open_vSwitch database, separated by commas.
[[nodiscard]] std::vector<std::string> missing_rights(const std::string& remotes, const std::string& ovs_rundir,
                                                      const std::string& ctl);

// Effective capability of this process (capabilities(7)), by number.
[[nodiscard]] bool has_capability(unsigned number);
inline constexpr unsigned kCapNetAdmin = 12;

}  // namespace ml2::control
