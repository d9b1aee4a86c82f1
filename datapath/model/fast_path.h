// What the fast path (ml2-fastpath) is to this node: its part of NodeConfig, of Facts and of Desired.
//
//     [fastpath] of the ini -> FastPathConfig     kernel + what was read back -> FastPathFacts     compile() -> DesiredFastPath
//
// Where in the walk: beside node.h, facts.h and desired.h, each of which holds one of these.
// Threading: values.
// Failure: none; agent/config has checked the first, and what is missing in the second is waited for.
// What it does not do: nothing of DPDK: a device is a string that the fast path opens.
//
// Ids. Records refer to each other by 16-bit ids, which are ours to give. There is no state file: a port is known again by its
// device, a segment by its mark (a hash of network, type and segmentation id), a VTEP by its address, as they are read back.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/fastpath/tables.h"

namespace ml2 {

struct FastPathConfig {  // [fastpath]
  bool enabled = false;
  std::string socket = "/run/ml2-fastpath/control";
  bool all_ports = false;                              // ports: all; else those bound as vhost-user
  bool qemu_serves = true;                             // vhostuser_mode: who makes the socket's file
  std::map<std::string, std::string> physnet_devices;  // physical network -> devargs of its NIC
  std::string tunnel_device;                           // devargs of the NIC that VXLAN goes by; empty: no tunnels
  std::string host_device;                      // devargs of the host's end of tunnel_device; empty: none is needed
  std::uint16_t tunnel_vlan = 0;                // of the underlay, on tunnel_device; 0: untagged
  std::string kernel_driver = "net_af_packet";  // for devices of the kernel: taps, and the patch to br-int
  std::uint8_t queues = 1;                      // receive queues of a machine's port and of a NIC
  std::uint16_t physnet_mtu = 1500;             // of physnet_devices
  std::vector<unsigned> cores;                  // that ml2-fastpath is to run on; empty: nobody said

  friend bool operator==(const FastPathConfig&, const FastPathConfig&) = default;
};

// Which number stands for what: each key has one, and no two the same.
template <class Key>
class FastPathNumbers {
 public:
  [[nodiscard]] std::optional<std::uint16_t> of(const Key& key) const {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? std::nullopt : std::optional(found->second);
  }
  // Whose the number is; nullptr: nobody's.
  [[nodiscard]] const Key* holder(std::uint16_t number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : &found->second;
  }
  // false: the key has a number already, or the number a holder.
  bool give(const Key& key, std::uint16_t number) {
    if (by_key_.contains(key) || !by_number_.emplace(number, key).second) return false;
    by_key_.emplace(key, number);
    return true;
  }
  void take(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    by_number_.erase(found->second);
    by_key_.erase(found);
  }
  [[nodiscard]] const std::map<Key, std::uint16_t>& by_key() const { return by_key_; }

  friend bool operator==(const FastPathNumbers& a, const FastPathNumbers& b) { return a.by_key_ == b.by_key_; }

 private:
  std::map<Key, std::uint16_t> by_key_;
  std::map<std::uint16_t, Key> by_number_;
};

struct FastPathIds {
  FastPathNumbers<std::string> ports;       // by the device's name
  FastPathNumbers<std::uint32_t> segments;  // by mark
  FastPathNumbers<IpAddress> vteps;         // by address

  friend bool operator==(const FastPathIds&, const FastPathIds&) = default;
};
// Those of which the number may be another.
struct FastPathIdKeys {
  std::set<std::string> ports;
  std::set<std::uint32_t> segments;
  std::set<IpAddress> vteps;

  [[nodiscard]] bool empty() const { return ports.empty() && segments.empty() && vteps.empty(); }
};
// Calls visit(what each argument has of it) for ports, segments and VTEPs.
template <class Visit, class... Ids>
void for_each_id_kind(Visit visit, Ids&... ids) {
  visit(ids.ports...);
  visit(ids.segments...);
  visit(ids.vteps...);
}

// Where the kernel sends packets for a VTEP.
struct NextHop {
  std::string link;
  IpAddress address;
  friend auto operator<=>(const NextHop&, const NextHop&) = default;
};
struct NextHopFact {
  NextHop hop;
  std::optional<Mac> mac;  // as the kernel knows it, or as the fast path still has it
  bool resolved = false;   // the kernel knows it
  friend bool operator==(const NextHopFact&, const NextHopFact&) = default;
};

struct FastPathLink {
  Mac mac;
  std::uint32_t mtu = 0;
  friend bool operator==(const FastPathLink&, const FastPathLink&) = default;
};

struct FastPathFacts {
  FastPathIds ids;
  std::map<std::string, FastPathLink> links;   // of the kernel: those that may be ports of ours
  std::optional<FastPathLink> underlay;        // the link that has local_ip
  std::map<IpAddress, NextHopFact> next_hops;  // by VTEP; without an entry: no route

  friend bool operator==(const FastPathFacts&, const FastPathFacts&) = default;
};

// What differs between the facts of two steps.
struct FastPathFactsChanges {
  FastPathIdKeys ids;
  std::set<std::string> links;
  std::set<IpAddress> next_hops;  // by VTEP
  bool underlay = false;

  [[nodiscard]] bool empty() const { return ids.empty() && links.empty() && next_hops.empty() && !underlay; }
};

struct DesiredFastPath {
  bool enabled = false;
  fp::Tables tables;
  FastPathIds ids;                    // into the next step's Facts
  std::map<NextHop, bool> next_hops;  // the kernel shall keep their MACs; true: it knows it
  bool patch = false;                 // the pair of devices between br-int and the fast path is needed
};

// What differs between what two steps desire of it.
struct FastPathChanges {
  fp::RecordKeys records;
  FastPathIdKeys ids;
  bool next_hops = false;
};

// That pair: on the integration bridge, and the fast path's end.
inline constexpr const char* kFastPathPatch = "patch-fastpath";
inline constexpr const char* kFastPathPatchPeer = "fastpath-int";

}  // namespace ml2
