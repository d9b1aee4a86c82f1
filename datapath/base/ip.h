// IpAddress and IpNetwork: IPv4 and IPv6 addresses and prefixes, in wire order.
//
// Where in the walk: below everything.
// Threading: values.
// Failure: parse() answers nullopt on what inet_pton(3) refuses, and on prefix lengths out of range.
// What it does not do: no scope ids ("%eth0"), no host names, no IPv4 with fewer than four parts.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ml2 {

class IpAddress {
 public:
  enum class Family : std::uint8_t { V4 = 4, V6 = 6 };

  constexpr IpAddress() = default;  // 0.0.0.0

  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  [[nodiscard]] static constexpr IpAddress v4(std::array<std::uint8_t, 4> bytes) {
    IpAddress address;
    for (std::size_t i = 0; i < bytes.size(); ++i) address.bytes_[i] = bytes[i];
    return address;
  }
  [[nodiscard]] static constexpr IpAddress v6(std::array<std::uint8_t, 16> bytes) {
    IpAddress address;
    address.family_ = Family::V6;
    address.bytes_ = bytes;
    return address;
  }

  [[nodiscard]] constexpr Family family() const { return family_; }
  [[nodiscard]] constexpr bool is_v4() const { return family_ == Family::V4; }
  [[nodiscard]] constexpr bool is_v6() const { return family_ == Family::V6; }
  // Number of bytes that count: 4 or 16.
  [[nodiscard]] constexpr std::size_t size() const { return is_v4() ? 4 : 16; }
  // Wire order; of an IPv4 address the first four count and the rest are zero.
  [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_multicast() const;  // 224.0.0.0/4, ff00::/8
  [[nodiscard]] bool is_loopback() const;   // 127.0.0.0/8, ::1
  // The next address; nullopt after the last of its family.
  [[nodiscard]] std::optional<IpAddress> next() const;
  [[nodiscard]] std::string to_string() const;  // RFC 5952 for IPv6

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::V4;
  std::array<std::uint8_t, 16> bytes_{};
};

// A prefix, "10.0.0.0/24": the host bits are zero.
class IpNetwork {
 public:
  constexpr IpNetwork() = default;  // 0.0.0.0/0

  // Host bits in `text` are cleared ("10.0.0.7/24" is 10.0.0.0/24); a bare address is a host prefix.
  [[nodiscard]] static std::optional<IpNetwork> parse(std::string_view text);
  [[nodiscard]] static std::optional<IpNetwork> make(const IpAddress& address, unsigned prefix_length);

  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] unsigned prefix_length() const { return prefix_length_; }
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] bool overlaps(const IpNetwork& other) const;
  [[nodiscard]] IpAddress last() const;  // all host bits set: broadcast in IPv4
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const IpNetwork&, const IpNetwork&) = default;

 private:
  IpAddress address_;
  unsigned prefix_length_ = 0;
};

}  // namespace ml2
