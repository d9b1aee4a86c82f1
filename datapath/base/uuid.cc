#include "datapath/base/uuid.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "datapath/base/check.h"

namespace ml2 {
namespace {

constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
constexpr std::string_view kDigits = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != kShape.size()) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (kShape[i] == '-') {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return std::nullopt;
    const unsigned shift = nibble % 2 == 0 ? 4 : 0;
    bytes[nibble / 2] = static_cast<std::uint8_t>(bytes[nibble / 2] | static_cast<unsigned>(value) << shift);
    ++nibble;
  }
  return Uuid(bytes);
}

Uuid Uuid::random() {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (got < 0) {
      ML2_CHECK(errno == EINTR, "getrandom(2) fails only when interrupted");
      continue;
    }
    have += static_cast<std::size_t>(got);
  }
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x40U);  // version 4
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);  // variant 1
  return Uuid(bytes);
}

std::string Uuid::to_string() const {
  std::string text(kShape);
  std::size_t nibble = 0;
  for (char& c : text) {
    if (c == '-') continue;
    const unsigned shift = nibble % 2 == 0 ? 4 : 0;
    c = kDigits[(bytes_[nibble / 2] >> shift) & 0x0fU];
    ++nibble;
  }
  return text;
}

}  // namespace ml2

std::size_t std::hash<ml2::Uuid>::operator()(const ml2::Uuid& uuid) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, uuid.bytes().data(), sizeof value);
  return value;
}
