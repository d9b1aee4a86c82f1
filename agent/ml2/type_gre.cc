// gre: Ethernet in GRE with a key (RFC 2784, RFC 2890).
#include "agent/ml2/type_tunnel.h"

namespace ml2::plugin {

std::unique_ptr<TypeDriver> make_gre_type(const PluginOptions& options) {
  // GRE header with key 8 + inner Ethernet header 14.
  return std::make_unique<TunnelType>(
      TunnelTraits{"gre", "tunnel id", 0xffffffff, options.tunnel_id_ranges, "tunnel_id_ranges", 22}, options);
}

}  // namespace ml2::plugin
