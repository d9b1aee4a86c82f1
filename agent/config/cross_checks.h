// cross_checks: what several options say together: old names carried over, and contradictions.
//
// [ovs] enable_tunneling, tunnel_type, tunnel_id_ranges and tenant_network_type are from the agent before ML2.
// Neutron has long passed over them in silence; here each is carried over to the option that replaced it, where that
// is not set, with a warning that names it:
//   tunnel_type          [agent] tunnel_types, if enable_tunneling = true (its old default was false)
//   tunnel_id_ranges     [ml2_type_vxlan] vni_ranges, [ml2_type_gre] tunnel_id_ranges, [ml2_type_geneve] vni_ranges
//   tenant_network_type  [ml2] project_network_types ("none": no types)
// enable_tunneling = false does not undo [agent] tunnel_types: Neutron's agent does not know it any more either.
//
// Where in the walk: the loader, after the resolver and only on values that are good by themselves.
// Threading: pure functions.
// Failure: contradictions are errors with the origin of the option that has to change.
// What it does not do: no look at the host (is local_ip on it? do the bridges exist?): that is the agent's, at each
// start.
#pragma once

#include <string>
#include <vector>

#include "agent/config/config.h"

namespace ml2::config {

// `settings` in the order of all_options().
void carry_over_old_names(std::vector<Setting>& settings, std::vector<std::string>& errors,
                          std::vector<std::string>& warnings);
void check_together(const std::vector<Setting>& settings, std::vector<std::string>& errors,
                    std::vector<std::string>& warnings);
// One line for each option that is set to something else than its default and that ml2-agent does not act on (yet).
[[nodiscard]] std::vector<std::string> not_acted_on(const std::vector<Setting>& settings,
                                                    const std::string& host_name);

}  // namespace ml2::config
