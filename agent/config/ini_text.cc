#include "agent/config/ini_text.h"

#include <cstddef>
#include <cstdint>

namespace ml2::config {
namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;  // bytes; 0 when the bytes are not UTF-8
};

CodePoint decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0U) == 0x80U; };
  if (text.empty()) return {};
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first >= 0xc2 && first <= 0xdf && tail(1)) return {((first & 0x1fU) << 6) | (byte(1) & 0x3fU), 2};
  if (first >= 0xe0 && first <= 0xef && tail(1) && tail(2)) {
    const std::uint32_t value = ((first & 0x0fU) << 12) | ((byte(1) & 0x3fU) << 6) | (byte(2) & 0x3fU);
    if (value < 0x800 || (value >= 0xd800 && value <= 0xdfff)) return {};
    return {value, 3};
  }
  if (first >= 0xf0 && first <= 0xf4 && tail(1) && tail(2) && tail(3)) {
    const std::uint32_t value =
        ((first & 0x07U) << 18) | ((byte(1) & 0x3fU) << 12) | ((byte(2) & 0x3fU) << 6) | (byte(3) & 0x3fU);
    if (value < 0x10000 || value > 0x10ffff) return {};
    return {value, 4};
  }
  return {};
}

bool is_space(std::uint32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = decode(text);
    if (c.size == 0 || !is_space(c.value)) break;
    text.remove_prefix(c.size);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    std::size_t size = 1;  // of the last character: back over its continuation bytes
    while (size < 4 && size < text.size() &&
           (static_cast<unsigned char>(text[text.size() - size]) & 0xc0U) == 0x80U) {
      ++size;
    }
    const CodePoint c = decode(text.substr(text.size() - size));
    if (c.size != size || !is_space(c.value)) break;
    text.remove_suffix(size);
  }
  return text;
}

std::string_view strip(std::string_view text) { return strip_right(strip_left(text)); }

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = decode(text);
    if (c.size == 0) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

}  // namespace ml2::config
