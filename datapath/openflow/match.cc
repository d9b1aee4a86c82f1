#include "datapath/openflow/match.h"

#include <fmt/format.h>

#include <utility>

#include "datapath/base/check.h"
#include "datapath/openflow/field.h"

namespace ml2::of {
namespace {

IpNetwork host(const IpAddress& address) {
  const auto network = IpNetwork::make(address, address.is_v4() ? 32 : 128);
  ML2_CHECK(network.has_value(), "a full prefix is a prefix");
  return *network;
}

// Whether `narrow` is a kind of `wide`: "tcp" is "ip".
bool narrows(const std::string& narrow, const std::string& wide) {
  if (wide == "ip") return narrow == "tcp" || narrow == "udp" || narrow == "icmp";
  if (wide == "ipv6") return narrow == "tcp6" || narrow == "udp6" || narrow == "icmp6";
  return false;
}

}  // namespace

Match& Match::put(Slot slot, std::string text) {
  const bool inserted = parts_.emplace(slot, std::move(text)).second;
  ML2_CHECK(inserted, "a match has each field once");
  return *this;
}

Match& Match::packet_type(std::string type) {
  auto [at, inserted] = parts_.emplace(Slot::PacketType, type);
  if (!inserted && at->second != type && !narrows(at->second, type)) {
    ML2_CHECK(narrows(type, at->second), "a match has one packet type");
    at->second = std::move(type);
  }
  return *this;
}

Match& Match::in_port(OfPort port) {
  if (port.value() == kOfppLocal) return put(Slot::InPort, "in_port=LOCAL");
  return put(Slot::InPort, fmt::format("in_port={}", port.value()));
}

Match& Match::vlan_id(std::uint16_t id) { return put(Slot::Vlan, fmt::format("dl_vlan={}", id)); }

// Mask 0x1fff: present bit and VLAN id; the incumbent's spelling of "no VLAN header".
Match& Match::untagged() { return put(Slot::Vlan, "vlan_tci=0x0000/0x1fff"); }

Match& Match::vlan_vid_bits(LocalVlan vlan) {
  return put(Slot::Vlan, fmt::format("vlan_tci=0x{:04x}/0x0fff", vlan.value()));
}

Match& Match::dl_src(const Mac& mac) { return put(Slot::DlSrc, "dl_src=" + mac.to_string()); }
Match& Match::dl_dst(const Mac& mac) { return put(Slot::DlDst, "dl_dst=" + mac.to_string()); }
Match& Match::dl_dst_unicast() { return put(Slot::DlDst, "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00"); }
Match& Match::dl_dst_multicast() { return put(Slot::DlDst, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"); }
Match& Match::dl_dst_broadcast() { return put(Slot::DlDst, "dl_dst=ff:ff:ff:ff:ff:ff"); }
Match& Match::dl_dst_solicited_node() { return put(Slot::DlDst, "dl_dst=33:33:ff:00:00:00/ff:ff:ff:00:00:00"); }

Match& Match::tun_id(TunnelKey key) { return put(Slot::TunId, fmt::format("tun_id={:#x}", key.value())); }

Match& Match::tun_src(const IpAddress& address) {
  return put(Slot::TunSrc, fmt::format("{}={}", address.is_v4() ? "tun_src" : "tun_ipv6_src", address.to_string()));
}

Match& Match::reg(unsigned number, std::uint32_t value) {
  ML2_CHECK(number < 16, "registers are 0 to 15");
  const auto slot = static_cast<Slot>(static_cast<unsigned>(Slot::Reg0) + number);
  // 0 without prefix: C's %#x, which Open vSwitch prints with.
  return put(slot, value == 0 ? fmt::format("reg{}=0", number) : fmt::format("reg{}={:#x}", number, value));
}

Match& Match::arp() { return packet_type("arp"); }
Match& Match::ip() { return packet_type("ip"); }
Match& Match::ipv6() { return packet_type("ipv6"); }
Match& Match::tcp() { return packet_type("tcp"); }
Match& Match::udp() { return packet_type("udp"); }
Match& Match::icmp() { return packet_type("icmp"); }
Match& Match::tcp6() { return packet_type("tcp6"); }
Match& Match::udp6() { return packet_type("udp6"); }
Match& Match::icmp6() { return packet_type("icmp6"); }

// A prefix of length 0 matches everything and is printed as nothing.
Match& Match::network(Slot slot, const char* name, const IpNetwork& value) {
  if (value.prefix_length() == 0) return *this;
  const bool full = value.prefix_length() == (value.address().is_v4() ? 32U : 128U);
  return put(slot, fmt::format("{}={}", name, full ? value.address().to_string() : value.to_string()));
}

Match& Match::arp_op(std::uint16_t operation) { return arp().put(Slot::ArpOp, fmt::format("arp_op={}", operation)); }
Match& Match::arp_spa(const IpAddress& address) { return arp_spa(host(address)); }
Match& Match::arp_spa(const IpNetwork& value) {
  ML2_CHECK(value.address().is_v4(), "ARP is of IPv4");
  return arp().network(Slot::ArpSpa, "arp_spa", value);
}
Match& Match::arp_tpa(const IpAddress& address) { return arp_tpa(host(address)); }
Match& Match::arp_tpa(const IpNetwork& value) {
  ML2_CHECK(value.address().is_v4(), "ARP is of IPv4");
  return arp().network(Slot::ArpTpa, "arp_tpa", value);
}
Match& Match::arp_sha(const Mac& mac) { return arp().put(Slot::ArpSha, "arp_sha=" + mac.to_string()); }

Match& Match::ip_src(const IpNetwork& value) {
  if (value.address().is_v4()) return ip().network(Slot::NwSrc, "nw_src", value);
  return ipv6().network(Slot::Ipv6Src, "ipv6_src", value);
}
Match& Match::ip_dst(const IpNetwork& value) {
  if (value.address().is_v4()) return ip().network(Slot::NwDst, "nw_dst", value);
  return ipv6().network(Slot::Ipv6Dst, "ipv6_dst", value);
}

Match& Match::icmp6_type(std::uint8_t type) { return icmp6().put(Slot::IcmpType, fmt::format("icmp_type={}", type)); }
Match& Match::nd_target(const IpAddress& address) { return nd_target(host(address)); }
Match& Match::nd_target(const IpNetwork& value) {
  ML2_CHECK(value.address().is_v6(), "neighbour discovery is of IPv6");
  return icmp6().network(Slot::NdTarget, "nd_target", value);
}
Match& Match::nd_options_type(std::uint8_t type) {
  return icmp6().put(Slot::NdOptionsType, fmt::format("nd_options_type={}", type));
}
Match& Match::tp_src(std::uint16_t port) { return put(Slot::TpSrc, fmt::format("tp_src={}", port)); }
Match& Match::tp_dst(std::uint16_t port) { return put(Slot::TpDst, fmt::format("tp_dst={}", port)); }

std::string Match::text() const {
  std::string result;
  for (const auto& [slot, part] : parts_) {
    if (!result.empty()) result += ',';
    result += part;
  }
  return result;
}

}  // namespace ml2::of
