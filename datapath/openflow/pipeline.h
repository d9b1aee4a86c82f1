// pipeline: the registry of OpenFlow tables and registers: the only place where their numbers stand.
//
// Where in the walk: compile/ names tables from here; golden files, dumps and `ml2ctl explain` print the names.
// Threading: constants.
// Failure: an order that is not increasing or registers that overlap do not compile.
// What it does not do: no flows: a table's own miss flow is in its compile/ file.
// The numbers are the incumbent's (neutron/plugins/ml2/drivers/openvswitch/agent/common/constants.py), so that
// runbooks, hotsos and other agents' extensions go on working; table 26 of br-int, which it does not use, is ours.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ml2::of {

// br-int
enum class IntTable : std::uint8_t {
  LocalSwitching = 0,    // entry: dead VLAN, provider VLAN to local VLAN, anti-spoofing by in_port
  Canary = 23,           // one drop flow: gone when ovs-vswitchd was restarted
  ArpSpoof = 24,         // ARP and neighbour advertisements of VM ports
  MacSpoof = 25,         // source MAC of VM ports
  Spoofing = 26,         // of ours: learned: which ports send what the two before drop
  LocalEgress = 30,      // Local IP
  LocalIp = 31,          // Local IP
  PacketRateLimit = 59,  // packet-rate meters
  Transient = 60,        // the main switch
  LocalMacDirect = 61,   // explicitly_egress_direct
  TransientEgress = 62,  // what table 61 hands on
};
// br-tun
enum class TunTable : std::uint8_t {
  Input = 0,         // by in_port: from br-int or from a tunnel
  PatchLvToTun = 2,  // from br-int: unicast or flood
  GreTunToLv = 3,    // tunnel key to local VLAN
  VxlanTunToLv = 4,
  GeneveTunToLv = 6,
  LearnFromTun = 10,  // learns remote MACs into UcastToTun
  UcastToTun = 20,    // known MAC: to its VTEP
  ArpResponder = 21,  // answers ARP from what l2_population knows
  FloodToTun = 22,    // broadcast, unknown unicast, multicast: head-end replication
};
// physical bridges
enum class PhysTable : std::uint8_t {
  Input = 0,  // local VLAN to provider VLAN
};

// Of the flows in ArpSpoof and MacSpoof that drop what a port may not send, port by port, above the tables' own drop.
inline constexpr std::uint16_t kSpoofDropPriority = 1;

struct TableName {
  std::uint8_t table;
  std::string_view name;
};

inline constexpr std::array kIntTables{
    TableName{0, "local_switching"},   TableName{23, "canary"},
    TableName{24, "arp_spoof"},        TableName{25, "mac_spoof"},
    TableName{26, "spoofing"},         TableName{30, "local_egress"},
    TableName{31, "local_ip"},         TableName{59, "packet_rate_limit"},
    TableName{60, "transient"},        TableName{61, "local_mac_direct"},
    TableName{62, "transient_egress"},
};
inline constexpr std::array kTunTables{
    TableName{0, "input"},           TableName{2, "patch_lv_to_tun"},  TableName{3, "gre_tun_to_lv"},
    TableName{4, "vxlan_tun_to_lv"}, TableName{6, "geneve_tun_to_lv"}, TableName{10, "learn_from_tun"},
    TableName{20, "ucast_to_tun"},   TableName{21, "arp_responder"},   TableName{22, "flood_to_tun"},
};
inline constexpr std::array kPhysTables{TableName{0, "input"}};

template <std::size_t N>
[[nodiscard]] consteval bool strictly_increasing(const std::array<TableName, N>& tables) {
  for (std::size_t i = 1; i < N; ++i) {
    if (tables[i - 1].table >= tables[i].table) return false;
  }
  return true;
}
static_assert(strictly_increasing(kIntTables));
static_assert(strictly_increasing(kTunTables));
static_assert(strictly_increasing(kPhysTables));

[[nodiscard]] constexpr std::uint8_t number(IntTable table) { return static_cast<std::uint8_t>(table); }
[[nodiscard]] constexpr std::uint8_t number(TunTable table) { return static_cast<std::uint8_t>(table); }
[[nodiscard]] constexpr std::uint8_t number(PhysTable table) { return static_cast<std::uint8_t>(table); }

// The name of a table, or an empty view when the registry has none of that number.
template <std::size_t N>
[[nodiscard]] constexpr std::string_view name_of(const std::array<TableName, N>& tables, std::uint8_t table) {
  for (const TableName& entry : tables) {
    if (entry.table == table) return entry.name;
  }
  return {};
}

}  // namespace ml2::of
