// ml2_remote: what the rows of the ML2 database say of the other hosts of this node's networks. Pure.
//
// Where in the walk: after read_own_ports(), for a network that has ports here.
// Threading: pure functions.
// Failure: a row of another host that makes no sense is left out: that host says so. What does not fit between that
//   host and this one becomes a sentence in Intent::problems.
// What it does not do: no flows; nothing of networks without a port here.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/intent/ml2_index.h"
#include "datapath/base/mac.h"
#include "datapath/base/result.h"
#include "datapath/model/intent.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::intent {

// Addresses and MACs that allowed address pairs let several ports of a network use.
struct Shared {
  std::map<IpAddress, std::set<Uuid>> addresses;  // single ones: virtual addresses that move; who may use them
  std::set<Mac> macs;
};

// What the rows of one network say of this node.
struct NetworkIntent {
  std::map<Uuid, Port> ports;
  std::map<Uuid, std::string> refused;
  std::map<Uuid, Segment> segments;  // Segment rows that a port is bound to here
  std::map<Segment, RemoteSegment> remote;
  std::set<std::string> problems;
  bool has_twins = false;  // a port has the MAC or an address of another
  Shared shared;
  std::map<Segment, std::size_t> any_mac;  // by how many ports RemoteSegment::any_mac is
  // What the network's bound ports have, of whatever host; sorted.
  std::vector<Mac> macs;
  std::vector<IpAddress> addresses;
};

// A port's allowed_address_pairs (rows of that table); `own` is its MAC.
[[nodiscard]] Result<std::vector<AddressPair>> read_address_pairs(const ovsdb::Ml2Rows& rows,
                                                                  const std::set<Uuid>& pairs, const Mac& own);

// A port of the network, whichever host it is bound to. Its texts are those of its rows, which outlive it.
struct BoundPort {
  Uuid id;
  std::string_view name, status, device_owner;
  bool port_security_enabled = true;
  std::set<Uuid> allowed_address_pairs;
  std::string_view host;
  Uuid segment;                      // the Segment row
  std::optional<Mac> mac;            // nullopt: not readable
  std::vector<IpAddress> addresses;  // sorted; those that are readable
};
using BoundPorts = std::vector<BoundPort>;  // sorted by id, each once

// Into `here`: the ports' macs and addresses.
void gather_addresses(const BoundPorts& ports, NetworkIntent& here);
// Into `here`: remote, problems, macs, addresses, and refusals of ports whose MAC or address another port of the network has. Of two
// such ports the one that is wired keeps it, then the one that was not refused before, then the one with the lower id.
// `ports`: those of the network that are bound. Of `rows` networks, subnets, hosts and endpoints are looked at, and the
// ports' address pairs.
void read_neighbours(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node, const Uuid& network,
                     const BoundPorts& ports, NetworkIntent& here);
// What one port of another host adds to its network's part, as long as it is no twin.
struct FarPort {
  std::optional<Mac> mac;
  std::vector<IpAddress> addresses;  // sorted
  // It is wired, in a segment that has ports here.
  struct Wired {
    Segment segment;
    RemotePort port;
    bool any_mac = false;  // RemoteSegment::any_mac is by it
    friend bool operator==(const Wired&, const Wired&) = default;
  };
  std::optional<Wired> wired;
};
// `port` is bound to another host and has no address pairs. `segments`, `shared`: of its network's NetworkIntent.
[[nodiscard]] FarPort read_far_port(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const NodeConfig& node,
                                    const Uuid& network, const BoundPort& port,
                                    const std::map<Uuid, Segment>& segments, const Shared& shared,
                                    std::set<std::string>& problems);
// local_ip is another host's endpoint, too: into `problems`.
void find_same_endpoint(const ovsdb::Ml2Rows& rows, const OtherHosts& hosts, const NodeConfig& node,
                        std::set<std::string>& problems);

// IntentSource::why_not_here().
[[nodiscard]] std::string why_not_here(const ovsdb::Ml2Rows& rows, const Ml2Index& index, const std::string& host,
                                       const Uuid& port);

}  // namespace ml2::intent
