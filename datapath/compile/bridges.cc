// The bridges themselves (neutron ovs_lib.py OVSBridge.create(), set_secure_mode(), set_igmp_snooping_state()).
#include <fmt/format.h>

#include "datapath/compile/build.h"
#include "datapath/compile/names.h"

namespace ml2 {
namespace {

DesiredBridge common(const NodeConfig& node, bool create) {
  DesiredBridge bridge;
  bridge.create = create;
  bridge.datapath_type = node.datapath_type;
  // The incumbent's three. Bundles need 1.4; 1.0 is what ovs-ofctl speaks when it is not told otherwise.
  bridge.protocols = {"OpenFlow10", "OpenFlow13", "OpenFlow14"};
  bridge.other_config["mac-table-size"] = std::to_string(node.bridge_mac_table_size);
  return bridge;
}

std::string word(bool value) { return value ? "true" : "false"; }

}  // namespace

void compile_bridges(Build& build) {
  const NodeConfig& node = build.node();
  DesiredBridge integration = common(node, true);
  integration.mcast_snooping_enable = node.igmp_snooping_enable;
  // Without snooping the key means nothing; the incumbent writes "false" then.
  const bool flood_unregistered = !node.igmp_snooping_enable || node.igmp_flood_unregistered;
  integration.other_config["mcast-snooping-disable-flood-unregistered"] = word(!flood_unregistered);
  build.desired.bridges.emplace(node.integration_bridge, std::move(integration));

  if (node.has_tunnels()) build.desired.bridges.emplace(node.tunnel_bridge, common(node, true));

  for (const auto& [physical_network, bridge] : node.bridge_mappings) {
    if (!build.facts.bridges.contains(bridge)) {
      build.desired.waiting["bridge " + bridge] =
          fmt::format("physical network {}: bridge {} does not exist; create it (ovs-vsctl add-br {})",
                      physical_network, bridge, bridge);
      continue;
    }
    build.desired.bridges.emplace(bridge, common(node, false));
    build.physical_networks.emplace(physical_network,
                                    PhysicalNetwork{.bridge = bridge,
                                                    .int_port = patch_port_name(kIntPrefix, bridge),
                                                    .phy_port = patch_port_name(kPhysPrefix, bridge),
                                                    .int_ofport = std::nullopt,
                                                    .phy_ofport = std::nullopt});
  }
}

}  // namespace ml2
