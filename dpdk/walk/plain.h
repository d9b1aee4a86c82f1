// plain: what nearly all frames look like, recognised in a few comparisons; everything else takes ingress.h's thorough way.
//
//   from a guarded port    IPv4, untagged, from the first address that the port was given
//   from an open one       IPv4 or IPv6, untagged
//   from a trunk           one tag of a segment that the port carries, and IPv4 or IPv6 behind it
//   from an uplink         VXLAN over IPv4 without a UDP checksum, from a known VTEP, with IPv4 or IPv6 in it
//
// Where in the walk: first, before ingress.h, whose answer for these frames is the same.
// Threading: reads immutable objects; what a burst asks again and again is kept on the stack, where the compiler knows that
//   storing into a frame does not change it.
// Failure: none: false means "not plain".
// What it does not do: it drops nothing and counts nothing but what it accepts; it learns nothing: a segment that learns has no
//   plain frames.
#pragma once

#include "dpdk/walk/ingress.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

// A source MAC and the Ethernet type behind it, as one word.
ML2_INLINE std::uint64_t source_and_type(std::uint64_t mac, std::uint16_t type) {
  return mac | static_cast<std::uint64_t>(__builtin_bswap16(type)) << 48U;
}
// IPv4 or IPv6, from one station.
ML2_INLINE bool is_plain_ip(std::uint64_t word) {
  const std::uint64_t type = word >> 48U;
  return (type == __builtin_bswap16(wire::kTypeIpv4) || type == __builtin_bswap16(wire::kTypeIpv6)) &&
         (word & 1U) == 0 && word << 16U != 0;
}

// The FDB keys of a burst's frames: made while their headers are at hand.
using Keys = std::uint64_t[kBurst];

// A key that is in no table: a group's address.
inline constexpr std::uint64_t kNobody = 1;

// What is not plain takes the thorough way, `rest`, when the others are done: the loop that knows them calls nothing, and keeps
// what it needs in registers.
template <class Rest>
ML2_INLINE void classify_odd(Frame* frames, std::uint32_t odd, Keys& keys, Rest rest) {
  for (; odd != 0; odd &= odd - 1) {
    const auto i = static_cast<unsigned>(__builtin_ctz(odd));
    Frame& frame = frames[i];
    frame.segment = 0;
    rest(frame);
    keys[i] = frame.segment == 0 ? kNobody : fdb_key(wire::load_mac(frame.data), frame.segment);
  }
}

ML2_INLINE std::uint32_t all_of(unsigned count) {
  return static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1);
}

// Whether frames of this segment can be plain; `only_ipv4`: IPv6 may ask for a neighbour there.
ML2_INLINE bool takes_plain(const Segment* segment, bool only_ipv4) {
  return segment != nullptr && !segment->learn && (only_ipv4 || !segment->answer_neighbours);
}

// A burst of an access port; the sum of the frames' lengths. What is not plain is left for the thorough way: `rest` is called
// with it.
template <class Rest>
ML2_INLINE std::uint64_t classify_plain_access(Context& context, Frame* frames, unsigned count, Keys& keys,
                                               Rest rest) {
  const Port& port = context.port;
  const SegmentIndex index = port.untagged;
  const Segment* segment = index != 0 ? load_shared(context.tables.segments[index]) : nullptr;
  const bool guarded = port.spoof_check;
  const AllowedAddress own = port.allowed.empty() ? AllowedAddress() : port.allowed.front();
  const bool usable = takes_plain(segment, true) &&
                      (!guarded || (!port.allowed.empty() && !own.ipv6 && own.mac != 0 && !is_multicast(own.mac)));
  const std::uint64_t head = source_and_type(own.mac, wire::kTypeIpv4);
  const auto address = wire::load_raw<std::uint32_t>(own.address);
  const auto mask = wire::load_raw<std::uint32_t>(own.mask);
  // IPv6 may ask for a neighbour.
  const bool only_ipv4 = segment != nullptr && segment->answer_neighbours;
  constexpr std::size_t kNeeded = wire::kEthernetLength + wire::kIpv4Length;
  const std::uint64_t entered = static_cast<std::uint64_t>(index) << 48U;
  std::uint64_t received = 0;
  std::uint32_t odd = usable ? 0 : all_of(count);
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    const std::uint32_t length = frame.length;
    received += length;
    if (length < kNeeded) [[unlikely]] {
      odd |= 1U << i;
      continue;
    }
    const std::uint8_t* data = frame.data;
    const auto word = wire::load_raw<std::uint64_t>(data + wire::kEthernetSource);
    bool plain = false;
    if (guarded) {
      const auto source = wire::load_raw<std::uint32_t>(data + wire::kEthernetLength + wire::kIpv4Source);
      plain = ((word ^ head) | ((source ^ address) & mask)) == 0;
    } else {
      plain = is_plain_ip(word) && (!only_ipv4 || word >> 48U == __builtin_bswap16(wire::kTypeIpv4));
    }
    odd |= static_cast<std::uint32_t>(!plain) << i;
    frame.segment = index;
    keys[i] = wire::load_mac(data) | entered;
  }
  std::uint64_t bytes = received;
  std::uint64_t packets = count;
  if (odd != 0) [[unlikely]] {
    for (std::uint32_t left = odd; left != 0; left &= left - 1) {
      bytes -= frames[__builtin_ctz(left)].length;
      --packets;
    }
    classify_odd(frames, odd, keys, rest);
  }
  if (packets != 0) bump(context.counters.segments[index], packets, bytes);
  return received;
}

// What was accepted into a segment: written once per run of frames of one segment.
class Accepted {
 public:
  ML2_INLINE explicit Accepted(Context& context)
      : segments_(context.tables.segments), counters_(context.counters.segments) {}
  // Null: there is none.
  ML2_INLINE const Segment* enter(SegmentIndex index) {
    if (index != index_) {
      finish();
      index_ = index;
      segment_ = index != 0 ? load_shared(segments_[index]) : nullptr;
    }
    return segment_;
  }
  ML2_INLINE void add(std::uint64_t packets, std::uint64_t bytes) {
    packets_ += packets;
    bytes_ += bytes;
  }
  ML2_INLINE void finish() {
    if (packets_ != 0) bump(counters_[index_], packets_, bytes_);
    packets_ = bytes_ = 0;
  }

 private:
  const Segment* const* segments_;
  std::array<PacketsBytes, kMaxSegments>& counters_;
  const Segment* segment_ = nullptr;
  std::uint64_t packets_ = 0;
  std::uint64_t bytes_ = 0;
  SegmentIndex index_ = 0;
};

// Trunks. The tag as it stands in a frame: its VLAN id, and the Ethernet type behind it; 0: not a plain frame.
ML2_INLINE std::uint32_t plain_tag(const Frame& frame) {
  constexpr std::size_t kNeeded = wire::kEthernetLength + wire::kVlanLength + 2;
  constexpr std::uint32_t kIdAndType = 0xffff0000U | 0x0fffU << 8U | 0x0fffU >> 8U;
  if (frame.length < kNeeded) [[unlikely]]
    return 0;
  const auto word = wire::load_raw<std::uint64_t>(frame.data + wire::kEthernetSource);
  const std::uint32_t tag = wire::load_raw<std::uint32_t>(frame.data + wire::kEthernetLength) & kIdAndType;
  const bool plain = word >> 48U == __builtin_bswap16(wire::kTypeVlan) &&
                     is_plain_ip((word & 0xffffffffffffULL) | static_cast<std::uint64_t>(tag >> 16U) << 48U);
  return plain ? tag : 0;
}
ML2_INLINE SegmentIndex segment_of_tag(const Port& port, std::uint32_t tag) {
  const std::uint16_t vlan = __builtin_bswap16(static_cast<std::uint16_t>(tag)) & 0x0fffU;
  return vlan == 0 || (port.tunnel && vlan == port.tunnel_vlan) ? SegmentIndex{0} : port.by_vlan[vlan];
}
ML2_INLINE bool is_ipv4_tag(std::uint32_t tag) { return tag >> 16U == __builtin_bswap16(wire::kTypeIpv4); }
// Takes the tag off; the frame's key.
ML2_INLINE std::uint64_t strip_tag(Frame& frame, SegmentIndex index) {
  const std::uint64_t mac = wire::load_mac(frame.data);
  pop_tag(frame);
  frame.segment = index;
  return fdb_key(mac, index);
}

// Of the frames `todo`: which are not plain.
ML2_INLINE std::uint32_t classify_trunk(Context& context, Frame* frames, unsigned count, std::uint32_t todo,
                                        Keys& keys) {
  const Port& port = context.port;
  Accepted accepted(context);
  std::uint32_t tags[kBurst];
  std::uint32_t differ = 0;
  for (unsigned i = 0; i < count; ++i) {
    tags[i] = (todo >> i & 1U) != 0 ? plain_tag(frames[i]) : 0;
    differ |= tags[i] ^ tags[0];
  }
  const SegmentIndex first = segment_of_tag(port, tags[0]);
  if (todo == all_of(count) && differ == 0 && takes_plain(accepted.enter(first), is_ipv4_tag(tags[0]))) {
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
      keys[i] = strip_tag(frames[i], first);
      bytes += frames[i].length;
    }
    accepted.add(count, bytes);
    accepted.finish();
    return 0;
  }
  std::uint32_t odd = 0;
  for (unsigned i = 0; i < count; ++i) {
    if ((todo >> i & 1U) == 0) continue;
    const SegmentIndex index = segment_of_tag(port, tags[i]);
    if (!takes_plain(accepted.enter(index), is_ipv4_tag(tags[i]))) [[unlikely]] {
      odd |= 1U << i;
      continue;
    }
    keys[i] = strip_tag(frames[i], index);
    accepted.add(1, frames[i].length);
  }
  accepted.finish();
  return odd;
}

// Whether the 64 bytes at `data` are what the pattern says.
ML2_INLINE bool matches(const vxlan::Pattern& pattern, const std::uint8_t* data) {
#if defined(__AVX512F__)
  const __m512i different = _mm512_xor_si512(_mm512_loadu_si512(data), _mm512_load_si512(pattern.bytes));
  return _mm512_test_epi64_mask(different, _mm512_load_si512(pattern.mask)) == 0;
#else
  std::uint64_t different = 0;
  for (std::size_t i = 0; i < vxlan::Pattern::kSize; i += 8) {
    different |= (wire::load_raw<std::uint64_t>(data + i) ^ wire::load_raw<std::uint64_t>(pattern.bytes + i)) &
                 wire::load_raw<std::uint64_t>(pattern.mask + i);
  }
  return different == 0;
#endif
}

inline constexpr std::size_t kOuterV4 = wire::kIpv4Length + wire::kUdpLength + vxlan::kLength;

ML2_INLINE std::uint64_t add_with_carry(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t sum = a + b;
  return sum + (sum < b ? 1U : 0U);
}

// Uplinks. Outer source address and VNI as they stand in a frame; 0: not a plain one.
ML2_INLINE std::uint64_t plain_route(const Port& port, const Frame& frame, std::size_t ip_offset) {
  const std::uint32_t length = frame.length;
  const std::uint8_t* data = frame.data;
  if (length < vxlan::Pattern::kSize || !matches(port.usual, data)) [[unlikely]]
    return 0;
  const std::uint8_t* ip = data + ip_offset;
  const std::uint8_t* udp = ip + wire::kIpv4Length;
  const std::uint8_t* inner = udp + wire::kUdpLength + vxlan::kLength;
  const std::uint32_t total = wire::load16(ip + wire::kIpv4TotalLength);
  const std::uint32_t udp_length = wire::load16(udp + wire::kUdpLengthField);
  // Ones' complement sums of 64-bit words, the carries added, are right when they are a multiple of 65535 (RFC 1071).
  const std::uint64_t sum =
      add_with_carry(add_with_carry(wire::load_raw<std::uint64_t>(ip), wire::load_raw<std::uint64_t>(ip + 8)),
                     wire::load_raw<std::uint32_t>(ip + 16));
  const bool right = sum % 0xffffU == 0 && total == udp_length + wire::kIpv4Length &&
                     total >= kOuterV4 + wire::kEthernetLength && total + ip_offset <= length &&
                     is_plain_ip(wire::load_raw<std::uint64_t>(inner + wire::kEthernetSource));
  if (!right) [[unlikely]]
    return 0;
  return wire::load_raw<std::uint32_t>(ip + wire::kIpv4Source) |
         (std::uint64_t{wire::load_raw<std::uint32_t>(udp + wire::kUdpLength + 4)} & 0xffffffU) << 32U;
}
ML2_INLINE SegmentIndex segment_of_route(const Context& context, std::uint64_t route) {
  return load_shared(context.tables.by_vni[__builtin_bswap32(static_cast<std::uint32_t>(route >> 32U)) >> 8U]);
}
// Takes the outer header off; the frame's key.
ML2_INLINE std::uint64_t strip_outer(Frame& frame, std::size_t ip_offset, SegmentIndex index) {
  const auto taken = static_cast<std::uint32_t>(ip_offset + kOuterV4);
  const std::uint32_t total = wire::load16(frame.data + ip_offset + wire::kIpv4TotalLength);
  frame.data += taken;
  frame.headroom = static_cast<std::uint16_t>(frame.headroom + taken);
  frame.length = total - static_cast<std::uint32_t>(kOuterV4);
  frame.from_tunnel = true;
  frame.segment = index;
  return fdb_key(wire::load_mac(frame.data), index);
}

// Which frames are not plain.
ML2_INLINE std::uint32_t classify_tunnel(Context& context, Frame* frames, unsigned count, Keys& keys) {
  const Port& port = context.port;
  const std::size_t ip_offset = wire::kEthernetLength + (port.tunnel_vlan != 0 ? wire::kVlanLength : 0);
  Accepted accepted(context);
  auto& from_vteps = context.counters.from_vteps;
  std::uint64_t routes[kBurst];
  std::uint64_t differ = 0;
  for (unsigned i = 0; i < count; ++i) {
    routes[i] = plain_route(port, frames[i], ip_offset);
    differ |= routes[i] ^ routes[0];
  }
  const VtepIndex::Entry4* const vteps = port.vteps->ipv4_entries.data();
  const std::uint32_t mask = port.vteps->mask;
  std::uint32_t odd = 0;
  if (differ >> 32U == 0) {  // one segment
    const SegmentIndex index = segment_of_route(context, routes[0]);
    if (!takes_plain(accepted.enter(index), true)) return all_of(count);
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    if (differ == 0) {  // and one VTEP
      const OutputIndex vtep = find_vtep_ipv4(vteps, mask, static_cast<std::uint32_t>(routes[0]));
      if (vtep == 0) return all_of(count);
      for (unsigned i = 0; i < count; ++i) {
        keys[i] = strip_outer(frames[i], ip_offset, index);
        bytes += frames[i].length;
      }
      packets = count;
      bump(from_vteps[vtep], packets, bytes);
    } else {
      for (unsigned i = 0; i < count; ++i) {
        const OutputIndex vtep = find_vtep_ipv4(vteps, mask, static_cast<std::uint32_t>(routes[i]));
        if (vtep == 0) [[unlikely]] {
          odd |= 1U << i;
          continue;
        }
        keys[i] = strip_outer(frames[i], ip_offset, index);
        bump(from_vteps[vtep], 1, frames[i].length);
        ++packets;
        bytes += frames[i].length;
      }
    }
    accepted.add(packets, bytes);
    accepted.finish();
    return odd;
  }
  for (unsigned i = 0; i < count; ++i) {
    const OutputIndex vtep = find_vtep_ipv4(vteps, mask, static_cast<std::uint32_t>(routes[i]));
    const SegmentIndex index = segment_of_route(context, routes[i]);
    if (vtep == 0 || !takes_plain(accepted.enter(index), true)) [[unlikely]] {
      odd |= 1U << i;
      continue;
    }
    keys[i] = strip_outer(frames[i], ip_offset, index);
    bump(from_vteps[vtep], 1, frames[i].length);
    accepted.add(1, frames[i].length);
  }
  accepted.finish();
  return odd;
}

// A burst of a trunk or an uplink; as above. One that is both has tunnels first: what is left is perhaps the trunk's.
template <class Rest>
ML2_INLINE std::uint64_t classify_plain_tagged(Context& context, Frame* frames, unsigned count, Keys& keys,
                                               Rest rest) {
  const Port& port = context.port;
  std::uint64_t received = 0;
  for (unsigned i = 0; i < count; ++i) received += frames[i].length;
  std::uint32_t odd = all_of(count);
  if (port.tunnel && !port.local.ipv6 && port.vteps != nullptr) odd = classify_tunnel(context, frames, count, keys);
  if (odd != 0 && !port.spoof_check && port.by_vlan != nullptr) {
    odd = classify_trunk(context, frames, count, odd, keys);
  }
  if (odd != 0) [[unlikely]]
    classify_odd(frames, odd, keys, rest);
  return received;
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
