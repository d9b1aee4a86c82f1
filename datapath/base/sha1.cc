#include "datapath/base/sha1.h"

#include <openssl/evp.h>

#include <span>

#include "datapath/base/check.h"

namespace ml2 {
namespace {

// RFC 4648 section 6, lower case; of a multiple of 5 bytes, so that nothing is left over.
std::string base32(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  std::uint32_t pending = 0;  // bits read and not yet written, the oldest highest
  unsigned bits = 0;
  for (const std::uint8_t byte : bytes) {
    pending = pending << 8U | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += kDigits[pending >> bits & 0x1fU];
    }
  }
  return text;
}

}  // namespace

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

std::string sha1_base32(std::string_view bytes) { return base32(sha1(bytes)); }

std::string blake2b_base32(std::string_view bytes) {
  constexpr std::size_t kLength = 64;
  std::array<std::uint8_t, kLength> digest{};
  unsigned length = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_blake2b512(), nullptr);
  ML2_CHECK(done == 1 && length == digest.size(), "OpenSSL has no BLAKE2b");
  return base32(std::span(digest).first(kLength - kLength % 5));
}

}  // namespace ml2
