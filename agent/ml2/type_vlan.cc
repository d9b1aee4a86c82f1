// vlan: IEEE 802.1Q frames on a physical network (neutron drivers/type_vlan.py).
#include <fmt/format.h>

#include <algorithm>

#include "agent/ml2/type_driver.h"
#include "datapath/base/strong_id.h"

namespace ml2::plugin {
namespace {

class VlanType final : public TypeDriver {
 public:
  explicit VlanType(const PluginOptions& options)
      : ranges_(options.network_vlan_ranges),
        mtu_(options.global_physnet_mtu),
        physical_network_mtus_(options.physical_network_mtus) {}

  std::string_view name() const override { return "vlan"; }

  Status validate(const SegmentRequest& request) const override {
    if (!request.physical_network) {
      if (request.segmentation_id)
        return invalid("provider:segmentation_id of a vlan network needs provider:physical_network");
      return {};
    }
    const auto found = ranges_.find(*request.physical_network);
    if (found == ranges_.end()) {
      return invalid(fmt::format("physical network {} is not in network_vlan_ranges of [ml2_type_vlan] ({})",
                                 *request.physical_network, ranges_.empty() ? "empty" : names()));
    }
    if (request.segmentation_id) {
      // An id outside the ranges is allowed: the ranges are for networks that do not name one.
      if (!VlanId::make(*request.segmentation_id)) {
        return invalid(fmt::format("provider:segmentation_id {} is no VLAN id: 1 to 4094", *request.segmentation_id));
      }
      return {};
    }
    if (found->second.empty()) {
      return invalid(fmt::format(
          "physical network {} has no range in network_vlan_ranges of [ml2_type_vlan]: give provider:segmentation_id",
          *request.physical_network));
    }
    return {};
  }

  Result<SegmentKey> reserve(const SegmentRequest& request, const SegmentsInUse& in_use,
                             const Random& random) const override {
    if (!request.physical_network) return allocate(in_use, random);
    const std::string& physical_network = *request.physical_network;
    if (request.segmentation_id) {
      SegmentKey key{"vlan", physical_network, *request.segmentation_id};
      if (const auto owner = in_use.owner(key)) {
        return conflict(fmt::format("VlanIdInUse: VLAN {} on physical network {} is in use by network {}",
                                    key.segmentation_id, physical_network, *owner));
      }
      return key;
    }
    const std::vector<IdRange>& ranges = ranges_.at(physical_network);
    const auto id = draw_free_id(ranges, "vlan", physical_network, in_use, random);
    if (!id) {
      return conflict(fmt::format("network_vlan_ranges {}:{} of [ml2_type_vlan] is used up", physical_network,
                                  to_string(ranges)));
    }
    return SegmentKey{"vlan", physical_network, *id};
  }

  Result<SegmentKey> allocate(const SegmentsInUse& in_use, const Random& random) const override {
    std::string used_up;
    for (const auto& [physical_network, ranges] : ranges_) {
      if (ranges.empty()) continue;
      if (const auto id = draw_free_id(ranges, "vlan", physical_network, in_use, random)) {
        return SegmentKey{"vlan", physical_network, *id};
      }
      used_up += fmt::format("{}{}:{}", used_up.empty() ? "" : ", ", physical_network, to_string(ranges));
    }
    if (used_up.empty())
      return conflict(
          "network_vlan_ranges of [ml2_type_vlan] holds no range: set it in an ini file that is read here "
          "(--config-file), "
          "such as network_vlan_ranges = physnet1:100:199");
    return conflict(fmt::format("network_vlan_ranges {} of [ml2_type_vlan] is used up", used_up));
  }

  std::int64_t mtu(const std::string& physical_network) const override {
    const auto found = physical_network_mtus_.find(physical_network);
    if (found == physical_network_mtus_.end() || found->second <= 0) return mtu_;
    return mtu_ > 0 ? std::min(mtu_, found->second) : found->second;
  }

 private:
  std::string names() const {
    std::string text;
    for (const auto& [name, ranges] : ranges_) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  std::map<std::string, std::vector<IdRange>> ranges_;
  std::int64_t mtu_;
  std::map<std::string, std::int64_t> physical_network_mtus_;
};

}  // namespace

std::unique_ptr<TypeDriver> make_vlan_type(const PluginOptions& options) {
  return std::make_unique<VlanType>(options);
}

}  // namespace ml2::plugin
