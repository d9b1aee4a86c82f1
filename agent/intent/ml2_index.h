// Ml2Index: which rows of the ML2 database belong together: what the rows' own references do not say backwards.
//
// Where in the walk: read_own_ports() and read_neighbours() find the rows of one network by it; Ml2Reading keeps it beside the rows.
// Threading: one owner.
// Failure: a row that refers to nothing is found under the zero UUID.
// What it does not do: no rows of its own: UUIDs only, which the reader looks up.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "datapath/base/uuid.h"
#include "datapath/model/segment.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::intent {

// Another host, by its name.
struct OtherHost {
  Uuid row;
  std::map<NetworkType, Uuid> endpoints;  // those that read as a tunnel end point

  friend bool operator==(const OtherHost&, const OtherHost&) = default;
};
// A row that was made for a host whose agent has not run yet.
[[nodiscard]] inline bool has_yet_to_report(const ovsdb::Ml2Host& host) {
  return host.started_at == 0 && host.endpoints.empty();
}
using OtherHosts = std::map<std::string, OtherHost, std::less<>>;
// All hosts but the one named `own`; of two rows of one name the last.
[[nodiscard]] OtherHosts other_hosts(const ovsdb::Ml2Rows& rows, const std::string& own);

struct Ml2Index {
  // The rows that refer to one; in no order.
  using Referrers = std::unordered_map<Uuid, std::vector<Uuid>>;

  Referrers network_ports, network_subnets;  // by network
  Referrers port_fixed_ips, port_bindings;   // by port
  Referrers pair_ports;                      // by address pair
  Referrers segment_bindings;                // by segment
  OtherHosts hosts;

  // Of the rows, without `hosts`.
  void add(const ovsdb::Ml2Port& row);
  void add(const ovsdb::Ml2FixedIp& row);
  void add(const ovsdb::Ml2Binding& row);
  void add(const ovsdb::Ml2Subnet& row);
  void remove(const ovsdb::Ml2Port& row);
  void remove(const ovsdb::Ml2FixedIp& row);
  void remove(const ovsdb::Ml2Binding& row);
  void remove(const ovsdb::Ml2Subnet& row);
};
[[nodiscard]] Ml2Index index_of(const ovsdb::Ml2Rows& rows, const std::string& own_host);
// Sorted; empty when there is none.
[[nodiscard]] std::vector<Uuid> referrers(const Ml2Index::Referrers& of, const Uuid& row);

}  // namespace ml2::intent
