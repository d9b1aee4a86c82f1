#include "datapath/base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace ml2 {
namespace {

// `bytes` with all bits from `prefix_length` on set to `ones`.
std::array<std::uint8_t, 16> with_host_bits(const IpAddress& address, unsigned prefix_length, bool ones) {
  std::array<std::uint8_t, 16> bytes = address.bytes();
  for (std::size_t i = 0; i < address.size(); ++i) {
    const auto first_bit = static_cast<unsigned>(i * 8);
    std::uint8_t host_mask = 0xff;
    if (prefix_length >= first_bit + 8) {
      host_mask = 0;
    } else if (prefix_length > first_bit) {
      host_mask = static_cast<std::uint8_t>(0xffU >> (prefix_length - first_bit));
    }
    bytes[i] = static_cast<std::uint8_t>(ones ? bytes[i] | host_mask : bytes[i] & ~host_mask);
  }
  return bytes;
}

IpAddress from_bytes(IpAddress::Family family, const std::array<std::uint8_t, 16>& bytes) {
  if (family == IpAddress::Family::V6) return IpAddress::v6(bytes);
  return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);  // inet_pton wants a terminator
  if (copy.size() != text.size() || copy.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 4> four{};
  if (inet_pton(AF_INET, copy.c_str(), four.data()) == 1) return v4(four);
  std::array<std::uint8_t, 16> sixteen{};
  if (inet_pton(AF_INET6, copy.c_str(), sixteen.data()) == 1) return v6(sixteen);
  return std::nullopt;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_multicast() const { return is_v4() ? (bytes_[0] & 0xf0U) == 0xe0U : bytes_[0] == 0xff; }

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  std::array<std::uint8_t, 16> one{};
  one[15] = 1;
  return bytes_ == one;
}

std::optional<IpAddress> IpAddress::next() const {
  IpAddress result = *this;
  for (std::size_t i = size(); i-- > 0;) {
    if (++result.bytes_[i] != 0) return result;
  }
  return std::nullopt;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  const int family = is_v4() ? AF_INET : AF_INET6;
  return inet_ntop(family, bytes_.data(), buffer.data(), static_cast<socklen_t>(buffer.size()));
}

std::optional<IpNetwork> IpNetwork::make(const IpAddress& address, unsigned prefix_length) {
  if (prefix_length > address.size() * 8) return std::nullopt;
  IpNetwork network;
  network.address_ = from_bytes(address.family(), with_host_bits(address, prefix_length, false));
  network.prefix_length_ = prefix_length;
  return network;
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  unsigned prefix_length = static_cast<unsigned>(address->size() * 8);
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix_length);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  }
  return make(*address, prefix_length);
}

bool IpNetwork::contains(const IpAddress& address) const {
  if (address.family() != address_.family()) return false;
  return with_host_bits(address, prefix_length_, false) == address_.bytes();
}

bool IpNetwork::overlaps(const IpNetwork& other) const {
  return contains(other.address_) || other.contains(address_);
}

IpAddress IpNetwork::last() const {
  return from_bytes(address_.family(), with_host_bits(address_, prefix_length_, true));
}

std::string IpNetwork::to_string() const { return address_.to_string() + "/" + std::to_string(prefix_length_); }

}  // namespace ml2
