// Strong types for the numbers of this field, so that a VLAN id cannot be passed where a VNI is due.
//
// Where in the walk: below everything.
// Threading: values.
// Failure: make() checks the range and answers nullopt; a value that exists is in range.
// What it does not do: no byte order (all are host order); see byte_order.h for the wire.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace ml2 {

// An unsigned number of one meaning, within [Min, Max].
template <class Tag, class Rep, Rep Min, Rep Max>
class StrongId {
 public:
  using rep = Rep;
  static constexpr Rep kMin = Min;
  static constexpr Rep kMax = Max;

  // nullopt when `value` is outside [Min, Max].
  [[nodiscard]] static constexpr std::optional<StrongId> make(std::int64_t value) {
    if (value < static_cast<std::int64_t>(Min) || value > static_cast<std::int64_t>(Max)) {
      return std::nullopt;
    }
    return StrongId(static_cast<Rep>(value));
  }
  // For constants that are right by inspection: out of range does not compile.
  template <Rep Value>
  [[nodiscard]] static constexpr StrongId of() {
    static_assert(Value >= Min && Value <= Max, "id out of range");
    return StrongId(Value);
  }

  [[nodiscard]] constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;

 private:
  explicit constexpr StrongId(Rep value) : value_(value) {}
  Rep value_;
};

template <class Tag, class Rep, Rep Min, Rep Max>
[[nodiscard]] std::string to_string(const StrongId<Tag, Rep, Min, Max>& id) {
  return std::to_string(id.value());
}

// IEEE 802.1Q VLAN identifier on the wire: 1-4094 (0 is "priority tag", 4095 is reserved).
using VlanId = StrongId<struct VlanIdTag, std::uint16_t, 1, 4094>;
// The node's own VLAN for a network inside br-int; never seen outside the node. Same range as VlanId.
using LocalVlan = StrongId<struct LocalVlanTag, std::uint16_t, 1, 4094>;
// A tunnel key as OpenFlow's tun_id carries it: VXLAN and Geneve VNI 1-2^24-1 (RFC 7348 section 5, RFC 8926
// section 3.4), GRE key 1-2^32-1 (RFC 2890). The narrower limit of VXLAN and Geneve is the type driver's check.
using TunnelKey = StrongId<struct TunnelKeyTag, std::uint32_t, 1, 0xffffffffU>;
// OpenFlow port number of a physical or logical port: 1-0xfeff; 0xfffe (OFPP_LOCAL as 16 bits: 65534) is the
// bridge's own port (OVS, ofproto/ofproto.h; OpenFlow 1.0 section 5.2.1).
using OfPort = StrongId<struct OfPortTag, std::uint32_t, 1, 65534>;
// Linux interface index, as in struct ifinfomsg: from 1.
using IfIndex = StrongId<struct IfIndexTag, std::uint32_t, 1, 0x7fffffffU>;

}  // namespace ml2

template <class Tag, class Rep, Rep Min, Rep Max>
struct std::hash<ml2::StrongId<Tag, Rep, Min, Max>> {
  std::size_t operator()(const ml2::StrongId<Tag, Rep, Min, Max>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
