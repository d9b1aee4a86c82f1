// local: a network that never leaves a host; no physical network, no id (neutron drivers/type_local.py).
#include "agent/ml2/type_driver.h"

namespace ml2::plugin {
namespace {

class LocalType final : public TypeDriver {
 public:
  explicit LocalType(const PluginOptions& options) : mtu_(options.global_physnet_mtu) {}

  std::string_view name() const override { return "local"; }

  Status validate(const SegmentRequest& request) const override {
    if (request.physical_network) return invalid("a local network has no provider:physical_network: leave it out");
    if (request.segmentation_id) return invalid("a local network has no provider:segmentation_id: leave it out");
    return {};
  }

  Result<SegmentKey> reserve(const SegmentRequest&, const SegmentsInUse& in_use,
                             const Random& random) const override {
    return allocate(in_use, random);
  }

  Result<SegmentKey> allocate(const SegmentsInUse& in_use, const Random& random) const override {
    // No number of the wire: it only keeps the index of table Segment unique (ovsdb/ml2_rows.h).
    const auto id = draw_free_id({{1, 0xffffffff}}, "local", "", in_use, random);
    if (!id) return conflict("no local network can be added: there are 2^32 of them");
    return SegmentKey{"local", "", *id};
  }

  std::int64_t mtu(const std::string&) const override { return mtu_; }

 private:
  std::int64_t mtu_;
};

}  // namespace

std::unique_ptr<TypeDriver> make_local_type(const PluginOptions& options) {
  return std::make_unique<LocalType>(options);
}

}  // namespace ml2::plugin
