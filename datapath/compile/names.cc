#include "datapath/compile/names.h"

#include <fmt/format.h>

#include "datapath/base/sha1.h"

namespace ml2 {
namespace {

constexpr std::size_t kNameLength = 15;
constexpr std::size_t kHashLength = 6;  // of a patch port's name

}  // namespace

std::string patch_port_name(std::string_view prefix, std::string_view bridge) {
  std::string name = fmt::format("{}{}", prefix, bridge);
  if (name.size() <= kNameLength) return name;
  return fmt::format("{}{}{}", prefix, bridge.substr(0, kNameLength - prefix.size() - kHashLength),
                     sha1_hex(bridge).substr(0, kHashLength));
}

std::string tunnel_port_name(NetworkType type, const IpAddress& remote, TunnelPortHash hash) {
  const std::string_view word = to_string(type);
  if (remote.is_v4()) {
    const auto& b = remote.bytes();
    return fmt::format("{}-{:02x}{:02x}{:02x}{:02x}", word, b[0], b[1], b[2], b[3]);
  }
  const std::string address = remote.to_string();
  const std::string digits = hash == TunnelPortHash::Sha1Digest ? sha1_base32(address) : blake2b_base32(address);
  return fmt::format("{}-{}", word, digits.substr(0, kNameLength - word.size() - 1));
}

std::string flow_port_name(NetworkType type, std::uint16_t udp_port, std::uint16_t usual) {
  if (udp_port == usual) return fmt::format("{}-flow", to_string(type));
  return fmt::format("{}-udp{}", to_string(type), udp_port);
}

}  // namespace ml2
