// ovsdb/vswitch: Open_vSwitch rows read as types, also from snapshots that make no sense.
#include <gmock/gmock.h>

#include "ovsdb/vswitch.h"

namespace ml2::ovsdb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

Uuid id(std::uint8_t n) { return Uuid({0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, n}); }
Atom number(std::int64_t n) { return n; }

void put(Snapshot& snapshot, const char* table, const Uuid& uuid, const std::map<std::string, Datum>& columns) {
  snapshot.tables[table][uuid] = std::make_shared<Row>(Row{uuid, RowColumns(columns)});
}

TEST(Vswitch, EmptySnapshot) {
  const Vswitch vswitch = read_vswitch(Snapshot());
  EXPECT_EQ(vswitch, Vswitch());
  EXPECT_EQ(vswitch.root, std::nullopt);
}

TEST(Vswitch, ReadsBridgesPortsAndInterfacesByName) {
  Snapshot snapshot;
  put(snapshot, "Open_vSwitch", id(1),
      {{"cur_cfg", Datum::of(number(3))},
       {"next_cfg", Datum::of(number(4))},
       {"ovs_version", Datum::of("3.1.0")},
       {"datapath_types", Datum::strings({"netdev", "system"})},
       {"external_ids", Datum::map({{"hostname", "h1"}})}});
  put(snapshot, "Bridge", id(2),
      {{"name", Datum::of("br-int")},
       {"ports", Datum::uuids({id(3), id(99)})},
       {"fail_mode", Datum::of("secure")},
       {"mcast_snooping_enable", Datum::of(Atom(true))},
       {"protocols", Datum::strings({"OpenFlow13"})}});
  put(snapshot, "Port", id(3),
      {{"name", Datum::of("tap1")},
       {"interfaces", Datum::uuids({id(4)})},
       {"tag", Datum::of(number(5))},
       {"trunks", Datum::set({number(7), number(6)})},
       {"other_config", Datum::map({{"net_uuid", "x"}})}});
  put(snapshot, "Interface", id(4),
      {{"name", Datum::of("tap1")},
       {"ofport", Datum::of(number(-1))},
       {"error", Datum::of("no such device")},
       {"external_ids", Datum::map({{"iface-id", "p"}})}});
  put(snapshot, "Interface", id(5), {{"name", Datum::of("tap2")}, {"status", Datum::map({{"status", "connected"}})}});
  put(snapshot, "Interface", id(6),
      {{"name", Datum::of("vhu1")},
       {"type", Datum::of("dpdkvhostuserclient")},
       {"status", Datum::map({{"mode", "client"}, {"status", "connected"}})}});

  const Vswitch vswitch = read_vswitch(snapshot);
  EXPECT_EQ(vswitch.root, id(1));
  EXPECT_EQ(vswitch.cur_cfg, 3);
  EXPECT_EQ(vswitch.next_cfg, 4);
  EXPECT_THAT(vswitch.datapath_types, ElementsAre("netdev", "system"));
  const BridgeRow& bridge = vswitch.bridges.at("br-int");
  EXPECT_THAT(bridge.ports, ElementsAre(id(3))) << "the port that is not there is skipped";
  EXPECT_EQ(bridge.fail_mode, "secure");
  EXPECT_TRUE(bridge.mcast_snooping_enable);
  const PortRow& port = vswitch.ports.at("tap1");
  EXPECT_EQ(port.tag, 5);
  EXPECT_THAT(port.trunks, ElementsAre(6, 7));
  EXPECT_EQ(vswitch.interfaces.at("tap1").ofport, -1);
  EXPECT_EQ(vswitch.interfaces.at("tap1").error, "no such device");
  EXPECT_EQ(vswitch.interfaces.at("tap2").ofport, std::nullopt);
  EXPECT_FALSE(vswitch.interfaces.at("tap2").connected);
  EXPECT_TRUE(vswitch.interfaces.at("vhu1").connected);
  EXPECT_THAT(vswitch.port_bridge, ElementsAre(Pair("tap1", "br-int")));
  EXPECT_THAT(vswitch.interface_port, ElementsAre(Pair("tap1", "tap1")));
}

TEST(Vswitch, ColumnsOfAnotherTypeReadAsAbsent) {
  Snapshot snapshot;
  put(snapshot, "Bridge", id(2),
      {{"name", Datum::of("br-int")}, {"ports", Datum::of("tap1")}, {"mcast_snooping_enable", Datum::of("yes")}});
  put(snapshot, "Port", id(3), {{"name", Datum::of(number(1))}, {"tag", Datum::of("5")}});
  const Vswitch vswitch = read_vswitch(snapshot);
  EXPECT_THAT(vswitch.bridges.at("br-int").ports, IsEmpty());
  EXPECT_FALSE(vswitch.bridges.at("br-int").mcast_snooping_enable);
  EXPECT_EQ(vswitch.ports.at("").tag, std::nullopt);
}

}  // namespace
}  // namespace ml2::ovsdb
