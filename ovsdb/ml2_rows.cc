#include "ovsdb/ml2_rows.h"

#include <string_view>
#include <utility>

namespace ml2::ovsdb {
namespace {

// One list of columns per table serves the reader, the writer and ml2_columns(): columns() hands each column's name
// and field to `each`, and of a reference also the table it points to.
template <class T>
struct TableOf;

template <>
struct TableOf<Ml2Global> {
  static constexpr const char* kName = "ML2_Global";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("name", row.name);
    each("sequence", row.sequence);
    each("options", row.options);
    each("external_ids", row.external_ids);
  }
};

template <>
struct TableOf<Ml2Network> {
  static constexpr const char* kName = "Network";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("name", row.name);
    each("description", row.description);
    each("project_id", row.project_id);
    each("admin_state_up", row.admin_state_up);
    each("shared", row.shared);
    each("external", row.external);
    each("port_security_enabled", row.port_security_enabled);
    each("mtu", row.mtu);
    each("external_ids", row.external_ids);
  }
};

template <>
struct TableOf<Ml2Segment> {
  static constexpr const char* kName = "Segment";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("network", row.network, "Network");
    each("name", row.name);
    each("network_type", row.network_type);
    each("physical_network", row.physical_network);
    each("segmentation_id", row.segmentation_id);
    each("segment_index", row.segment_index);
    each("is_dynamic", row.is_dynamic);
    each("external_ids", row.external_ids);
  }
};

template <>
struct TableOf<Ml2Subnet> {
  static constexpr const char* kName = "Subnet";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("network", row.network, "Network");
    each("name", row.name);
    each("description", row.description);
    each("project_id", row.project_id);
    each("cidr", row.cidr);
    each("ip_version", row.ip_version);
    each("gateway_ip", row.gateway_ip);
    each("enable_dhcp", row.enable_dhcp);
    each("allocation_pools", row.allocation_pools);
    each("dns_nameservers", row.dns_nameservers);
    each("host_routes", row.host_routes);
    each("external_ids", row.external_ids);
  }
};

template <>
struct TableOf<Ml2Port> {
  static constexpr const char* kName = "Port";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("network", row.network, "Network");
    each("name", row.name);
    each("description", row.description);
    each("project_id", row.project_id);
    each("mac_address", row.mac_address);
    each("admin_state_up", row.admin_state_up);
    each("device_id", row.device_id);
    each("device_owner", row.device_owner);
    each("port_security_enabled", row.port_security_enabled);
    each("security_groups", row.security_groups, "Security_Group");
    each("allowed_address_pairs", row.allowed_address_pairs, "Address_Pair");
    each("status", row.status);
    each("status_reason", row.status_reason);
    each("external_ids", row.external_ids);
  }
};

template <>
struct TableOf<Ml2FixedIp> {
  static constexpr const char* kName = "Fixed_IP";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("port", row.port, "Port");
    each("subnet", row.subnet, "Subnet");
    each("ip_address", row.ip_address);
  }
};

template <>
struct TableOf<Ml2AddressPair> {
  static constexpr const char* kName = "Address_Pair";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("mac_address", row.mac_address);
    each("ip_address", row.ip_address);
  }
};

template <>
struct TableOf<Ml2Binding> {
  static constexpr const char* kName = "Binding";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("port", row.port, "Port");
    each("host", row.host);
    each("vnic_type", row.vnic_type);
    each("vif_type", row.vif_type);
    each("vif_details", row.vif_details);
    each("profile", row.profile);
    each("status", row.status);
    each("mechanism_driver", row.mechanism_driver);
    each("segment", row.segment, "Segment");
    each("failure", row.failure);
  }
};

template <>
struct TableOf<Ml2Host> {
  static constexpr const char* kName = "Host";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("name", row.name);
    each("agent_type", row.agent_type);
    each("agent_version", row.agent_version);
    each("admin_state_up", row.admin_state_up);
    each("started_at", row.started_at);
    each("heartbeat", row.heartbeat);
    each("report_interval", row.report_interval);
    each("bridge_mappings", row.bridge_mappings);
    each("tunnel_types", row.tunnel_types);
    each("endpoints", row.endpoints, "Endpoint");
    each("configurations", row.configurations);
    each("problems", row.problems);
    each("applied", row.applied);
    each("external_ids", row.external_ids);
  }
};

template <>
struct TableOf<Ml2Endpoint> {
  static constexpr const char* kName = "Endpoint";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("tunnel_type", row.tunnel_type);
    each("ip_address", row.ip_address);
    each("udp_port", row.udp_port);
  }
};

template <>
struct TableOf<Ml2SecurityGroup> {
  static constexpr const char* kName = "Security_Group";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("name", row.name);
    each("description", row.description);
    each("project_id", row.project_id);
    each("stateful", row.stateful);
    each("rules", row.rules, "Security_Group_Rule");
    each("external_ids", row.external_ids);
  }
};

template <>
struct TableOf<Ml2SecurityGroupRule> {
  static constexpr const char* kName = "Security_Group_Rule";
  template <class Fields, class Each>
  static void columns(Fields& row, Each& each) {
    each("direction", row.direction);
    each("ethertype", row.ethertype);
    each("protocol", row.protocol);
    each("port_range_min", row.port_range_min);
    each("port_range_max", row.port_range_max);
    each("remote_ip_prefix", row.remote_ip_prefix);
    each("remote_group", row.remote_group, "Security_Group");
    each("description", row.description);
  }
};

// Fills a typed row; what has another type in the database keeps its default. `snapshot`: where references are looked
// up; nullptr: they are not.
class Reader {
 public:
  Reader(const Snapshot* snapshot, const Row& row) : snapshot_(snapshot), row_(row) {}

  void operator()(const char* column, std::string& field) const { assign(row_.column(column).string(), field); }
  void operator()(const char* column, bool& field) const { assign(row_.column(column).boolean(), field); }
  void operator()(const char* column, std::int64_t& field) const { assign(row_.column(column).integer(), field); }
  void operator()(const char* column, std::optional<std::string>& field) const {
    field = row_.column(column).string();
  }
  void operator()(const char* column, std::optional<std::int64_t>& field) const {
    field = row_.column(column).integer();
  }
  void operator()(const char* column, std::set<std::string>& field) const {
    field = row_.column(column).string_set();
  }
  void operator()(const char* column, std::map<std::string, std::string>& field) const {
    field = row_.column(column).string_map();
  }

  void operator()(const char* column, Uuid& field, const char* table) const {
    field = reference(column, table).value_or(Uuid());
  }
  void operator()(const char* column, std::optional<Uuid>& field, const char* table) const {
    field = reference(column, table);
  }
  void operator()(const char* column, std::set<Uuid>& field, const char* table) const {
    field = row_.column(column).uuid_set();
    std::erase_if(field, [&](const Uuid& uuid) { return is_missing(uuid, table); });
  }

 private:
  template <class T>
  static void assign(std::optional<T> value, T& field) {
    if (value) field = *std::move(value);
  }
  std::optional<Uuid> reference(const char* column, const char* table) const {
    std::optional<Uuid> uuid = row_.column(column).uuid();
    if (uuid && is_missing(*uuid, table)) uuid.reset();
    return uuid;
  }
  bool is_missing(const Uuid& uuid, const char* table) const {
    return snapshot_ != nullptr && snapshot_->row(table, uuid) == nullptr;
  }

  const Snapshot* snapshot_;
  const Row& row_;
};

class Writer {
 public:
  template <class T>
  void operator()(const char* column, const T& field, const char* /*table*/ = nullptr) {
    columns_.emplace_back(column, datum(field));
  }
  [[nodiscard]] Columns take() { return std::move(columns_); }

 private:
  static Datum datum(const std::string& field) { return Datum::of(field); }
  static Datum datum(bool field) { return Datum::of(Atom(field)); }
  static Datum datum(std::int64_t field) { return Datum::of(Atom(field)); }
  static Datum datum(const Uuid& field) { return Datum::of(Atom(field)); }
  template <class T>
  static Datum datum(const std::optional<T>& field) {
    return field ? datum(*field) : Datum::none();
  }
  static Datum datum(const std::set<std::string>& field) { return Datum::strings(field); }
  static Datum datum(const std::set<Uuid>& field) { return Datum::uuids(field); }
  static Datum datum(const std::map<std::string, std::string>& field) { return Datum::map(field); }

  Columns columns_;
};

class Namer {
 public:
  template <class T>
  void operator()(const char* column, const T& /*field*/, const char* /*table*/ = nullptr) {
    names_.emplace_back(column);
  }
  [[nodiscard]] std::vector<std::string> take() { return std::move(names_); }

 private:
  std::vector<std::string> names_;
};

template <class T>
T read_row(const Snapshot* snapshot, const Row& row) {
  T typed;
  typed.uuid = row.uuid;
  const Reader reader(snapshot, row);
  TableOf<T>::columns(typed, reader);
  return typed;
}

template <class T>
std::map<Uuid, T> read_table(const Snapshot& snapshot) {
  std::map<Uuid, T> rows;
  for (const auto& [uuid, row] : snapshot.table(TableOf<T>::kName)) {
    rows.emplace_hint(rows.end(), uuid, read_row<T>(&snapshot, *row));
  }
  return rows;
}

// Whether `table` is T's.
template <class T>
bool read_one(const Snapshot& snapshot, std::string_view table, const Uuid& uuid, std::map<Uuid, T>& rows) {
  if (table != TableOf<T>::kName) return false;
  if (const Row* row = snapshot.row(table, uuid); row != nullptr) {
    rows.insert_or_assign(uuid, read_row<T>(&snapshot, *row));
  } else {
    rows.erase(uuid);
  }
  return true;
}

template <class T>
Columns write(const T& row) {
  Writer writer;
  TableOf<T>::columns(row, writer);
  return writer.take();
}

template <class T>
void add_columns(MonitoredColumns& columns) {
  Namer namer;
  const T row;
  TableOf<T>::columns(row, namer);
  columns.emplace(TableOf<T>::kName, namer.take());
}

}  // namespace

Ml2Rows read_ml2(const Snapshot& snapshot) {
  Ml2Rows rows;
  rows.globals = read_table<Ml2Global>(snapshot);
  rows.networks = read_table<Ml2Network>(snapshot);
  rows.segments = read_table<Ml2Segment>(snapshot);
  rows.subnets = read_table<Ml2Subnet>(snapshot);
  rows.ports = read_table<Ml2Port>(snapshot);
  rows.fixed_ips = read_table<Ml2FixedIp>(snapshot);
  rows.address_pairs = read_table<Ml2AddressPair>(snapshot);
  rows.bindings = read_table<Ml2Binding>(snapshot);
  rows.hosts = read_table<Ml2Host>(snapshot);
  rows.endpoints = read_table<Ml2Endpoint>(snapshot);
  rows.security_groups = read_table<Ml2SecurityGroup>(snapshot);
  rows.security_group_rules = read_table<Ml2SecurityGroupRule>(snapshot);
  return rows;
}

const Ml2Host* host_named(const Ml2Rows& rows, std::string_view name) {
  for (const auto& [uuid, host] : rows.hosts) {
    if (host.name == name) return &host;
  }
  return nullptr;
}

void read_ml2_row(const Snapshot& snapshot, std::string_view table, const Uuid& uuid, Ml2Rows& rows) {
  const auto read = [&](auto&... tables) { return (read_one(snapshot, table, uuid, tables) || ...); };
  read(rows.ports, rows.fixed_ips, rows.bindings, rows.hosts, rows.globals, rows.networks, rows.segments,
       rows.subnets, rows.address_pairs, rows.endpoints, rows.security_groups, rows.security_group_rules);
}

template <class T>
T read_ml2_row(const Row& row) {
  return read_row<T>(nullptr, row);
}
template Ml2Port read_ml2_row<Ml2Port>(const Row& row);
template Ml2FixedIp read_ml2_row<Ml2FixedIp>(const Row& row);
template Ml2AddressPair read_ml2_row<Ml2AddressPair>(const Row& row);
template Ml2Binding read_ml2_row<Ml2Binding>(const Row& row);

MonitoredColumns ml2_columns() {
  MonitoredColumns columns;
  add_columns<Ml2Global>(columns);
  add_columns<Ml2Network>(columns);
  add_columns<Ml2Segment>(columns);
  add_columns<Ml2Subnet>(columns);
  add_columns<Ml2Port>(columns);
  add_columns<Ml2FixedIp>(columns);
  add_columns<Ml2AddressPair>(columns);
  add_columns<Ml2Binding>(columns);
  add_columns<Ml2Host>(columns);
  add_columns<Ml2Endpoint>(columns);
  add_columns<Ml2SecurityGroup>(columns);
  add_columns<Ml2SecurityGroupRule>(columns);
  return columns;
}

MonitoredColumns ml2_agent_columns() {
  MonitoredColumns columns = ml2_columns();
  const std::map<std::string, std::set<std::string_view>> unread = {
      {"Network", {"description", "project_id", "shared", "external", "external_ids"}},
      {"Segment", {"segment_index", "is_dynamic", "external_ids"}},
      {"Subnet",
       {"name", "description", "project_id", "enable_dhcp", "allocation_pools", "dns_nameservers", "host_routes",
        "external_ids"}},
      {"Port", {"description", "project_id", "device_id", "external_ids"}},
      {"Binding", {"vnic_type", "profile", "mechanism_driver"}},
      {"Host", {"heartbeat", "applied", "problems"}},
  };
  for (const auto& [table, names] : unread) {
    std::erase_if(columns.at(table), [&names = names](const std::string& name) { return names.contains(name); });
  }
  return columns;
}

UnreadColumns ml2_agent_unread() { return {{"Host", {"heartbeat", "applied", "problems"}}}; }

Columns to_columns(const Ml2Global& row) { return write(row); }
Columns to_columns(const Ml2Network& row) { return write(row); }
Columns to_columns(const Ml2Segment& row) { return write(row); }
Columns to_columns(const Ml2Subnet& row) { return write(row); }
Columns to_columns(const Ml2Port& row) { return write(row); }
Columns to_columns(const Ml2FixedIp& row) { return write(row); }
Columns to_columns(const Ml2AddressPair& row) { return write(row); }
Columns to_columns(const Ml2Binding& row) { return write(row); }
Columns to_columns(const Ml2Host& row) { return write(row); }
Columns to_columns(const Ml2Endpoint& row) { return write(row); }
Columns to_columns(const Ml2SecurityGroup& row) { return write(row); }
Columns to_columns(const Ml2SecurityGroupRule& row) { return write(row); }

template <class T>
const char* table_of() {
  return TableOf<T>::kName;
}
template const char* table_of<Ml2Global>();
template const char* table_of<Ml2Network>();
template const char* table_of<Ml2Segment>();
template const char* table_of<Ml2Subnet>();
template const char* table_of<Ml2Port>();
template const char* table_of<Ml2FixedIp>();
template const char* table_of<Ml2AddressPair>();
template const char* table_of<Ml2Binding>();
template const char* table_of<Ml2Host>();
template const char* table_of<Ml2Endpoint>();
template const char* table_of<Ml2SecurityGroup>();
template const char* table_of<Ml2SecurityGroupRule>();

}  // namespace ml2::ovsdb
