// rows: how the answers to ml2ctl's questions are put in words: JSON, one object a row.
//
// Where in the walk: query.cc and trace.cc.
// Threading: pure functions. Failure: none.
// What it does not do: no parsing.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "dpdk/abi/messages.h"

namespace ml2::fastpath {

// Text as a JSON string. Bytes that are not printable ASCII come from devargs only, and are shown escaped.
inline std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte > 0x7e) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

inline std::string mac_text(const std::uint8_t* bytes) {
  std::array<std::uint8_t, 6> mac;
  std::copy(bytes, bytes + 6, mac.begin());
  return Mac(mac).to_string();
}

inline std::string ip_text(const std::uint8_t* bytes, bool ipv6) {
  std::array<std::uint8_t, 16> all;
  std::copy(bytes, bytes + 16, all.begin());
  return ipv6 ? IpAddress::v6(all).to_string() : IpAddress::v4({all[0], all[1], all[2], all[3]}).to_string();
}

inline const char* kind_text(abi::PortKind kind) {
  switch (kind) {
    case abi::PortKind::Access: return "access";
    case abi::PortKind::Tagged: return "tagged";
    case abi::PortKind::Wire: return "wire";
  }
  return "unknown";
}

}  // namespace ml2::fastpath
