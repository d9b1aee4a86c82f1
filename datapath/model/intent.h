// Intent: what is asked of this node, whoever asks (the ML2 database or a Neutron server).
//
// Where in the walk: agent/intent builds it from its source; compile() turns it into Desired. Its words are
// Neutron's. Threading: a value. Failure: what does not make sense in a source never gets in here: it is named in
// `refused` instead. What it does not do: nothing about how OVS is told.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/uuid.h"
#include "datapath/model/node.h"
#include "datapath/model/segment.h"

namespace ml2 {

// An address beside its own that a port may send from.
struct AddressPair {
  Mac mac;  // the port's own where none was given
  IpNetwork network;

  friend auto operator<=>(const AddressPair&, const AddressPair&) = default;
};

// A port that is bound to this host.
struct Port {
  Uuid id;
  std::string name;
  Segment segment;
  Mac mac;
  std::uint16_t mtu = 0;  // bytes of an IP packet in its network; 0: not known
  bool admin_state_up = true;
  std::vector<IpAddress> fixed_ips;  // sorted
  std::string device_owner;
  bool port_security_enabled = true;
  std::set<Uuid> security_groups;
  std::vector<AddressPair> allowed_address_pairs;  // sorted
  bool vhost_user = false;                         // bound as vhost-user: a machine's memory is shared by a socket

  friend bool operator==(const Port&, const Port&) = default;
};

// The tunnel end point of another host.
struct Vtep {
  NetworkType type = NetworkType::Vxlan;  // gre, vxlan or geneve
  IpAddress address;
  std::uint16_t udp_port = 0;  // 0: the type's own
  std::string host;

  friend auto operator<=>(const Vtep&, const Vtep&) = default;
};

// A port that another host has wired (l2_population).
struct RemotePort {
  Mac mac;
  IpAddress vtep;                   // of its host, of the segment's type
  std::vector<IpAddress> answered;  // what ARP and ND are answered for here; sorted
  bool router = false;              // its neighbour advertisements have the router flag (RFC 4861 section 4.4)

  friend bool operator==(const RemotePort&, const RemotePort&) = default;
};

// What other hosts have of one segment (l2_population). Flows of a network depend on this and on no other network's.
struct RemoteSegment {
  std::set<IpAddress> vteps;      // of hosts with a wired port of it: where broadcasts go
  std::vector<RemotePort> ports;  // by MAC
  // MACs that more than one port may send from (allowed address pairs): what was heard last beats what is written.
  std::set<Mac> shared_macs;
  bool any_mac = false;  // some port of another host may send from any MAC: its port security is off

  friend bool operator==(const RemoteSegment&, const RemoteSegment&) = default;
};

struct Intent {
  NodeConfig node;
  std::map<Uuid, Port> ports;
  std::set<Vtep> vteps;  // of other hosts; of the types in node.tunnel_types only
  // Of the tunnel segments that have a port bound here; empty without l2_population.
  std::map<Segment, RemoteSegment> remote;
  std::map<Uuid, std::string> refused;  // ports bound here whose rows make no sense: why
  std::set<std::string> problems;       // what does not fit between this host and others: sentences for an operator
  // The source was read whole at least once and answers now. While false nothing may be deleted on its account.
  bool complete = false;

  friend bool operator==(const Intent&, const Intent&) = default;
};

// What differs between two intents.
struct IntentChanges {
  bool all = false;          // anything
  std::set<Uuid> ports;      // in `ports` or `refused`
  std::set<Segment> remote;  // in `remote`
  // Of other entries of `remote`: the ports with these MACs, and what follows from them for vteps and any_mac.
  std::map<Segment, std::set<Mac>> remote_ports;
  bool problems = false;

  [[nodiscard]] bool empty() const {
    return !all && ports.empty() && remote.empty() && remote_ports.empty() && !problems;
  }
};

// Of two that differ: the MACs of ports that only one of them has, or otherwise; nullopt: they differ in more, in
// something else (any_mac alone), or in so many that the whole costs less.
[[nodiscard]] inline std::optional<std::set<Mac>> ports_between(const RemoteSegment& before,
                                                                const RemoteSegment& now) {
  constexpr std::size_t kMany = 64;
  if (before.shared_macs != now.shared_macs) return std::nullopt;
  std::set<Mac> macs;
  auto old_port = before.ports.begin();
  auto new_port = now.ports.begin();
  while (old_port != before.ports.end() || new_port != now.ports.end()) {
    if (new_port == now.ports.end() || (old_port != before.ports.end() && old_port->mac < new_port->mac)) {
      macs.insert((old_port++)->mac);
    } else if (old_port == before.ports.end() || new_port->mac < old_port->mac) {
      macs.insert((new_port++)->mac);
    } else if (!(*old_port++ == *new_port++)) {
      macs.insert(std::prev(new_port)->mac);
    }
    if (macs.size() > kMany) return std::nullopt;
  }
  if (macs.empty()) return std::nullopt;
  return macs;
}

// Found out by comparing all.
[[nodiscard]] inline IntentChanges changes_between(const Intent& before, const Intent& now) {
  IntentChanges changes;
  changes.all = before.node != now.node || before.vteps != now.vteps || before.complete != now.complete;
  changes.problems = before.problems != now.problems;
  const auto compare = [](const auto& old_map, const auto& new_map, auto& changed) {
    for (const auto& [key, value] : old_map) {
      const auto found = new_map.find(key);
      if (found == new_map.end() || found->second != value) changed.insert(key);
    }
    for (const auto& [key, value] : new_map) {
      if (!old_map.contains(key)) changed.insert(key);
    }
  };
  compare(before.ports, now.ports, changes.ports);
  compare(before.refused, now.refused, changes.ports);
  compare(before.remote, now.remote, changes.remote);
  std::erase_if(changes.remote, [&](const Segment& segment) {
    const auto old_segment = before.remote.find(segment);
    const auto new_segment = now.remote.find(segment);
    if (old_segment == before.remote.end() || new_segment == now.remote.end()) return false;
    auto macs = ports_between(old_segment->second, new_segment->second);
    if (!macs) return false;
    changes.remote_ports.emplace(segment, *std::move(macs));
    return true;
  });
  return changes;
}

}  // namespace ml2
