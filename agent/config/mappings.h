// mappings: Neutron's own little languages inside list options, as functions.
//
// Where in the walk: the loader checks with them at load (parse_value); the agent, the type drivers and the state
//   report call them again on the Config's lists to get the values, which cannot fail then.
// Threading: pure functions.
// Failure: Invalid, with the entry that is wrong and what was expected; the caller says which option and file:line.
// What it does not do: no look at bridges, devices or the other options.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/value.h"
#include "datapath/base/ip.h"
#include "datapath/base/result.h"

namespace ml2::config {

// Both ends belong to it; min <= max.
struct IdRange {
  std::uint32_t min = 0;
  std::uint32_t max = 0;

  friend auto operator<=>(const IdRange&, const IdRange&) = default;
};

inline constexpr IdRange kVlanIds{1, 4094};         // IEEE 802.1Q-2018 section 9.6: 0 and 4095 are reserved
inline constexpr IdRange kVnis{1, (1U << 24) - 1};  // RFC 7348, RFC 8926
inline constexpr IdRange kGreKeys{1, 0xffffffffU};  // RFC 2890

// kbit/s, or kilo packets per second; none where the operator left a direction empty: it is not reported.
struct Bandwidth {
  std::optional<std::uint64_t> egress;  // from the VM
  std::optional<std::uint64_t> ingress;

  friend bool operator==(const Bandwidth&, const Bandwidth&) = default;
};

// neutron_lib.utils.helpers.parse_mappings: "key:value" with exactly one ':', keys unique, empty entries skipped.
[[nodiscard]] Result<StringMap> parse_mappings(const StringList& entries, bool unique_values);
// Physical network -> bridge; each bridge once, with a name that a bridge can have.
[[nodiscard]] Result<StringMap> parse_bridge_mappings(const StringList& entries);
// Physical network -> ranges for self-service networks. "physnet" alone: provider networks only, no range.
[[nodiscard]] Result<std::map<std::string, std::vector<IdRange>>> parse_network_vlan_ranges(
    const StringList& entries);
// "min:max", each inside `limits`, in the order of the file.
[[nodiscard]] Result<std::vector<IdRange>> parse_id_ranges(const StringList& entries, IdRange limits);
// Physical network -> MTU in bytes; 0 sets no limit.
[[nodiscard]] Result<std::map<std::string, std::uint32_t>> parse_physical_network_mtus(const StringMap& mappings);
// [ovs] resource_provider_bandwidths: bridge -> kbit/s.
[[nodiscard]] Result<std::map<std::string, Bandwidth>> parse_bandwidths(const StringList& entries);
// [ovs] resource_provider_packet_processing_without_direction: hypervisor ("" is this host) -> kpps.
[[nodiscard]] Result<std::map<std::string, std::uint64_t>> parse_packet_rates(const StringList& entries);
// "openvswitch", "iptables", "iptables_hybrid" or "noop", of a short name or an incumbent's class path; "" is noop.
[[nodiscard]] Result<std::string> firewall_driver_name(std::string_view value);
// vlog's word for a facility of syslog(3), which is written LOG_LOCAL0 or local0: "local0".
[[nodiscard]] Result<std::string> syslog_facility(std::string_view value);

// A bridge has a device of its name: what dev_valid_name() of Linux refuses would make a row that ovs-vswitchd cannot
// carry out, and what it refuses itself ('/' and '\\') it passes over with a line in its log alone.
inline constexpr std::size_t kMaxBridgeName = 15;  // bytes: IFNAMSIZ less its end
[[nodiscard]] Status check_bridge_name(std::string_view name);
// Of a tunnel's local end: neither unspecified, nor multicast, nor broadcast.
[[nodiscard]] Status check_vtep_address(const IpAddress& address);

// [agent] metrics_listen.
struct ListenAddress {
  std::string path;                  // of a UNIX socket; empty: it is address and port
  std::optional<IpAddress> address;  // loopback
  std::uint16_t port = 0;
};
// "unix:/PATH", "127.0.0.1:PORT", "[::1]:PORT".
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view where);

// One OVSDB remote as ovsdb(7) writes them: "tcp:HOST:PORT", "ssl:HOST:PORT" (HOST may be [v6], PORT defaults to 6640),
// "unix:PATH".
[[nodiscard]] Status check_ovsdb_remote(std::string_view remote);

}  // namespace ml2::config
