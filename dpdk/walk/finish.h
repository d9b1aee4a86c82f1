// finish: the slow way out, for the few frames that are not plain: what their sender left to us and the device by which they
//   leave does not take over is done here. Checksums are completed, a long TCP frame is cut into segments (TSO in software),
//   pieces are joined; and a frame that is too long is answered or dropped.
//
// Where in the walk: egress.h asks before it puts a tag or an outer header on; ingress.h for frames of an exception path.
// Threading: the worker's own frames.
// Failure: BadOffload, TooLong, NoBuffer, Scattered.
// What it does not do: no cutting of UDP (fragments of datagrams that are longer than a packet): machines are not offered it
//   (process/vhost.h), and what comes all the same is BadOffload. Between two ports
//   that both take it nothing is done: the frame goes on with its work, and the process says so to the device.
#pragma once

#include "dpdk/walk/find_l4.h"
#include "dpdk/walk/too_big.h"

namespace ml2::fastpath {
inline namespace ML2_ISA {

// Below this a frame of 64 KB would be more than a thousand packets: what Linux takes as a least MSS too (tcp_min_snd_mss).
inline constexpr std::uint16_t kMinSegment = 48;

// The sum of `length` bytes from `offset` on, through all pieces.
inline std::uint64_t sum_range(Context& context, const Frame& frame, std::uint32_t offset, std::uint32_t length) {
  if (!frame.scattered) return wire::checksum_add(0, frame.data + offset, length);
  std::uint64_t sum = 0;
  for (std::uint32_t done = 0; done < length;) {
    std::uint32_t bytes = 0;
    const std::uint8_t* at = context.sink->piece(context.sink, frame, offset + done, &bytes);
    if (at == nullptr || bytes == 0) break;
    if (bytes > length - done) bytes = length - done;
    const auto part = static_cast<std::uint16_t>(~wire::checksum_fold(wire::checksum_add(0, at, bytes)));
    // What begins at an odd byte has its halves the other way round (RFC 1071 section 2 B).
    sum += done % 2 == 0 ? part : __builtin_bswap16(part);
    done += bytes;
  }
  return sum;
}

inline bool copy_range(Context& context, const Frame& frame, std::uint32_t offset, std::uint32_t length,
                       std::uint8_t* to) {
  if (!frame.scattered) {
    std::memcpy(to, frame.data + offset, length);
    return true;
  }
  for (std::uint32_t done = 0; done < length;) {
    std::uint32_t bytes = 0;
    const std::uint8_t* at = context.sink->piece(context.sink, frame, offset + done, &bytes);
    if (at == nullptr || bytes == 0) return false;
    if (bytes > length - done) bytes = length - done;
    std::memcpy(to + done, at, bytes);
    done += bytes;
  }
  return true;
}

// The sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1) for `length` bytes from the TCP or UDP header on.
inline std::uint64_t pseudo_sum(const std::uint8_t* ip, const Layer4& at, std::uint32_t length) {
  const std::uint64_t sum = (std::uint64_t{at.protocol} << 8U) + __builtin_bswap32(length);
  return at.ipv6 ? wire::checksum_add(sum, ip + wire::kIpv6Source, 32)
                 : wire::checksum_add(sum, ip + wire::kIpv4Source, 8);
}

// Bytes of the TCP or UDP part, as IP says; what Ethernet pads is not of it. 0: it does not fit the frame.
inline std::uint32_t layer4_length(const Frame& frame, const Layer4& at) {
  const std::uint8_t* ip = frame.data + at.ip;
  const std::uint32_t total = at.ipv6 ? wire::load16(ip + wire::kIpv6PayloadLength) + std::uint32_t{wire::kIpv6Length}
                                      : std::uint32_t{wire::load16(ip + wire::kIpv4TotalLength)};
  const std::uint32_t end = at.ip + total;
  return end > frame.length || end < at.payload ? 0 : end - at.header;
}

inline bool complete_checksum(Context& context, Frame& frame, const Layer4& at) {
  const std::uint32_t length = layer4_length(frame, at);
  if (length == 0) return false;
  const bool udp = at.protocol == wire::kProtocolUdp;
  std::uint8_t* field = frame.data + at.header + (udp ? wire::kUdpChecksum : wire::kTcpChecksum);
  wire::store_raw(field, std::uint16_t{0});
  const std::uint64_t sum = pseudo_sum(frame.data + at.ip, at, length) + sum_range(context, frame, at.header, length);
  const std::uint16_t folded = wire::checksum_fold(sum);
  wire::store_raw(field, folded == 0 && udp ? std::uint16_t{0xffff} : folded);  // RFC 768: zero would say "none"
  frame.checksum = false;
  return true;
}

// Makes segments of a long TCP frame and sends each by `put`. The frame is done with: the caller frees it.
template <class Put>
inline void cut(Context& context, Frame& frame, const Layer4& at, const Put& put) {
  const std::uint32_t size = frame.segment_size();
  const std::uint32_t all = frame.length - at.payload;
  std::uint32_t sequence = wire::load32(frame.data + at.header + wire::kTcpSequence);
  std::uint16_t identification =
      at.ipv6 ? std::uint16_t{0} : wire::load16(frame.data + at.ip + wire::kIpv4Identification);
  const std::uint8_t flags = frame.data[at.header + wire::kTcpFlags];
  for (std::uint32_t done = 0; done < all; done += size) {
    const std::uint32_t now = all - done < size ? all - done : size;
    const bool last = done + now == all;
    Frame segment;
    if (!context.sink->allocate(context.sink, at.payload + now, vxlan::kSlack, &segment) ||
        !copy_range(context, frame, at.payload + done, now, segment.data + at.payload)) {
      return no_buffer(context, frame);
    }
    std::memcpy(segment.data, frame.data, at.payload);
    segment.from_tunnel = frame.from_tunnel;
    segment.segment = frame.segment;
    std::uint8_t* ip = segment.data + at.ip;
    const std::uint32_t ip_length = at.payload - at.ip + now;
    if (at.ipv6) {
      wire::store16(ip + wire::kIpv6PayloadLength, static_cast<std::uint16_t>(ip_length - wire::kIpv6Length));
    } else {
      wire::store16(ip + wire::kIpv4TotalLength, static_cast<std::uint16_t>(ip_length));
      wire::store16(ip + wire::kIpv4Identification, identification++);
      wire::store_raw(ip + wire::kIpv4Checksum, std::uint16_t{0});
      const std::uint64_t sum = wire::checksum_add(0, ip, (ip[0] & 0x0fU) * std::size_t{4});
      wire::store_raw(ip + wire::kIpv4Checksum, wire::checksum_fold(sum));
    }
    std::uint8_t* tcp = segment.data + at.header;
    wire::store32(tcp + wire::kTcpSequence, sequence);
    sequence += now;
    std::uint8_t kept = flags;
    if (done != 0) kept &= static_cast<std::uint8_t>(~wire::kTcpCwr);  // RFC 3168 section 6.1.2: said once
    if (!last) kept &= static_cast<std::uint8_t>(~(wire::kTcpFin | wire::kTcpPush));
    tcp[wire::kTcpFlags] = kept;
    wire::store_raw(tcp + wire::kTcpChecksum, std::uint16_t{0});
    const std::uint32_t tcp_length = at.payload - at.header + now;
    const std::uint64_t sum = wire::checksum_add(pseudo_sum(ip, at, tcp_length), tcp, tcp_length);
    wire::store_raw(tcp + wire::kTcpChecksum, wire::checksum_fold(sum));
    put(segment);
    context.sink->send(context.sink, segment);
  }
}

// One frame in one piece instead of this one.
template <class Put>
inline void join(Context& context, Frame& frame, const Put& put) {
  Frame whole;
  if (!context.sink->allocate(context.sink, frame.length, vxlan::kSlack, &whole)) {
    return drop(context, frame, Drop::Scattered);
  }
  if (!copy_range(context, frame, 0, frame.length, whole.data)) {
    context.sink->send(context.sink, whole);
    return drop(context, frame, Drop::Scattered);
  }
  whole.from_tunnel = frame.from_tunnel;
  whole.segment = frame.segment;
  whole.checksum = frame.checksum;
  put(whole);
  context.sink->send(context.sink, whole);
}

// Where a frame is about to leave.
struct WayOut {
  PortIndex port = kNoPort;
  bool tunnel = false;
  bool outer_checksum = false;    // the outer header's UDP checksum covers the frame
  std::uint32_t max_frame = ~0U;  // as the frame is now
};

// Does what the way out does not take. True: the caller sends the frame. False: it was dropped or answered, or its parts went
// by `put`, and it goes nowhere itself. `segment`: to answer what is too long; null: not answered.
template <class Put>
[[gnu::noinline]] bool finish(Context& context, Frame& frame, const WayOut& way, const Segment* segment,
                              const Put& put) {
  const auto fail = [&](Drop reason) {
    drop(context, frame, reason);
    return false;
  };
  std::optional<Layer4> at;
  std::uint32_t longest = frame.length;
  if (frame.checksum || frame.long_tcp) {
    at = find_l4(frame.data, frame.readable());
    if (!at) return fail(Drop::BadOffload);
    if (frame.long_tcp) {
      if (at->protocol != wire::kProtocolTcp || frame.segment_size() < kMinSegment || frame.length <= at->payload) {
        return fail(Drop::BadOffload);
      }
      const std::uint32_t segment_length = at->payload + std::uint32_t{frame.segment_size()};
      if (segment_length < longest) longest = segment_length;
    }
  }
  if (longest > way.max_frame) {
    const auto mtu =
        static_cast<std::uint16_t>(way.max_frame > wire::kEthernetLength ? way.max_frame - wire::kEthernetLength : 0);
    if (segment != nullptr && answer_too_big(context, frame, *segment, mtu)) return false;
    return fail(Drop::TooLong);
  }
  const std::uint8_t takes =
      context.walk.takes == nullptr ? std::uint8_t{0} : load_shared(context.walk.takes[way.port]);
  const bool reaches = !way.tunnel || (takes & kTakesTunnel) != 0;
  if (frame.long_tcp) {
    const unsigned needed = kTakesChecksum | kTakesPieces | (at->ipv6 ? kTakesTso6 : kTakesTso4);
    if (!reaches || way.outer_checksum || (takes & needed) != needed) {
      cut(context, frame, *at, put);
      return false;
    }
  } else if (frame.checksum && (!reaches || way.outer_checksum || (takes & kTakesChecksum) == 0)) {
    if (!complete_checksum(context, frame, *at)) return fail(Drop::BadOffload);
  }
  if (frame.scattered && (way.outer_checksum || (takes & kTakesPieces) == 0)) {
    join(context, frame, put);
    return false;
  }
  if (frame.checksum || frame.long_tcp) frame.set_work(frame.segment_size(), 0);
  return true;
}

}  // namespace ML2_ISA
}  // namespace ml2::fastpath
