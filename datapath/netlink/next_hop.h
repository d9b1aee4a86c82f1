// next_hop: where the kernel would send a packet, from its routes and neighbours.
//
// Where in the walk: Facts of the fast path: the outer header of a VTEP needs the next hop's MAC.
// Threading: pure.
// Failure: nullopt: no route.
// What it does not do: no policy routing (ip rule): the main table only, longest prefix, then lowest metric. Of several next
//   hops of one route (multipath) the first is taken.
#pragma once

#include <optional>

#include "datapath/netlink/types.h"

namespace ml2::nl {

struct Hop {
  IfIndex link;
  IpAddress address{};       // the gateway, or the destination itself
  std::optional<Mac> mac{};  // while the kernel knows it

  friend bool operator==(const Hop&, const Hop&) = default;
};

[[nodiscard]] std::optional<Hop> find_next_hop(const Snapshot& snapshot, const IpAddress& to);

}  // namespace ml2::nl
