// Intent: what is asked of this node, whoever asks (the ML2 database or a Neutron server).
//
// Where in the walk: agent/intent builds it from its source; compile() turns it into Desired. Its words are
// Neutron's. Threading: a value. Failure: what does not make sense in a source never gets in here: it is named in
// `refused` instead. What it does not do: nothing about how OVS is told.
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
#include "datapath/base/uuid.h"
#include "datapath/model/node.h"
#include "datapath/model/segment.h"

namespace ml2 {

// A port that is bound to this host.
struct Port {
  Uuid id;
  std::string name;
  Segment segment;
  Mac mac;
  bool admin_state_up = true;
  std::vector<IpAddress> fixed_ips;  // sorted
  std::string device_owner;
  bool port_security_enabled = true;
  std::set<Uuid> security_groups;

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

struct Intent {
  NodeConfig node;
  std::map<Uuid, Port> ports;
  std::set<Vtep> vteps;                 // of other hosts; of the types in node.tunnel_types only
  std::map<Uuid, std::string> refused;  // ports bound here whose rows make no sense: why
  // The source was read whole at least once and answers now. While false nothing may be deleted on its account.
  bool complete = false;

  friend bool operator==(const Intent&, const Intent&) = default;
};

}  // namespace ml2
