// TypeDriver: one kind of segment: which provider attributes it takes, from where its ids come, its MTU.
//
// Where in the walk: TypeManager asks the driver of a segment's type; one file per driver (type_*.cc), one line each
//   in the registry (type_drivers.cc).
// Threading: values and const functions; what is in use is handed in.
// Failure: Invalid for attributes that this type does not take, Conflict for an id that is in use or a pool that is
//   used up; the sentence names the id, the range and the option.
// What it does not do: no database: uniqueness is kept by the index of table Segment, and the loser of a race asks
//   again with a newer SegmentsInUse.
// Source: neutron/plugins/ml2/drivers/type_*.py, helpers.py.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/ml2/options.h"
#include "agent/ml2/random.h"
#include "datapath/base/result.h"
#include "datapath/base/uuid.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::plugin {

// provider:network_type, provider:physical_network, provider:segmentation_id as an operator gives them.
struct SegmentRequest {
  std::optional<std::string> network_type;
  std::optional<std::string> physical_network;
  std::optional<std::int64_t> segmentation_id;

  [[nodiscard]] bool empty() const { return !network_type && !physical_network && !segmentation_id; }
  friend bool operator==(const SegmentRequest&, const SegmentRequest&) = default;
};

// What a driver chose: the columns of the index of table Segment.
struct SegmentKey {
  std::string network_type;
  std::string physical_network;
  std::int64_t segmentation_id = 0;

  friend auto operator<=>(const SegmentKey&, const SegmentKey&) = default;
};

// Which segments exist, and whose they are.
class SegmentsInUse {
 public:
  SegmentsInUse() = default;
  explicit SegmentsInUse(const ovsdb::Ml2Rows& rows);

  // The name (or id) of the network that has the segment; nullopt when it is free.
  [[nodiscard]] std::optional<std::string> owner(const SegmentKey& key) const;
  // How many ids of [first, last] are taken for this type and physical network.
  [[nodiscard]] std::int64_t count(const std::string& network_type, const std::string& physical_network,
                                   const IdRange& range) const;
  void add(const SegmentKey& key, std::string network);

 private:
  std::map<SegmentKey, std::string> owners_;
};

class TypeDriver {
 public:
  virtual ~TypeDriver() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  // Provider attributes of an operator: are they right for this type?
  [[nodiscard]] virtual Status validate(const SegmentRequest& request) const = 0;
  // The segment for a validated request; what is left open is chosen.
  [[nodiscard]] virtual Result<SegmentKey> reserve(const SegmentRequest& request, const SegmentsInUse& in_use,
                                                   const Random& random) const = 0;
  // A segment for a network without provider attributes.
  [[nodiscard]] virtual Result<SegmentKey> allocate(const SegmentsInUse& in_use, const Random& random) const = 0;
  // Largest IP packet, in bytes, that fits into such a segment; 0: no limit known.
  [[nodiscard]] virtual std::int64_t mtu(const std::string& physical_network) const = 0;
};

using TypeDriverFactory = std::unique_ptr<TypeDriver> (*)(const PluginOptions&);

// Every type driver there is, by name.
[[nodiscard]] const std::map<std::string, TypeDriverFactory>& type_driver_registry();

// A random id of `ranges` that is free; nullopt when none is left.
[[nodiscard]] std::optional<std::int64_t> draw_free_id(const std::vector<IdRange>& ranges,
                                                       const std::string& network_type,
                                                       const std::string& physical_network,
                                                       const SegmentsInUse& in_use, const Random& random);

[[nodiscard]] std::unique_ptr<TypeDriver> make_local_type(const PluginOptions& options);
[[nodiscard]] std::unique_ptr<TypeDriver> make_flat_type(const PluginOptions& options);
[[nodiscard]] std::unique_ptr<TypeDriver> make_vlan_type(const PluginOptions& options);
[[nodiscard]] std::unique_ptr<TypeDriver> make_gre_type(const PluginOptions& options);
[[nodiscard]] std::unique_ptr<TypeDriver> make_vxlan_type(const PluginOptions& options);
[[nodiscard]] std::unique_ptr<TypeDriver> make_geneve_type(const PluginOptions& options);

}  // namespace ml2::plugin
