// From rtnetlink messages to values.
//
// Where in the walk: NlKernel's own: the same functions read dumps and notifications.
// Threading: pure functions.
// Failure: nullopt for a message that is not about such a value, or is too short to be one.
// What it does not do: no state; whether a message adds or deletes is its type, which the caller reads.
#pragma once

#include <optional>
#include <vector>

#include "datapath/netlink/types.h"

struct nlmsghdr;

namespace ml2::nl {

[[nodiscard]] std::optional<Link> parse_link(nlmsghdr* header);        // RTM_NEWLINK, RTM_DELLINK
[[nodiscard]] std::optional<Address> parse_address(nlmsghdr* header);  // RTM_NEWADDR, RTM_DELADDR
[[nodiscard]] std::vector<Route> parse_route(nlmsghdr* header);        // RTM_NEWROUTE; one per next hop
[[nodiscard]] std::optional<FdbEntry> parse_fdb(nlmsghdr* header);     // RTM_NEWNEIGH, RTM_DELNEIGH of AF_BRIDGE
// RTM_NEWNEIGH, RTM_DELNEIGH of AF_INET and AF_INET6. `*present` is false for an entry that counts as absent
// (NUD_NONE, NUD_NOARP), whatever the message's type.
[[nodiscard]] std::optional<Neighbour> parse_neighbour(nlmsghdr* header, bool* present);

}  // namespace ml2::nl
