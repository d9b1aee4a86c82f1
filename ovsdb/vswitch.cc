#include "ovsdb/vswitch.h"

#include <utility>

namespace ml2::ovsdb {
namespace {

std::string text(const Row& row, std::string_view column) { return row.column(column).string().value_or(""); }

std::set<Uuid> present(const Row& row, std::string_view column, const Table& table) {
  std::set<Uuid> references = row.column(column).uuid_set();
  std::erase_if(references, [&](const Uuid& uuid) { return !table.contains(uuid); });
  return references;
}

}  // namespace

InterfaceRow read_interface(const Row& row) {
  InterfaceRow interface;
  interface.uuid = row.uuid;
  interface.name = text(row, "name");
  interface.type = text(row, "type");
  interface.options = row.column("options").string_map();
  interface.external_ids = row.column("external_ids").string_map();
  interface.ofport = row.column("ofport").integer();
  interface.error = text(row, "error");
  interface.ifindex = row.column("ifindex").integer();
  interface.mac_in_use = text(row, "mac_in_use");
  interface.link_state = text(row, "link_state");
  if (interface.type.starts_with("dpdkvhostuser")) {
    const StringMap status = row.column("status").string_map();
    const auto machine = status.find("status");
    interface.connected = machine != status.end() && machine->second == "connected";
  }
  interface.admin_state = text(row, "admin_state");
  interface.mtu_request = row.column("mtu_request").integer();
  return interface;
}

PortRow read_port(const Row& row, const Table& interfaces) {
  PortRow port;
  port.uuid = row.uuid;
  port.name = text(row, "name");
  port.interfaces = present(row, "interfaces", interfaces);
  port.tag = row.column("tag").integer();
  port.trunks = row.column("trunks").integer_set();
  port.vlan_mode = text(row, "vlan_mode");
  port.other_config = row.column("other_config").string_map();
  port.external_ids = row.column("external_ids").string_map();
  return port;
}

BridgeRow read_bridge(const Row& row) {
  BridgeRow bridge;
  bridge.uuid = row.uuid;
  bridge.name = text(row, "name");
  bridge.controllers = row.column("controller").uuid_set();  // its table is not monitored
  bridge.datapath_type = text(row, "datapath_type");
  bridge.datapath_id = text(row, "datapath_id");
  bridge.fail_mode = text(row, "fail_mode");
  bridge.protocols = row.column("protocols").string_set();
  bridge.mcast_snooping_enable = row.column("mcast_snooping_enable").boolean().value_or(false);
  bridge.other_config = row.column("other_config").string_map();
  bridge.external_ids = row.column("external_ids").string_map();
  return bridge;
}

void read_configuration(const Row& root, Vswitch& vswitch) {
  vswitch.cur_cfg = root.column("cur_cfg").integer().value_or(0);
  vswitch.next_cfg = root.column("next_cfg").integer().value_or(0);
}

void read_root(const Snapshot& snapshot, Vswitch& vswitch) {
  const Table& roots = snapshot.table("Open_vSwitch");
  static const Row kNone;
  const Row& root = roots.empty() ? kNone : *roots.begin()->second;
  vswitch.root = roots.empty() ? std::nullopt : std::optional(root.uuid);
  read_configuration(root, vswitch);
  vswitch.ovs_version = text(root, "ovs_version");
  vswitch.datapath_types = root.column("datapath_types").string_set();
  vswitch.iface_types = root.column("iface_types").string_set();
  vswitch.external_ids = root.column("external_ids").string_map();
}

Vswitch read_vswitch(const Snapshot& snapshot) {
  Vswitch vswitch;
  read_root(snapshot, vswitch);

  const Table& interfaces = snapshot.table("Interface");
  for (const auto& [uuid, row] : interfaces) {
    InterfaceRow interface = read_interface(*row);
    std::string name = interface.name;
    vswitch.interfaces.emplace(std::move(name), std::move(interface));
  }
  const Table& ports = snapshot.table("Port");
  for (const auto& [uuid, row] : ports) {
    PortRow port = read_port(*row, interfaces);
    for (const Uuid& member : port.interfaces) {
      vswitch.interface_port.emplace(text(*interfaces.at(member), "name"), port.name);
    }
    std::string name = port.name;
    vswitch.ports.emplace(std::move(name), std::move(port));
  }
  for (const auto& [uuid, row] : snapshot.table("Bridge")) {
    BridgeRow bridge = read_bridge(*row);
    bridge.ports = present(*row, "ports", ports);
    for (const Uuid& member : bridge.ports) {
      vswitch.port_bridge.emplace(text(*ports.at(member), "name"), bridge.name);
    }
    std::string name = bridge.name;
    vswitch.bridges.emplace(std::move(name), std::move(bridge));
  }
  return vswitch;
}

MonitoredColumns vswitch_columns() {
  return {
      {"Open_vSwitch",
       {"bridges", "cur_cfg", "next_cfg", "ovs_version", "db_version", "datapath_types", "iface_types",
        "external_ids"}},
      {"Bridge",
       {"name", "ports", "controller", "datapath_type", "datapath_id", "fail_mode", "protocols",
        "mcast_snooping_enable", "other_config", "external_ids"}},
      {"Port", {"name", "interfaces", "tag", "trunks", "vlan_mode", "other_config", "external_ids"}},
      {"Interface",
       {"name", "type", "options", "external_ids", "ofport", "error", "ifindex", "mac_in_use", "link_state", "status",
        "admin_state", "mtu_request"}},
  };
}

}  // namespace ml2::ovsdb
