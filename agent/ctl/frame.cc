#include "agent/ctl/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "agent/ctl/flow_words.h"
#include "agent/ctl/frame_shim.h"
#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kRoom = 2048;

bool is_hexadecimal(const std::string& text) {
  return text.size() % 2 == 0 && text.size() >= 2 * kEthernetHeader &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string with_defaults(const std::string& flow) {
  const FlowWords words(flow);
  std::string complete = flow;
  if (words.has({"ip", "icmp", "tcp", "udp", "sctp", "ipv6", "icmp6", "tcp6", "udp6", "sctp6"}) &&
      !words.has({"nw_ttl"})) {
    complete += ",nw_ttl=64";
  }
  if (words.has({"arp"}) && !words.has({"arp_op"})) complete += ",arp_op=1";
  return complete;
}

}  // namespace

Result<std::string> frame_in_hexadecimal(const std::string& description) {
  if (is_hexadecimal(description)) return description;
  std::array<std::uint8_t, kRoom> frame{};
  char* error = nullptr;
  const long length = ml2_compose_frame(with_defaults(description).c_str(), frame.data(), frame.size(), &error);
  if (length < 0) {
    const std::string why = error == nullptr ? "" : error;
    std::free(error);
    return invalid(fmt::format(
        "\"{}\" is neither a frame in hexadecimal (of at least {} bytes) nor a packet as ovs-ofctl writes "
        "it, such as icmp,dl_dst=fa:16:3e:00:00:02,nw_dst=10.0.0.5: {}",
        text::printable(description, 100), kEthernetHeader, why));
  }
  std::string hex;
  for (long i = 0; i < length; ++i) hex += fmt::format("{:02x}", frame[static_cast<std::size_t>(i)]);
  return hex;
}

}  // namespace ml2::ctl
