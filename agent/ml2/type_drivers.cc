#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "agent/ml2/type_driver.h"

namespace ml2::plugin {

const std::map<std::string, TypeDriverFactory>& type_driver_registry() {
  static const std::map<std::string, TypeDriverFactory> kRegistry{
      {"local", make_local_type}, {"flat", make_flat_type},   {"vlan", make_vlan_type},
      {"gre", make_gre_type},     {"vxlan", make_vxlan_type}, {"geneve", make_geneve_type},
  };
  return kRegistry;
}

SegmentsInUse::SegmentsInUse(const ovsdb::Ml2Rows& rows) {
  for (const auto& [uuid, segment] : rows.segments) {
    const auto network = rows.networks.find(segment.network);
    std::string owner = segment.network.to_string();
    if (network != rows.networks.end() && !network->second.name.empty()) owner = network->second.name;
    add({segment.network_type, segment.physical_network, segment.segmentation_id}, std::move(owner));
  }
}

std::optional<std::string> SegmentsInUse::owner(const SegmentKey& key) const {
  const auto found = owners_.find(key);
  if (found == owners_.end()) return std::nullopt;
  return found->second;
}

std::int64_t SegmentsInUse::count(const std::string& network_type, const std::string& physical_network,
                                  const IdRange& range) const {
  const auto first = owners_.lower_bound({network_type, physical_network, range.first});
  const auto last = owners_.upper_bound({network_type, physical_network, range.last});
  return std::distance(first, last);
}

void SegmentsInUse::add(const SegmentKey& key, std::string network) { owners_[key] = std::move(network); }

std::optional<std::int64_t> draw_free_id(const std::vector<IdRange>& ranges, const std::string& network_type,
                                         const std::string& physical_network, const SegmentsInUse& in_use,
                                         const Random& random) {
  std::int64_t free = 0;
  for (const IdRange& range : ranges) {
    free += range.last - range.first + 1 - in_use.count(network_type, physical_network, range);
  }
  if (free <= 0) return std::nullopt;
  // The n-th free id, so that a nearly full pool costs no more than an empty one.
  auto skip = static_cast<std::int64_t>(random(static_cast<std::uint64_t>(free)));
  for (const IdRange& range : ranges) {
    const std::int64_t free_here = range.last - range.first + 1 - in_use.count(network_type, physical_network, range);
    if (skip >= free_here) {
      skip -= free_here;
      continue;
    }
    // Smallest id such that [first, id] holds skip + 1 free ones.
    std::int64_t low = range.first;
    std::int64_t high = range.last;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      const std::int64_t free_to_middle =
          middle - range.first + 1 - in_use.count(network_type, physical_network, {range.first, middle});
      if (free_to_middle >= skip + 1) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
  return std::nullopt;
}

std::string to_string(const std::vector<IdRange>& ranges) {
  std::string text;
  for (const IdRange& range : ranges) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{}:{}", range.first, range.last);
  }
  return text;
}

}  // namespace ml2::plugin
