// messages: what goes over ml2-fastpath's control socket: a UNIX SOCK_SEQPACKET, a packet of one message or several.
//
//     client: Hello                          server: Welcome (version, boot id, generation, digest of each kind)
//     client: Begin, Put..., Remove..., Commit        server: Done (generation, digests, what was refused), or Failed
//     client: Query                          server: Rows..., the last one with `last`
//     client: Read (of a kind)               server: Records..., the last one with `last`
//
// What it is: fixed records in the machine's own byte order (both ends are on one machine). A full generation says
//   everything: what it does not name is removed. A delta says only what changes. Either is applied at its Commit, and
//   what is equal already is not touched. The digests let a client that restarted see that nothing is to be sent, and which
//   kinds of records it has to read back.
// Where in the walk: between the agent (datapath/fastpath) and dpdk/process; ml2ctl's `fastpath` commands ask over it too.
// Threading: values.
// Failure: a message of another version, size or kind is answered with Failed and changes nothing; a record that does not
//   make sense (a segment that is not there) is refused alone and named in Done.
// What it does not do: no names of networks, no policy: ids are the client's, stable from generation to generation.
//
// Several messages may share a packet (Header::next), so that a small batch costs one system call at each end, and many small ones
// little more. Who sends such a packet is answered in such packets; others get a packet for each answer.
//
// The layout changes only with kVersion. A reserved byte may get a meaning without it, if 0 stays what was done before.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ml2::fastpath::abi {

inline constexpr std::uint32_t kMagic = 0x70326c6d;  // "ml2p"
inline constexpr std::uint16_t kVersion = 3;
inline constexpr std::size_t kMaxMessage = 64 * 1024;  // a packet, headers included

enum class Type : std::uint16_t {
  Hello = 1,
  Begin = 2,
  Put = 3,
  Remove = 4,
  Commit = 5,
  Query = 6,
  Read = 7,
  Welcome = 101,
  Done = 102,
  Failed = 103,
  Rows = 104,
  Records = 105,
};

enum class Kind : std::uint16_t {
  Port = 1,
  Segment = 2,
  Attachment = 3,
  Vtep = 4,
  Flood = 5,
  Allowed = 6,
  Fdb = 7,
  Neighbour = 8
};
[[nodiscard]] constexpr std::size_t index(Kind kind) { return static_cast<std::size_t>(kind); }
inline constexpr std::size_t kKinds = 9;  // index 0 is unused

struct Header {
  std::uint32_t magic = kMagic;
  std::uint16_t version = kVersion;
  Type type = Type::Hello;
  std::uint32_t request = 0;  // the client's number; an answer repeats it
  Kind kind = Kind{0};        // of Put, Remove, Read and Records
  std::uint16_t last = 1;     // of Rows and Records: 0 when more follow
  std::uint32_t count = 0;    // records that follow, or bytes of text
  std::uint32_t next =
      0;  // where the packet's next message begins, counted from this one's begin; 0: this is the last
};
static_assert(sizeof(Header) == 24);

struct Begin {
  std::uint64_t generation = 0;
  std::uint32_t full = 1;  // 1: everything; 0: a delta on what is there
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Begin) == 16);

// A sum over the records of one kind: in any order, and updated as they come and go. Two sums of 64 bits each.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Digest&, const Digest&) = default;
};

struct State {
  std::uint64_t boot = 0;        // another number after each start of ml2-fastpath
  std::uint64_t generation = 0;  // of the last Commit; 0: none yet
  std::uint32_t refused = 0;     // Done: records of this Commit that were left out; a sentence each follows, as text
  std::uint32_t applied = 0;     // Done: records that were added, changed or removed
  std::uint64_t entries[kKinds] = {};
  Digest digests[kKinds] = {};
};
static_assert(sizeof(State) == 24 + 9 * 8 + 9 * 16);

// The records. Every byte counts for the digest: unused ones are zero. Keys come first; Remove looks at keys only.
// Addresses are in wire order, of IPv4 the first four bytes.

enum class PortKind : std::uint8_t { Access = 0, Tagged = 1, Wire = 2 };

struct Port {
  std::uint16_t id = 0;  // 1-4095; key
  PortKind kind = PortKind::Access;
  std::uint8_t spoof_check = 0;  // Allowed records say what may be sent
  std::uint16_t peer = 0;        // Wire: the other port. Tagged: exception path; 0: none
  std::uint16_t mtu = 1500;      // longest IP packet
  std::uint8_t tunnel = 0;       // 1: VXLAN packets to `local` end here
  std::uint8_t local_ipv6 = 0;
  std::uint8_t skip_udp_checksum = 0;  // 1: a non-zero outer UDP checksum is not verified
  std::uint8_t queues = 0;             // receive queues; 0: one
  std::uint16_t tunnel_vlan = 0;
  std::uint16_t udp_port = 0;  // 0: 4789
  std::uint8_t mac[6] = {};    // of a tunnel port: where VXLAN packets are sent to
  std::uint8_t flush = 0;      // another number than before: all FDB entries that lead here are forgotten
  std::uint8_t reserved = 0;
  std::uint8_t local[16] = {};
  char devargs[216] = {};  // a DPDK device, "net_tap0,iface=tap0", ended by a zero byte
};
static_assert(sizeof(Port) == 256);

struct Segment {
  std::uint16_t id = 0;  // 1-65535; key
  std::uint8_t drop_unknown = 0;
  std::uint8_t vlan_transparent = 0;
  std::uint8_t answer_neighbours = 0;
  std::uint8_t flush = 0;  // another number than before: all FDB entries of the segment are forgotten
  // Seconds after which a station that was learned, and is heard no more, is forgotten; 0: nothing is learned here. What is
  // learned is no record: it is in no digest, and an Fdb record of the same MAC replaces it and is never replaced by it.
  std::uint16_t learn_age = 0;
  std::uint32_t vni = 0;   // 0: no VXLAN
  std::uint32_t mark = 0;  // the client's own, to know its segment by after a restart; not looked at here
};
static_assert(sizeof(Segment) == 16);

// A port in a segment.
struct Attachment {
  std::uint16_t port = 0;     // key
  std::uint16_t segment = 0;  // key
  std::uint16_t vlan = 0;     // 0: untagged; 1-4094 on a Tagged port
  std::uint16_t reserved = 0;
};
static_assert(sizeof(Attachment) == 8);

struct Vtep {
  std::uint16_t id = 0;    // 1-65535; key
  std::uint16_t port = 0;  // the uplink
  std::uint8_t ipv6 = 0;
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  std::uint8_t udp_checksum = 0;
  std::uint16_t vlan = 0;
  std::uint16_t udp_port = 0;        // 0: 4789
  std::uint8_t allow_fragments = 0;  // 1: DF is not set
  std::uint8_t inherit_dscp = 0;     // 1: of an IP frame the outer DSCP is its own; `dscp` is of the others
  std::uint8_t reserved[2] = {};
  std::uint8_t source_mac[6] = {};
  std::uint8_t next_hop_mac[6] = {};
  std::uint16_t reserved2 = 0;
  std::uint16_t reserved3 = 0;
  std::uint8_t local[16] = {};
  std::uint8_t remote[16] = {};
};
static_assert(sizeof(Vtep) == 64);

// Broadcasts of the segment go to this VTEP too. (Local ports: by their attachments.)
struct Flood {
  std::uint16_t segment = 0;  // key
  std::uint16_t vtep = 0;     // key
};
static_assert(sizeof(Flood) == 4);

// What a port with spoof_check may send from.
struct Allowed {
  std::uint16_t port = 0;  // all of it is key
  std::uint8_t mac[6] = {};
  std::uint8_t ipv6 = 0;
  std::uint8_t prefix = 0;  // length in bits
  std::uint8_t reserved[6] = {};
  std::uint8_t address[16] = {};
};
static_assert(sizeof(Allowed) == 32);

struct Fdb {
  std::uint8_t mac[6] = {};   // key
  std::uint16_t segment = 0;  // key
  std::uint16_t port = 0;     // an attachment of this segment, or
  std::uint16_t vtep = 0;     // a VTEP; the other one is 0
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Fdb) == 16);

struct Neighbour {
  std::uint16_t segment = 0;  // key
  std::uint8_t ipv6 = 0;      // key
  std::uint8_t router = 0;
  std::uint8_t mac[6] = {};
  std::uint8_t reserved[6] = {};
  std::uint8_t address[16] = {};  // key
};
static_assert(sizeof(Neighbour) == 32);

// What is asked by Query, as text after the header: a word of these and, for some, an argument.
//   show | ports | segments | vteps | fdb [segment] | stats | drops | links | trace <port id> <frame in hexadecimal>
//   capture [port=N] [segment=N] [mac=M] [ip=A] [ethertype=N] [direction=in|out] [dropped] [count=N] [snaplen=N]
// The answer is one JSON object per line. Rows of a capture come as frames do, until count is reached or capture-stop is
// asked (the last row says how many were captured, and lost), or the client closes the connection.

// A record's part of its kind's digest, by words; fast, and only against accidents.
template <class Record>
[[nodiscard]] inline Digest digest(const Record& record) {
  static_assert(std::is_trivially_copyable_v<Record> && std::has_unique_object_representations_v<Record>);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&record);
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (std::size_t i = 0; i < sizeof(Record); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, std::min(sizeof(word), sizeof(Record) - i));
    hash = (hash ^ word) * 0x9fb21c651e98df25ULL;
    hash ^= hash >> 32U;
  }
  const auto finish = [](std::uint64_t x) {  // splitmix64
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27U) * 0x94d049bb133111ebULL;
    return x ^ x >> 31U;
  };
  return {finish(hash), finish(hash ^ 0x9e3779b97f4a7c15ULL)};
}
inline void add(Digest& sum, const Digest& one) {
  sum.low += one.low;
  sum.high += one.high;
}
inline void subtract(Digest& sum, const Digest& one) {
  sum.low -= one.low;
  sum.high -= one.high;
}

}  // namespace ml2::fastpath::abi
