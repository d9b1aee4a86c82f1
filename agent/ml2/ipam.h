// ipam: which addresses of a subnet can be given out, and the next free one.
//
// Where in the walk: create_subnet() checks and stores the pools, create_port() and update_port() take addresses.
// Threading: pure functions.
// Failure: Invalid for addresses and pools that do not fit the subnet, Conflict for a pool that is used up.
// What it does not do: no database: the index (subnet, ip_address) of table Fixed_IP settles races; no EUI-64: IPv6
//   addresses come from the pool, too.
// Source: neutron/ipam/{utils,requests}.py, neutron/db/ipam_backend_mixin.py.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ml2/random.h"
#include "agent/ml2/requests.h"
#include "datapath/base/ip.h"
#include "datapath/base/result.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::plugin {

// Both ends included.
struct Pool {
  IpAddress first;
  IpAddress last;

  [[nodiscard]] bool contains(const IpAddress& address) const {
    return address.family() == first.family() && first <= address && address <= last;
  }
  friend bool operator==(const Pool&, const Pool&) = default;
};

// Least and greatest address that a port of `network` can have: without network and broadcast address (IPv4 prefixes
// up to /30), without the subnet-router anycast address (IPv6 up to /126; RFC 4291 section 2.6.1).
[[nodiscard]] Pool usable_range(const IpNetwork& network);
// The whole usable range without the gateway.
[[nodiscard]] std::vector<Pool> default_pools(const IpNetwork& network, const std::optional<IpAddress>& gateway);
// Checks pools of an operator against the subnet and each other; sorted.
[[nodiscard]] Result<std::vector<Pool>> parse_pools(const std::vector<PoolText>& texts, const IpNetwork& network,
                                                    const std::optional<IpAddress>& gateway);
// "first-last", as table Subnet has them; what cannot be read is left out.
[[nodiscard]] std::vector<Pool> pools_of(const ovsdb::Ml2Subnet& subnet);
[[nodiscard]] std::set<std::string> to_strings(const std::vector<Pool>& pools);

// Which address of a subnet is used by which port ("web1" or an id).
[[nodiscard]] std::map<IpAddress, std::string> used_addresses(const ovsdb::Ml2Rows& rows, const Uuid& subnet);
// The first free address, or after `attempt` lost races a random one of the first few.
[[nodiscard]] Result<IpAddress> next_free_address(const ovsdb::Ml2Subnet& subnet, const std::set<IpAddress>& used,
                                                  unsigned attempt, const Random& random);
// Whether a port of `subnet` can have this very address.
[[nodiscard]] Result<IpAddress> check_address(const ovsdb::Ml2Subnet& subnet, std::string_view text);

// "sub1 (10.0.0.0/24)", for messages.
[[nodiscard]] std::string describe(const ovsdb::Ml2Subnet& subnet);

}  // namespace ml2::plugin
