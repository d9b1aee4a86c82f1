#include <algorithm>
#include <utility>

#include "datapath/compile/compile.h"

namespace ml2 {
namespace {

std::string value_of(const ovsdb::StringMap& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

InterfaceFact fact_of(const ovsdb::InterfaceRow& row) {
  InterfaceFact fact;
  fact.type = row.type;
  if (row.ofport) fact.ofport = OfPort::make(*row.ofport);
  fact.closed = value_of(row.options, "in_key") == kNoKey;
  fact.error = row.error;
  fact.unserved = row.connected && row.link_state == "down";
  if (row.type == "patch") fact.peer = value_of(row.options, "peer");
  fact.iface_id = value_of(row.external_ids, "iface-id");
  fact.attached_mac = value_of(row.external_ids, "attached-mac");
  return fact;
}

InterfaceFact placed_fact(const ovsdb::Vswitch& vswitch, const ovsdb::InterfaceRow& row) {
  InterfaceFact fact = fact_of(row);
  if (const auto port = vswitch.interface_port.find(row.name); port != vswitch.interface_port.end()) {
    fact.port = port->second;
  }
  if (const auto bridge = vswitch.port_bridge.find(fact.port); bridge != vswitch.port_bridge.end()) {
    fact.bridge = bridge->second;
  }
  if (const auto port = vswitch.ports.find(fact.port); port != vswitch.ports.end()) {
    fact.tag = port->second.tag;
    fact.port_other_config = port->second.other_config;
    fact.owned = value_of(port->second.external_ids, kOwnerKey) == kOwnerValue;
  }
  return fact;
}

std::set<std::string> taken_bridges(const ovsdb::Vswitch& vswitch) {
  std::set<std::string> names;
  for (const auto& [name, row] : vswitch.bridges) {
    if (value_of(row.external_ids, kTakenKey) == kPhysicalPart) names.insert(name);
  }
  return names;
}

bool same_bridges(const Facts& facts, const ovsdb::Vswitch& vswitch) {
  return std::equal(facts.bridges.begin(), facts.bridges.end(), vswitch.bridges.begin(), vswitch.bridges.end(),
                    [](const auto& fact, const auto& row) {
                      return fact.first == row.first && fact.second == row.second.datapath_id;
                    }) &&
         facts.taken_bridges == taken_bridges(vswitch);
}

}  // namespace

Facts gather_facts(const ovsdb::Vswitch& vswitch, const std::set<IpAddress>& host_addresses,
                   const LocalVlans& previous) {
  Facts facts;
  facts.settled = vswitch.cur_cfg >= vswitch.next_cfg;
  for (const auto& [name, row] : vswitch.interfaces) facts.interfaces.emplace(name, placed_fact(vswitch, row));
  for (const auto& [name, row] : vswitch.bridges) facts.bridges.emplace(name, row.datapath_id);
  facts.taken_bridges = taken_bridges(vswitch);
  facts.iface_types = vswitch.iface_types;
  facts.host_addresses = host_addresses;
  facts.local_vlans = previous;
  return facts;
}

FactsChanges update_facts(const ovsdb::Vswitch& vswitch, const ovsdb::VswitchChanges& changes,
                          const std::set<IpAddress>& host_addresses, const LocalVlans* moved, Facts& facts) {
  FactsChanges result;
  if (moved != nullptr) facts.local_vlans = *moved;
  if (changes.all || !same_bridges(facts, vswitch) || facts.iface_types != vswitch.iface_types ||
      facts.host_addresses != host_addresses) {
    Facts now = gather_facts(vswitch, host_addresses, facts.local_vlans);
    now.fast_path = std::move(facts.fast_path);
    facts = std::move(now);
    result.all = true;
    return result;
  }
  const bool settled = vswitch.cur_cfg >= vswitch.next_cfg;
  result.settled = settled != facts.settled;
  facts.settled = settled;
  for (const std::string& name : changes.interfaces) {
    const auto there = facts.interfaces.find(name);
    const auto row = vswitch.interfaces.find(name);
    if (row == vswitch.interfaces.end()) {
      if (there == facts.interfaces.end()) continue;
      result.interfaces.emplace(name, std::move(there->second));
      facts.interfaces.erase(there);
      continue;
    }
    InterfaceFact fact = placed_fact(vswitch, row->second);
    if (there == facts.interfaces.end()) {
      result.interfaces.emplace(name, std::nullopt);
      facts.interfaces.emplace(name, std::move(fact));
    } else if (there->second != fact) {
      result.interfaces.emplace(name, std::exchange(there->second, std::move(fact)));
    }
  }
  return result;
}

}  // namespace ml2
