#include "agent/ml2/type_manager.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "datapath/base/text.h"

namespace ml2::plugin {
namespace {

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

}  // namespace

Result<TypeManager> TypeManager::make(const PluginOptions& options) {
  TypeManager manager;
  const auto& registry = type_driver_registry();
  for (const std::string& name : options.type_drivers) {
    const auto found = registry.find(name);
    if (found == registry.end()) {
      const auto near = text::nearest(name, keys_of(registry));
      return invalid(fmt::format("type_drivers of [ml2]: there is no type driver {}{} (known: {})", name,
                                 near ? fmt::format(", did you mean {}?", *near) : "",
                                 fmt::join(keys_of(registry), ", ")));
    }
    manager.drivers_[name] = found->second(options);
  }
  for (const std::string& type : options.project_network_types) {
    if (!manager.drivers_.contains(type)) {
      return invalid(fmt::format("project_network_types of [ml2]: {} is not among type_drivers ({})", type,
                                 fmt::join(keys_of(manager.drivers_), ", ")));
    }
  }
  if (options.external_network_type && !manager.drivers_.contains(*options.external_network_type)) {
    return invalid(fmt::format("external_network_type of [ml2]: {} is not among type_drivers ({})",
                               *options.external_network_type, fmt::join(keys_of(manager.drivers_), ", ")));
  }
  manager.project_network_types_ = options.project_network_types;
  manager.external_network_type_ = options.external_network_type;
  return manager;
}

Result<const TypeDriver*> TypeManager::driver_of(const std::string& network_type) const {
  const auto found = drivers_.find(network_type);
  if (found == drivers_.end()) {
    const auto near = text::nearest(network_type, keys_of(drivers_));
    return invalid(fmt::format("provider:network_type {} is not among type_drivers of [ml2] ({}){}", network_type,
                               fmt::join(keys_of(drivers_), ", "),
                               near ? fmt::format("; did you mean {}?", *near) : ""));
  }
  return found->second.get();
}

Result<std::vector<SegmentKey>> TypeManager::reserve(const std::vector<SegmentRequest>& requests,
                                                     const ovsdb::Ml2Rows& rows, const Random& random) const {
  SegmentsInUse in_use(rows);
  std::vector<SegmentKey> keys;
  for (const SegmentRequest& request : requests) {
    if (!request.network_type) {
      return invalid("provider:physical_network and provider:segmentation_id need provider:network_type");
    }
    const auto driver = driver_of(*request.network_type);
    if (!driver) return forward_error(driver);
    if (const Status valid = (*driver)->validate(request); !valid) return forward_error(valid);
    auto key = (*driver)->reserve(request, in_use, random);
    if (!key) return forward_error(key);
    in_use.add(*key, "another segment of this network");
    keys.push_back(std::move(*key));
  }
  return keys;
}

Result<SegmentKey> TypeManager::allocate(bool external, const ovsdb::Ml2Rows& rows, const Random& random) const {
  const SegmentsInUse in_use(rows);
  if (external && external_network_type_) return drivers_.at(*external_network_type_)->allocate(in_use, random);
  if (project_network_types_.empty()) {
    return invalid("NoNetworkAvailable: project_network_types of [ml2] is empty: give provider:network_type");
  }
  std::string reasons;
  for (const std::string& type : project_network_types_) {
    auto key = drivers_.at(type)->allocate(in_use, random);
    if (key) return key;
    reasons += (reasons.empty() ? "" : "; ") + key.error().message;
  }
  return conflict(
      fmt::format("NoNetworkAvailable: no type of project_network_types has a free segment: {}", reasons));
}

Result<SegmentKey> TypeManager::change_segmentation_id(const std::vector<ovsdb::Ml2Segment>& segments,
                                                       std::int64_t segmentation_id, const ovsdb::Ml2Rows& rows,
                                                       const Random& random) const {
  if (segments.size() != 1 || segments.front().network_type != "vlan") {
    return invalid("provider:segmentation_id can be changed only on a network with a single vlan segment");
  }
  const SegmentRequest request{"vlan", segments.front().physical_network, segmentation_id};
  if (segments.front().segmentation_id == segmentation_id) {
    return SegmentKey{"vlan", segments.front().physical_network, segmentation_id};
  }
  auto keys = reserve({request}, rows, random);
  if (!keys) return forward_error(keys);
  return std::move(keys->front());
}

std::int64_t TypeManager::mtu(const std::vector<SegmentKey>& segments) const {
  std::int64_t least = 0;
  for (const SegmentKey& segment : segments) {
    const auto driver = drivers_.find(segment.network_type);
    if (driver == drivers_.end()) continue;
    const std::int64_t mtu = driver->second->mtu(segment.physical_network);
    if (mtu > 0) least = least > 0 ? std::min(least, mtu) : mtu;
  }
  return least;
}

}  // namespace ml2::plugin
