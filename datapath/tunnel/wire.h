// wire: Ethernet, 802.1Q, IPv4, IPv6 and UDP as they stand in a frame: offsets, numbers, loads and stores.
//
// Where in the walk: below the tunnel types (vxlan.h) and the stages of dpdk/walk.
// Threading: pure functions.
// Failure: none: the caller has checked that the bytes are there.
// What it does not do: no structs laid over a frame (alignment, padding): fields are read at their offset, in wire
//   order (big endian), and are host order from there on.
//
// Every function is always inlined: the packet walk is compiled once per instruction set, and a shared out-of-line copy
// with another set's instructions must not come into being.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#define ML2_INLINE [[gnu::always_inline]] inline

namespace ml2::wire {

// IEEE 802.3 and 802.1Q.
inline constexpr std::size_t kEthernetLength = 14;
inline constexpr std::size_t kEthernetSource = 6;
inline constexpr std::size_t kEthernetType = 12;
inline constexpr std::size_t kVlanLength = 4;  // 0x8100, then PCP (3 bits), DEI (1), VLAN id (12)
inline constexpr std::uint16_t kTypeVlan = 0x8100;
inline constexpr std::uint16_t kTypeServiceVlan = 0x88a8;  // 802.1ad
inline constexpr std::uint16_t kTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kTypeArp = 0x0806;
inline constexpr std::uint16_t kTypeIpv6 = 0x86dd;
// RFC 791.
inline constexpr std::size_t kIpv4Length = 20;  // without options
inline constexpr std::size_t kIpv4TotalLength = 2;
inline constexpr std::size_t kIpv4Identification = 4;
inline constexpr std::size_t kIpv4Fragment = 6;  // flags (DF 0x4000, MF 0x2000) and offset
inline constexpr std::size_t kIpv4Ttl = 8;
inline constexpr std::size_t kIpv4Protocol = 9;
inline constexpr std::size_t kIpv4Checksum = 10;
inline constexpr std::size_t kIpv4Source = 12;
inline constexpr std::size_t kIpv4Destination = 16;
// RFC 8200.
inline constexpr std::size_t kIpv6Length = 40;
inline constexpr std::size_t kIpv6PayloadLength = 4;
inline constexpr std::size_t kIpv6NextHeader = 6;
inline constexpr std::size_t kIpv6HopLimit = 7;
inline constexpr std::size_t kIpv6Source = 8;
inline constexpr std::size_t kIpv6Destination = 24;
// RFC 768.
inline constexpr std::size_t kUdpLength = 8;
inline constexpr std::size_t kUdpDestination = 2;
inline constexpr std::size_t kUdpLengthField = 4;
inline constexpr std::size_t kUdpChecksum = 6;
// RFC 9293.
inline constexpr std::size_t kTcpLength = 20;  // without options
inline constexpr std::size_t kTcpSequence = 4;
inline constexpr std::size_t kTcpDataOffset = 12;  // in its upper four bits, words of 4 bytes
inline constexpr std::size_t kTcpFlags = 13;
inline constexpr std::size_t kTcpChecksum = 16;
inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpPush = 0x08;
inline constexpr std::uint8_t kTcpCwr = 0x80;
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpv6 = 58;

ML2_INLINE std::uint16_t load16(const std::uint8_t* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap16(value);
}
ML2_INLINE std::uint32_t load32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap32(value);
}
ML2_INLINE void store16(std::uint8_t* at, std::uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(at, &value, sizeof(value));
}
ML2_INLINE void store32(std::uint8_t* at, std::uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(at, &value, sizeof(value));
}
// Bytes as the machine sees them, for comparing and hashing; little endian, as all of this assumes.
template <class Word>
ML2_INLINE Word load_raw(const std::uint8_t* at) {
  Word value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
template <class Word>
ML2_INLINE void store_raw(std::uint8_t* at, Word value) {
  std::memcpy(at, &value, sizeof(value));
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "amd64 and arm64 are what Debian's DPDK is used on");

// The six bytes at `at` as a number whose lowest byte is the first on the wire. Reads eight: the caller has them.
ML2_INLINE std::uint64_t load_mac(const std::uint8_t* at) { return load_raw<std::uint64_t>(at) & 0xffffffffffffULL; }

// The Internet checksum (RFC 1071): sums of 16-bit words in the machine's order; folding gives the value to store raw.
ML2_INLINE std::uint64_t checksum_add(std::uint64_t sum, const std::uint8_t* data, std::size_t length) {
  for (; length >= 4; data += 4, length -= 4) sum += load_raw<std::uint32_t>(data);
  if (length >= 2) {
    sum += load_raw<std::uint16_t>(data);
    data += 2;
    length -= 2;
  }
  if (length != 0) sum += *data;
  return sum;
}
ML2_INLINE std::uint16_t checksum_fold(std::uint64_t sum) {
  sum = (sum & 0xffffffffU) + (sum >> 32U);
  sum = (sum & 0xffffffffU) + (sum >> 32U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace ml2::wire
