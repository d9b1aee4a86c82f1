// Mac: an Ethernet address (IEEE 802 EUI-48), six bytes in wire order.
//
// Where in the walk: below everything.
// Threading: values.
// Failure: parse() answers nullopt on anything but six two-digit hexadecimal groups joined by ':'.
// What it does not do: no dashes, dots or short groups ("0:1:2..."): OVSDB and Neutron write the long form.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ml2 {

class Mac {
 public:
  constexpr Mac() = default;
  constexpr explicit Mac(std::array<std::uint8_t, 6> bytes) : bytes_(bytes) {}

  [[nodiscard]] static std::optional<Mac> parse(std::string_view text);

  [[nodiscard]] constexpr const std::array<std::uint8_t, 6>& bytes() const { return bytes_; }
  // Group bit (IEEE 802-2014 section 8.2.2): multicast or broadcast; such an address cannot be a port's own.
  [[nodiscard]] constexpr bool is_multicast() const { return (bytes_[0] & 0x01U) != 0; }
  [[nodiscard]] constexpr bool is_zero() const { return *this == Mac(); }
  // Lower case, "fa:16:3e:00:00:01".
  [[nodiscard]] std::string to_string() const;

  friend constexpr auto operator<=>(const Mac&, const Mac&) = default;

 private:
  std::array<std::uint8_t, 6> bytes_{};
};

}  // namespace ml2
