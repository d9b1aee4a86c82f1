// vswitch: the rows of the Open_vSwitch database that we use, as typed values (ovs-vswitchd.conf.db(5)).
//
// Where in the walk: read from a Snapshot at the start of a step; Facts and the OVSDB part of Actual come from it.
// Threading: values; pure functions.
// Failure: a column of an unexpected type reads as absent; a reference to a row that is not there is skipped.
// What it does not do: no decision on what is ours (agent and diff do that).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/base/uuid.h"
#include "ovsdb/database.h"
#include "ovsdb/snapshot.h"

namespace ml2::ovsdb {

using StringMap = std::map<std::string, std::string>;

struct InterfaceRow {
  Uuid uuid;
  std::string name;
  std::string type;                     // "", internal, patch, vxlan, gre, geneve, dpdkvhostuserclient...
  StringMap options;                    // patch: peer; tunnels: remote_ip, local_ip, in_key, out_key...
  StringMap external_ids;               // iface-id, attached-mac, vm-uuid... (nova, os-vif and we write them)
  std::optional<std::int64_t> ofport;   // absent: not yet; -1: ovs-vswitchd could not add it (see error)
  std::string error;                    // ovs-vswitchd's words when ofport is -1
  std::optional<std::int64_t> ifindex;  // Linux interface index
  std::string mac_in_use;
  std::string link_state;   // up, down or empty
  bool connected = false;   // status:status, of a vhost-user port: a machine is there
  std::string admin_state;  // up, down or empty
  std::optional<std::int64_t> mtu_request;

  friend bool operator==(const InterfaceRow&, const InterfaceRow&) = default;
};

struct PortRow {
  Uuid uuid;
  std::string name;
  std::set<Uuid> interfaces;
  std::optional<std::int64_t> tag;  // 0-4095
  std::set<std::int64_t> trunks;
  std::string vlan_mode;   // access, trunk, native-tagged... or empty
  StringMap other_config;  // net_uuid, network_type, physical_network, segmentation_id, tag
  StringMap external_ids;

  friend bool operator==(const PortRow&, const PortRow&) = default;
};

struct BridgeRow {
  Uuid uuid;
  std::string name;
  std::set<Uuid> ports;
  std::set<Uuid> controllers;
  std::string datapath_type;        // system, netdev or empty (system)
  std::string datapath_id;          // 16 hexadecimal digits once ovs-vswitchd has made the bridge
  std::string fail_mode;            // standalone, secure or empty (standalone)
  std::set<std::string> protocols;  // empty: ovs-vswitchd's default
  bool mcast_snooping_enable = false;
  StringMap other_config;
  StringMap external_ids;

  friend bool operator==(const BridgeRow&, const BridgeRow&) = default;
};

struct Vswitch {
  std::optional<Uuid> root;  // the Open_vSwitch row; absent: ovs-vsctl init was never run
  std::int64_t cur_cfg = 0;  // last configuration that ovs-vswitchd has carried out
  std::int64_t next_cfg = 0;
  std::string ovs_version;
  std::set<std::string> datapath_types;  // what this ovs-vswitchd supports
  std::set<std::string> iface_types;
  StringMap external_ids;                             // system-id, hostname...
  std::map<std::string, BridgeRow> bridges;           // by name
  std::map<std::string, PortRow> ports;               // by name (unique over all bridges)
  std::map<std::string, InterfaceRow> interfaces;     // by name (unique)
  std::map<std::string, std::string> port_bridge;     // port name -> bridge name
  std::map<std::string, std::string> interface_port;  // interface name -> port name

  friend bool operator==(const Vswitch&, const Vswitch&) = default;
};

[[nodiscard]] Vswitch read_vswitch(const Snapshot& snapshot);
// Its parts. The columns of the Open_vSwitch row, into `vswitch`; one row each; a Bridge's without `ports`.
void read_root(const Snapshot& snapshot, Vswitch& vswitch);
// Of the root row cur_cfg and next_cfg alone; and its other columns that are read.
void read_configuration(const Row& root, Vswitch& vswitch);
inline constexpr std::array kRootColumns = {"ovs_version", "datapath_types", "iface_types", "external_ids"};
[[nodiscard]] InterfaceRow read_interface(const Row& row);
[[nodiscard]] PortRow read_port(const Row& row, const Table& interfaces);
[[nodiscard]] BridgeRow read_bridge(const Row& row);
// What differs between two readings.
struct VswitchChanges {
  bool all = false;        // anything
  bool root = false;       // the Open_vSwitch row: cur_cfg, next_cfg, types
  bool root_more = false;  // of it more than cur_cfg and next_cfg, which move at each change
  // Names of what is new, changed or gone, or has moved to another port or bridge; an Interface also when its Port is.
  std::set<std::string> bridges, ports, interfaces;
  std::set<Uuid> new_rows;  // Bridge, Port and Interface rows that were not there before

  [[nodiscard]] bool empty() const { return !all && !root && bridges.empty() && ports.empty() && interfaces.empty(); }
};

// The columns that read_vswitch() reads and that we write.
[[nodiscard]] MonitoredColumns vswitch_columns();

}  // namespace ml2::ovsdb
