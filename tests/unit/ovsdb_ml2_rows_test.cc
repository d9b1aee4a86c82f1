// ovsdb/ml2_rows: every column of the schema has its field, and rows survive the way into columns and back.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "ovsdb/ml2_rows.h"

namespace ml2::ovsdb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Uuid id(std::uint8_t n) { return Uuid({0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, n}); }

template <class T>
void put(Snapshot& snapshot, const T& typed) {
  const RowInsert insert = insert_row(typed);
  EXPECT_TRUE(insert.persist_uuid);
  auto row = std::make_shared<Row>();
  row->uuid = insert.uuid;
  for (const auto& [column, datum] : insert.columns) row->columns.set(column, datum);
  snapshot.tables[insert.table][insert.uuid] = row;
}

TEST(Ml2Rows, ColumnsAreThoseOfTheSchema) {
  std::ifstream file(ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema");
  const auto schema = nlohmann::json::parse(file);
  std::map<std::string, std::set<std::string>> expected;
  for (const auto& [table, definition] : schema.at("tables").items()) {
    for (const auto& [column, type] : definition.at("columns").items()) expected[table].insert(column);
  }
  std::map<std::string, std::set<std::string>> ours;
  for (const auto& [table, columns] : ml2_columns()) ours[table] = {columns.begin(), columns.end()};
  EXPECT_EQ(ours, expected);
}

TEST(Ml2Rows, RowsSurviveTheWayIntoColumnsAndBack) {
  Ml2Rows rows;
  rows.globals[id(12)] = {id(12), "g", 7, {{"a", "b"}}, {}};
  rows.networks[id(1)] = {id(1), "n", "d", "p", false, true, true, false, 1450, {{"a", "b"}}};
  rows.segments[id(2)] = {id(2), id(1), "s", "vlan", "physnet1", 100, 1, true, {{"a", "b"}}};
  rows.subnets[id(3)] = {id(3),
                         id(1),
                         "s",
                         "d",
                         "p",
                         "10.0.0.0/24",
                         4,
                         "10.0.0.1",
                         false,
                         {"10.0.0.2-10.0.0.9"},
                         {"192.0.2.1"},
                         {{"10.1.0.0/16", "10.0.0.9"}},
                         {}};
  rows.ports[id(4)] = {
      id(4),   id(1),   "p",     "d",   "p", "fa:16:3e:00:00:01", false, "dev", "compute:nova", false,
      {id(9)}, {id(6)}, "ERROR", "why", {}};
  rows.fixed_ips[id(5)] = {id(5), id(4), id(3), "10.0.0.2"};
  rows.address_pairs[id(6)] = {id(6), "fa:16:3e:00:00:02", "10.0.0.0/24"};
  rows.bindings[id(7)] = {id(7),        id(4),      "h1",          "direct", "ovs", {{"a", "b"}},
                          {{"c", "d"}}, "INACTIVE", "openvswitch", id(2),    "why"};
  Ml2Host host;
  host.uuid = id(8);
  host.name = "h1";
  host.heartbeat = 1;
  host.bridge_mappings = {{"physnet1", "br-ex"}};
  host.tunnel_types = {"vxlan"};
  host.endpoints = {id(10)};
  host.problems = {"no tunnel"};
  host.applied = 6;
  rows.hosts[id(8)] = host;
  rows.security_groups[id(9)] = {id(9), "sg", "d", "p", false, {id(11)}, {}};
  rows.endpoints[id(10)] = {id(10), "vxlan", "192.0.2.1", 4789};
  rows.security_group_rules[id(11)] = {id(11), "ingress", "IPv4", "tcp", 1, 2, "10.0.0.0/8", id(9), "d"};

  Snapshot snapshot;
  for (const auto& [uuid, row] : rows.globals) put(snapshot, row);
  for (const auto& [uuid, row] : rows.networks) put(snapshot, row);
  for (const auto& [uuid, row] : rows.segments) put(snapshot, row);
  for (const auto& [uuid, row] : rows.subnets) put(snapshot, row);
  for (const auto& [uuid, row] : rows.ports) put(snapshot, row);
  for (const auto& [uuid, row] : rows.fixed_ips) put(snapshot, row);
  for (const auto& [uuid, row] : rows.address_pairs) put(snapshot, row);
  for (const auto& [uuid, row] : rows.bindings) put(snapshot, row);
  for (const auto& [uuid, row] : rows.hosts) put(snapshot, row);
  for (const auto& [uuid, row] : rows.endpoints) put(snapshot, row);
  for (const auto& [uuid, row] : rows.security_groups) put(snapshot, row);
  for (const auto& [uuid, row] : rows.security_group_rules) put(snapshot, row);
  EXPECT_EQ(read_ml2(snapshot), rows);
}

TEST(Ml2Rows, ReferencesToRowsThatAreNotThereReadAsNone) {
  Snapshot snapshot;
  put(snapshot, Ml2Segment{id(2), id(1), "", "vxlan", "", 1, 0, false, {}});
  Ml2Port port;
  port.uuid = id(4);
  port.network = id(1);
  port.security_groups = {id(9)};
  put(snapshot, port);
  put(snapshot, Ml2Binding{id(7), id(4), "h1", "normal", "ovs", {}, {}, "ACTIVE", "", id(55), ""});

  const Ml2Rows rows = read_ml2(snapshot);
  EXPECT_TRUE(rows.segments.at(id(2)).network.is_zero());
  EXPECT_THAT(rows.ports.at(id(4)).security_groups, IsEmpty());
  EXPECT_EQ(rows.bindings.at(id(7)).segment, std::nullopt);
  EXPECT_EQ(rows.bindings.at(id(7)).port, id(4));
}

TEST(Ml2Rows, ColumnsOfAnotherTypeKeepTheDefault) {
  Snapshot snapshot;
  snapshot.tables["Network"][id(1)] = std::make_shared<Row>(Row{
      id(1), RowColumns(std::map<std::string, Datum>{
                 {"name", Datum::of(Atom(true))}, {"admin_state_up", Datum::none()}, {"mtu", Datum::of("1450")}})});
  const Ml2Network network = read_ml2(snapshot).networks.at(id(1));
  Ml2Network expected;
  expected.uuid = id(1);
  EXPECT_EQ(network, expected);
}

}  // namespace
}  // namespace ml2::ovsdb
