// geneve: RFC 8926.
#include "agent/ml2/type_tunnel.h"

namespace ml2::plugin {

std::unique_ptr<TypeDriver> make_geneve_type(const PluginOptions& options) {
  // max_header_size counts UDP, Geneve with its options and the inner Ethernet header; at least 30.
  return std::make_unique<TunnelType>(TunnelTraits{"geneve", "VNI", 0xffffff, options.geneve_vni_ranges, "vni_ranges",
                                                   options.geneve_max_header_size},
                                      options);
}

}  // namespace ml2::plugin
