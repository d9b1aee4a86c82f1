#include "datapath/base/sha1.h"

#include <openssl/evp.h>

#include "datapath/base/check.h"

namespace ml2 {

Sha1 sha1(std::string_view bytes) {
  Sha1 digest{};
  unsigned length = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha1(), nullptr);
  ML2_CHECK(done == 1 && length == digest.size(), "OpenSSL has no SHA-1");
  return digest;
}

std::string sha1_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : sha1(bytes)) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0x0fU];
  }
  return text;
}

std::string sha1_base32(std::string_view bytes) {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  std::uint32_t pending = 0;  // bits read and not yet written, the oldest highest
  unsigned bits = 0;
  for (const std::uint8_t byte : sha1(bytes)) {
    pending = pending << 8U | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += kDigits[pending >> bits & 0x1fU];
    }
  }
  return text;  // 160 bits are 32 digits: nothing is left over
}

}  // namespace ml2
