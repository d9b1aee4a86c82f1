// The bridges themselves (neutron ovs_lib.py OVSBridge.create(), set_secure_mode(), set_igmp_snooping_state()).
#include <fmt/format.h>

#include <charconv>
#include <set>
#include <utility>

#include "datapath/compile/build.h"
#include "datapath/compile/names.h"

namespace ml2 {
namespace {

DesiredBridge common(const NodeConfig& node, bool create, const char* part) {
  DesiredBridge bridge;
  bridge.create = create;
  bridge.part = part;
  // What the incumbent has made is secure; a physical bridge was as `ovs-vsctl add-br` makes it.
  if (bridge.part != kPhysicalPart) bridge.fail_mode_before = bridge.fail_mode;
  bridge.datapath_type = node.datapath_type;
  // The incumbent's three. Bundles need 1.4; 1.0 is what ovs-ofctl speaks when it is not told otherwise.
  bridge.protocols = {"OpenFlow10", "OpenFlow13", "OpenFlow14"};
  bridge.other_config["mac-table-size"] = std::to_string(node.bridge_mac_table_size);
  return bridge;
}

std::string word(bool value) { return value ? "true" : "false"; }

// Two bridges with one NIC's MAC get one datapath id (neutron _check_bridge_datapath_id()). Its lower 48 bits are the
// MAC; the upper 16 are free. `taken`: of the bridges before this one.
std::optional<std::string> repaired_datapath_id(const std::string& id, const std::set<std::string>& taken) {
  if (id.empty() || !taken.contains(id)) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number, 16);
  if (error != std::errc() || end != id.data() + id.size()) return std::nullopt;
  for (std::uint64_t step = taken.size(); step <= UINT16_MAX; ++step) {
    std::string other = fmt::format("{:016x}", number + (step << 48U));
    if (!taken.contains(other)) return other;
  }
  return std::nullopt;
}

}  // namespace

void compile_bridges(Build& build) {
  const NodeConfig& node = build.node();
  DesiredBridge integration = common(node, true, kIntegrationPart);
  integration.mcast_snooping_enable = node.igmp_snooping_enable;
  // Without snooping the key means nothing; the incumbent writes "false" then.
  const bool flood_unregistered = !node.igmp_snooping_enable || node.igmp_flood_unregistered;
  integration.other_config["mcast-snooping-disable-flood-unregistered"] = word(!flood_unregistered);
  build.desired.bridges.emplace(node.integration_bridge, std::move(integration));

  if (node.has_tunnels()) {
    build.desired.bridges.emplace(node.tunnel_bridge, common(node, true, kTunnelPart));
  }

  std::set<std::string> datapath_ids;
  for (const std::string& bridge : {node.integration_bridge, node.tunnel_bridge}) {
    const auto there = build.facts.bridges.find(bridge);
    if (there != build.facts.bridges.end()) datapath_ids.insert(there->second);
  }
  for (const auto& [physical_network, bridge] : node.bridge_mappings) {
    if (!build.facts.bridges.contains(bridge)) {
      build.desired.waiting["bridge " + bridge] =
          fmt::format("physical network {}: bridge {} does not exist; create it (ovs-vsctl add-br {})",
                      physical_network, bridge, bridge);
      continue;
    }
    DesiredBridge physical = common(node, false, kPhysicalPart);
    const std::string& datapath_id = build.facts.bridges.at(bridge);
    if (const auto other = repaired_datapath_id(datapath_id, datapath_ids)) {
      physical.other_config["datapath-id"] = *other;
      datapath_ids.insert(*other);
    }
    datapath_ids.insert(datapath_id);
    build.desired.bridges.emplace(bridge, std::move(physical));
    build.physical_networks.emplace(physical_network,
                                    PhysicalNetwork{.bridge = bridge,
                                                    .int_port = patch_port_name(kIntPrefix, bridge),
                                                    .phy_port = patch_port_name(kPhysPrefix, bridge),
                                                    .int_ofport = std::nullopt,
                                                    .phy_ofport = std::nullopt});
  }
}

void leave_bridge(Build& build, const std::string& name) {
  DesiredBridge bridge = common(build.node(), false, kPhysicalPart);
  bridge.leave = true;
  build.desired.bridges.emplace(name, std::move(bridge));
}

}  // namespace ml2
