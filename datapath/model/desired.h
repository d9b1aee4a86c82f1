// Desired: what OVS shall hold so that the intent is met.
//
// Where in the walk: compile(Intent, Facts) writes it, diff(Desired, Actual) reads it.
// Threading: a value.
// Failure: what cannot be computed yet is left out and named in `waiting`.
// What it does not do: no order; diff/ has the rules of order.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "datapath/base/uuid.h"
#include "datapath/model/facts.h"
#include "datapath/model/fast_path.h"
#include "datapath/openflow/flow.h"

namespace ml2 {

// Bridge.external_ids of a bridge that we have not made and have changed: what it is to us.
inline constexpr const char* kTakenKey = "ml2-taken-as";
inline constexpr const char* kPhysicalPart = "physical";
inline constexpr const char* kIntegrationPart = "integration";
inline constexpr const char* kTunnelPart = "tunnel";

// A bridge that we need. Keys and protocols that are not listed stay as they are.
struct DesiredBridge {
  bool create = false;  // ours to make (br-int, br-tun); a physical bridge is the operator's and must exist
  std::string datapath_type;
  std::string fail_mode = "secure";
  // One that was there before us: what it is to us, and what is given back where nobody has noted what it was
  // (diff/taken_bridge.h). With `leave` it is given back, in one transaction with the last of our ports on it.
  std::string part = kPhysicalPart;
  std::string fail_mode_before;
  bool leave = false;
  bool keep_fail_mode = false;      // not yet: it would take away, or join, what is not ours
  std::set<std::string> protocols;  // at least these, where the column is not empty (empty means all)
  std::optional<bool> mcast_snooping_enable;
  std::map<std::string, std::string> other_config;

  friend bool operator==(const DesiredBridge&, const DesiredBridge&) = default;
};

// A port that is ours wholly: patch and tunnel ports. One Interface of the same name.
struct DesiredPort {
  std::string bridge;
  std::string type;                                 // Interface.type
  std::map<std::string, std::string> options;       // Interface.options, exactly
  std::map<std::string, std::string> other_config;  // Port.other_config, at least
  // A patch port gets its `peer` only once these flows are in the switch (bridge, key); until then its peer is
  // kNoPeer. So no frame passes between two bridges before the flows that stop loops are there.
  std::vector<std::pair<std::string, of::FlowKey>> peer_after;
  bool hold_peer = false;  // one of those flows cannot be written yet: a port of it has no OpenFlow number
  // A tunnel port that takes frames away from another one gets them only once this flow of `bridge` is in the switch;
  // until then, and while that flow cannot be written (nullopt), its `in_key` is kNoKey. Open vSwitch gives a new port
  // frames a moment before it knows what to do with them; one whose options change it has known before.
  bool takes_over = false;
  std::optional<of::FlowKey> opened_after;

  friend bool operator==(const DesiredPort&, const DesiredPort&) = default;
};
inline constexpr const char* kNoPeer = "nonexistent-peer";  // the incumbent's word
inline constexpr const char* kNoKey = "0";                  // of no network: VNIs and GRE keys begin with 1

// Columns of a VM's Port row; the row itself is nova's, os-vif's or `ml2ctl vif plug`'s. Keys of other_config that
// are not listed stay, except the incumbent's five when `dead`.
struct DesiredVif {
  std::int64_t tag = 0;   // a local VLAN, or 4095 when dead
  bool dead = false;      // kept off every network: tag 4095, vlan_mode trunk, trunks [4095] (kDeadVlan)
  bool released = false;  // nothing of ours stays in the row: no tag, no mode, none of the five keys (--cleanup)
  std::map<std::string, std::string> other_config;
  // The tag is set only once this flow is in the switch (bridge, key), so that no frame gets into the network
  // unchecked. The anti-spoofing flows of a port come in one bundle: one of them stands for all.
  std::optional<std::pair<std::string, of::FlowKey>> tag_after;
  bool hold_tag = false;  // that flow cannot be written yet: the port has no OpenFlow number
  // Interface.mtu_request, of the Interface of this name (empty: of none): where Open vSwitch makes the device itself.
  std::string interface;
  std::int64_t mtu_request = 0;

  friend bool operator==(const DesiredVif&, const DesiredVif&) = default;
};
inline constexpr std::int64_t kDeadVlan = 4095;  // ovs_constants.DEAD_VLAN_TAG

// How a port of the intent stands, for `status` and for its row.
struct PortState {
  std::string interface;  // empty: not plugged; of a port of the fast path its device
  std::optional<OfPort> ofport;
  std::optional<LocalVlan> local_vlan;
  std::string waiting;            // for what; empty: all of its flows and columns are in Desired
  bool refused = false;           // `waiting` is a fault of the row, not a matter of time
  std::string warning;            // wired, and something is odd nevertheless: for people
  fp::PortId fast_path_port = 0;  // of a port that the fast path serves; 0: Open vSwitch does

  friend bool operator==(const PortState&, const PortState&) = default;
};

struct Desired {
  std::map<std::string, DesiredBridge> bridges;  // by bridge name
  std::map<std::string, DesiredPort> ports;      // by port name
  std::map<std::string, DesiredVif> vifs;        // by Port name
  std::map<std::string, of::FlowSet> flows;      // by bridge name; bridges without an entry are left alone
  LocalVlans local_vlans;                        // into the next step's Facts
  std::map<Uuid, PortState> port_states;         // one for each port of the intent, refused ones too
  std::map<std::string, Uuid> strangers;         // Interfaces kept off: the port that each says it is is not ours
  std::map<std::string, std::string> waiting;    // anything else: object ("bridge br-ex") -> what it waits for
  bool complete = false;                         // Intent::complete: without it nothing is deleted
  // How diff/ knows the tunnel ports that the incumbent left: on this bridge, of its names, with this local_ip. While
  // there is a tunnel bridge and no local_ip, this host cannot use its own: tunnel ports stay as they are.
  std::string tunnel_bridge;
  std::string local_ip;
  DesiredFastPath fast_path;
};

// What differs between what two steps desire.
struct DesiredChanges {
  bool all = false;                                    // anything
  bool rows = false;                                   // in bridges, ports or vifs; known also when `all`
  std::map<std::string, std::set<of::FlowKey>> flows;  // by bridge name
  std::set<std::string> vifs;
  std::set<Uuid> ports;      // in port_states
  bool local_vlans = false;  // in them; known also when `all`
  FastPathChanges fast_path;
};

// Port.other_config and external_ids key by which a fresh agent knows a patch or tunnel port as ours.
inline constexpr const char* kOwnerKey = "ml2-owner";
inline constexpr const char* kOwnerValue = "ml2-agent";

}  // namespace ml2
