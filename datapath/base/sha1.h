// sha1: the hashes by which Neutron shortens long names of ports: SHA-1 (FIPS 180-4), in later releases BLAKE2b
// (RFC 7693).
//
// Where in the walk: compile/ names patch and tunnel ports with them. Threading: pure.
// Failure: none: OpenSSL's hash of a buffer in memory has no way to fail but a broken installation (ML2_CHECK).
// What it does not do: nothing for security: SHA-1 is broken for that.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ml2 {

using Sha1 = std::array<std::uint8_t, 20>;

[[nodiscard]] Sha1 sha1(std::string_view bytes);
// 40 lower-case hexadecimal digits.
[[nodiscard]] std::string sha1_hex(std::string_view bytes);
// The digest in RFC 4648 section 6 base32, lower case: 32 characters.
[[nodiscard]] std::string sha1_base32(std::string_view bytes);
// The first 60 bytes of the 64 of BLAKE2b-512 in the same alphabet: 96 characters.
[[nodiscard]] std::string blake2b_base32(std::string_view bytes);

}  // namespace ml2
