#include "datapath/netlink/next_hop.h"

#include <tuple>

namespace ml2::nl {

std::optional<Hop> find_next_hop(const Snapshot& snapshot, const IpAddress& to) {
  const Route* best = nullptr;
  const auto better = [](const Route& a, const Route& b) {
    return std::tuple(b.dst.prefix_length(), a.priority) < std::tuple(a.dst.prefix_length(), b.priority);
  };
  for (const Route& route : snapshot.routes) {
    if (route.table != kTableMain || !route.oif || !route.dst.contains(to)) continue;
    const Link* link = find_link(snapshot, *route.oif);
    if (link == nullptr || !link->up) continue;
    if (best == nullptr || better(route, *best)) best = &route;
  }
  if (best == nullptr) return std::nullopt;
  Hop hop{.link = *best->oif, .address = best->gateway.value_or(to)};
  const auto found = snapshot.neighbours.find({hop.link, hop.address});
  if (found == snapshot.neighbours.end()) return hop;
  const Neighbour& neighbour = found->second;
  if (neighbour.state == NeighbourState::Incomplete || neighbour.state == NeighbourState::Failed) return hop;
  if (!neighbour.mac.is_zero()) hop.mac = neighbour.mac;
  return hop;
}

}  // namespace ml2::nl
