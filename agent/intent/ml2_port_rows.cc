#include "agent/intent/ml2_port_rows.h"

#include <algorithm>
#include <map>
#include <type_traits>
#include <utility>
#include <vector>

#include "datapath/base/text.h"

namespace ml2::intent {
namespace {

// What an address pair says is found by the ports that refer to it.
template <class T>
constexpr bool kIndexed = !std::is_same_v<T, ovsdb::Ml2AddressPair>;

template <class T>
void read_table(const ovsdb::Snapshot& snapshot, Ml2PortRows::Packed& rows, Ml2Index& index) {
  const ovsdb::Table& table = snapshot.table(ovsdb::table_of<T>());
  rows.clear();
  rows.reserve(table.size());
  for (const auto& [uuid, row] : table) {
    rows.emplace(uuid, row);
    if constexpr (kIndexed<T>) index.add(ovsdb::read_ml2_row<T>(*row));
  }
}

template <class T>
void type_row(const Ml2PortRows::Packed& packed, const Uuid& uuid, std::map<Uuid, T>& rows) {
  if (const auto found = packed.find(uuid); found != packed.end()) {
    rows.emplace(uuid, ovsdb::read_ml2_row<T>(*found->second));
  }
}

std::string_view text_of(const ovsdb::Row& row, std::string_view column) {
  return row.column(column).text().value_or(std::string_view());
}

// referrers() where their order does not matter.
const std::vector<Uuid>& listed(const Ml2Index::Referrers& of, const Uuid& row) {
  static const std::vector<Uuid> kNone;
  const auto found = of.find(row);
  return found == of.end() ? kNone : found->second;
}

}  // namespace

void Ml2PortRows::read_all(const ovsdb::Snapshot& snapshot, Ml2Index& index) {
  read_table<ovsdb::Ml2Port>(snapshot, ports_, index);
  read_table<ovsdb::Ml2Binding>(snapshot, bindings_, index);
  read_table<ovsdb::Ml2FixedIp>(snapshot, fixed_ips_, index);
  read_table<ovsdb::Ml2AddressPair>(snapshot, address_pairs_, index);
}

template <class T>
bool Ml2PortRows::read_one(const ovsdb::Snapshot& snapshot, std::string_view table, const Uuid& uuid, Packed& rows,
                           Ml2Index& index) {
  if (table != ovsdb::table_of<T>()) return false;
  if (const auto before = rows.find(uuid); before != rows.end()) {
    if constexpr (kIndexed<T>) index.remove(ovsdb::read_ml2_row<T>(*before->second));
    rows.erase(before);
  }
  const ovsdb::Table& now = snapshot.table(table);
  if (const auto row = now.find(uuid); row != now.end()) {
    if constexpr (kIndexed<T>) index.add(ovsdb::read_ml2_row<T>(*row->second));
    rows.emplace(uuid, row->second);
  }
  return true;
}

bool Ml2PortRows::read(const ovsdb::Snapshot& snapshot, std::string_view table, const Uuid& uuid, Ml2Index& index) {
  return read_one<ovsdb::Ml2Port>(snapshot, table, uuid, ports_, index) ||
         read_one<ovsdb::Ml2Binding>(snapshot, table, uuid, bindings_, index) ||
         read_one<ovsdb::Ml2FixedIp>(snapshot, table, uuid, fixed_ips_, index) ||
         read_one<ovsdb::Ml2AddressPair>(snapshot, table, uuid, address_pairs_, index);
}

bool Ml2PortRows::is_bound(const Uuid& port, const Ml2Index& index) const {
  return std::ranges::any_of(listed(index.port_bindings, port), [&](const Uuid& binding) {
    const ovsdb::Row& row = *bindings_.at(binding);
    return !text_of(row, "host").empty() && text_of(row, "status") == "ACTIVE";
  });
}

void Ml2PortRows::type(const Uuid& port, const Ml2Index& index, ovsdb::Ml2Rows& rows) const {
  type_row(ports_, port, rows.ports);
  for (const Uuid& binding : referrers(index.port_bindings, port)) type_row(bindings_, binding, rows.bindings);
  for (const Uuid& fixed_ip : referrers(index.port_fixed_ips, port)) type_row(fixed_ips_, fixed_ip, rows.fixed_ips);
  const auto row = rows.ports.find(port);
  if (row == rows.ports.end()) return;
  for (const Uuid& pair : row->second.allowed_address_pairs) type_row(address_pairs_, pair, rows.address_pairs);
}

std::optional<Ml2PortRows::Bound> Ml2PortRows::bound(const Uuid& port, const std::string& host, const Ml2Index& index,
                                                     bool& here) const {
  here = false;
  Bound bound{.port = port};
  for (const Uuid& binding : listed(index.port_bindings, port)) {
    const ovsdb::Row& row = *bindings_.at(binding);
    const std::string_view its_host = text_of(row, "host");
    here = here || its_host == host;
    if (its_host.empty() || text_of(row, "status") != "ACTIVE" || row.column("segment").empty()) continue;
    if (bound.binding == nullptr || row.uuid < bound.binding->uuid) bound.binding = &row;
  }
  return bound.binding == nullptr ? std::nullopt : std::optional(bound);
}

std::vector<Ml2PortRows::Bound> Ml2PortRows::type_own(const Uuid& network, const std::string& host,
                                                      const Ml2Index& index, ovsdb::Ml2Rows& rows) const {
  std::vector<Bound> ports;
  for (const Uuid& id : referrers(index.network_ports, network)) {
    bool here = false;
    const auto its_binding = bound(id, host, index, here);
    if (here) type(id, index, rows);
    if (its_binding) ports.push_back(*its_binding);
  }
  return ports;
}

BoundPorts Ml2PortRows::read_bound(const std::vector<Bound>& bound, const Ml2Index& index,
                                   ovsdb::Ml2Rows& rows) const {
  BoundPorts ports;
  ports.reserve(bound.size());
  for (const auto& [id, binding] : bound) {
    const ovsdb::Row& row = *ports_.at(id);
    BoundPort port{.id = id,
                   .name = text_of(row, "name"),
                   .status = text_of(row, "status"),
                   .device_owner = text_of(row, "device_owner"),
                   .port_security_enabled = row.column("port_security_enabled").boolean().value_or(true),
                   .allowed_address_pairs = {},
                   .host = text_of(*binding, "host"),
                   .segment = binding->column("segment").uuid().value_or(Uuid()),
                   .mac = Mac::parse(text::lower(text_of(row, "mac_address"))),
                   .addresses = {}};
    if (const ovsdb::Value pairs = row.column("allowed_address_pairs"); !pairs.empty()) {
      port.allowed_address_pairs = pairs.uuid_set();
      for (const Uuid& pair : port.allowed_address_pairs) type_row(address_pairs_, pair, rows.address_pairs);
    }
    for (const Uuid& ip : listed(index.port_fixed_ips, id)) {
      if (const auto address = IpAddress::parse(text_of(*fixed_ips_.at(ip), "ip_address"))) {
        port.addresses.push_back(*address);
      }
    }
    std::sort(port.addresses.begin(), port.addresses.end());
    ports.push_back(std::move(port));
  }
  return ports;
}

}  // namespace ml2::intent
