#include "agent/ml2/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/config/config.h"
#include "agent/config/mappings.h"

namespace ml2::plugin {
namespace {

std::vector<IdRange> convert(const std::vector<config::IdRange>& ranges) {
  std::vector<IdRange> result;
  for (const auto& range : ranges) result.push_back({range.min, range.max});
  return result;
}

Result<std::vector<IdRange>> ranges_of(const config::Config& config, std::string_view group, std::string_view name,
                                       config::IdRange limits) {
  const auto ranges = config::parse_id_ranges(config.get_list(group, name), limits);
  if (!ranges) {
    return invalid(
        fmt::format("{}: {} of [{}]: {}", config.origin(group, name), name, group, ranges.error().message));
  }
  return convert(*ranges);
}

}  // namespace

Result<PluginOptions> read_options(const config::Config& config) {
  PluginOptions options;
  options.type_drivers = config.get_list("ml2", "type_drivers");
  options.project_network_types = config.get_list("ml2", "project_network_types");
  const auto& types = options.type_drivers;
  if (!config.is_set("ml2", "project_network_types")) {
    // The default, local, counts only where local is loaded.
    std::erase_if(options.project_network_types, [&](const std::string& type) {
      return std::find(types.begin(), types.end(), type) == types.end();
    });
  }
  // Neutron's default is none, which would bind no port at all.
  if (config.is_set("ml2", "mechanism_drivers"))
    options.mechanism_drivers = config.get_list("ml2", "mechanism_drivers");
  options.extension_drivers = config.get_list("ml2", "extension_drivers");
  options.external_network_type = config.get_optional_string("ml2", "external_network_type");
  if (options.external_network_type && options.external_network_type->empty()) options.external_network_type.reset();
  options.path_mtu = config.get_int("ml2", "path_mtu");
  options.overlay_ip_version = config.get_int("ml2", "overlay_ip_version");
  const auto mtus = config::parse_physical_network_mtus(config.get_dict("ml2", "physical_network_mtus"));
  if (!mtus) return forward_error(mtus);
  for (const auto& [physical_network, mtu] : *mtus) options.physical_network_mtus[physical_network] = mtu;

  const auto& flat = config.get_list("ml2_type_flat", "flat_networks");
  options.flat_networks = {flat.begin(), flat.end()};
  options.flat_networks.erase("");
  const auto vlans = config::parse_network_vlan_ranges(config.get_list("ml2_type_vlan", "network_vlan_ranges"));
  if (!vlans) return forward_error(vlans);
  for (const auto& [physical_network, ranges] : *vlans) {
    options.network_vlan_ranges[physical_network] = convert(ranges);
  }
  auto gre = ranges_of(config, "ml2_type_gre", "tunnel_id_ranges", config::kGreKeys);
  if (!gre) return forward_error(gre);
  options.tunnel_id_ranges = std::move(*gre);
  auto vxlan = ranges_of(config, "ml2_type_vxlan", "vni_ranges", config::kVnis);
  if (!vxlan) return forward_error(vxlan);
  options.vxlan_vni_ranges = std::move(*vxlan);
  auto geneve = ranges_of(config, "ml2_type_geneve", "vni_ranges", config::kVnis);
  if (!geneve) return forward_error(geneve);
  options.geneve_vni_ranges = std::move(*geneve);
  options.geneve_max_header_size = config.get_int("ml2_type_geneve", "max_header_size");

  options.global_physnet_mtu = config.get_int("DEFAULT", "global_physnet_mtu");
  const std::string base_mac = config.get_string("DEFAULT", "base_mac");
  const auto mac = Mac::parse(base_mac);
  if (!mac || mac->is_multicast()) {
    return invalid(fmt::format("{}: base_mac of [DEFAULT]: {} is no unicast MAC address",
                               config.origin("DEFAULT", "base_mac"), base_mac));
  }
  options.base_mac = *mac;
  options.agent_down_time = config.get_int("DEFAULT", "agent_down_time");
  const auto& prohibited = config.get_list("ovs_driver", "vnic_type_prohibit_list");
  options.vnic_type_prohibit_list = {prohibited.begin(), prohibited.end()};
  return options;
}

}  // namespace ml2::plugin
