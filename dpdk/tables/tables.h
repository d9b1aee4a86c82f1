// tables: what the workers read: ports, segments, outputs, VNIs, VTEPs, and the FDB that joins them.
//
//     port + VLAN, or VNI  ->  Segment  --(FDB: segment + MAC)-->  Output: a port, with a tag or an outer header before it
//
// What it is: flat arrays of pointers to objects that never change once they are published. A change is a new object, one
//   store, and the old one freed after a grace period; so a burst sees each object whole, old or new.
// Where in the walk: dpdk/tables/program builds them from what the agent said; dpdk/walk reads them.
// Threading: one writer (the control thread); readers are the workers, by load_shared().
// Failure: a null pointer is "not there": the walk drops with a reason.
// What it does not do: no names, no strings, nothing that a packet does not need.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datapath/tunnel/vxlan.h"
#include "dpdk/tables/bucket_table.h"

namespace ml2::fastpath {

using PortIndex = std::uint16_t;
using SegmentIndex = std::uint16_t;  // 0: none
using OutputIndex = std::uint16_t;   // 0: none

inline constexpr std::uint32_t kFromVtep =
    0x80000000U;  // with an OutputIndex: where a station was heard, instead of a port
inline constexpr std::size_t kMaxPorts = 4096;
inline constexpr PortIndex kNoPort = 0xffff;
inline constexpr std::size_t kMaxSegments = 65536;
inline constexpr std::size_t kMaxOutputs = 65536;
inline constexpr std::size_t kMaxVnis = std::size_t{1} << 24U;
inline constexpr std::size_t kMaxVlans = 4096;
inline constexpr std::size_t kMaxNeighbours = 262144;

// Who may not leave by an output: frames that came from this port, or, by a tunnel, those that came from one.
inline constexpr std::uint16_t kFromTunnel = 0xfffe;

// Where a frame goes, and what is put before it: one per (port, segment) attachment and one per VTEP.
struct alignas(64) Output {
  // What the outputs of one uplink have in common, as VTEPs do: 8 bytes that are compared as one word (way_out()).
  PortIndex port = kNoPort;
  std::uint16_t plain_frame = 0;  // `max_frame`, but 0 where what is put before it is not the usual (`unusual`)
  std::uint16_t tag_raw = 0;      // 802.1Q tag in wire order as it is stored, 0: untagged
  std::uint8_t added = 0;         // the outer header's length
  bool tunnel = false;
  // The value of an FDB entry that leads here, but for its segment's number: this output's index, and the number that the
  // entry must have to count: a new one forgets all entries of this output at once.
  std::uint32_t entry = 0;
  std::uint16_t refuses = kNoPort;  // `port`, or of a tunnel kFromTunnel
  std::uint16_t max_frame = 0;      // longest frame, as it is before tag or outer header, that may leave here
  std::uint16_t headroom = 0;       // what it needs before the frame; all tunnels the same, and all others
  bool unusual = false;             // of a tunnel: over IPv6, or with one of the next, or with a UDP checksum
  bool inherit_dscp = false;        // the outer DSCP is the inner frame's
  bool identify = false;     // over IPv4 and without DF: each packet has an Identification (RFC 6864 section 4)
  std::uint8_t gap[3] = {};  // so that the header's IPv4 part is a cache line of its own
  vxlan::Header header;      // of a tunnel

  [[nodiscard]] ML2_INLINE std::uint64_t way_out() const {
    return wire::load_raw<std::uint64_t>(reinterpret_cast<const std::uint8_t*>(this));
  }
};
static_assert(sizeof(Output) == 128 && offsetof(Output, header) + offsetof(vxlan::Header, bytes) == 32);

struct alignas(64) Segment {
  std::uint32_t vni = 0;  // 0: no VXLAN
  std::uint8_t sequence = 0;
  bool flood_unknown = true;         // unknown unicast: to all members, or dropped
  bool vlan_transparent = false;     // frames with a tag of their own are carried as they are
  bool learn = false;                // stations are learned from source MACs
  bool answer_neighbours = false;    // ARP requests and neighbour solicitations are answered from the table
  std::vector<OutputIndex> members;  // local ports: where BUM frames go
  std::vector<OutputIndex> vteps;    // and other nodes, for frames that came from a local port
};

// One address that a port may send from. Both families in one form: (address & mask) is compared.
struct AllowedAddress {
  std::uint64_t mac = 0;  // as wire::load_mac() reads it
  bool ipv6 = false;
  std::uint8_t address[16] = {};
  std::uint8_t mask[16] = {};
};

// A VTEP that we accept packets from, by its address: open addressing, at most a quarter full: most are found
// at once.
struct VtepIndex {
  struct Entry4 {
    std::uint32_t address = 0;  // as it is stored
    OutputIndex output = 0;     // 0: free
  };
  struct Entry6 {
    std::uint8_t address[16] = {};
    OutputIndex output = 0;
  };
  bool ipv6 = false;
  std::uint32_t mask = 0;
  std::vector<Entry4> ipv4_entries;  // one of the two
  std::vector<Entry6> ipv6_entries;
};

// The upper half of the product: VTEPs' addresses differ in their last byte, the highest of the word, and only there all bits
// of it arrive.
ML2_INLINE std::uint32_t vtep_hash(std::uint32_t last_four_bytes) {
  return static_cast<std::uint32_t>(last_four_bytes * 0x9e3779b97f4a7c15ULL >> 32U);
}
ML2_INLINE std::uint32_t vtep_hash(const std::uint8_t* address, bool ipv6) {
  return vtep_hash(wire::load_raw<std::uint32_t>(address + (ipv6 ? 12 : 0)));
}

struct alignas(64) Port {
  enum class Kind : std::uint8_t {
    Access,  // a machine's: untagged frames of one segment
    Tagged,  // a trunk, or an uplink: segments by VLAN id, and perhaps one untagged
    Wire,    // everything goes to `peer`: the kernel's end of an exception path
  };
  Kind kind = Kind::Access;
  bool spoof_check = false;
  bool tunnel = false;        // VXLAN packets to `local` are taken apart here
  SegmentIndex untagged = 0;  // 0: untagged frames are refused (or go to `peer`)
  PortIndex peer = kNoPort;   // Wire: the other end. Tagged: the exception path for what is not ours
  std::uint16_t max_frame = 1518;
  std::uint16_t tunnel_vlan = 0;  // the underlay's VLAN id on this port
  std::uint64_t mac = 0;          // of an uplink: outer destination; as wire::load_mac() reads it
  vxlan::Local local;
  vxlan::Pattern usual;  // tunnel packets over IPv4
  std::unique_ptr<const VtepIndex> vteps;
  std::unique_ptr<SegmentIndex[]> by_vlan;  // Tagged: kMaxVlans of them
  std::vector<AllowedAddress> allowed;
};

// An IP address in a segment and the MAC that has it: for answering in place. The key in `neighbour_index` is a hash of
// the address, so the address itself is compared here.
struct Neighbour {
  std::uint8_t address[16] = {};
  std::uint8_t mac[6] = {};
  SegmentIndex segment = 0;
  bool ipv6 = false;
  bool router = false;  // the R flag of an advertisement (RFC 4861 section 4.4)
};

// An entry's value in the FDB.
struct FdbValue {
  OutputIndex output = 0;
  std::uint8_t segment_sequence = 0;
  std::uint8_t output_sequence = 0;
};
ML2_INLINE std::uint32_t pack(FdbValue value) {
  return value.output | std::uint32_t{value.segment_sequence} << 16U | std::uint32_t{value.output_sequence} << 24U;
}
ML2_INLINE FdbValue unpack(std::uint32_t value) {
  return {static_cast<OutputIndex>(value), static_cast<std::uint8_t>(value >> 16U),
          static_cast<std::uint8_t>(value >> 24U)};
}
// Whether an entry of this value, of a station in `segment`, counts.
ML2_INLINE bool counts(std::uint32_t value, const Segment& segment, const Output& output) {
  return value == (output.entry | std::uint32_t{segment.sequence} << 16U);
}
// `mac` as wire::load_mac() reads it. Never 0, as a segment is not.
ML2_INLINE std::uint64_t fdb_key(std::uint64_t mac, SegmentIndex segment) {
  return mac | static_cast<std::uint64_t>(segment) << 48U;
}
ML2_INLINE std::uint64_t neighbour_key(const std::uint8_t* address, bool ipv6, SegmentIndex segment) {
  std::uint64_t low = wire::load_raw<std::uint32_t>(address);
  if (ipv6) {
    low = wire::load_raw<std::uint64_t>(address) * 0x9e3779b97f4a7c15ULL ^ wire::load_raw<std::uint64_t>(address + 8);
    low ^= low >> 32U;
    low |= std::uint64_t{1} << 47U;
  }
  return (low & 0xffffffffffffULL) | static_cast<std::uint64_t>(segment) << 48U;
}

// The arrays. Plain memory from mmap: pages that nobody uses cost nothing.
struct Tables {
  const Port* ports[kMaxPorts] = {};
  const Segment* segments[kMaxSegments] = {};
  const Output* outputs[kMaxOutputs] = {};
  const Neighbour* neighbours[kMaxNeighbours] = {};  // by the neighbour index's value
  SegmentIndex* by_vni = nullptr;                    // kMaxVnis of them
  const BucketArray* const* fdb = nullptr;
  const BucketArray* const* neighbour_index = nullptr;
};

}  // namespace ml2::fastpath
