#include "ovsdb/vswitch_reading.h"

#include <algorithm>
#include <map>
#include <utility>

namespace ml2::ovsdb {
namespace {

const Row* find(const Table& table, const Uuid& uuid) {
  const auto found = table.find(uuid);
  return found == table.end() ? nullptr : found->second.get();
}

std::string name_of(const Row& row) { return row.column("name").string().value_or(""); }

template <class T>
std::unordered_map<Uuid, std::string> names_of(const std::map<std::string, T>& rows) {
  std::unordered_map<Uuid, std::string> names;
  for (const auto& [name, row] : rows) names.emplace(row.uuid, name);
  return names;
}

// Takes away what is gone; false: a row has another name than before.
template <class T>
bool take_away(const Table& table, const std::vector<Uuid>& rows, const std::unordered_map<Uuid, std::string>& names,
               std::map<std::string, T>& values, std::set<std::string>& changed) {
  for (const Uuid& uuid : rows) {
    const auto name = names.find(uuid);
    if (name == names.end()) continue;
    const Row* row = find(table, uuid);
    if (row != nullptr && name_of(*row) != name->second) return false;
    if (row != nullptr) continue;
    values.erase(name->second);
    changed.insert(name->second);
  }
  return true;
}

RowPtr first_row(const Table& table) { return table.empty() ? nullptr : table.begin()->second; }

}  // namespace

VswitchChanges VswitchReading::update(const Snapshot& snapshot, const std::optional<RowChanges>& rows) {
  if (rows) {
    VswitchChanges changes;
    if (read_some(snapshot, *rows, changes)) return changes;
  }
  return read_all(snapshot);
}

VswitchChanges VswitchReading::read_all(const Snapshot& snapshot) {
  VswitchChanges changes;
  changes.all = true;
  value_ = read_vswitch(snapshot);
  root_row_ = first_row(snapshot.table("Open_vSwitch"));
  bridge_rows_.clear();
  for (const auto& [uuid, row] : snapshot.table("Bridge")) bridge_rows_.emplace(uuid, row);
  const Names before[] = {std::move(bridges_), std::move(ports_), std::move(interfaces_)};
  bridges_ = names_of(value_.bridges);
  ports_ = names_of(value_.ports);
  interfaces_ = names_of(value_.interfaces);
  const Names* const now[] = {&bridges_, &ports_, &interfaces_};
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& [uuid, name] : *now[i]) {
      if (!before[i].contains(uuid)) changes.new_rows.insert(uuid);
    }
  }
  return changes;
}

bool VswitchReading::read_some(const Snapshot& snapshot, const RowChanges& rows, VswitchChanges& changes) {
  std::vector<Uuid> bridges, ports, interfaces;
  for (const auto& [table, uuid] : rows) {
    if (table == "Bridge") bridges.push_back(uuid);
    if (table == "Port") ports.push_back(uuid);
    if (table == "Interface") interfaces.push_back(uuid);
    if (table == "Open_vSwitch") changes.root = true;
  }
  if (changes.root) follow_root(snapshot, changes);
  const Table& bridge_table = snapshot.table("Bridge");
  const Table& port_table = snapshot.table("Port");
  const Table& interface_table = snapshot.table("Interface");
  if (!take_away(interface_table, interfaces, interfaces_, value_.interfaces, changes.interfaces)) return false;
  if (!take_away(bridge_table, bridges, bridges_, value_.bridges, changes.bridges)) return false;
  if (!read_interfaces(interface_table, interfaces, changes)) return false;
  if (!read_ports(snapshot, ports, changes) || !read_bridges(snapshot, bridges, changes)) return false;
  const auto forget = [](Names& names, const std::vector<Uuid>& which, const Table& table) {
    for (const Uuid& uuid : which) {
      if (find(table, uuid) == nullptr) names.erase(uuid);
    }
  };
  forget(bridges_, bridges, bridge_table);
  for (const Uuid& uuid : bridges) {
    if (!bridges_.contains(uuid)) bridge_rows_.erase(uuid);
  }
  forget(ports_, ports, port_table);
  forget(interfaces_, interfaces, interface_table);
  // A row that nothing refers to, or that refers to one that is not there, is left out of what is by name.
  return value_.interfaces.size() == interface_table.size() && value_.ports.size() == port_table.size() &&
         value_.bridges.size() == bridge_table.size() && interfaces_.size() == interface_table.size() &&
         ports_.size() == port_table.size() && bridges_.size() == bridge_table.size();
}

void VswitchReading::follow_root(const Snapshot& snapshot, VswitchChanges& changes) {
  const RowPtr now = first_row(snapshot.table("Open_vSwitch"));
  const RowPtr before = std::exchange(root_row_, now);
  const auto same = [&](const char* column) { return now->columns.has_same(column, before->columns); };
  changes.root_more =
      now == nullptr || before == nullptr || now->uuid != before->uuid || !std::ranges::all_of(kRootColumns, same);
  if (changes.root_more) {
    read_root(snapshot, value_);
  } else {
    read_configuration(*now, value_);
  }
}

bool VswitchReading::read_interfaces(const Table& table, const std::vector<Uuid>& rows, VswitchChanges& changes) {
  for (const Uuid& uuid : rows) {
    const Row* row = find(table, uuid);
    if (row == nullptr) continue;
    InterfaceRow interface = read_interface(*row);
    const std::string name = interface.name;
    if (interfaces_.emplace(uuid, name).second) changes.new_rows.insert(uuid);
    InterfaceRow& there = value_.interfaces[name];
    if (there == interface) continue;
    if (!there.uuid.is_zero() && there.uuid != uuid) return false;
    there = std::move(interface);
    changes.interfaces.insert(name);
  }
  return true;
}

// The port, and the interfaces of it, which are placed by it.
void VswitchReading::note_port(const std::string& name, VswitchChanges& changes) const {
  changes.ports.insert(name);
  const auto port = value_.ports.find(name);
  if (port == value_.ports.end()) return;
  for (const Uuid& member : port->second.interfaces) {
    if (const auto interface = interfaces_.find(member); interface != interfaces_.end()) {
      changes.interfaces.insert(interface->second);
    }
  }
}

bool VswitchReading::read_ports(const Snapshot& snapshot, const std::vector<Uuid>& rows, VswitchChanges& changes) {
  const Table& table = snapshot.table("Port");
  const Table& interface_table = snapshot.table("Interface");
  // First what goes, then what comes: a name may pass from one row to another.
  std::vector<PortRow> come;
  for (const Uuid& uuid : rows) {
    const auto name = ports_.find(uuid);
    const Row* row = find(table, uuid);
    if (row != nullptr) come.push_back(read_port(*row, interface_table));
    if (name == ports_.end()) continue;
    if (row != nullptr && come.back().name != name->second) return false;
    const auto there = value_.ports.find(name->second);
    if (there == value_.ports.end()) return false;
    if (row != nullptr && there->second == come.back()) {
      come.pop_back();
      continue;
    }
    note_port(name->second, changes);
    for (const Uuid& member : there->second.interfaces) {
      if (const auto interface = interfaces_.find(member); interface != interfaces_.end()) {
        value_.interface_port.erase(interface->second);
      }
    }
    value_.ports.erase(there);
  }
  for (PortRow& port : come) {
    const std::string name = port.name;
    if (ports_.emplace(port.uuid, name).second) changes.new_rows.insert(port.uuid);
    for (const Uuid& member : port.interfaces) {
      const auto interface = interfaces_.find(member);
      if (interface == interfaces_.end()) return false;
      if (!value_.interface_port.emplace(interface->second, name).second) return false;
    }
    if (!value_.ports.emplace(name, std::move(port)).second) return false;
    note_port(name, changes);
  }
  return true;
}

bool VswitchReading::read_bridges(const Snapshot& snapshot, const std::vector<Uuid>& rows, VswitchChanges& changes) {
  const Table& table = snapshot.table("Bridge");
  struct Come {
    std::string bridge;
    std::vector<Uuid> ports;
  };
  std::vector<Come> come;
  for (const Uuid& uuid : rows) {
    const auto found = table.find(uuid);
    if (found == table.end()) {  // its ports go with it; it has no place in value_ any more
      if (bridges_.contains(uuid)) return false;
      continue;
    }
    const RowPtr& row = found->second;
    const RowPtr before = std::exchange(bridge_rows_[uuid], row);
    BridgeRow bridge = read_bridge(*row);
    const std::string name = bridge.name;
    if (bridges_.emplace(uuid, name).second) changes.new_rows.insert(uuid);
    BridgeRow& there = value_.bridges[name];
    if (!there.uuid.is_zero() && there.uuid != uuid) return false;
    const Value ports = row->column("ports");
    auto differ = changes_between(before == nullptr ? Value() : before->column("ports"), ports);
    if (!differ) return false;
    for (const Uuid& member : differ->gone) {
      const auto port = ports_.find(member);
      if (there.ports.erase(member) == 0 || port == ports_.end()) return false;
      value_.port_bridge.erase(port->second);
      note_port(port->second, changes);
    }
    // Each of them has a row, or all is read anew.
    if (there.ports.size() + differ->come.size() != ports.size()) return false;
    come.push_back({name, std::move(differ->come)});
    bridge.ports = std::move(there.ports);
    there = std::move(bridge);
    changes.bridges.insert(name);
  }
  for (const Come& arrivals : come) {
    BridgeRow& bridge = value_.bridges.at(arrivals.bridge);
    for (const Uuid& member : arrivals.ports) {
      const auto port = ports_.find(member);
      if (port == ports_.end() || !value_.port_bridge.emplace(port->second, arrivals.bridge).second) return false;
      bridge.ports.insert(member);
      note_port(port->second, changes);
    }
  }
  return true;
}

}  // namespace ml2::ovsdb
