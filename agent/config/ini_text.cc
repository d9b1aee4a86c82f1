#include "agent/config/ini_text.h"

#include <cstddef>
#include <cstdint>

#include "datapath/base/text.h"

namespace ml2::config {
namespace {

bool is_space(std::uint32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const text::CodePoint c = text::decode_utf8(text);
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
    const text::CodePoint c = text::decode_utf8(text.substr(text.size() - size));
    if (c.size != size || !is_space(c.value)) break;
    text.remove_suffix(size);
  }
  return text;
}

std::string_view strip(std::string_view text) { return strip_right(strip_left(text)); }

}  // namespace ml2::config
