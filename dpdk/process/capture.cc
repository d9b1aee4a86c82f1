#include "dpdk/process/capture.h"

#include <fmt/format.h>

#include <charconv>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/text.h"

namespace ml2::fastpath::capture {

namespace {

Result<std::int64_t> number(std::string_view word, std::string_view text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  const bool hex = text.starts_with("0x");
  const std::string_view digits = hex ? text.substr(2) : text;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != digits.data() + digits.size() || value < low || value > high) {
    return invalid(
        fmt::format("capture: {}={}: a number from {} to {} was expected", word, text::printable(text), low, high));
  }
  return value;
}

// Where things are in a frame, as far as it has them.
struct Layers {
  std::uint16_t vlan = 0;       // the outermost tag's
  std::uint16_t ethertype = 0;  // behind tags
  std::size_t network = 0;      // offset behind Ethernet and tags; 0: too short
};

Layers layers_of(const std::uint8_t* data, std::size_t length) {
  Layers layers;
  if (length < wire::kEthernetLength) return layers;
  std::size_t at = wire::kEthernetLength;
  layers.ethertype = wire::load16(data + wire::kEthernetType);
  for (int tags = 0; tags < 2 && (layers.ethertype == wire::kTypeVlan || layers.ethertype == wire::kTypeServiceVlan);
       ++tags) {
    if (length < at + wire::kVlanLength) return layers;
    if (tags == 0) layers.vlan = wire::load16(data + at) & 0x0fffU;
    layers.ethertype = wire::load16(data + at + 2);
    at += wire::kVlanLength;
  }
  layers.network = at;
  return layers;
}

struct Tunnel {
  std::size_t inner = 0;  // offset of the inner frame; 0: this is none
  std::uint32_t vni = 0;
};

Tunnel tunnel_of(const Layers& layers, const std::uint8_t* data, std::size_t length, std::uint16_t udp_port) {
  std::size_t at = layers.network;
  if (at == 0) return {};
  if (layers.ethertype == wire::kTypeIpv4) {
    if (length < at + wire::kIpv4Length || data[at + wire::kIpv4Protocol] != wire::kProtocolUdp) return {};
    at += (data[at] & 0x0fU) * std::size_t{4};
  } else if (layers.ethertype == wire::kTypeIpv6) {
    if (length < at + wire::kIpv6Length || data[at + wire::kIpv6NextHeader] != wire::kProtocolUdp) return {};
    at += wire::kIpv6Length;
  } else {
    return {};
  }
  if (length < at + wire::kUdpLength + vxlan::kLength || wire::load16(data + at + wire::kUdpDestination) != udp_port)
    return {};
  at += wire::kUdpLength;
  return {at + vxlan::kLength, wire::load32(data + at + 4) >> 8U};
}

bool has_address(const Filter& filter, const Layers& layers, const std::uint8_t* data, std::size_t length) {
  const std::size_t at = layers.network;
  if (at == 0) return false;
  const std::size_t size = filter.ipv6 ? 16 : 4;
  const auto is = [&](std::size_t offset) {
    return length >= at + offset + size && std::memcmp(data + at + offset, filter.address, size) == 0;
  };
  if (filter.ipv6) {
    return layers.ethertype == wire::kTypeIpv6 && (is(wire::kIpv6Source) || is(wire::kIpv6Destination) ||
                                                   is(wire::kIpv6Length + 8));  // the target of neighbour discovery
  }
  if (layers.ethertype == wire::kTypeArp) return is(14) || is(24);
  return layers.ethertype == wire::kTypeIpv4 && (is(wire::kIpv4Source) || is(wire::kIpv4Destination));
}

bool frame_matches(const Filter& filter, const std::uint8_t* data, std::size_t length) {
  const Layers layers = layers_of(data, length);
  if (filter.mac) {
    if (length < wire::kEthernetLength) return false;
    if (wire::load_mac(data) != *filter.mac && wire::load_mac(data + wire::kEthernetSource) != *filter.mac)
      return false;
  }
  if (filter.ethertype && (layers.network == 0 || layers.ethertype != *filter.ethertype)) return false;
  return !filter.has_address || has_address(filter, layers, data, length);
}

}  // namespace

Result<Filter> Filter::parse(std::string_view words) {
  Filter filter;
  for (const std::string& word : text::split(words, ' ')) {
    if (word.empty()) continue;
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    Result<std::int64_t> read = 0;
    if (name == "dropped" && equals == std::string::npos) {
      filter.dropped = true;
    } else if (name == "port") {
      if ((read = number(name, value, 1, kMaxPorts - 1))) filter.port = static_cast<PortIndex>(*read);
    } else if (name == "segment") {
      if ((read = number(name, value, 1, kMaxSegments - 1))) filter.segment = static_cast<SegmentIndex>(*read);
    } else if (name == "ethertype") {
      if ((read = number(name, value, 0x600, 0xffff))) filter.ethertype = static_cast<std::uint16_t>(*read);
    } else if (name == "count") {
      if ((read = number(name, value, 1, INT64_MAX))) filter.count = static_cast<std::uint64_t>(*read);
    } else if (name == "snaplen") {
      if ((read = number(name, value, 14, kBytes))) filter.bytes = static_cast<std::uint32_t>(*read);
    } else if (name == "mac") {
      const auto mac = Mac::parse(value);
      if (!mac) return invalid(fmt::format("capture: mac={}: a MAC address was expected", text::printable(value)));
      std::uint64_t raw = 0;
      std::memcpy(&raw, mac->bytes().data(), 6);
      filter.mac = raw;
    } else if (name == "ip") {
      const auto ip = IpAddress::parse(value);
      if (!ip) return invalid(fmt::format("capture: ip={}: an address was expected", text::printable(value)));
      filter.has_address = true;
      filter.ipv6 = ip->is_v6();
      std::memcpy(filter.address, ip->bytes().data(), 16);
    } else if (name == "direction" && (value == "in" || value == "out")) {
      filter.direction = value == "in" ? Direction::In : Direction::Out;
    } else {
      return invalid(
          fmt::format("capture: {}: port=, segment=, mac=, ip=, ethertype=, direction=in, direction=out, dropped, "
                      "count= or snaplen= was expected",
                      text::printable(word)));
    }
    if (!read) return forward_error(read);
  }
  return filter;
}

SegmentIndex segment_of(const Tables& tables, PortIndex id, const std::uint8_t* data, std::size_t length) {
  const Port* port = id < kMaxPorts ? load_shared(tables.ports[id]) : nullptr;
  if (port == nullptr || port->kind == Port::Kind::Wire) return 0;
  if (port->kind == Port::Kind::Access) return port->untagged;
  const Layers layers = layers_of(data, length);
  if (port->tunnel && layers.vlan == port->tunnel_vlan) {
    const Tunnel tunnel = tunnel_of(layers, data, length, port->local.udp_port);
    if (tunnel.inner != 0) return load_shared(tables.by_vni[tunnel.vni]);
  }
  return layers.vlan == 0 ? port->untagged : port->by_vlan ? port->by_vlan[layers.vlan] : SegmentIndex{0};
}

bool matches(const Filter& filter, const Tables& tables, PortIndex port, Direction direction,
             const std::uint8_t* data, std::size_t length) {
  if (filter.port && *filter.port != port) return false;
  if (filter.direction && *filter.direction != direction) return false;
  if (filter.segment && segment_of(tables, port, data, length) != *filter.segment) return false;
  if (!filter.mac && !filter.ethertype && !filter.has_address) return true;
  if (frame_matches(filter, data, length)) return true;
  const Port* object = port < kMaxPorts ? load_shared(tables.ports[port]) : nullptr;
  const std::uint16_t udp_port = object != nullptr ? object->local.udp_port : vxlan::kUdpPort;
  const Tunnel tunnel = tunnel_of(layers_of(data, length), data, length, udp_port);
  return tunnel.inner != 0 && frame_matches(filter, data + tunnel.inner, length - tunnel.inner);
}

std::string row_of(const Captured& captured) {
  std::string hex;
  hex.reserve(captured.kept * std::size_t{2});
  constexpr char kDigits[] = "0123456789abcdef";
  for (std::uint32_t i = 0; i < captured.kept; ++i) {
    hex += kDigits[captured.bytes[i] >> 4U];
    hex += kDigits[captured.bytes[i] & 0x0fU];
  }
  const std::string drop = captured.drop == Captured::kNotDropped
                               ? std::string()
                               : fmt::format(",\"drop\":\"{}\",\"meaning\":\"{}\"", kDropNames[captured.drop],
                                             kDropSentences[captured.drop]);
  return fmt::format(
      "{{\"time_ns\":{},\"port\":{},\"segment\":{},\"direction\":\"{}\",\"length\":{}{},\"frame\":\"{}\"}}",
      captured.time_ns, captured.port, captured.segment, captured.direction == Direction::In ? "in" : "out",
      captured.length, drop, hex);
}

}  // namespace ml2::fastpath::capture
