#include "agent/intent/ml2_reading.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace ml2::intent {
namespace {

// Tables of which all rows are kept typed.
constexpr std::array kFewRows = {"ML2_Global", "Network", "Segment", "Subnet", "Host", "Endpoint"};

template <class T>
const T* find(const std::map<Uuid, T>& rows, const Uuid& uuid) {
  const auto found = rows.find(uuid);
  return found == rows.end() ? nullptr : &found->second;
}

// What the intent takes from another host's row.
bool same_to_others(const ovsdb::Ml2Host* before, const ovsdb::Ml2Host* now) {
  if (before == nullptr || now == nullptr) return before == now;
  return before->name == now->name && before->endpoints == now->endpoints &&
         before->tunnel_types == now->tunnel_types && has_yet_to_report(*before) == has_yet_to_report(*now);
}

}  // namespace

Ml2Reading::News Ml2Reading::update(const ovsdb::Snapshot& snapshot,
                                    const std::optional<ovsdb::RowChanges>& changes) {
  if (!changes || !intent_.complete) return read_all(snapshot);
  News news;
  Dirty dirty{.networks = {}, .newcomers = newcomers(snapshot, *changes)};
  for (const auto& [table, uuid] : *changes) {
    if (!read_row(snapshot, table, uuid, dirty, news)) return read_all(snapshot);
  }
  read_dirty(std::move(dirty), news.intent);
  return news;
}

// Of the ports that changed rows belong to, those that were bound nowhere: no part of the intent knows of them yet.
std::set<Uuid> Ml2Reading::newcomers(const ovsdb::Snapshot& snapshot, const ovsdb::RowChanges& changes) const {
  std::set<Uuid> ports;
  const auto add = [&](const Uuid& port) {
    if (!port_rows_.is_bound(port, index_)) ports.insert(port);
  };
  const auto add_port_of = [&](const Ml2PortRows::Packed& before, const std::string& table, const Uuid& uuid) {
    const auto old = before.find(uuid);
    const ovsdb::Row* now = snapshot.row(table, uuid);
    for (const ovsdb::Row* row : {old == before.end() ? nullptr : old->second.get(), now}) {
      if (row != nullptr) add(row->column("port").uuid().value_or(Uuid()));
    }
  };
  for (const auto& [table, uuid] : changes) {
    if (table == "Port") add(uuid);
    if (table == "Binding") add_port_of(port_rows_.bindings(), table, uuid);
    if (table == "Fixed_IP") add_port_of(port_rows_.fixed_ips(), table, uuid);
  }
  return ports;
}

Ml2Reading::News Ml2Reading::read_all(const ovsdb::Snapshot& snapshot) {
  rows_ = {};
  index_ = {};
  for (const char* table : kFewRows) {
    for (const auto& [uuid, row] : snapshot.table(table)) ovsdb::read_ml2_row(snapshot, table, uuid, rows_);
  }
  for (const auto& [uuid, row] : rows_.subnets) index_.add(row);
  index_.hosts = other_hosts(rows_, node_.host);
  port_rows_.read_all(snapshot, index_);
  const ovsdb::Ml2Host* own = ovsdb::host_named(rows_, node_.host);
  own_host_ = own == nullptr ? Uuid() : own->uuid;
  const Intent before = std::exchange(intent_, Intent{.node = node_, .complete = true});
  parts_.clear();
  problems_.clear();
  IntentChanges ignored;
  Networks networks;
  for (const auto& [network, ports] : index_.network_ports) networks.insert(network);
  read_networks(networks, ignored);
  read_hosts(rows_, index_.hosts, intent_);
  return {.intent = changes_between(before, intent_), .ports = {}, .hosts = true, .all = true};
}

const ovsdb::Ml2Host* Ml2Reading::own_host() const {
  const ovsdb::Ml2Host* row = find(rows_.hosts, own_host_);
  return row != nullptr && row->name == node_.host ? row : nullptr;
}

// Reads one row, and notes which networks it concerns; false: all of them may be.
bool Ml2Reading::read_row(const ovsdb::Snapshot& snapshot, const std::string& table, const Uuid& uuid, Dirty& dirty,
                          News& news) {
  if (table == "Host" || table == "Endpoint") return read_host_row(snapshot, table, uuid, news);
  if (table == "Port") news.ports.insert(uuid);
  const bool concerns = table != "Port" || !is_report_of_ours(snapshot, uuid);
  if (concerns) dirty_of(table, uuid, true, dirty);
  if (!port_rows_.read(snapshot, table, uuid, index_) && std::ranges::count(kFewRows, table) != 0) {
    if (const auto* subnet = find(rows_.subnets, uuid)) index_.remove(*subnet);
    ovsdb::read_ml2_row(snapshot, table, uuid, rows_);
    if (const auto* subnet = find(rows_.subnets, uuid)) index_.add(*subnet);
  }
  if (concerns) dirty_of(table, uuid, false, dirty);
  return true;
}

bool Ml2Reading::read_host_row(const ovsdb::Snapshot& snapshot, const std::string& table, const Uuid& uuid,
                               News& news) {
  const ovsdb::Ml2Host* row = find(rows_.hosts, uuid);
  const std::optional<ovsdb::Ml2Host> before = row == nullptr ? std::nullopt : std::optional(*row);
  ovsdb::read_ml2_row(snapshot, table, uuid, rows_);
  const ovsdb::Ml2Host* now = find(rows_.hosts, uuid);
  if (now != nullptr && now->name == node_.host) own_host_ = uuid;
  const bool own = (!before || before->name == node_.host) && (now == nullptr || now->name == node_.host);
  if (table == "Host") {
    news.hosts = news.hosts || own;
    return own || same_to_others(before ? &*before : nullptr, now);
  }
  news.hosts = true;
  // Endpoints of this host's own row concern nobody here.
  for (const auto& [id, host] : rows_.hosts) {
    if (host.name != node_.host && host.endpoints.contains(uuid)) return false;
  }
  for (const auto& [name, host] : index_.hosts) {
    for (const auto& [type, endpoint] : host.endpoints) {
      if (endpoint == uuid) return false;
    }
  }
  return true;
}

// Of a port that is bound nowhere else only the status differs, which this agent writes: it says what has become of the
// intent, and nothing in the intent depends on it, but for which of two ports keeps what both have.
bool Ml2Reading::is_report_of_ours(const ovsdb::Snapshot& snapshot, const Uuid& port) const {
  const auto packed = port_rows_.ports().find(port);
  const ovsdb::Row* now = snapshot.row("Port", port);
  if (packed == port_rows_.ports().end() || now == nullptr) return false;
  const auto before = ovsdb::read_ml2_row<ovsdb::Ml2Port>(*packed->second);
  const auto part = parts_.find(before.network);
  if (part == parts_.end() || part->second.has_twins) return false;
  for (const Uuid& binding : referrers(index_.port_bindings, port)) {
    if (port_rows_.bindings().at(binding)->column("host").string() != node_.host) return false;
  }
  auto read = ovsdb::read_ml2_row<ovsdb::Ml2Port>(*now);
  read.status = before.status;
  read.status_reason = before.status_reason;
  return read == before;
}

// The ports and networks that a row concerns, as the rows and index_ have it now, which is `before` the row is read or after.
void Ml2Reading::dirty_of(const std::string& table, const Uuid& uuid, bool before, Dirty& dirty) const {
  const auto dirty_port_of = [&](const Ml2PortRows::Packed& rows, const Uuid& row) {
    if (const auto found = rows.find(row); found != rows.end()) {
      dirty_port(found->second->column("port").uuid().value_or(Uuid()), before, dirty);
    }
  };
  const auto dirty_network_of = [&](const Uuid& port) {
    if (dirty.newcomers.contains(port)) return;
    if (const auto network = network_of(port)) dirty.networks.insert(*network);
  };
  if (table == "Port") dirty_port(uuid, before, dirty);
  if (table == "Network") dirty.networks.insert(uuid);
  if (table == "Fixed_IP") dirty_port_of(port_rows_.fixed_ips(), uuid);
  if (table == "Binding") dirty_port_of(port_rows_.bindings(), uuid);
  if (table == "Subnet") {
    if (const auto* row = find(rows_.subnets, uuid)) dirty.networks.insert(row->network);
  }
  if (table == "Address_Pair") {
    for (const Uuid& port : referrers(index_.pair_ports, uuid)) dirty_network_of(port);
  }
  if (table == "Segment") {
    for (const Uuid& binding : referrers(index_.segment_bindings, uuid)) {
      dirty_network_of(port_rows_.bindings().at(binding)->column("port").uuid().value_or(Uuid()));
    }
  }
}

std::optional<Uuid> Ml2Reading::network_of(const Uuid& port) const {
  const auto row = port_rows_.ports().find(port);
  if (row == port_rows_.ports().end()) return std::nullopt;
  return row->second->column("network").uuid().value_or(Uuid());
}

void Ml2Reading::read_port(const Uuid& port, std::map<Uuid, ovsdb::Ml2Port>& rows) const {
  const auto row = port_rows_.ports().find(port);
  if (row != port_rows_.ports().end()) rows.emplace(port, ovsdb::read_ml2_row<ovsdb::Ml2Port>(*row->second));
}

bool Ml2Reading::is_down(const Uuid& port) const {
  const auto row = port_rows_.ports().find(port);
  return row != port_rows_.ports().end() && row->second->column("status").text() == "DOWN";
}

std::string Ml2Reading::why_not_here(const Uuid& port) const {
  ovsdb::Ml2Rows rows;
  port_rows_.type(port, index_, rows);
  return intent::why_not_here(rows, index_, node_.host, port);
}

void Ml2Reading::drop_problem(const std::string& sentence, IntentChanges& changes) {
  const auto count = problems_.find(sentence);
  if (--count->second != 0) return;
  problems_.erase(count);
  intent_.problems.erase(sentence);
  changes.problems = true;
}

void Ml2Reading::read_dirty(Dirty dirty, IntentChanges& changes) {
  // Of many ports the whole costs less than each alone.
  constexpr std::size_t kMany = 32;
  std::map<Uuid, std::size_t> alone;  // by network
  for (const auto& [port, before] : dirty.far) ++alone[before.network];
  for (const Uuid& port : dirty.newcomers) {
    if (const auto network = network_of(port)) ++alone[*network];
  }
  for (const auto& [network, ports] : alone) {
    if (ports > kMany) dirty.networks.insert(network);
  }
  for (const auto& [port, before] : dirty.far) {
    if (dirty.networks.contains(before.network) || replace_far(port, before, changes)) continue;
    dirty.networks.insert(before.network);
    if (const auto network = network_of(port)) dirty.networks.insert(*network);
  }
  for (const Uuid& port : dirty.newcomers) {
    const auto network = network_of(port);
    if (!network || !port_rows_.is_bound(port, index_) || dirty.networks.contains(*network)) continue;
    const bool read = read_newcomer(port, *network, changes);
    clear_port_rows();
    if (!read && !replace_far(port, {.network = *network, .port = {}}, changes)) dirty.networks.insert(*network);
  }
  read_networks(dirty.networks, changes);
  for (const Segment& segment : changes.remote) changes.remote_ports.erase(segment);
}

// A port that has just been bound, into its network's part; false: the network has to be read.
bool Ml2Reading::read_newcomer(const Uuid& port, const Uuid& network, IntentChanges& changes) {
  const auto found = parts_.find(network);
  if (found == parts_.end()) return false;
  port_rows_.type(port, index_, rows_);
  const ovsdb::Ml2Port& row = rows_.ports.at(port);
  // A port of another host is in the segment's remote ports; one with pairs shares addresses with others.
  if (rows_.bindings.size() != 1 || rows_.bindings.begin()->second.host != node_.host ||
      !row.allowed_address_pairs.empty()) {
    return false;
  }
  NetworkIntent now = read_own_port(rows_, index_, node_, port);
  const auto& [id, binding] = *rows_.bindings.begin();
  std::vector<Ml2PortRows::Bound> bound;
  if (binding.segment) bound.push_back({port, port_rows_.bindings().at(id).get()});
  gather_addresses(port_rows_.read_bound(bound, index_, rows_), now);
  Part& part = found->second;
  if (!concerns_nobody_else(part, now)) return false;
  for (const Mac& mac : now.macs) part.macs.insert(std::ranges::upper_bound(part.macs, mac), mac);
  for (const IpAddress& address : now.addresses) {
    part.addresses.insert(std::ranges::upper_bound(part.addresses, address), address);
  }
  const auto put = [&](auto& values, auto& all) {
    for (auto& [key, value] : values) {
      part.ports.insert(key);
      all.insert_or_assign(key, std::move(value));
      changes.ports.insert(key);
    }
  };
  put(now.ports, intent_.ports);
  put(now.refused, intent_.refused);
  return true;
}

// Whether the rest of a network stays as it is when a port comes that has no address pairs.
bool Ml2Reading::concerns_nobody_else(const Part& part, const NetworkIntent& newcomer) const {
  const auto is_new = [](const auto& values, const auto& sorted) {
    return std::ranges::none_of(values, [&](const auto& value) { return std::ranges::binary_search(sorted, value); });
  };
  // With its first port here a segment's remote ports become this node's affair.
  const bool segment_is_read = std::ranges::all_of(
      newcomer.segments, [&](const auto& segment) { return part.segments.contains(segment.first); });
  return segment_is_read && is_new(newcomer.macs, part.macs) && is_new(newcomer.addresses, part.addresses);
}

void Ml2Reading::clear_port_rows() {
  rows_.ports.clear();
  rows_.bindings.clear();
  rows_.fixed_ips.clear();
  rows_.address_pairs.clear();
}

void Ml2Reading::read_networks(const Networks& networks, IntentChanges& changes) {
  std::vector<std::pair<Uuid, NetworkIntent>> read;
  for (const Uuid& network : networks) {
    const std::vector<Ml2PortRows::Bound> bound = port_rows_.type_own(network, node_.host, index_, rows_);
    NetworkIntent here = read_own_ports(rows_, index_, node_, network);
    if (!here.segments.empty()) {
      read_neighbours(rows_, index_, node_, network, port_rows_.read_bound(bound, index_, rows_), here);
    }
    read.emplace_back(network, std::move(here));
    clear_port_rows();
  }
  // First what goes, then what comes: a port may pass from one network to another.
  for (const auto& [network, now] : read) withdraw(network, now, changes);
  for (auto& [network, now] : read) install(network, std::move(now), changes);
}

void Ml2Reading::withdraw(const Uuid& network, const NetworkIntent& now, IntentChanges& changes) {
  const auto found = parts_.find(network);
  if (found == parts_.end()) return;
  const Part& part = found->second;
  const auto erase = [](const auto& keys, const auto& kept, auto& all, auto& changed) {
    for (const auto& key : keys) {
      if (!kept.contains(key) && all.erase(key) != 0) changed.insert(key);
    }
  };
  erase(part.ports, now.ports, intent_.ports, changes.ports);
  erase(part.ports, now.refused, intent_.refused, changes.ports);
  erase(part.remote, now.remote, intent_.remote, changes.remote);
  for (const std::string& sentence : part.problems) {
    if (!now.problems.contains(sentence)) drop_problem(sentence, changes);
  }
}

void Ml2Reading::install(const Uuid& network, NetworkIntent now, IntentChanges& changes) {
  const Part before = std::exchange(parts_[network], {});
  Part part;
  const auto put = [](auto& values, auto& keys, auto& all, auto& changed) {
    for (auto& [key, value] : values) {
      keys.insert(key);
      const auto found = all.find(key);
      if (found != all.end() && found->second == value) continue;
      all.insert_or_assign(key, std::move(value));
      changed.insert(key);
    }
  };
  put(now.ports, part.ports, intent_.ports, changes.ports);
  put(now.refused, part.ports, intent_.refused, changes.ports);
  put(now.remote, part.remote, intent_.remote, changes.remote);
  for (const std::string& sentence : now.problems) {
    if (before.problems.contains(sentence) || ++problems_[sentence] != 1) continue;
    intent_.problems.insert(sentence);
    changes.problems = true;
  }
  part.problems = std::move(now.problems);
  part.has_twins = now.has_twins;
  part.segments = std::move(now.segments);
  part.shared = std::move(now.shared);
  part.any_mac = std::move(now.any_mac);
  part.macs = std::move(now.macs);
  part.addresses = std::move(now.addresses);
  if (part.ports.empty() && part.remote.empty() && part.problems.empty() && part.segments.empty()) {
    parts_.erase(network);
  } else {
    parts_[network] = std::move(part);
  }
}

}  // namespace ml2::intent
