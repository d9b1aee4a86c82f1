// PluginOptions: what the ML2 plugin takes from the ini files, as values.
//
// Where in the walk: ml2ctl reads them once (read_options) and gives them to Plugin.
// Threading: values.
// Failure: read_options() names the option whose value cannot be used.
// What it does not do: no drivers; names of drivers are judged by who loads them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/base/mac.h"
#include "datapath/base/result.h"

namespace ml2::config {
class Config;
}

namespace ml2::plugin {

// Both ends included.
struct IdRange {
  std::int64_t first = 0;
  std::int64_t last = 0;

  friend bool operator==(const IdRange&, const IdRange&) = default;
};

// neutron/conf/plugins/ml2/*.py and neutron/conf/common.py name and default them.
struct PluginOptions {
  // [ml2]
  std::vector<std::string> type_drivers{"local", "flat", "vlan", "gre", "vxlan", "geneve"};
  std::vector<std::string> project_network_types{"local"};
  std::vector<std::string> mechanism_drivers{"openvswitch"};
  std::vector<std::string> extension_drivers{"port_security"};
  std::optional<std::string> external_network_type;
  std::int64_t path_mtu = 0;  // bytes; 0: not told
  std::map<std::string, std::int64_t> physical_network_mtus;
  std::int64_t overlay_ip_version = 4;  // 4 or 6
  // [ml2_type_flat]; "*" allows any, none turns flat networks off
  std::set<std::string> flat_networks{"*"};
  // [ml2_type_vlan]; a physical network without ranges is for explicit ids only
  std::map<std::string, std::vector<IdRange>> network_vlan_ranges;
  std::vector<IdRange> tunnel_id_ranges;     // [ml2_type_gre]
  std::vector<IdRange> vxlan_vni_ranges;     // [ml2_type_vxlan]
  std::vector<IdRange> geneve_vni_ranges;    // [ml2_type_geneve]
  std::int64_t geneve_max_header_size = 30;  // bytes
  // [DEFAULT]
  std::int64_t global_physnet_mtu = 1500;  // bytes
  Mac base_mac{{0xfa, 0x16, 0x3e, 0, 0, 0}};
  std::int64_t agent_down_time = 75;  // seconds
  // [ovs_driver]
  std::set<std::string> vnic_type_prohibit_list;
};

[[nodiscard]] Result<PluginOptions> read_options(const config::Config& config);

// "1:1000, 2000:2999", as the ini file has them.
[[nodiscard]] std::string to_string(const std::vector<IdRange>& ranges);

}  // namespace ml2::plugin
