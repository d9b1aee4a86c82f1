// vxlan: RFC 7348.
#include "agent/ml2/type_tunnel.h"

namespace ml2::plugin {

std::unique_ptr<TypeDriver> make_vxlan_type(const PluginOptions& options) {
  // UDP 8 + VXLAN 8 + inner Ethernet header 14.
  return std::make_unique<TunnelType>(
      TunnelTraits{"vxlan", "VNI", 0xffffff, options.vxlan_vni_ranges, "vni_ranges", 30}, options);
}

}  // namespace ml2::plugin
