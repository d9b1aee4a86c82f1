// openvswitch: ports that ml2-agent (or neutron-openvswitch-agent) wires on their host.
// Source: neutron drivers/mech_agent.py, drivers/openvswitch/mech_driver/mech_openvswitch.py.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "agent/ml2/mechanism_driver.h"
#include "datapath/base/text.h"

namespace ml2::plugin {
namespace {

constexpr std::array kVnicTypes{"normal", "direct", "smart-nic", "vdpa"};

std::string config_of(const ovsdb::Ml2Host& host, const std::string& key, const std::string& fallback) {
  const auto found = host.configurations.find(key);
  return found == host.configurations.end() || found->second.empty() ? fallback : found->second;
}

// "a, b" or "[a, b]" or "a b".
std::set<std::string> words(const std::string& list) {
  std::set<std::string> result;
  std::string word;
  for (const char c : list + " ") {
    if (c == ' ' || c == ',' || c == '[' || c == ']' || c == '"' || c == '\'') {
      if (!word.empty()) result.insert(word);
      word.clear();
    } else {
      word += c;
    }
  }
  return result;
}

std::string list_keys(const std::map<std::string, std::string>& map) {
  std::string text;
  for (const auto& [key, value] : map) text += (text.empty() ? "" : ", ") + key;
  return text.empty() ? "none" : text;
}

class OpenvswitchMechanism final : public MechanismDriver {
 public:
  explicit OpenvswitchMechanism(const PluginOptions& options)
      : agent_down_time_(options.agent_down_time), prohibited_(options.vnic_type_prohibit_list) {}

  std::string_view name() const override { return "openvswitch"; }

  BindAnswer bind_port(const BindingContext& context) override {
    const std::string& vnic_type = context.binding.vnic_type;
    if (std::find(kVnicTypes.begin(), kVnicTypes.end(), vnic_type) == kVnicTypes.end()) {
      return NotBound{fmt::format("vnic type {} is not one of {}", vnic_type, fmt::join(kVnicTypes, ", "))};
    }
    if (prohibited_.contains(vnic_type)) {
      return NotBound{fmt::format("vnic type {} is in vnic_type_prohibit_list of [ovs_driver]", vnic_type)};
    }
    if (context.host == nullptr) {
      std::vector<std::string> known;
      for (const auto& [uuid, host] : context.rows.hosts) known.push_back(host.name);
      return NotBound{fmt::format("no agent has reported from this host (known hosts: {})",
                                  known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")))};
    }
    const ovsdb::Ml2Host& host = *context.host;
    if (const Status alive = check_alive(host, agent_down_time_, context.now); !alive) {
      return NotBound{alive.error().message};
    }
    std::string reasons;
    for (const ovsdb::Ml2Segment& segment : context.segments) {
      const std::string reason = why_not(segment, host);
      if (reason.empty()) return SetBinding{segment.uuid, vif_type(host, context), vif_details(context)};
      reasons += (reasons.empty() ? "" : "; ") + reason;
    }
    return NotBound{reasons.empty() ? "the network has no segment" : reasons};
  }

 private:
  static std::string why_not(const ovsdb::Ml2Segment& segment, const ovsdb::Ml2Host& host) {
    if (segment.network_type == "local") return "";
    if (segment.network_type == "flat" || segment.network_type == "vlan") {
      if (host.bridge_mappings.contains(segment.physical_network)) return "";
      return fmt::format("physical network {} is not in its bridge_mappings ({})", segment.physical_network,
                         list_keys(host.bridge_mappings));
    }
    if (host.tunnel_types.contains(segment.network_type)) return "";
    return fmt::format("network type {} is not in its tunnel_types ({})", segment.network_type,
                       host.tunnel_types.empty() ? "none" : fmt::format("{}", fmt::join(host.tunnel_types, ", ")));
  }

  // Which ports the host's fast path serves ([fastpath] ports); empty: not this one. Routers, DHCP and the like are
  // plugged into Open vSwitch by their agents.
  static std::string fast_path(const ovsdb::Ml2Host& host, const BindingContext& context) {
    if (context.binding.vnic_type != "normal" || context.port.device_owner.starts_with("network:")) return {};
    return config_of(host, "fastpath", "");
  }

  // vhost-user sockets exist only in a userspace datapath whose ovs-vswitchd is built with DPDK.
  static std::string vif_type(const ovsdb::Ml2Host& host, const BindingContext& context) {
    const std::string& vnic_type = context.binding.vnic_type;
    if (const std::string served = fast_path(host, context); !served.empty()) {
      return served == "all" ? "tap" : "vhostuser";
    }
    const auto iface_types = words(config_of(host, "iface_types", ""));
    const bool vhost = iface_types.contains("dpdkvhostuser") || iface_types.contains("dpdkvhostuserclient");
    return vnic_type == "normal" && vhost && config_of(host, "datapath_type", "system") == "netdev" ? "vhostuser"
                                                                                                    : "ovs";
  }

  static std::map<std::string, std::string> vif_details(const BindingContext& context) {
    const ovsdb::Ml2Host& host = *context.host;
    std::map<std::string, std::string> details{
        {"connectivity", "l2"},
        {"port_filter", text::lower(config_of(host, "enable_security_group", "false"))},
        {"ovs_hybrid_plug", text::lower(config_of(host, "ovs_hybrid_plug", "false"))},
        {"datapath_type", config_of(host, "datapath_type", "system")},
        {"bridge_name", config_of(host, "integration_bridge", "br-int")},
    };
    if (vif_type(host, context) == "vhostuser") {
      const bool served = !fast_path(host, context).empty();
      const auto iface_types = words(config_of(host, "iface_types", ""));
      details["vhostuser_socket"] =
          fmt::format("{}/vhu{}", config_of(host, "vhostuser_socket_dir", "/var/run/openvswitch"),
                      context.port.uuid.to_string().substr(0, 11));
      // The mode of QEMU's end: with a dpdkvhostuserclient port OVS connects, so QEMU serves.
      details["vhostuser_mode"] = served ? config_of(host, "vhostuser_mode", "server")
                                  : iface_types.contains("dpdkvhostuserclient") ? "server"
                                                                                : "client";
      // Nobody plugs a port of the fast path: its agent opens the socket.
      details["vhostuser_ovs_plug"] = served ? "false" : "true";
    }
    return details;
  }

  std::int64_t agent_down_time_;
  std::set<std::string> prohibited_;
};

}  // namespace

std::unique_ptr<MechanismDriver> make_openvswitch_mechanism(const PluginOptions& options) {
  return std::make_unique<OpenvswitchMechanism>(options);
}

}  // namespace ml2::plugin
