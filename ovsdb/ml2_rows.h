// ml2_rows: the rows of the ML2 database (ovsdb/ml2.ovsschema) as typed values, and back into columns.
//
// Where in the walk: agent/intent turns them into Intent, agent/ml2 validates and writes them, ml2ctl shows them.
// Threading: values; pure functions.
// Failure: texts stay texts here (a MAC may be wrong): who reads them judges them and says so. A reference to a row
//   that is not there reads as the zero Uuid or is skipped, where the whole database is at hand to tell.
// What it does not do: no validation, no allocation (agent/ml2 does that).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "datapath/base/uuid.h"
#include "ovsdb/database.h"
#include "ovsdb/row.h"
#include "ovsdb/snapshot.h"
#include "ovsdb/transaction.h"

namespace ml2::ovsdb {

// The one row of the database itself; absent until somebody writes it.
struct Ml2Global {
  Uuid uuid;
  std::string name;
  // Grows by one when somebody wants to know by when all that stands in the database up to then is carried out: each
  // agent writes the number it has reached into Host.applied (OVN's nb_cfg).
  std::int64_t sequence = 0;
  std::map<std::string, std::string> options;
  std::map<std::string, std::string> external_ids;

  friend bool operator==(const Ml2Global&, const Ml2Global&) = default;
};

// The UUID of each row is the Neutron id of the resource.
struct Ml2Network {
  Uuid uuid;
  std::string name, description, project_id;
  bool admin_state_up = true;
  bool shared = false;
  bool external = false;  // router:external
  bool port_security_enabled = true;
  std::int64_t mtu = 0;  // bytes of an IP packet inside the network
  std::map<std::string, std::string> external_ids;

  friend bool operator==(const Ml2Network&, const Ml2Network&) = default;
};

struct Ml2Segment {
  Uuid uuid;
  Uuid network;
  std::string name;
  std::string network_type;      // local, flat, vlan, gre, vxlan, geneve
  std::string physical_network;  // flat and vlan; else empty
  // vlan 1-4094; gre, vxlan, geneve: the tunnel key; flat: 0. Of a local segment it is no number of the wire: a
  // random one that only keeps the index (network_type, physical_network, segmentation_id) unique; never shown.
  std::int64_t segmentation_id = 0;
  std::int64_t segment_index = 0;
  bool is_dynamic = false;
  std::map<std::string, std::string> external_ids;

  friend bool operator==(const Ml2Segment&, const Ml2Segment&) = default;
};

struct Ml2Subnet {
  Uuid uuid;
  Uuid network;
  std::string name, description, project_id;
  std::string cidr;
  std::int64_t ip_version = 4;
  std::optional<std::string> gateway_ip;
  bool enable_dhcp = true;
  std::set<std::string> allocation_pools;  // "first-last", both included
  std::set<std::string> dns_nameservers;
  std::map<std::string, std::string> host_routes;  // destination prefix -> next hop
  std::map<std::string, std::string> external_ids;

  friend bool operator==(const Ml2Subnet&, const Ml2Subnet&) = default;
};

struct Ml2AddressPair {
  Uuid uuid;
  std::optional<std::string> mac_address;  // absent: the port's own
  std::string ip_address;                  // an address or a prefix

  friend bool operator==(const Ml2AddressPair&, const Ml2AddressPair&) = default;
};

struct Ml2Port {
  Uuid uuid;
  Uuid network;
  std::string name, description, project_id;
  std::string mac_address;
  bool admin_state_up = true;
  std::string device_id, device_owner;
  bool port_security_enabled = true;
  std::set<Uuid> security_groups;
  std::set<Uuid> allowed_address_pairs;
  std::string status = "DOWN";  // BUILD, ACTIVE, DOWN, ERROR: written by the agent of the host that binds the port
  std::string status_reason;    // why not ACTIVE, or what is wrong all the same
  std::map<std::string, std::string> external_ids;

  friend bool operator==(const Ml2Port&, const Ml2Port&) = default;
};

struct Ml2FixedIp {
  Uuid uuid;
  Uuid port;
  Uuid subnet;
  std::string ip_address;

  friend bool operator==(const Ml2FixedIp&, const Ml2FixedIp&) = default;
};

struct Ml2Binding {
  Uuid uuid;
  Uuid port;
  std::string host;
  std::string vnic_type = "normal";
  std::string vif_type = "unbound";  // unbound, binding_failed, ovs, vhostuser
  std::map<std::string, std::string> vif_details;
  std::map<std::string, std::string> profile;
  std::string status = "ACTIVE";  // ACTIVE, INACTIVE (the other host during a live migration)
  std::string mechanism_driver;
  std::optional<Uuid> segment;  // what the port is bound to; absent unless bound
  std::string failure;          // why binding failed

  friend bool operator==(const Ml2Binding&, const Ml2Binding&) = default;
};

struct Ml2Endpoint {
  Uuid uuid;
  std::string tunnel_type;  // gre, vxlan, geneve
  std::string ip_address;
  std::int64_t udp_port = 0;  // 0: the type's own (VXLAN 4789, Geneve 6081)

  friend bool operator==(const Ml2Endpoint&, const Ml2Endpoint&) = default;
};

struct Ml2Host {
  Uuid uuid;
  std::string name;
  std::string agent_type = "Open vSwitch agent";
  std::string agent_version;
  bool admin_state_up = true;
  std::int64_t started_at = 0;        // seconds since 1970, the agent's clock
  std::int64_t heartbeat = 0;         // the same; the agent is alive while it is younger than agent_down_time
  std::int64_t report_interval = 30;  // seconds between heartbeats
  std::map<std::string, std::string> bridge_mappings;
  std::set<std::string> tunnel_types;
  std::set<Uuid> endpoints;
  std::map<std::string, std::string> configurations;  // as the incumbent reports: datapath_type, l2_population...
  std::set<std::string> problems;                     // sentences: what is wrong on this host
  std::int64_t applied = 0;  // the Ml2Global::sequence whose flows this host's switches have confirmed
  std::map<std::string, std::string> external_ids;

  friend bool operator==(const Ml2Host&, const Ml2Host&) = default;
};

struct Ml2SecurityGroup {
  Uuid uuid;
  std::string name, description, project_id;
  bool stateful = true;
  std::set<Uuid> rules;
  std::map<std::string, std::string> external_ids;

  friend bool operator==(const Ml2SecurityGroup&, const Ml2SecurityGroup&) = default;
};

struct Ml2SecurityGroupRule {
  Uuid uuid;
  std::string direction;  // ingress, egress
  std::string ethertype;  // IPv4, IPv6
  std::optional<std::string> protocol;
  std::optional<std::int64_t> port_range_min, port_range_max;
  std::optional<std::string> remote_ip_prefix;
  std::optional<Uuid> remote_group;
  std::string description;

  friend bool operator==(const Ml2SecurityGroupRule&, const Ml2SecurityGroupRule&) = default;
};

// The whole database, by UUID.
struct Ml2Rows {
  std::map<Uuid, Ml2Global> globals;  // one at most
  std::map<Uuid, Ml2Network> networks;
  std::map<Uuid, Ml2Segment> segments;
  std::map<Uuid, Ml2Subnet> subnets;
  std::map<Uuid, Ml2Port> ports;
  std::map<Uuid, Ml2FixedIp> fixed_ips;
  std::map<Uuid, Ml2AddressPair> address_pairs;
  std::map<Uuid, Ml2Binding> bindings;
  std::map<Uuid, Ml2Host> hosts;
  std::map<Uuid, Ml2Endpoint> endpoints;
  std::map<Uuid, Ml2SecurityGroup> security_groups;
  std::map<Uuid, Ml2SecurityGroupRule> security_group_rules;

  friend bool operator==(const Ml2Rows&, const Ml2Rows&) = default;
};

[[nodiscard]] Ml2Rows read_ml2(const Snapshot& snapshot);
// One row by itself. Its references are those that stand in it, whether or not their rows are there.
template <class T>
[[nodiscard]] T read_ml2_row(const Row& row);
// nullptr when no agent has reported from there. Names are unique; looks at every host.
[[nodiscard]] const Ml2Host* host_named(const Ml2Rows& rows, std::string_view name);
// Reads one row anew into `rows`, or takes it out when it is gone. What refers to it is not looked at: the server
// changes that in the same transaction.
void read_ml2_row(const Snapshot& snapshot, std::string_view table, const Uuid& uuid, Ml2Rows& rows);
// All columns of the schema.
[[nodiscard]] MonitoredColumns ml2_columns();
// Those of them that an agent has a use for; of the rest it would hold a copy for every port of its networks.
[[nodiscard]] MonitoredColumns ml2_agent_columns();
// What an agent writes without reading it: what each host says of itself every few seconds, or with each change of the
// database, which else would wake every other host.
[[nodiscard]] UnreadColumns ml2_agent_unread();

// The row as columns to write (without _uuid).
[[nodiscard]] Columns to_columns(const Ml2Global& row);
[[nodiscard]] Columns to_columns(const Ml2Network& row);
[[nodiscard]] Columns to_columns(const Ml2Segment& row);
[[nodiscard]] Columns to_columns(const Ml2Subnet& row);
[[nodiscard]] Columns to_columns(const Ml2Port& row);
[[nodiscard]] Columns to_columns(const Ml2FixedIp& row);
[[nodiscard]] Columns to_columns(const Ml2AddressPair& row);
[[nodiscard]] Columns to_columns(const Ml2Binding& row);
[[nodiscard]] Columns to_columns(const Ml2Host& row);
[[nodiscard]] Columns to_columns(const Ml2Endpoint& row);
[[nodiscard]] Columns to_columns(const Ml2SecurityGroup& row);
[[nodiscard]] Columns to_columns(const Ml2SecurityGroupRule& row);

// The table that a typed row lives in, e.g. table_of<Ml2Network>() is "Network".
template <class T>
[[nodiscard]] const char* table_of();

// An insert with a UUID of our choice, so that the resource's id is known before the transaction is.
template <class T>
[[nodiscard]] RowInsert insert_row(const T& row) {
  return RowInsert{table_of<T>(), row.uuid, to_columns(row), true};
}

}  // namespace ml2::ovsdb
