// ml2_remote: what the rows of the ML2 database say of the other hosts of this node's networks. Pure.
//
// Where in the walk: read_network() calls it when the ports of a network that are bound here are known.
// Threading: pure functions.
// Failure: a row of another host that makes no sense is left out: that host says so. What does not fit between that
//   host and this one becomes a sentence in Intent::problems.
// What it does not do: no flows; nothing of networks without a port here.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/intent/ml2_index.h"
#include "datapath/base/mac.h"
#include "datapath/base/result.h"
#include "datapath/model/intent.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::intent {

// What the rows of one network say of this node.
struct NetworkIntent {
  std::map<Uuid, Port> ports;
  std::map<Uuid, std::string> refused;
  std::map<Uuid, Segment> segments;  // Segment rows that a port is bound to here
  std::map<Segment, RemoteSegment> remote;
  std::set<std::string> problems;
  bool has_twins = false;  // a port has the MAC or an address of another
};

// The port's allowed_address_pairs; `own` is its MAC.
[[nodiscard]] Result<std::vector<AddressPair>> read_address_pairs(const ovsdb::Ml2Rows& rows,
                                                                  const ovsdb::Ml2Port& port, const Mac& own);

// A port of the network, whichever host it is bound to.
struct BoundPort {
  const ovsdb::Ml2Port* row = nullptr;
  const ovsdb::Ml2Binding* binding = nullptr;
  std::optional<Mac> mac;
  std::vector<IpAddress> addresses;  // sorted
};

// Into `here`: remote, problems, and refusals of ports whose MAC or address another port of the network has. Of two
// such ports the one that is wired keeps it, then the one that was not refused before, then the one with the lower id.
// `ports`: those of the network that are bound, by their ids.
void read_neighbours(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node, const Uuid& network,
                     const std::map<Uuid, BoundPort>& ports, NetworkIntent& here);
// local_ip is another host's endpoint, too: into `problems`.
void find_same_endpoint(const ovsdb::Ml2Rows& rows, const OtherHosts& hosts, const NodeConfig& node,
                        std::set<std::string>& problems);

// IntentSource::why_not_here().
[[nodiscard]] std::string why_not_here(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const std::string& host,
                                       const Uuid& port);

}  // namespace ml2::intent
