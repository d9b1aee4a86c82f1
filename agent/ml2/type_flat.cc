// flat: the untagged frames of a physical network; one network for each (neutron drivers/type_flat.py).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/ml2/type_driver.h"

namespace ml2::plugin {
namespace {

class FlatType final : public TypeDriver {
 public:
  explicit FlatType(const PluginOptions& options)
      : flat_networks_(options.flat_networks),
        mtu_(options.global_physnet_mtu),
        physical_network_mtus_(options.physical_network_mtus) {}

  std::string_view name() const override { return "flat"; }

  Status validate(const SegmentRequest& request) const override {
    if (flat_networks_.empty()) {
      return invalid("flat networks are turned off: flat_networks of [ml2_type_flat] is empty");
    }
    if (!request.physical_network || request.physical_network->empty()) {
      return invalid("a flat network needs provider:physical_network");
    }
    if (!flat_networks_.contains("*") && !flat_networks_.contains(*request.physical_network)) {
      return invalid(fmt::format("physical network {} is not in flat_networks of [ml2_type_flat] ({})",
                                 *request.physical_network, fmt::join(flat_networks_, ", ")));
    }
    if (request.segmentation_id) return invalid("a flat network has no provider:segmentation_id: leave it out");
    return {};
  }

  Result<SegmentKey> reserve(const SegmentRequest& request, const SegmentsInUse& in_use,
                             const Random&) const override {
    SegmentKey key{"flat", *request.physical_network, 0};
    if (const auto owner = in_use.owner(key)) {
      return conflict(fmt::format("FlatNetworkInUse: physical network {} already carries the flat network {}",
                                  key.physical_network, *owner));
    }
    return key;
  }

  Result<SegmentKey> allocate(const SegmentsInUse&, const Random&) const override {
    return conflict("a flat network is never chosen by itself: it needs provider:physical_network");
  }

  std::int64_t mtu(const std::string& physical_network) const override {
    const auto found = physical_network_mtus_.find(physical_network);
    if (found == physical_network_mtus_.end() || found->second <= 0) return mtu_;
    return mtu_ > 0 ? std::min(mtu_, found->second) : found->second;
  }

 private:
  std::set<std::string> flat_networks_;
  std::int64_t mtu_;
  std::map<std::string, std::int64_t> physical_network_mtus_;
};

}  // namespace

std::unique_ptr<TypeDriver> make_flat_type(const PluginOptions& options) {
  return std::make_unique<FlatType>(options);
}

}  // namespace ml2::plugin
