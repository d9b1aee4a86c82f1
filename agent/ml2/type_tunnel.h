// TunnelType: what gre, vxlan and geneve have in common: one pool of tunnel keys for the whole site.
//
// Where in the walk: type_gre.cc, type_vxlan.cc and type_geneve.cc each fill in one Traits.
// Threading, Failure: see type_driver.h.
// What it does not do: no endpoints: those are in the hosts' rows.
// Source: neutron/plugins/ml2/drivers/type_tunnel.py.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/ml2/type_driver.h"

namespace ml2::plugin {

struct TunnelTraits {
  std::string name;
  std::string id_name;      // "VNI", "tunnel id"
  std::int64_t max_id = 0;  // 1 is the least
  std::vector<IdRange> ranges;
  std::string option;         // "vni_ranges", as the ini file calls the pool
  std::int64_t overhead = 0;  // bytes between the outer IP header and the inner IP packet
};

class TunnelType : public TypeDriver {
 public:
  TunnelType(TunnelTraits traits, const PluginOptions& options);

  std::string_view name() const override { return traits_.name; }
  Status validate(const SegmentRequest& request) const override;
  Result<SegmentKey> reserve(const SegmentRequest& request, const SegmentsInUse& in_use,
                             const Random& random) const override;
  Result<SegmentKey> allocate(const SegmentsInUse& in_use, const Random& random) const override;
  std::int64_t mtu(const std::string& physical_network) const override;

 private:
  TunnelTraits traits_;
  std::int64_t underlay_mtu_;  // bytes; 0: not known
  std::int64_t outer_ip_header_;
};

}  // namespace ml2::plugin
