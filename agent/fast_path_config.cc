#include "agent/fast_path_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "datapath/base/text.h"

namespace ml2 {
namespace {

constexpr const char* kGroup = "fastpath";
constexpr std::size_t kMaxDevargs = sizeof(fp::abi::Port::devargs) - 1;

std::string name_of(const std::string& devargs) { return devargs.substr(0, devargs.find(',')); }

class Reader {
 public:
  Reader(const config::Config& config, const NodeConfig& node) : config_(config), node_(node) {}

  Result<FastPathConfig> read() {
    result_.enabled = config_.get_bool(kGroup, "enabled");
    result_.socket = config_.get_string(kGroup, "socket");
    result_.all_ports = config_.get_string(kGroup, "ports") == "all";
    result_.qemu_serves = config_.get_string(kGroup, "vhostuser_mode") == "server";
    result_.tunnel_vlan = static_cast<std::uint16_t>(config_.get_int(kGroup, "tunnel_vlan"));
    result_.kernel_driver = config_.get_string(kGroup, "kernel_driver");
    result_.queues = static_cast<std::uint8_t>(config_.get_int(kGroup, "queues"));
    result_.physnet_mtu = static_cast<std::uint16_t>(
        std::clamp<std::int64_t>(config_.get_int("DEFAULT", "global_physnet_mtu"), 68, 9600));
    result_.tunnel_device = config_.get_string(kGroup, "tunnel_device");
    result_.host_device = config_.get_string(kGroup, "tunnel_host_device");
    if (config_.is_set(kGroup, "cores")) {
      for (const std::string& core : config_.get_list(kGroup, "cores"))
        result_.cores.push_back(static_cast<unsigned>(text::to_int(core).value_or(0)));
    }
    if (!result_.enabled) return result_;

    if (node_.explicitly_egress_direct) {
      return wrong("enabled",
                   fmt::format("does not go together with [agent] explicitly_egress_direct ({}): the flows of "
                               "that option know no way to the fast path",
                               config_.origin("agent", "explicitly_egress_direct")));
    }
    if (Status ok = tunnel(); !ok) return forward_error(ok);
    for (const std::string& entry : config_.get_list(kGroup, "physnet_devices")) {
      if (Status ok = physnet(entry); !ok) return forward_error(ok);
    }
    return result_;
  }

 private:
  [[nodiscard]] tl::unexpected<Error> wrong(const char* option, const std::string& rest) const {
    return invalid(fmt::format("{}: [fastpath] {} {}", config_.origin(kGroup, option), option, rest));
  }

  Status tunnel() {
    if (result_.tunnel_device.empty()) {
      if (result_.host_device.empty()) return {};
      return wrong("tunnel_host_device", "is the host's end of tunnel_device, which is not set");
    }
    if (!node_.tunnel_types.contains(NetworkType::Vxlan)) {
      return wrong("tunnel_device", "carries VXLAN, which is not in [agent] tunnel_types");
    }
    if (Status ok = device("tunnel_device", result_.tunnel_device); !ok || result_.host_device.empty()) return ok;
    return device("tunnel_host_device", result_.host_device);
  }

  Status physnet(const std::string& entry) {
    const auto colon = entry.find(':');
    const std::string name(text::trim(entry.substr(0, colon)));
    if (colon == std::string::npos || name.empty()) {
      return wrong("physnet_devices", fmt::format("= '{}' is not physical network:devargs, such as "
                                                  "physnet1:0000:01:00.0",
                                                  text::printable(entry)));
    }
    const std::string devargs(text::trim(entry.substr(colon + 1)));
    const std::string shown = text::printable(name);
    if (node_.bridge_mappings.contains(name)) {
      return wrong("physnet_devices",
                   fmt::format("has the physical network '{}', which {} has too: it is either a bridge's "
                               "or the fast path's",
                               shown, "[ovs] bridge_mappings (" + config_.origin("ovs", "bridge_mappings") + ")"));
    }
    if (!result_.physnet_devices.emplace(name, devargs).second) {
      return wrong("physnet_devices", fmt::format("has the physical network '{}' twice", shown));
    }
    return device("physnet_devices", devargs);
  }

  // One device is one port: the same devargs may stand in several places, the same name with others may not.
  Status device(const char* option, const std::string& devargs) {
    const std::string name = name_of(devargs);
    const bool printable = std::all_of(devargs.begin(), devargs.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (name.empty() || devargs.size() > kMaxDevargs || !printable) {
      return wrong(option,
                   fmt::format("has '{}' for a device: a DPDK device's devargs of 1 to {} characters without blanks "
                               "were expected, such as 0000:01:00.0 or net_af_packet_up,iface=eth1",
                               text::printable(devargs), kMaxDevargs));
    }
    const auto [place, added] = devices_.emplace(name, devargs);
    const bool host = std::string(option) == "tunnel_host_device";
    if (added || (place->second == devargs && !host && devargs != result_.host_device)) return {};
    return wrong(option, fmt::format("names the device {} a second time, as another one", text::printable(name)));
  }

  const config::Config& config_;
  const NodeConfig& node_;
  FastPathConfig result_;
  std::map<std::string, std::string> devices_;  // by name
};

}  // namespace

Result<FastPathConfig> fast_path_config(const config::Config& config, const NodeConfig& node) {
  return Reader(config, node).read();
}

}  // namespace ml2
