// Facts: what the world has assigned: OpenFlow ports, VLANs already in use, addresses of this host.
//
// Where in the walk: gathered at the start of a step from the OVSDB snapshot, netlink and the last step's local
// VLANs. Threading: a value. Failure: none. What it does not do: it is no request: compile() never writes it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/strong_id.h"
#include "datapath/base/uuid.h"
#include "datapath/model/fast_path.h"
#include "datapath/model/segment.h"

namespace ml2 {

using LocalVlans = std::map<LocalVlanKey, LocalVlan>;

// An Interface row and its Port row.
struct InterfaceFact {
  std::string port;    // the Port's name: the Interface's own but for bonds
  bool owned = false;  // the Port has our mark (kOwnerKey, desired.h)
  std::string bridge;
  std::string type;                 // Interface.type
  std::optional<OfPort> ofport;     // absent: not assigned yet, or refused (then `error` says why)
  bool closed = false;              // of a tunnel port: it takes no network's frames (in_key is kNoKey, desired.h)
  std::string error;                // ovs-vswitchd's words
  bool unserved = false;            // of a vhost-user port: a machine is connected, but there is no link to it
  std::string peer;                 // Interface.options:peer, of a patch port
  std::string iface_id;             // external_ids:iface-id, empty when absent
  std::string attached_mac;         // external_ids:attached-mac, empty when absent
  std::optional<std::int64_t> tag;  // Port.tag
  std::map<std::string, std::string> port_other_config;  // Port.other_config: the incumbent's VLAN hints

  friend bool operator==(const InterfaceFact&, const InterfaceFact&) = default;
};

struct Facts {
  bool settled = true;  // ovs-vswitchd has carried out all that the rows say (cur_cfg has reached next_cfg)
  std::map<std::string, InterfaceFact> interfaces;  // by Interface name
  std::map<std::string, std::string> bridges;       // bridge name -> datapath_id (empty until ovs-vswitchd made it)
  std::set<std::string> taken_bridges;  // physical ones whose rows say that we have changed them (kTakenKey)
  std::set<std::string> iface_types;    // types that this ovs-vswitchd supports
  std::set<IpAddress> host_addresses;   // from netlink
  // What the last step gave out: an allocation stays as long as a port needs it, also before OVSDB has stored it.
  LocalVlans local_vlans;
  FastPathFacts fast_path;

  friend bool operator==(const Facts&, const Facts&) = default;
};

// What differs between the facts of two steps, local_vlans apart.
struct FactsChanges {
  bool all = false;      // anything
  bool settled = false;  // Facts::settled
  // Names of Interfaces that are new, changed or gone, each with what it was before (nullopt: it was not there).
  std::map<std::string, std::optional<InterfaceFact>> interfaces;
  FastPathFactsChanges fast_path;

  [[nodiscard]] bool empty() const { return !all && !settled && interfaces.empty() && fast_path.empty(); }
};

}  // namespace ml2
