#include "agent/config/mappings.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/config/ini_text.h"
#include "datapath/base/text.h"

namespace ml2::config {
namespace {

std::string shown(std::string_view entry) { return text::printable(entry, 100); }

std::optional<std::uint64_t> to_unsigned(std::string_view digits) {
  const std::string_view word = strip(digits);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// The range of "min:max" in `entry`, which messages quote whole.
Result<IdRange> parse_range(std::string_view entry, std::string_view low, std::string_view high, IdRange limits) {
  const auto min = to_unsigned(low);
  const auto max = to_unsigned(high);
  if (!min || !max) return invalid(fmt::format("entry '{}': the ends of the range are not numbers", shown(entry)));
  if (*min < limits.min || *min > limits.max || *max < limits.min || *max > limits.max) {
    return invalid(fmt::format("entry '{}': an id is outside {} to {}", shown(entry), limits.min, limits.max));
  }
  if (*min > *max) return invalid(fmt::format("entry '{}': the range ends before it starts", shown(entry)));
  return IdRange{static_cast<std::uint32_t>(*min), static_cast<std::uint32_t>(*max)};
}

// One of a pair of rates; empty means that the direction is not reported.
Result<std::optional<std::uint64_t>> parse_rate(std::string_view entry, std::string_view rate) {
  if (strip(rate).empty()) return std::optional<std::uint64_t>();
  const auto value = to_unsigned(rate);
  if (!value) return invalid(fmt::format("entry '{}': '{}' is not a number", shown(entry), shown(rate)));
  return value;
}

}  // namespace

Result<StringMap> parse_mappings(const StringList& entries, bool unique_values) {
  StringMap mappings;
  StringMap key_of;
  for (const std::string& raw : entries) {
    const std::string_view entry = strip(raw);
    if (entry.empty()) continue;
    const auto parts = text::split(entry, ':');
    if (parts.size() != 2) return invalid(fmt::format("entry '{}' has not exactly one ':'", shown(entry)));
    const std::string key(strip(parts[0]));
    const std::string value(strip(parts[1]));
    if (key.empty()) return invalid(fmt::format("entry '{}' has nothing before the ':'", shown(entry)));
    if (value.empty()) return invalid(fmt::format("entry '{}' has nothing after the ':'", shown(entry)));
    if (!mappings.emplace(key, value).second) return invalid(fmt::format("'{}' is there twice", shown(key)));
    if (const auto [other, added] = key_of.emplace(value, key); unique_values && !added) {
      return invalid(
          fmt::format("'{}' is there twice, for '{}' and for '{}'", shown(value), shown(other->second), shown(key)));
    }
  }
  return mappings;
}

Result<StringMap> parse_bridge_mappings(const StringList& entries) {
  auto mappings = parse_mappings(entries, true);
  if (!mappings) return mappings;
  for (const auto& entry : *mappings) {
    if (const Status checked = check_bridge_name(entry.second); !checked) return forward_error(checked);
  }
  return mappings;
}

Result<std::map<std::string, std::vector<IdRange>>> parse_network_vlan_ranges(const StringList& entries) {
  std::map<std::string, std::vector<IdRange>> ranges;
  for (const std::string& raw : entries) {
    const std::string_view entry = strip(raw);
    const auto parts = text::split(entry, ':');
    if (parts.size() != 1 && parts.size() != 3) {
      return invalid(
          fmt::format("entry '{}' is neither 'physical network' nor 'physical network:min:max'", shown(entry)));
    }
    const std::string network(strip(parts[0]));
    if (network.empty()) return invalid(fmt::format("entry '{}' names no physical network", shown(entry)));
    auto& of_network = ranges[network];
    if (parts.size() == 1) continue;
    const auto range = parse_range(entry, parts[1], parts[2], kVlanIds);
    if (!range) return forward_error(range);
    of_network.push_back(*range);
  }
  return ranges;
}

Result<std::vector<IdRange>> parse_id_ranges(const StringList& entries, IdRange limits) {
  std::vector<IdRange> ranges;
  for (const std::string& raw : entries) {
    const std::string_view entry = strip(raw);
    const auto parts = text::split(entry, ':');
    if (parts.size() != 2) return invalid(fmt::format("entry '{}' is not 'min:max'", shown(entry)));
    const auto range = parse_range(entry, parts[0], parts[1], limits);
    if (!range) return forward_error(range);
    ranges.push_back(*range);
  }
  return ranges;
}

Result<std::map<std::string, std::uint32_t>> parse_physical_network_mtus(const StringMap& mappings) {
  std::map<std::string, std::uint32_t> mtus;
  for (const auto& [network, mtu] : mappings) {
    const auto value = to_unsigned(mtu);
    if (!value || *value > 65535) {
      return invalid(
          fmt::format("entry '{}:{}': the MTU is not a number from 0 to 65535", shown(network), shown(mtu)));
    }
    mtus.emplace(network, static_cast<std::uint32_t>(*value));
  }
  return mtus;
}

Result<std::map<std::string, Bandwidth>> parse_bandwidths(const StringList& entries) {
  std::map<std::string, Bandwidth> bandwidths;
  for (const std::string& raw : entries) {
    const std::string_view entry = strip(raw);
    const auto parts = text::split(entry, ':');
    if (parts.size() != 3) return invalid(fmt::format("entry '{}' has not exactly two ':'", shown(entry)));
    const std::string name(strip(parts[0]));
    const auto egress = parse_rate(entry, parts[1]);
    if (!egress) return forward_error(egress);
    const auto ingress = parse_rate(entry, parts[2]);
    if (!ingress) return forward_error(ingress);
    if (!bandwidths.emplace(name, Bandwidth{*egress, *ingress}).second) {
      return invalid(fmt::format("'{}' is there twice", shown(name)));
    }
  }
  return bandwidths;
}

Result<std::map<std::string, std::uint64_t>> parse_packet_rates(const StringList& entries) {
  std::map<std::string, std::uint64_t> rates;
  for (const std::string& raw : entries) {
    const std::string_view entry = strip(raw);
    const auto parts = text::split(entry, ':');
    if (parts.size() != 2) return invalid(fmt::format("entry '{}' has not exactly one ':'", shown(entry)));
    const auto rate = to_unsigned(parts[1]);
    if (!rate) return invalid(fmt::format("entry '{}': the rate is not a number", shown(entry)));
    if (!rates.emplace(strip(parts[0]), *rate).second) {
      return invalid(fmt::format("'{}' is there twice", shown(parts[0])));
    }
  }
  return rates;
}

Result<std::string> firewall_driver_name(std::string_view value) {
  // Class paths of the entry points neutron.agent.firewall_drivers, and where older releases had the classes.
  static const std::map<std::string, std::string, std::less<>> kNames = {
      {"", "noop"},
      {"noop", "noop"},
      {"neutron.agent.firewall.NoopFirewallDriver", "noop"},
      {"neutron.agent.firewall:NoopFirewallDriver", "noop"},
      {"iptables", "iptables"},
      {"neutron.agent.linux.iptables_firewall.IptablesFirewallDriver", "iptables"},
      {"neutron.agent.linux.iptables_firewall:IptablesFirewallDriver", "iptables"},
      {"iptables_hybrid", "iptables_hybrid"},
      {"neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver", "iptables_hybrid"},
      {"neutron.agent.linux.iptables_firewall:OVSHybridIptablesFirewallDriver", "iptables_hybrid"},
      {"openvswitch", "openvswitch"},
      {"neutron.agent.linux.openvswitch_firewall.OVSFirewallDriver", "openvswitch"},
      {"neutron.agent.linux.openvswitch_firewall:OVSFirewallDriver", "openvswitch"},
      {"neutron.agent.linux.openvswitch_firewall.firewall.OVSFirewallDriver", "openvswitch"},
  };
  const auto found = kNames.find(strip(value));
  if (found == kNames.end()) return invalid("there is no such firewall driver");
  return found->second;
}

Result<std::string> syslog_facility(std::string_view value) {
  // lib/vlog.c, vlog_facilities.
  constexpr std::array kFacilities{"kern",   "user",   "mail",   "daemon", "auth",   "syslog", "lpr",
                                   "news",   "uucp",   "clock",  "ftp",    "local0", "local1", "local2",
                                   "local3", "local4", "local5", "local6", "local7"};
  std::string word = text::lower(value);
  if (word.starts_with("log_")) word.erase(0, 4);
  if (word == "cron") word = "clock";     // one number, two names
  if (word == "authpriv") word = "auth";  // vlog has no other
  if (std::ranges::find(kFacilities, word) != kFacilities.end()) return word;
  return invalid("there is no such facility");
}

Status check_bridge_name(std::string_view name) {
  if (name.empty()) return invalid("a bridge needs a name");
  if (name.size() > kMaxBridgeName) {
    return invalid(fmt::format("the bridge '{}' has {} bytes, and a network device's name at most {}", shown(name),
                               name.size(), kMaxBridgeName));
  }
  if (name == "." || name == "..") return invalid(fmt::format("'{}' is no name of a network device", name));
  if (const auto at = name.find_first_of("/\\: \t\n\v\f\r"); at != std::string_view::npos) {
    return invalid(fmt::format("the bridge '{}' has a '{}' in its name, which no network device can have",
                               shown(name), text::printable(name.substr(at, 1))));
  }
  return {};
}

Status check_vtep_address(const IpAddress& address) {
  if (address.is_unspecified()) return invalid("it is the unspecified address, which no host has");
  if (address.is_multicast()) return invalid("it is a multicast address, which no tunnel can start from");
  if (address == IpAddress::parse("255.255.255.255")) {
    return invalid("it is the broadcast address, which no tunnel can start from");
  }
  return {};
}

Result<ListenAddress> parse_listen_address(std::string_view where) {
  constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
  if (where.starts_with("unix:")) {
    const std::string_view path = where.substr(5);
    if (!path.starts_with('/') || path.size() > kMaxPath) {
      return invalid(fmt::format("'{}' is no absolute path of at most {} characters", shown(path), kMaxPath));
    }
    return ListenAddress{.path = std::string(path)};
  }
  const auto wrong = [&] {
    return invalid(fmt::format("'{}' is no UNIX socket, and no address and port", shown(where)));
  };
  const std::size_t colon = where.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = where.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  if (!address) return wrong();
  const auto port = to_unsigned(where.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) return invalid("its port is not a number from 1 to 65535");
  if (!address->is_loopback()) {
    return invalid(fmt::format("{} is no loopback address, and there is no authentication", address->to_string()));
  }
  return ListenAddress{.address = address, .port = static_cast<std::uint16_t>(*port)};
}

Status check_ovsdb_remote(std::string_view remote) {
  const auto bad = [&](std::string_view why) { return invalid(fmt::format("'{}' {}", shown(remote), why)); };
  if (remote.starts_with("unix:")) {
    return remote.size() > 5 ? Status() : Status(bad("has no path after 'unix:'"));
  }
  if (!remote.starts_with("tcp:") && !remote.starts_with("ssl:"))
    return bad("does not start with tcp:, ssl: or unix:");
  const std::string_view target = remote.substr(4);
  std::string_view port;
  if (target.starts_with('[')) {
    const auto bracket = target.find(']');
    const auto inside = target.substr(1, bracket == std::string_view::npos ? bracket : bracket - 1);
    const auto address = IpAddress::parse(inside);
    if (bracket == std::string_view::npos || !address || !address->is_v6()) {
      return bad("has no IPv6 address inside its brackets");
    }
    port = target.substr(bracket + 1);
  } else {
    const auto colon = target.find(':');
    if (target.empty() || colon == 0) return bad("names no host");
    if (colon != std::string_view::npos) port = target.substr(colon);
    if (port.find(':', 1) != std::string_view::npos) return bad("needs brackets around its IPv6 address");
  }
  if (port.empty()) return {};  // libopenvswitch takes 6640 then
  const auto number = port.front() == ':' ? to_unsigned(port.substr(1)) : std::nullopt;
  if (!number || *number == 0 || *number > 65535) return bad("has no port from 1 to 65535 at its end");
  return {};
}

}  // namespace ml2::config
