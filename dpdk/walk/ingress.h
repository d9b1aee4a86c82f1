// ingress: which segment a frame belongs to: by its port, its VLAN tag, or its VNI; tag and outer header are taken off.
//
// Where in the walk: first. What passes has frame.segment != 0 and is a plain Ethernet frame of that segment.
// Threading: reads immutable objects.
// Failure: each reason of drop_reasons.def up to NotOurs.
// What it does not do: it does not look at the destination; security.h and find.h do.
#pragma once

#include "dpdk/walk/learn.h"
#include "dpdk/walk/leave.h"
#include "dpdk/walk/neighbour.h"
#include "dpdk/walk/security.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

// Takes 4 bytes of tag out: the addresses move up.
ML2_INLINE void pop_tag(Frame& frame) {
  std::uint8_t* const data = frame.data + wire::kVlanLength;
  const auto low = wire::load_raw<std::uint64_t>(data - wire::kVlanLength);
  const auto high = wire::load_raw<std::uint32_t>(data - wire::kVlanLength + 8);
  frame.data = data;
  wire::store_raw(data, low);
  wire::store_raw(data + 8, high);
  frame.length -= static_cast<std::uint32_t>(wire::kVlanLength);
  frame.headroom = static_cast<std::uint16_t>(frame.headroom + wire::kVlanLength);
}

// The frame is plain and its segment known: the last questions before the FDB. `type` is its Ethernet type, `source` its
// source MAC (read before a tag was taken off: a load of bytes that were just stored in two pieces has to wait), `vlan` the
// tag that it had, `origin` its port, or kFromVtep and the VTEP's output.
ML2_INLINE void enter(Context& context, Frame& frame, SegmentIndex index, const Segment& segment, std::uint16_t type,
                      std::uint64_t source, std::uint16_t vlan, std::uint32_t origin) {
  if ((type == wire::kTypeVlan || type == wire::kTypeServiceVlan) && !segment.vlan_transparent) [[unlikely]] {
    return drop(context, frame, Drop::InnerVlan);
  }
  if (is_multicast(source) || source == 0) [[unlikely]]
    return drop(context, frame, Drop::BadSource);
  if (context.port.spoof_check && !frame.from_tunnel) {
    if (const auto refused = check_source(context.port, frame, type, source)) [[unlikely]] {
      return drop(context, frame, *refused);
    }
  }
  frame.segment = index;
  bump(context.counters.segments[index], 1, frame.length);
  if (segment.learn) [[unlikely]]
    learn(context, index, segment, source, origin);
  if (type != wire::kTypeIpv4 && segment.answer_neighbours && !frame.from_tunnel) [[unlikely]] {
    answer(context, frame, type, vlan);
  }
}

ML2_INLINE std::uint64_t source_mac(const Frame& frame) { return wire::load_mac(frame.data + wire::kEthernetSource); }

ML2_INLINE void to_exception(Context& context, Frame& frame) {
  if (context.port.peer == kNoPort) return drop(context, frame, Drop::NotOurs);
  bump(context.port_counters.exception, 1);
  leave_as_it_is(context, frame, context.port.peer);
}

ML2_INLINE Drop to_drop(vxlan::Fault fault) {
  switch (fault) {
    case vxlan::Fault::None:
    case vxlan::Fault::NotOurs: return Drop::NotOurs;
    case vxlan::Fault::Truncated: return Drop::HeaderTruncated;
    case vxlan::Fault::BadLength: return Drop::OuterLength;
    case vxlan::Fault::BadIpChecksum: return Drop::OuterIpChecksum;
    case vxlan::Fault::Fragment: return Drop::OuterFragment;
    case vxlan::Fault::BadUdpChecksum: return Drop::OuterUdpChecksum;
    case vxlan::Fault::NoVni: return Drop::VxlanNoVni;
  }
  return Drop::NotOurs;
}

// Which VTEP has this address; 0: none.
ML2_INLINE OutputIndex find_vtep_ipv4(const VtepIndex::Entry4* entries, std::uint32_t mask, std::uint32_t address) {
  for (std::uint32_t at = vtep_hash(address);; ++at) {
    const VtepIndex::Entry4& entry = entries[at & mask];
    if (entry.address == address || entry.output == 0) [[likely]]
      return entry.output;
  }
}
ML2_INLINE OutputIndex find_vtep(const VtepIndex& index, const std::uint8_t* address) {
  if (!index.ipv6)
    return find_vtep_ipv4(index.ipv4_entries.data(), index.mask, wire::load_raw<std::uint32_t>(address));
  for (std::uint32_t at = vtep_hash(address, true);; ++at) {
    const VtepIndex::Entry6& entry = index.ipv6_entries[at & index.mask];
    if (entry.output == 0) return 0;
    if (wire::load_raw<std::uint64_t>(entry.address) == wire::load_raw<std::uint64_t>(address) &&
        wire::load_raw<std::uint64_t>(entry.address + 8) == wire::load_raw<std::uint64_t>(address + 8)) {
      return entry.output;
    }
  }
}

// decode() reads all of a packet for its UDP checksum; here that is summed piece by piece.
template <bool kIpv6>
[[gnu::noinline]] vxlan::Packet decode_pieces(Context& context, const Frame& frame, std::size_t ip_offset) {
  vxlan::Local local = context.port.local;
  local.verify_udp_checksum = false;
  const std::uint8_t* ip = frame.data + ip_offset;
  vxlan::Packet packet = vxlan::decode<kIpv6>(local, ip, frame.length - ip_offset);
  if (packet.fault != vxlan::Fault::None || !context.port.local.verify_udp_checksum) return packet;
  const std::size_t udp_offset = packet.inner_offset - vxlan::kLength - wire::kUdpLength;
  const std::uint8_t* udp = ip + udp_offset;
  if (wire::load_raw<std::uint16_t>(udp + wire::kUdpChecksum) == 0) return packet;
  const std::uint32_t length = wire::load16(udp + wire::kUdpLengthField);
  std::uint64_t sum =
      (std::uint64_t{wire::kProtocolUdp} << 8U) + __builtin_bswap16(static_cast<std::uint16_t>(length));
  sum = wire::checksum_add(sum, ip + (kIpv6 ? wire::kIpv6Source : wire::kIpv4Source), kIpv6 ? 32 : 8);
  sum += sum_range(context, frame, static_cast<std::uint32_t>(ip_offset + udp_offset), length);
  if (wire::checksum_fold(sum) != 0) packet.fault = vxlan::Fault::BadUdpChecksum;
  return packet;
}

// Takes the outer header off. True: done with the frame (it is in its segment, or dropped). False: not a tunnel packet to us.
template <bool kIpv6>
ML2_INLINE bool decapsulate(Context& context, Frame& frame, std::size_t ip_offset) {
  const std::uint8_t* ip = frame.data + ip_offset;
  const vxlan::Packet packet = frame.scattered
                                   ? decode_pieces<kIpv6>(context, frame, ip_offset)
                                   : vxlan::decode<kIpv6>(context.port.local, ip, frame.length - ip_offset);
  if (packet.fault != vxlan::Fault::None) [[unlikely]] {
    if (packet.fault == vxlan::Fault::NotOurs) return false;
    drop(context, frame, to_drop(packet.fault));
    return true;
  }
  const OutputIndex vtep =
      context.port.vteps ? find_vtep(*context.port.vteps, ip + packet.source_offset) : OutputIndex{0};
  if (vtep == 0) [[unlikely]] {
    drop(context, frame, Drop::UnknownVtep);
    return true;
  }
  const SegmentIndex index = load_shared(context.tables.by_vni[packet.vni]);
  const Segment* segment = load_shared(context.tables.segments[index]);
  if (index == 0 || segment == nullptr) [[unlikely]] {
    drop(context, frame, Drop::UnknownVni);
    return true;
  }
  if (packet.inner_length < wire::kEthernetLength) [[unlikely]] {
    drop(context, frame, Drop::InnerTruncated);
    return true;
  }
  const std::size_t taken = ip_offset + packet.inner_offset;
  frame.data += taken;
  frame.headroom = static_cast<std::uint16_t>(frame.headroom + taken);
  frame.length = packet.inner_length;
  frame.from_tunnel = true;
  bump(context.counters.from_vteps[vtep], 1, frame.length);
  enter(context, frame, index, *segment, ethernet_type(frame.data), source_mac(frame), 0, kFromVtep | vtep);
  return true;
}

[[gnu::noinline]] inline void classify_access(Context& context, Frame& frame) {
  const Segment* segment = load_shared(context.tables.segments[context.port.untagged]);
  if (frame.length < wire::kEthernetLength) [[unlikely]]
    return drop(context, frame, Drop::Runt);
  std::uint16_t type = ethernet_type(frame.data);
  const std::uint64_t source = source_mac(frame);
  if (segment == nullptr) [[unlikely]]
    return drop(context, frame, Drop::VlanNotAllowed);
  if (type == wire::kTypeVlan && !segment->vlan_transparent) [[unlikely]] {
    // A priority tag (VLAN id 0, 802.1Q clause 6.9.1) is an untagged frame's; any other is not for an access port.
    if (frame.length < wire::kEthernetLength + wire::kVlanLength) return drop(context, frame, Drop::HeaderTruncated);
    if ((wire::load16(frame.data + wire::kEthernetLength) & 0x0fffU) != 0) {
      return drop(context, frame, Drop::VlanNotAllowed);
    }
    pop_tag(frame);
    type = ethernet_type(frame.data);
  }
  enter(context, frame, context.port.untagged, *segment, type, source, 0, context.from);
}

[[gnu::noinline]] inline void classify_tagged(Context& context, Frame& frame) {
  if (frame.length < wire::kEthernetLength) [[unlikely]]
    return drop(context, frame, Drop::Runt);
  const Port& port = context.port;
  std::uint16_t type = ethernet_type(frame.data);
  std::uint16_t vlan = 0;
  std::size_t ip_offset = wire::kEthernetLength;
  if (type == wire::kTypeVlan) {
    if (frame.length < wire::kEthernetLength + wire::kVlanLength) [[unlikely]] {
      return drop(context, frame, Drop::HeaderTruncated);
    }
    vlan = wire::load16(frame.data + wire::kEthernetLength) & 0x0fffU;
    type = wire::load16(frame.data + wire::kEthernetLength + 2);
    ip_offset += wire::kVlanLength;
  }
  if (port.tunnel && vlan == port.tunnel_vlan && wire::load_mac(frame.data) == port.mac) {
    if (type == wire::kTypeIpv4 && !port.local.ipv6) {
      if (decapsulate<false>(context, frame, ip_offset)) return;
    } else if (type == wire::kTypeIpv6 && port.local.ipv6) {
      if (decapsulate<true>(context, frame, ip_offset)) return;
    }
  }
  const SegmentIndex index = vlan == 0 ? port.untagged : port.by_vlan ? port.by_vlan[vlan] : SegmentIndex{0};
  const Segment* segment = load_shared(context.tables.segments[index]);
  if (index == 0 || segment == nullptr) {
    if (port.peer != kNoPort) return to_exception(context, frame);
    return drop(context, frame, port.tunnel && vlan == port.tunnel_vlan ? Drop::NotOurs : Drop::VlanNotAllowed);
  }
  const std::uint64_t source = source_mac(frame);
  if (ip_offset != wire::kEthernetLength) pop_tag(frame);
  enter(context, frame, index, *segment, type, source, vlan, context.from);
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
