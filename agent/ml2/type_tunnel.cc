#include "agent/ml2/type_tunnel.h"

#include <fmt/format.h>

#include <algorithm>

namespace ml2::plugin {
namespace {

// IPv4 without options (RFC 791 section 3.1), IPv6 (RFC 8200 section 3).
constexpr std::int64_t kIpv4Header = 20;
constexpr std::int64_t kIpv6Header = 40;

std::int64_t smaller_known(std::int64_t a, std::int64_t b) {
  if (a <= 0) return std::max<std::int64_t>(b, 0);
  return b <= 0 ? a : std::min(a, b);
}

}  // namespace

TunnelType::TunnelType(TunnelTraits traits, const PluginOptions& options)
    : traits_(std::move(traits)),
      underlay_mtu_(smaller_known(options.global_physnet_mtu, options.path_mtu)),
      outer_ip_header_(options.overlay_ip_version == 6 ? kIpv6Header : kIpv4Header) {}

Status TunnelType::validate(const SegmentRequest& request) const {
  if (request.physical_network) {
    return invalid(fmt::format("a {} network has no provider:physical_network: leave it out", traits_.name));
  }
  if (request.segmentation_id && (*request.segmentation_id < 1 || *request.segmentation_id > traits_.max_id)) {
    return invalid(fmt::format("provider:segmentation_id {} is no {} of {}: 1 to {}", *request.segmentation_id,
                               traits_.id_name, traits_.name, traits_.max_id));
  }
  return {};
}

Result<SegmentKey> TunnelType::reserve(const SegmentRequest& request, const SegmentsInUse& in_use,
                                       const Random& random) const {
  if (!request.segmentation_id) return allocate(in_use, random);
  SegmentKey key{traits_.name, "", *request.segmentation_id};
  if (const auto owner = in_use.owner(key)) {
    return conflict(fmt::format("TunnelIdInUse: {} {} of {} is in use by network {}", traits_.id_name,
                                key.segmentation_id, traits_.name, *owner));
  }
  return key;
}

Result<SegmentKey> TunnelType::allocate(const SegmentsInUse& in_use, const Random& random) const {
  if (traits_.ranges.empty()) {
    return conflict(
        fmt::format("{0} of [ml2_type_{1}] holds no range: set it in an ini file that is read here "
                    "(--config-file), such as {0} = 1:1000",
                    traits_.option, traits_.name));
  }
  const auto id = draw_free_id(traits_.ranges, traits_.name, "", in_use, random);
  if (!id) {
    return conflict(
        fmt::format("{} {} of [ml2_type_{}] is used up", traits_.option, to_string(traits_.ranges), traits_.name));
  }
  return SegmentKey{traits_.name, "", *id};
}

std::int64_t TunnelType::mtu(const std::string&) const {
  if (underlay_mtu_ <= 0) return 0;
  return std::max<std::int64_t>(underlay_mtu_ - outer_ip_header_ - traits_.overhead, 0);
}

}  // namespace ml2::plugin
