// Link, Address, Route, Neighbour, FdbEntry, Snapshot: what the Linux kernel's network stack holds, as values.
//
// Where in the walk: Facts (is local_ip on this host, which ifindex and MAC has a port) and Actual (what is there to
//   be compared with what is desired). compile/ and diff/ may include this file; it knows no socket.
// Threading: values.
// Failure: none; what cannot be said in these types (an InfiniBand address, a blackhole route) is left out by the
//   reader of netlink, never guessed.
// What it does not do: no statistics, no qdiscs, no rules. One network namespace per Snapshot.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/strong_id.h"

namespace ml2::nl {

// A network device (struct ifinfomsg and IFLA_*, rtnetlink(7)).
struct Link {
  IfIndex index;
  std::string name{};     // 1-15 bytes
  Mac mac{};              // zero when the device has no Ethernet address (tun, sit)
  std::uint32_t mtu = 0;  // bytes of layer 3 payload, without the Ethernet header
  bool up = false;        // administratively (IFF_UP)
  bool running = false;   // operationally: up, with carrier (IFLA_CARRIER, IFF_RUNNING)
  // IFLA_INFO_KIND: "veth", "tun" (also tap), "bridge", "vxlan", "dummy", "openvswitch"; "" for hardware and lo.
  std::string kind{};
  // IFLA_LINK: the other end of a veth, the lower device of a VLAN or VXLAN. Counted in namespace `peer_netnsid`
  // when that is set (IFLA_LINK_NETNSID), otherwise in this one.
  std::optional<IfIndex> peer{};
  std::optional<std::int32_t> peer_netnsid{};
  std::optional<IfIndex> master{};  // the bridge, bond or OVS datapath it belongs to
  std::string alias{};              // IFLA_IFALIAS; our ownership mark stands here

  friend bool operator==(const Link&, const Link&) = default;
};

// Values of RT_SCOPE_* (linux/rtnetlink.h).
enum class Scope : std::uint8_t { Global = 0, Site = 200, Link = 253, Host = 254 };

struct Address {
  IfIndex link;
  IpAddress address{};
  unsigned prefix_length = 0;  // 0-32, 0-128
  Scope scope = Scope::Global;

  // IPv4 allows the same address twice on a link with two prefix lengths.
  using Key = std::tuple<IfIndex, IpAddress, unsigned>;
  [[nodiscard]] Key key() const { return {link, address, prefix_length}; }
  friend bool operator==(const Address&, const Address&) = default;
};

// RTPROT_* of linux/rtnetlink.h: who put the route there.
inline constexpr std::uint8_t kProtocolKernel = 2;
inline constexpr std::uint8_t kProtocolBoot = 3;
inline constexpr std::uint8_t kProtocolStatic = 4;
// RT_TABLE_MAIN.
inline constexpr std::uint32_t kTableMain = 254;

// A unicast route; one value per next hop of a multipath route.
struct Route {
  IpNetwork dst{};
  std::optional<IpAddress> gateway{};
  std::optional<IfIndex> oif{};
  std::uint8_t protocol = kProtocolStatic;
  std::uint32_t table = kTableMain;
  std::uint32_t priority = 0;  // the metric; the kernel makes 0 into 1024 for IPv6

  friend auto operator<=>(const Route&, const Route&) = default;
};

// NUD_* (linux/neighbour.h). The kernel does not tell each step between Reachable, Stale, Delay and Probe.
enum class NeighbourState { Incomplete, Reachable, Stale, Delay, Probe, Failed, Permanent };

// An entry of the ARP or the IPv6 neighbour table. Those that need no resolution (NUD_NOARP, such as multicast) are
// left out, as the kernel does not tell when they come.
struct Neighbour {
  IfIndex link;
  IpAddress address{};
  Mac mac{};  // zero while it is not resolved
  NeighbourState state = NeighbourState::Permanent;

  using Key = std::tuple<IfIndex, IpAddress>;
  [[nodiscard]] Key key() const { return {link, address}; }
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

// bridge(8)'s words: learned from traffic, set by somebody ("static"), or the device's own address and, on a VXLAN
// device, any entry that does not age ("permanent").
enum class FdbState { Learned, Static, Permanent };

// An entry of a VXLAN device's or of a Linux bridge's forwarding database.
struct FdbEntry {
  IfIndex link;
  Mac mac{};                        // 00:00:00:00:00:00 on a VXLAN device: flood, one entry per destination
  std::optional<IfIndex> bridge{};  // set: in this bridge's table, `link` is its port; else: in the device's own
  std::optional<VlanId> vlan{};     // bridges with vlan_filtering
  std::optional<IpAddress> dst{};   // remote VTEP (VXLAN)
  std::optional<TunnelKey> vni{};   // when it is not the device's own
  FdbState state = FdbState::Permanent;

  using Key = std::tuple<IfIndex, std::optional<IfIndex>, Mac, std::optional<VlanId>, std::optional<IpAddress>,
                         std::optional<TunnelKey>>;
  [[nodiscard]] Key key() const { return {link, bridge, mac, vlan, dst, vni}; }
  friend bool operator==(const FdbEntry&, const FdbEntry&) = default;
};

// Offloads of a device that decide who computes TCP checksums and segments.
struct Offloads {
  bool tx_checksum = true;
  bool tso = true;
  bool gso = true;

  friend bool operator==(const Offloads&, const Offloads&) = default;
};

// Everything that was read of one namespace.
struct Snapshot {
  std::map<IfIndex, Link> links{};
  std::map<std::string, IfIndex, std::less<>> link_names{};  // kept by put() and erase_link()
  std::map<Address::Key, Address> addresses{};
  std::set<Route> routes{};
  std::map<Neighbour::Key, Neighbour> neighbours{};
  std::map<FdbEntry::Key, FdbEntry> fdb{};

  // Each adds or replaces the value of the same identity; true when anything changed.
  bool put(Link link);
  bool put(const Address& address);
  bool put(const Neighbour& neighbour);
  // A unicast MAC has one place in a table: an entry that names another port or VTEP takes the old one's place.
  bool put(const FdbEntry& entry);
  // The link and all that hangs on it: addresses, routes out of it, neighbours, FDB. True when anything changed.
  bool erase_link(IfIndex index);

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// nullptr when there is none.
[[nodiscard]] const Link* find_link(const Snapshot& snapshot, std::string_view name);
[[nodiscard]] const Link* find_link(const Snapshot& snapshot, IfIndex index);
// On any link, whether that is up or not.
[[nodiscard]] bool has_address(const Snapshot& snapshot, const IpAddress& address);
// The link that has `address`; nullptr when none has. Among several the lowest index.
[[nodiscard]] const Link* link_with_address(const Snapshot& snapshot, const IpAddress& address);

[[nodiscard]] const char* to_string(Scope scope);
[[nodiscard]] const char* to_string(NeighbourState state);
[[nodiscard]] const char* to_string(FdbState state);
// One line each, in the words of ip(8) and bridge(8); links by index.
[[nodiscard]] std::string to_string(const Link& link);
[[nodiscard]] std::string to_string(const Address& address);
[[nodiscard]] std::string to_string(const Route& route);
[[nodiscard]] std::string to_string(const Neighbour& neighbour);
[[nodiscard]] std::string to_string(const FdbEntry& entry);
// All of it, one line per value, each ended by a newline, in the order of the maps.
[[nodiscard]] std::string to_string(const Snapshot& snapshot);

}  // namespace ml2::nl
