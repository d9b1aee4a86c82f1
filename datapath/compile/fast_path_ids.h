// fast_path_ids: which number stands for which port, segment and VTEP in the fast path.
//
// Where in the walk: compile/fast_path.cc asks for the ids of what it writes.
// Threading: pure.
// Failure: nullopt when all numbers are in use.
// What it does not do: nothing is stored here: the last step's ids and those read back (FastPathFacts) are the memory, so that
//   a fresh agent gives everything the id that it has. A number is not used again in the step in which its holder goes: the
//   fast path would take the one for the other.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "datapath/model/fast_path.h"
#include "datapath/model/segment.h"

namespace ml2 {

class FastPathIdAllocation {
 public:
  explicit FastPathIdAllocation(const FastPathIds& known);

  [[nodiscard]] std::optional<fp::PortId> port(const std::string& device);
  struct SegmentNumber {
    fp::SegmentId id = 0;
    std::uint32_t mark = 0;
  };
  [[nodiscard]] std::optional<SegmentNumber> segment(const Segment& segment);
  [[nodiscard]] std::optional<fp::VtepId> vtep(const IpAddress& address);

  // What was asked for.
  [[nodiscard]] const FastPathIds& given() const { return given_; }

 private:
  const FastPathIds& known_;
  FastPathIds given_;
  std::set<std::uint16_t> ports_, segments_, vteps_;  // in use, now or before
};

// The device's name: "net_tap0,iface=tap0" is net_tap0.
[[nodiscard]] std::string device_name(std::string_view devargs);
// Of records that were read back; what `previous` knows besides keeps its number where nobody else has it.
[[nodiscard]] FastPathIds known_ids(const fp::Tables* read_back, const FastPathIds& previous);

}  // namespace ml2
