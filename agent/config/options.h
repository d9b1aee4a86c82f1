// Option: one row of the table of every option that ml2-agent knows.
//
// The one place that says an option's name, type, default, limits, old names and meaning. The loader, --check-config,
// --help-config, the man page and the near-miss hints all read this table, so that a new option is one row.
// The rows are those of neutron-openvswitch-agent and of the ML2 plugin, with upstream's names and defaults (Neutron
// 21 "Zed" and later; oslo.log, oslo.messaging, oslo.concurrency), and ours ([ml2_db]).
//
// Where in the walk: agent/config, at start and at SIGHUP.
// Threading: constant after the first call (C++ makes that call safe).
// Failure: find_option() answers nullptr for names it does not know.
// What it does not do: no values; those are in Config.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ml2::config {

enum class OptionType { Bool, Int, Float, Port, Ip, HostAddress, String, List, Dict, Multi };

// Neutron's own rules above the type, checked at load so that --check-config reports them with file and line.
enum class Check {
  None,
  BridgeMappings,       // physical network:bridge, both unique
  VlanRanges,           // physical network[:min:max], 1 to 4094
  VniRanges,            // min:max, 1 to 2^24 - 1 (RFC 7348, RFC 8926: 24 bits)
  GreKeyRanges,         // min:max, 1 to 2^32 - 1 (RFC 2890: 32 bits)
  Mtus,                 // physical network:mtu; also the list form of older releases
  Bandwidths,           // bridge:egress:ingress kbit/s
  PacketRates,          // hypervisor:kpps
  DirectedPacketRates,  // hypervisor:egress kpps:ingress kpps
  TunnelTypes,          // gre, vxlan, geneve
  FirewallDriver,       // short name or class path
  Mac,
  Cidr,
  BridgeName,     // what both ovs-vswitchd and the kernel take: the bridge is a device, too
  VtepAddress,    // an address that one host can have
  ListenAddress,  // unix:/PATH or a port of a loopback address
  Facility,       // of syslog(3), with or without LOG_
  OvsdbRemote,    // one of tcp:, ssl:, unix:
  OvsdbRemotes,   // several, separated by commas; may be empty
  ServerPorts,    // items ip:port, [ip]:port
  Processors,     // 0 to 127, each once, at least one
  PciAddresses,   // domain:bus:device.function
};

// What ml2-agent does with a value that somebody set.
enum class Use {
  Acted,
  NotYet,    // known, will matter; said once in the log when it is set to something else than the default
  NoEffect,  // of the incumbent's way of working (root_helper, polling): nothing in ml2-agent corresponds to it
  OldName,   // from before ML2: the loader carries it over to today's option where that is not set
};

struct OldName {
  std::string_view group;
  std::string_view name;
};

struct Option {
  std::string_view group;  // normalized: "DEFAULT" or lower case
  std::string_view name;
  OptionType type = OptionType::String;
  std::optional<std::string_view> fallback = std::nullopt;  // the default as it would stand in a file; none: None
  std::string_view meaning;                                 // for people; no full stop at its end
  std::optional<double> min = std::nullopt;
  std::optional<double> max = std::nullopt;
  std::vector<std::string_view> choices = {};
  bool ignore_case = false;  // of choices
  Check check = Check::None;
  Use use = Use::Acted;
  bool secret = false;
  bool reloadable = false;  // oslo's mutable: SIGHUP applies it
  bool host_name = false;   // the default is the name of this host
  bool process = false;     // of [fastpath]: ml2-fastpath itself acts on it, and has it on its command line too
  std::vector<OldName> old_names = {};
  std::string_view removal = {};  // why it is deprecated for removal
};

// Group after group as operators look for them (ovs, agent, ml2, ..., DEFAULT, ...), within a group as listed.
[[nodiscard]] const std::vector<Option>& all_options();
[[nodiscard]] const Option* find_option(std::string_view group, std::string_view name);
// Also by a deprecated name; `old` is set when it was one.
[[nodiscard]] const Option* find_option_or_old_name(std::string_view group, std::string_view name, bool& old);
// Position of an option of all_options() in it.
[[nodiscard]] std::size_t option_index(const Option& option);
// Names of the groups, in the table's order.
[[nodiscard]] const std::vector<std::string>& option_groups();
// Options and whole sections that Neutron's other programs read from the same files: no warning for those.
[[nodiscard]] bool belongs_elsewhere(std::string_view group, std::string_view name);
[[nodiscard]] bool section_belongs_elsewhere(std::string_view group);

// The parts of the table, one file each.
[[nodiscard]] std::vector<Option> default_options();  // [DEFAULT], [oslo_concurrency]
[[nodiscard]] std::vector<Option> ovs_options();      // [ovs], [ovs_driver]
[[nodiscard]] std::vector<Option> agent_options();    // [agent], [securitygroup]
[[nodiscard]] std::vector<Option>
extension_options();  // [dhcp], [metadata], [dns_forwarder], [local_ip], [fdb], [network_log]
[[nodiscard]] std::vector<Option> ml2_options();        // [ml2], [ml2_type_*], [ml2_db]
[[nodiscard]] std::vector<Option> fast_path_options();  // [fastpath]
[[nodiscard]] std::vector<Option> messaging_options();  // [oslo_messaging_rabbit], [oslo_messaging_notifications]

}  // namespace ml2::config
