#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>

#include "datapath/base/ip.h"
#include "datapath/base/text.h"
#include "datapath/diff/parts.h"
#include "datapath/openflow/cookie.h"
#include "datapath/openflow/pipeline.h"

namespace ml2 {
namespace {

// "0x4f6" or "12".
std::optional<std::uint64_t> number_of(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The number between `prefix` and `suffix` in one of the comma-separated parts of `text`.
std::optional<std::uint64_t> part(std::string_view text, std::string_view prefix, std::string_view suffix = "") {
  for (const std::string& word : text::split(text, ',')) {
    const std::string_view view(word);
    if (view.size() <= prefix.size() + suffix.size() || !view.starts_with(prefix) || !view.ends_with(suffix))
      continue;
    if (const auto number = number_of(view.substr(prefix.size(), view.size() - prefix.size() - suffix.size()))) {
      return number;
    }
  }
  return std::nullopt;
}

// The address of the VTEP that a learned flow gives its frames; nullopt when its port has the address itself. Learned
// loads are printed in pieces of at most 64 bits (format_SET_FIELD() in lib/ofp-actions.c), those that are 0 too.
std::optional<IpAddress> learned_address(std::string_view actions) {
  if (const auto v4 = part(actions, "load:", "->NXM_NX_TUN_IPV4_DST[]")) {
    std::array<std::uint8_t, 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(*v4 >> (8 * (3 - i)));
    return IpAddress::v4(bytes);
  }
  const auto low = part(actions, "load:", "->NXM_NX_TUN_IPV6_DST[0..63]");
  const auto high = part(actions, "load:", "->NXM_NX_TUN_IPV6_DST[64..127]");
  if (!low || !high) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(*high >> (8 * (7 - i)));
    bytes[i + 8] = static_cast<std::uint8_t>(*low >> (8 * (7 - i)));
  }
  return IpAddress::v6(bytes);
}

// An action "output:N" anywhere, also within other actions.
bool outputs_to(std::string_view actions, std::int64_t ofport) {
  const std::string wanted = fmt::format("output:{}", ofport);
  for (std::size_t at = actions.find(wanted); at != std::string_view::npos; at = actions.find(wanted, at + 1)) {
    const std::size_t end = at + wanted.size();
    const bool begins = at == 0 || actions[at - 1] == ',' || actions[at - 1] == '(';
    const bool ends = end == actions.size() || actions[end] == ',' || actions[end] == ')';
    if (begins && ends) return true;
  }
  return false;
}

}  // namespace

bool tells_incumbent(const of::FlowKey& key) {
  return key.priority == 0 && key.match.empty() && (key.table == 0 || key.table == of::number(of::IntTable::Canary));
}

std::optional<std::uint64_t> incumbent_cookie(const of::FlowSet& desired, const of::FlowSet& actual) {
  // The canary is on the integration bridge only; elsewhere the incumbent's first flow is the default one.
  of::FlowKey witness{of::number(of::IntTable::Canary), 0, ""};
  if (!desired.contains(witness)) witness.table = 0;
  const auto found = actual.find(witness);
  if (found == actual.end()) return std::nullopt;
  const std::uint64_t cookie = found->second.cookie;
  // The incumbent's cookies are 64 random bits. Small numbers, and 0 above all (Open vSwitch's own default flow,
  // anybody's ovs-ofctl), are people's.
  if (of::is_ours(cookie) || cookie >> 32U == 0) return std::nullopt;
  return cookie;
}

bool is_removable(std::uint64_t cookie, std::optional<std::uint64_t> incumbent) {
  return of::is_ours(cookie) || (incumbent && cookie == *incumbent);
}

std::optional<std::int64_t> in_port_of(const of::FlowKey& key) {
  const auto in_port = part(key.match, "in_port=");
  if (!in_port) return std::nullopt;
  return static_cast<std::int64_t>(*in_port);
}

bool refers_to(const of::FlowKey& key, const of::FlowBody& body, std::int64_t ofport) {
  return in_port_of(key) == ofport || outputs_to(body.actions, ofport);
}

namespace {

// The port that it names is still that port, and is checked: the next one of that number has sent nothing.
bool spoofs_still(const of::FlowKey& key, const of::FlowBody& body, const of::FlowSet& desired) {
  const auto drop = desired.find({static_cast<std::uint8_t>(key.priority), 1, key.match});
  return drop != desired.end() && drop->second.cookie == body.cookie;
}

}  // namespace

bool learned_rightly(const of::FlowKey& key, const of::FlowBody& body, const of::FlowSet& desired) {
  if (key.table == of::number(of::IntTable::Spoofing)) return spoofs_still(key, body, desired);
  const auto vlan = part(key.match, "vlan_tci=", "/0x0fff");
  const auto tunnel_key = part(body.actions, "load:", "->NXM_NX_TUN_ID[]");
  const auto port = part(body.actions, "output:");
  if (!vlan || !tunnel_key || !port) return false;
  std::string from = fmt::format("in_port={}", *port);
  if (const auto address = learned_address(body.actions)) {
    from = fmt::format("{}={},{}", address->is_v4() ? "tun_src" : "tun_ipv6_src", address->to_string(), from);
  }
  const auto from_port = desired.find(of::FlowKey{0, 1, from});
  if (from_port == desired.end()) return false;
  const auto table = part(from_port->second.actions, "goto_table:");
  if (!table || *table > UINT8_MAX) return false;
  const auto from_key =
      desired.find(of::FlowKey{static_cast<std::uint8_t>(*table), 1, fmt::format("tun_id={:#x}", *tunnel_key)});
  if (from_key == desired.end()) return false;
  constexpr std::uint64_t kPresent = 0x1000;  // OFPVID_PRESENT
  return part(from_key->second.actions, "set_field:", "->vlan_vid") == (*vlan | kPresent);
}

std::vector<of::FlowKey> learned_keys(const of::FlowKey& written) {
  constexpr std::uint8_t kTable = of::number(of::TunTable::UcastToTun);
  constexpr std::string_view kMac = ",dl_dst=";
  const auto vlan = part(written.match, "dl_vlan=");
  const std::size_t mac = written.match.view().find(kMac);
  if (written.table != kTable || written.priority != 2 || !vlan || mac == std::string_view::npos) return {};
  const std::string match = fmt::format("vlan_tci=0x{:04x}/0x0fff{}", *vlan, written.match.view().substr(mac));
  return {{kTable, 1, match}, {kTable, 3, match}};
}

}  // namespace ml2
