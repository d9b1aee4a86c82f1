// Uuid: a 128-bit identifier (RFC 4122), of OVSDB rows and of Neutron's resources.
//
// Where in the walk: below everything.
// Threading: values; random() is thread-safe (getrandom(2)).
// Failure: parse() answers nullopt on anything but the 36-character form.
// What it does not do: no name-based versions.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ml2 {

class Uuid {
 public:
  constexpr Uuid() = default;  // all zero: "none"
  constexpr explicit Uuid(std::array<std::uint8_t, 16> bytes) : bytes_(bytes) {}

  [[nodiscard]] static std::optional<Uuid> parse(std::string_view text);
  [[nodiscard]] static Uuid random();  // version 4

  [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] constexpr bool is_zero() const { return *this == Uuid(); }
  [[nodiscard]] std::string to_string() const;  // lower case, 8-4-4-4-12

  friend constexpr bool operator==(const Uuid&, const Uuid&) = default;
  // As two numbers: the default would be a call for each step through a map, and there are many.
  friend constexpr std::strong_ordering operator<=>(const Uuid& a, const Uuid& b) {
    const std::uint64_t first = a.half(0);
    const std::uint64_t other = b.half(0);
    return first != other ? first <=> other : a.half(8) <=> b.half(8);
  }

 private:
  // Eight bytes from `at` on, big endian.
  [[nodiscard]] constexpr std::uint64_t half(std::size_t at) const {
    std::uint64_t number = 0;
    for (std::size_t i = at; i < at + 8; ++i) number = number << 8U | bytes_[i];
    return number;
  }

  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace ml2

template <>
struct std::hash<ml2::Uuid> {
  std::size_t operator()(const ml2::Uuid& uuid) const noexcept;
};
