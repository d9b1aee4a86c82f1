// plain: what nearly all frames look like, recognised in a few comparisons; everything else takes ingress.h's thorough way.
//
//   from a guarded port    IPv4, untagged, from the first address that the port was given
//   from an open one       IPv4 or IPv6, untagged
//   from a trunk           one tag of a segment that the port carries, and IPv4 or IPv6 behind it
//   from an uplink         VXLAN over IPv4 without a UDP checksum, from a known VTEP, with IPv4 or IPv6 in it
//
// Where in the walk: first, before ingress.h, whose answer for these frames is the same.
// Threading: reads immutable objects; what a burst asks again and again is kept in Plain, on the stack, where the compiler
//   knows that storing into a frame does not change it.
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

// The last segment of a burst's frames, and what was accepted into it: written once per run of frames of one segment.
class Run {
 public:
  ML2_INLINE explicit Run(Context& context)
      : segments_(context.tables.segments), counters_(context.counters.segments) {}
  // False when there is none.
  ML2_INLINE bool enter(SegmentIndex index) {
    if (index != index_) {
      finish();
      index_ = index;
      segment_ = load_shared(segments_[index]);
    }
    return segment_ != nullptr;
  }
  ML2_INLINE void accept(std::uint32_t bytes) {
    ++packets_;
    bytes_ += bytes;
  }
  ML2_INLINE void finish() {
    if (packets_ != 0) bump(counters_[index_], packets_, bytes_);
    packets_ = bytes_ = 0;
  }
  [[nodiscard]] ML2_INLINE const Segment& segment() const { return *segment_; }

 private:
  const Segment* const* segments_;
  std::array<PacketsBytes, kMaxSegments>& counters_;
  const Segment* segment_ = nullptr;
  std::uint64_t packets_ = 0;
  std::uint64_t bytes_ = 0;
  SegmentIndex index_ = 0;
};

// A burst of an access port. What is not plain is left for the thorough way: `rest` is called with it.
template <class Rest>
ML2_INLINE std::uint64_t classify_plain_access(Context& context, Frame* frames, unsigned count, Rest rest) {
  const Port& port = context.port;
  const SegmentIndex index = port.untagged;
  Run run(context);
  const bool segment = run.enter(index) && index != 0 && !run.segment().learn;
  const bool guarded = port.spoof_check;
  const AllowedAddress own = port.allowed.empty() ? AllowedAddress() : port.allowed.front();
  const bool usable =
      segment && (!guarded || (!port.allowed.empty() && !own.ipv6 && own.mac != 0 && !is_multicast(own.mac)));
  const bool answers = segment && run.segment().answer_neighbours;
  const std::uint64_t head = source_and_type(own.mac, wire::kTypeIpv4);
  const auto address = wire::load_raw<std::uint32_t>(own.address);
  const auto mask = wire::load_raw<std::uint32_t>(own.mask);
  constexpr std::size_t kNeeded = wire::kEthernetLength + wire::kIpv4Length;
  std::uint64_t received = 0;
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    received += frame.length;
    bool plain = false;
    if (usable && frame.length >= kNeeded) [[likely]] {
      const auto word = wire::load_raw<std::uint64_t>(frame.data + wire::kEthernetSource);
      if (guarded) {
        const auto source = wire::load_raw<std::uint32_t>(frame.data + wire::kEthernetLength + wire::kIpv4Source);
        plain = ((word ^ head) | ((source ^ address) & mask)) == 0;
      } else {
        // IPv6 may ask for a neighbour.
        plain = is_plain_ip(word) && (!answers || word >> 48U == __builtin_bswap16(wire::kTypeIpv4));
      }
    }
    if (!plain) [[unlikely]] {
      rest(frame);
      continue;
    }
    frame.segment = index;
    run.accept(frame.length);
  }
  run.finish();
  return received;
}

// True: the frame's tag is off, and it is in its segment.
ML2_INLINE bool plain_tagged(const Port& port, Run& run, Frame& frame) {
  constexpr std::size_t kNeeded = wire::kEthernetLength + wire::kVlanLength + 2;
  if (frame.length < kNeeded) [[unlikely]]
    return false;
  const auto word = wire::load_raw<std::uint64_t>(frame.data + wire::kEthernetSource);
  const std::uint16_t vlan = wire::load16(frame.data + wire::kEthernetLength) & 0x0fffU;
  const auto type = wire::load_raw<std::uint16_t>(frame.data + wire::kEthernetLength + 2);
  if (word >> 48U != __builtin_bswap16(wire::kTypeVlan) || vlan == 0 || (port.tunnel && vlan == port.tunnel_vlan) ||
      !is_plain_ip((word & 0xffffffffffffULL) | static_cast<std::uint64_t>(type) << 48U)) [[unlikely]] {
    return false;
  }
  const SegmentIndex index = port.by_vlan[vlan];
  if (index == 0 || !run.enter(index) || run.segment().learn ||
      (run.segment().answer_neighbours && type != __builtin_bswap16(wire::kTypeIpv4))) [[unlikely]] {
    return false;
  }
  pop_tag(frame);
  frame.segment = index;
  run.accept(frame.length);
  return true;
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

ML2_INLINE std::uint64_t add_with_carry(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t sum = a + b;
  return sum + (sum < b ? 1U : 0U);
}

// True: the outer header is off, and the frame is in its segment.
ML2_INLINE bool plain_tunnel(Context& context, const Port& port, std::size_t ip_offset, Run& run, Frame& frame) {
  if (frame.length < vxlan::Pattern::kSize || !matches(port.usual, frame.data)) return false;
  const std::uint8_t* ip = frame.data + ip_offset;
  const std::uint8_t* udp = ip + wire::kIpv4Length;
  const std::uint32_t total = wire::load16(ip + wire::kIpv4TotalLength);
  const std::uint32_t udp_length = wire::load16(udp + wire::kUdpLengthField);
  constexpr std::size_t kOuter = wire::kIpv4Length + wire::kUdpLength + vxlan::kLength;
  // Ones' complement sums of 64-bit words, the carries added, are right when they are a multiple of 65535 (RFC 1071).
  const std::uint64_t sum =
      add_with_carry(add_with_carry(wire::load_raw<std::uint64_t>(ip), wire::load_raw<std::uint64_t>(ip + 8)),
                     wire::load_raw<std::uint32_t>(ip + 16));
  const bool right = sum % 0xffffU == 0 && total == udp_length + wire::kIpv4Length &&
                     total >= kOuter + wire::kEthernetLength && total + ip_offset <= frame.length;
  if (!right) [[unlikely]]
    return false;
  const SegmentIndex index = load_shared(context.tables.by_vni[wire::load32(udp + wire::kUdpLength + 4) >> 8U]);
  const OutputIndex vtep = find_vtep(*port.vteps, ip + wire::kIpv4Source);
  const std::uint8_t* inner = udp + wire::kUdpLength + vxlan::kLength;
  if (vtep == 0 || index == 0 || !run.enter(index) || run.segment().learn ||
      !is_plain_ip(wire::load_raw<std::uint64_t>(inner + wire::kEthernetSource))) [[unlikely]] {
    return false;
  }
  const auto taken = static_cast<std::uint32_t>(ip_offset + kOuter);
  frame.data += taken;
  frame.headroom = static_cast<std::uint16_t>(frame.headroom + taken);
  frame.length = total - static_cast<std::uint32_t>(kOuter);
  frame.from_tunnel = true;
  frame.segment = index;
  bump(context.counters.from_vteps[vtep], 1, frame.length);
  run.accept(frame.length);
  return true;
}

// A burst of a trunk or an uplink; as above.
template <class Rest>
ML2_INLINE std::uint64_t classify_plain_tagged(Context& context, Frame* frames, unsigned count, Rest rest) {
  const Port& port = context.port;
  Run run(context);
  const bool tunnel = port.tunnel && !port.local.ipv6 && port.vteps != nullptr;
  const bool trunk = !port.spoof_check && port.by_vlan != nullptr;
  const std::size_t ip_offset = wire::kEthernetLength + (port.tunnel_vlan != 0 ? wire::kVlanLength : 0);
  std::uint64_t received = 0;
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    received += frame.length;
    if (tunnel && plain_tunnel(context, port, ip_offset, run, frame)) continue;
    if (trunk && plain_tagged(port, run, frame)) continue;
    rest(frame);
  }
  run.finish();
  return received;
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
