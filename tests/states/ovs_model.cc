#include "tests/states/ovs_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace ml2::testing {
namespace {

using ovsdb::Atom;
using ovsdb::Datum;

template <class Rows>
auto find_name(Rows& rows, const std::string& name) {
  return std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.second.name == name; });
}

bool is_map(const std::string& column) {
  return column == "options" || column == "other_config" || column == "external_ids";
}

}  // namespace

OvsModel::OvsModel() { root_ = fresh_uuid(); }

Uuid OvsModel::fresh_uuid() {
  std::array<std::uint8_t, 16> bytes{0xf0};
  for (unsigned i = 0; i < 4; ++i) bytes[15 - i] = static_cast<std::uint8_t>(next_uuid_ >> (8 * i));
  ++next_uuid_;
  return Uuid(bytes);
}

void OvsModel::add_bridge(const std::string& name, const std::string& datapath_type) {
  const Uuid uuid = fresh_uuid();
  ovsdb::BridgeRow row;
  row.uuid = uuid;
  row.name = name;
  row.datapath_type = datapath_type;
  bridges_.emplace(uuid, row);
  root_bridges_.insert(uuid);
  add_port(name, name, "internal");
  settle();
}

void OvsModel::add_port(const std::string& bridge_name, const std::string& name, const std::string& type,
                        const ovsdb::StringMap& options, const ovsdb::StringMap& interface_external_ids) {
  ovsdb::InterfaceRow interface_row;
  interface_row.uuid = fresh_uuid();
  interface_row.name = name;
  interface_row.type = type;
  interface_row.options = options;
  interface_row.external_ids = interface_external_ids;
  ovsdb::PortRow port_row;
  port_row.uuid = fresh_uuid();
  port_row.name = name;
  port_row.interfaces = {interface_row.uuid};
  bridge(bridge_name).ports.insert(port_row.uuid);
  ports_.emplace(port_row.uuid, port_row);
  interfaces_.emplace(interface_row.uuid, interface_row);
}

void OvsModel::del_port(const std::string& name) {
  const Uuid uuid = port(name).uuid;
  for (auto& [id, row] : bridges_) row.ports.erase(uuid);
  collect_garbage();
}

void OvsModel::del_bridge(const std::string& name) {
  const Uuid uuid = bridge(name).uuid;
  bridges_.erase(uuid);
  root_bridges_.erase(uuid);
  collect_garbage();
  settle();
}

ovsdb::PortRow& OvsModel::port(const std::string& name) { return find_name(ports_, name)->second; }
ovsdb::InterfaceRow& OvsModel::interface(const std::string& name) { return find_name(interfaces_, name)->second; }
ovsdb::BridgeRow& OvsModel::bridge(const std::string& name) { return find_name(bridges_, name)->second; }

void OvsModel::commit(const ovsdb::Transaction& transaction) {
  names_.clear();
  for (const ovsdb::Operation& operation : transaction.operations) {
    if (const auto* row = std::get_if<ovsdb::RowInsert>(&operation)) {
      if (!names_.emplace(row->uuid, fresh_uuid()).second) fault("two new rows of one name");
    }
  }
  for (const ovsdb::Operation& operation : transaction.operations) apply(operation);
  if (!transaction.empty() && transaction.comment.empty()) fault("a transaction without a comment");
  names_.clear();
  collect_garbage();
}

void OvsModel::apply(const ovsdb::Operation& operation) {
  if (const auto* row = std::get_if<ovsdb::RowInsert>(&operation)) {
    insert(*row);
  } else if (const auto* update = std::get_if<ovsdb::RowUpdate>(&operation)) {
    for (const auto& [column, value] : update->columns) set(update->table, update->uuid, column, value);
  } else if (const auto* mutate = std::get_if<ovsdb::RowMutate>(&operation)) {
    Datum value = get(mutate->table, mutate->uuid, mutate->column);
    if (is_map(mutate->column)) {
      ovsdb::StringMap map = value.string_map();
      for (const std::string& key : mutate->erase.string_set()) map.erase(key);
      for (const auto& [key, text] : mutate->insert.string_map()) map[key] = text;
      value = Datum::map(map);
    } else {
      std::vector<Atom> keys = value.keys;
      for (const Atom& atom : mutate->erase.keys) std::erase(keys, atom);
      keys.insert(keys.end(), mutate->insert.keys.begin(), mutate->insert.keys.end());
      value = Datum::set(std::move(keys));
    }
    set(mutate->table, mutate->uuid, mutate->column, value);
  } else {
    fault("an operation that the core has no use for");
  }
}

void OvsModel::insert(const ovsdb::RowInsert& row) {
  const Uuid uuid = names_.at(row.uuid);
  if (row.table == "Bridge") {
    bridges_[uuid].uuid = uuid;
  } else if (row.table == "Port") {
    ports_[uuid].uuid = uuid;
  } else if (row.table == "Interface") {
    interfaces_[uuid].uuid = uuid;
  } else {
    fault("insert into " + row.table);
  }
  for (const auto& [column, value] : row.columns) set(row.table, row.uuid, column, value);
}

void OvsModel::set(const std::string& table, const Uuid& name, const std::string& column, const Datum& value) {
  const auto named = names_.find(name);
  const Uuid uuid = named == names_.end() ? name : named->second;
  std::set<Uuid> references;
  for (const Uuid& reference : value.uuid_set()) {
    const auto found = names_.find(reference);
    references.insert(found == names_.end() ? reference : found->second);
  }
  const auto unknown = [&] { fault(fmt::format("no row or column: {}.{}", table, column)); };
  if (table == "Open_vSwitch" && uuid == root_) {
    if (column == "next_cfg") {
      next_cfg_ = value.integer().value_or(-1);
    } else if (column == "bridges") {
      root_bridges_ = references;
    } else {
      unknown();
    }
  } else if (table == "Bridge" && bridges_.contains(uuid)) {
    ovsdb::BridgeRow& row = bridges_.at(uuid);
    if (column == "name")
      row.name = value.string().value();
    else if (column == "ports")
      row.ports = references;
    else if (column == "datapath_type")
      row.datapath_type = value.string().value();
    else if (column == "fail_mode")
      set_fail_mode(row, value.string().value_or(""));
    else if (column == "protocols")
      row.protocols = value.string_set();
    else if (column == "mcast_snooping_enable")
      row.mcast_snooping_enable = value.boolean().value();
    else if (column == "other_config")
      row.other_config = value.string_map();
    else if (column == "external_ids")
      row.external_ids = value.string_map();
    else
      unknown();
  } else if (table == "Port" && ports_.contains(uuid)) {
    ovsdb::PortRow& row = ports_.at(uuid);
    if (column == "name")
      row.name = value.string().value();
    else if (column == "interfaces")
      row.interfaces = references;
    else if (column == "tag")
      row.tag = value.integer();
    else if (column == "trunks")
      row.trunks = value.integer_set();
    else if (column == "vlan_mode")
      row.vlan_mode = value.string().value_or("");
    else if (column == "other_config")
      row.other_config = value.string_map();
    else if (column == "external_ids")
      row.external_ids = value.string_map();
    else
      unknown();
  } else if (table == "Interface" && interfaces_.contains(uuid)) {
    ovsdb::InterfaceRow& row = interfaces_.at(uuid);
    if (column == "name")
      row.name = value.string().value();
    else if (column == "type")
      row.type = value.string().value();
    else if (column == "options")
      row.options = value.string_map();
    else if (column == "mtu_request")
      row.mtu_request = value.integer();
    else
      unknown();
  } else {
    unknown();
  }
}

// connmgr_set_fail_mode() and connmgr_flushed() in ofproto/connmgr.c: of a bridge without controllers.
void OvsModel::set_fail_mode(ovsdb::BridgeRow& row, const std::string& mode) {
  const bool was_secure = row.fail_mode == "secure";
  row.fail_mode = mode;
  const auto flows = flows_.find(row.name);
  if (flows != flows_.end() && was_secure != (mode == "secure")) flows->second = flushed(row);
}

of::FlowSet OvsModel::flushed(const ovsdb::BridgeRow& row) {
  if (row.fail_mode == "secure") return {};
  return {{{0, 0, ""}, of::FlowBody{.actions = "NORMAL"}}};
}

void OvsModel::restart() {
  for (auto& [uuid, row] : bridges_) flows_[row.name] = flushed(row);
}

Datum OvsModel::get(const std::string& table, const Uuid& uuid, const std::string& column) {
  if (table == "Open_vSwitch" && column == "bridges") return Datum::uuids(root_bridges_);
  if (table == "Bridge" && bridges_.contains(uuid)) {
    const ovsdb::BridgeRow& row = bridges_.at(uuid);
    if (column == "ports") return Datum::uuids(row.ports);
    if (column == "protocols") return Datum::strings(row.protocols);
    if (column == "other_config") return Datum::map(row.other_config);
    if (column == "external_ids") return Datum::map(row.external_ids);
  }
  if (table == "Port" && ports_.contains(uuid)) {
    const ovsdb::PortRow& row = ports_.at(uuid);
    if (column == "other_config") return Datum::map(row.other_config);
    if (column == "external_ids") return Datum::map(row.external_ids);
  }
  fault(fmt::format("mutate of {}.{}", table, column));
  return Datum::none();
}

// Ports and interfaces are no root tables; names are unique (vswitch.ovsschema).
void OvsModel::collect_garbage() {
  std::set<Uuid> ports;
  for (const auto& [uuid, row] : bridges_) ports.insert(row.ports.begin(), row.ports.end());
  std::erase_if(ports_, [&](const auto& row) { return !ports.contains(row.first); });
  std::set<Uuid> interfaces;
  for (const auto& [uuid, row] : ports_) interfaces.insert(row.interfaces.begin(), row.interfaces.end());
  std::erase_if(interfaces_, [&](const auto& row) { return !interfaces.contains(row.first); });
  std::set<std::string> names;
  for (const auto& [uuid, row] : ports_) {
    if (!names.insert(row.name).second) fault("two ports named " + row.name);
  }
  names.clear();
  for (const auto& [uuid, row] : interfaces_) {
    if (!names.insert(row.name).second) fault("two interfaces named " + row.name);
  }
}

void OvsModel::commit(const std::string& bridge_name, const of::Bundle& bundle) {
  if (!flows_.contains(bridge_name)) fault("a bundle for a bridge that is not there: " + bridge_name);
  of::FlowSet& flows = flows_[bridge_name];
  for (const of::FlowMod& mod : bundle.mods) {
    switch (mod.command) {
      case of::FlowMod::Command::Add: flows.insert_or_assign(mod.key, mod.body); break;
      case of::FlowMod::Command::Modify:
        if (!flows.contains(mod.key)) fault("modify of a flow that is not there: " + to_text(mod.key, mod.body));
        flows[mod.key].actions = mod.body.actions;
        break;
      case of::FlowMod::Command::Delete:
        if (flows.erase(mod.key) == 0) fault("delete of a flow that is not there: " + to_text(mod.key, mod.body));
        break;
    }
  }
}

void OvsModel::settle() {
  std::set<std::string> names;
  for (auto& [uuid, row] : bridges_) {
    names.insert(row.name);
    if (row.datapath_id.empty()) row.datapath_id = fmt::format("{:016x}", next_uuid_++);
    if (!flows_.contains(row.name)) {
      flows_[row.name] = flushed(row);
    }
    std::set<std::int64_t> used;
    std::vector<ovsdb::InterfaceRow*> waiting;
    for (const Uuid& port_uuid : row.ports) {
      for (const Uuid& interface_uuid : ports_.at(port_uuid).interfaces) {
        ovsdb::InterfaceRow& interface_row = interfaces_.at(interface_uuid);
        if (const auto refusal = refused_.find(interface_row.name); refusal != refused_.end()) {
          interface_row.ofport = -1;
          interface_row.error = refusal->second;
        } else if (interface_row.name == row.name) {
          interface_row.ofport = 65534;
        } else if (interface_row.ofport && *interface_row.ofport > 0) {
          used.insert(*interface_row.ofport);
        } else {
          waiting.push_back(&interface_row);
        }
      }
    }
    for (ovsdb::InterfaceRow* interface_row : waiting) {
      std::int64_t number = 1;
      while (!used.insert(number).second) ++number;
      interface_row->ofport = number;
    }
  }
  std::erase_if(flows_, [&](const auto& entry) { return !names.contains(entry.first); });
}

ovsdb::Vswitch OvsModel::vswitch() const {
  ovsdb::Vswitch result;
  result.root = root_;
  result.next_cfg = next_cfg_;
  result.cur_cfg = next_cfg_;
  result.datapath_types = {"netdev", "system"};
  result.iface_types = {"geneve", "gre", "internal", "ip6gre", "patch", "tap", "vxlan"};
  for (const auto& [uuid, row] : bridges_) {
    if (!root_bridges_.contains(uuid)) continue;
    result.bridges.emplace(row.name, row);
    for (const Uuid& port_uuid : row.ports) {
      const ovsdb::PortRow& port_row = ports_.at(port_uuid);
      result.ports.emplace(port_row.name, port_row);
      result.port_bridge.emplace(port_row.name, row.name);
      for (const Uuid& interface_uuid : port_row.interfaces) {
        const ovsdb::InterfaceRow& interface_row = interfaces_.at(interface_uuid);
        result.interfaces.emplace(interface_row.name, interface_row);
        result.interface_port.emplace(interface_row.name, port_row.name);
      }
    }
  }
  return result;
}

Actual OvsModel::actual() const {
  Actual result;
  result.vswitch = vswitch();
  for (const auto& [name, flows] : flows_) result.flows.emplace(name, &flows);
  return result;
}

}  // namespace ml2::testing
