// TypeManager: chooses the segments of a network through the type drivers that the ini file loads.
//
// Where in the walk: resources of a network ask it; it answers SegmentKeys, which become rows of table Segment.
// Threading: const after make(); values in, values out.
// Failure: make() refuses names that no driver has; see type_driver.h for the rest.
// What it does not do: no commit and no retry (commit.h): a lost race is asked again with newer rows.
// Source: neutron/plugins/ml2/managers.py, class TypeManager.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/ml2/type_driver.h"

namespace ml2::plugin {

class TypeManager {
 public:
  [[nodiscard]] static Result<TypeManager> make(const PluginOptions& options);

  // For a network with provider attributes: `requests` holds one, or several of a multi-provider network.
  [[nodiscard]] Result<std::vector<SegmentKey>> reserve(const std::vector<SegmentRequest>& requests,
                                                        const ovsdb::Ml2Rows& rows, const Random& random) const;
  // For a network without: external_network_type if it is external, else the first of project_network_types that has
  // a free segment.
  [[nodiscard]] Result<SegmentKey> allocate(bool external, const ovsdb::Ml2Rows& rows, const Random& random) const;
  // The new segmentation id of a network, which must have a single vlan segment.
  [[nodiscard]] Result<SegmentKey> change_segmentation_id(const std::vector<ovsdb::Ml2Segment>& segments,
                                                          std::int64_t segmentation_id, const ovsdb::Ml2Rows& rows,
                                                          const Random& random) const;
  // The least of the segments' MTUs in bytes; 0: no limit known.
  [[nodiscard]] std::int64_t mtu(const std::vector<SegmentKey>& segments) const;

 private:
  TypeManager() = default;
  [[nodiscard]] Result<const TypeDriver*> driver_of(const std::string& network_type) const;

  std::map<std::string, std::unique_ptr<TypeDriver>> drivers_;
  std::vector<std::string> project_network_types_;
  std::optional<std::string> external_network_type_;
};

}  // namespace ml2::plugin
