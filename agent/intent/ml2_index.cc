#include "agent/intent/ml2_index.h"

#include <algorithm>

namespace ml2::intent {
namespace {

void insert(Ml2Index::Referrers& of, const Uuid& row, const Uuid& referrer) { of[row].push_back(referrer); }

void erase(Ml2Index::Referrers& of, const Uuid& row, const Uuid& referrer) {
  const auto found = of.find(row);
  if (found == of.end()) return;
  std::erase(found->second, referrer);
  if (found->second.empty()) of.erase(found);
}

template <class Change>
void each_reference(Ml2Index& index, const ovsdb::Ml2Port& row, Change change) {
  change(index.network_ports, row.network, row.uuid);
  for (const Uuid& pair : row.allowed_address_pairs) change(index.pair_ports, pair, row.uuid);
}
template <class Change>
void each_reference(Ml2Index& index, const ovsdb::Ml2FixedIp& row, Change change) {
  change(index.port_fixed_ips, row.port, row.uuid);
}
template <class Change>
void each_reference(Ml2Index& index, const ovsdb::Ml2Binding& row, Change change) {
  change(index.port_bindings, row.port, row.uuid);
  if (row.segment) change(index.segment_bindings, *row.segment, row.uuid);
}
template <class Change>
void each_reference(Ml2Index& index, const ovsdb::Ml2Subnet& row, Change change) {
  change(index.network_subnets, row.network, row.uuid);
}

}  // namespace

void Ml2Index::add(const ovsdb::Ml2Port& row) { each_reference(*this, row, insert); }
void Ml2Index::add(const ovsdb::Ml2FixedIp& row) { each_reference(*this, row, insert); }
void Ml2Index::add(const ovsdb::Ml2Binding& row) { each_reference(*this, row, insert); }
void Ml2Index::add(const ovsdb::Ml2Subnet& row) { each_reference(*this, row, insert); }
void Ml2Index::remove(const ovsdb::Ml2Port& row) { each_reference(*this, row, erase); }
void Ml2Index::remove(const ovsdb::Ml2FixedIp& row) { each_reference(*this, row, erase); }
void Ml2Index::remove(const ovsdb::Ml2Binding& row) { each_reference(*this, row, erase); }
void Ml2Index::remove(const ovsdb::Ml2Subnet& row) { each_reference(*this, row, erase); }

OtherHosts other_hosts(const ovsdb::Ml2Rows& rows, const std::string& own) {
  OtherHosts hosts;
  for (const auto& [uuid, row] : rows.hosts) {
    if (row.name == own) continue;
    OtherHost& host = hosts[row.name];
    host.row = uuid;
    for (const Uuid& id : row.endpoints) {
      const auto endpoint = rows.endpoints.find(id);
      if (endpoint == rows.endpoints.end()) continue;
      if (const auto type = parse_network_type(endpoint->second.tunnel_type)) host.endpoints.emplace(*type, id);
    }
  }
  return hosts;
}

Ml2Index index_of(const ovsdb::Ml2Rows& rows, const std::string& own_host) {
  Ml2Index index;
  for (const auto& [uuid, row] : rows.ports) index.add(row);
  for (const auto& [uuid, row] : rows.fixed_ips) index.add(row);
  for (const auto& [uuid, row] : rows.bindings) index.add(row);
  for (const auto& [uuid, row] : rows.subnets) index.add(row);
  index.hosts = other_hosts(rows, own_host);
  return index;
}

std::vector<Uuid> referrers(const Ml2Index::Referrers& of, const Uuid& row) {
  const auto found = of.find(row);
  if (found == of.end()) return {};
  std::vector<Uuid> sorted = found->second;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace ml2::intent
