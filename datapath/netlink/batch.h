// Batch: an ordered list of changes to the kernel's network stack, as values.
//
// Where in the walk: diff() writes one into the Plan, Kernel::apply() carries it out; `ml2ctl vif plug` makes its
// own. Threading: values. Failure: check() finds what the kernel could only answer with a number: a name too long, a
//   multicast MAC, mixed address families. error_of() turns an errno into a sentence and into what to do next.
// What it does not do: it is no transaction: the kernel has none. What stands before the operation that fails is
//   done, what stands after it is not tried. Deletes of what is not there fail (Invalid), as ip(8)'s do: who wants
//   "make it absent" compares with the Snapshot first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/result.h"
#include "datapath/base/strong_id.h"
#include "datapath/netlink/netns.h"
#include "datapath/netlink/types.h"

namespace ml2::nl {

// All links are named, not numbered: an operator reads them, and a name still means the same after a restart.

// A pair of Ethernet devices; both ends are down at first. With `peer_netns` the peer is born in that namespace, so
// that it never shows in this one.
struct CreateVeth {
  std::string name{};
  std::string peer_name{};
  std::optional<NetnsRef> peer_netns{};
  std::optional<Mac> mac{};  // nullopt: the kernel draws one
  std::optional<Mac> peer_mac{};
  std::optional<std::uint32_t> mtu{};  // of both ends; nullopt: 1500

  friend bool operator==(const CreateVeth&, const CreateVeth&) = default;
};

// A persistent tap device (TUNSETPERSIST): it stays when this process ends, and a hypervisor opens it by name with
// /dev/net/tun. `owner` may open it without CAP_NET_ADMIN.
struct CreateTap {
  std::string name{};
  std::optional<std::uint32_t> owner{};  // user id
  bool multi_queue = false;              // must be what the hypervisor asks for when it opens it
  bool vnet_hdr = true;                  // IFF_VNET_HDR: offloads between guest and host, as virtio-net wants

  friend bool operator==(const CreateTap&, const CreateTap&) = default;
};

struct CreateBridge {
  std::string name{};

  friend bool operator==(const CreateBridge&, const CreateBridge&) = default;
};

struct CreateDummy {
  std::string name{};

  friend bool operator==(const CreateDummy&, const CreateDummy&) = default;
};

// A kernel VXLAN device (RFC 7348): a peer that is not OVS.
struct CreateVxlan {
  std::string name{};
  TunnelKey vni;                     // 1-2^24-1
  std::uint16_t udp_port = 4789;     // IANA; the kernel's own default is 8472
  std::optional<IpAddress> local{};  // source of the outer header
  bool learning = true;

  friend bool operator==(const CreateVxlan&, const CreateVxlan&) = default;
};

struct DeleteLink {
  std::string name{};

  friend bool operator==(const DeleteLink&, const DeleteLink&) = default;
};

// What is nullopt stays as it is. One message: the kernel takes `rename`, `mac`, `mtu` before `up`.
struct SetLink {
  std::string name{};
  std::optional<bool> up{};
  std::optional<std::uint32_t> mtu{};  // 68-65535 bytes
  std::optional<Mac> mac{};
  std::optional<std::string> alias{};   // up to 255 bytes; "" takes it away
  std::optional<std::string> rename{};  // older kernels want the link down for it (Transient, "busy")
  std::optional<std::string> master{};  // name of a bridge; "" takes the link out of the one it is in

  friend bool operator==(const SetLink&, const SetLink&) = default;
};

// The kernel takes the link down and drops its addresses on the way; its index may change.
struct MoveToNetns {
  std::string name{};
  NetnsRef netns{};
  std::optional<std::string> new_name{};

  friend bool operator==(const MoveToNetns&, const MoveToNetns&) = default;
};

// Conflict when it is there already.
struct AddAddress {
  std::string link{};
  IpAddress address{};
  unsigned prefix_length = 0;
  // IPv6: usable at once, without duplicate address detection (IFA_F_NODAD); the port's address is ours to give.
  bool no_dad = true;

  friend bool operator==(const AddAddress&, const AddAddress&) = default;
};

struct DeleteAddress {
  std::string link{};
  IpAddress address{};
  unsigned prefix_length = 0;

  friend bool operator==(const DeleteAddress&, const DeleteAddress&) = default;
};

// Adds the route, or takes the place of the one with the same dst, table and priority.
struct ReplaceRoute {
  IpNetwork dst{};
  std::optional<IpAddress> gateway{};
  std::string link{};  // "": the kernel finds the link by the gateway
  std::uint8_t protocol = kProtocolStatic;
  std::uint32_t table = kTableMain;
  std::uint32_t priority = 0;

  friend bool operator==(const ReplaceRoute&, const ReplaceRoute&) = default;
};

// Deletes one route with this dst, table and, when they are given, gateway, link, priority, protocol (0: any).
struct DeleteRoute {
  IpNetwork dst{};
  std::optional<IpAddress> gateway{};
  std::string link{};
  std::uint8_t protocol = 0;
  std::uint32_t table = kTableMain;
  std::uint32_t priority = 0;

  friend bool operator==(const DeleteRoute&, const DeleteRoute&) = default;
};

// A permanent entry: it is never asked for by ARP or neighbour discovery.
struct ReplaceNeighbour {
  std::string link{};
  IpAddress address{};
  Mac mac{};

  friend bool operator==(const ReplaceNeighbour&, const ReplaceNeighbour&) = default;
};

struct DeleteNeighbour {
  std::string link{};
  IpAddress address{};

  friend bool operator==(const DeleteNeighbour&, const DeleteNeighbour&) = default;
};

// Asks for the address by ARP or neighbour discovery, as sending a packet there would (NTF_USE, `ip neighbour ... use`); does
// nothing while the kernel is sure of it. What comes of it is seen in the snapshot; while nobody answers, maybe nothing.
struct ResolveNeighbour {
  std::string link{};
  IpAddress address{};

  friend bool operator==(const ResolveNeighbour&, const ResolveNeighbour&) = default;
};

// An entry that does not age: in the device's own table (VXLAN), or with `in_bridge` in that of the bridge the link
// is a port of. A unicast MAC has one place: the new one takes over. The all-zero MAC of a VXLAN device (flooded
// frames) and multicast MACs have as many destinations as were set.
struct ReplaceFdb {
  std::string link{};
  Mac mac{};
  std::optional<VlanId> vlan{};
  std::optional<IpAddress> dst{};
  std::optional<TunnelKey> vni{};
  bool in_bridge = false;

  friend bool operator==(const ReplaceFdb&, const ReplaceFdb&) = default;
};

// Without `dst` all destinations of the MAC.
struct DeleteFdb {
  std::string link{};
  Mac mac{};
  std::optional<VlanId> vlan{};
  std::optional<IpAddress> dst{};
  std::optional<TunnelKey> vni{};
  bool in_bridge = false;

  friend bool operator==(const DeleteFdb&, const DeleteFdb&) = default;
};

// What `ethtool -K LINK tx ... tso ... gso ...` does. The VM's end of a veth whose other end is a port of OVS's
// userspace datapath needs all three off: that datapath takes frames as they are, and a checksum that was left for
// the hardware is then wrong on arrival: ping works and TCP dies.
struct SetOffloads {
  std::string link{};
  bool tx_checksum = false;
  bool tso = false;
  bool gso = false;

  friend bool operator==(const SetOffloads&, const SetOffloads&) = default;
};

using Operation = std::variant<CreateVeth, CreateTap, CreateBridge, CreateDummy, CreateVxlan, DeleteLink, SetLink,
                               MoveToNetns, AddAddress, DeleteAddress, ReplaceRoute, DeleteRoute, ReplaceNeighbour,
                               DeleteNeighbour, ResolveNeighbour, ReplaceFdb, DeleteFdb, SetOffloads>;

struct Batch {
  std::vector<Operation> operations{};

  [[nodiscard]] bool empty() const { return operations.empty(); }
  void add(Operation operation) { operations.push_back(std::move(operation)); }
  friend bool operator==(const Batch&, const Batch&) = default;
};

// The operation in an operator's words, to stand after "cannot": "create veth 'tap1' with peer 'eth0'".
[[nodiscard]] std::string to_string(const Operation& operation);
// One operation per line, each ended by a newline.
[[nodiscard]] std::string to_string(const Batch& batch);

// Whether `name` can be a link's: 1-15 bytes, no '/', ':' or white space, not "." or ".." (dev_valid_name()).
[[nodiscard]] bool is_link_name(std::string_view name);

// Invalid, with a sentence, for what can never succeed.
[[nodiscard]] Status check(const Operation& operation);

// The error for an operation that the kernel answered with `error_number` (errno(3)). `detail` is what the kernel
// said beside it (NLMSGERR_ATTR_MSG) or what could not be opened; may be empty.
[[nodiscard]] Error error_of(const Operation& operation, int error_number, std::string_view detail);

// What to do about an errno from the kernel.
[[nodiscard]] ErrorKind kind_of(int error_number);

// `error` of operation number `failed` (from 0) of `count`, with what became of the others.
[[nodiscard]] Error error_in_batch(Error error, std::size_t failed, std::size_t count);

}  // namespace ml2::nl
