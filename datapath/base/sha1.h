// sha1: the hash by which Neutron shortens long names of ports (FIPS 180-4).
//
// Where in the walk: compile/ names patch and tunnel ports with it. Threading: pure.
// Failure: none: OpenSSL's SHA-1 of a buffer in memory has no way to fail but a broken installation (ML2_CHECK).
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

}  // namespace ml2
