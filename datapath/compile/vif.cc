// VM ports: which interface is which port, whether it may be wired, with which local VLAN, and how it stands
// (ovs_neutron_agent.py treat_vif_port(), port_bound(), port_dead()).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "datapath/base/text.h"
#include "datapath/compile/build.h"
#include "datapath/compile/local_vlan.h"

namespace ml2 {
namespace {

constexpr std::uint32_t kMaxVni = (1U << 24U) - 1;  // RFC 7348 section 5, RFC 8926 section 3.4

Verdict judge_segment(const Build& build, const Segment& segment) {
  const bool carried = fast_path_carries(build.node(), segment);
  const auto range = [&](std::uint32_t highest, const char* what) -> Verdict {
    if (segment.segmentation_id >= 1 && segment.segmentation_id <= highest) return {};
    return {
        fmt::format("segmentation_id {} of the port's segment is no {} (1-{}); create the network anew with one of "
                    "these",
                    segment.segmentation_id, what, highest),
        true};
  };
  const auto mapped = [&]() -> Verdict {
    if (carried) return {};
    const auto mapping = build.node().bridge_mappings.find(segment.physical_network);
    if (mapping == build.node().bridge_mappings.end()) {
      return {fmt::format(
                  "physical network {} is not in [ovs] bridge_mappings of this host; add it there, or bind the port "
                  "to another host",
                  text::printable(segment.physical_network)),
              false};
    }
    if (build.physical_networks.contains(segment.physical_network)) return {};
    return {build.desired.waiting.at("bridge " + mapping->second), false};
  };
  switch (segment.type) {
    case NetworkType::Local: return {};
    case NetworkType::Flat: return mapped();
    case NetworkType::Vlan: {
      const Verdict in_range = range(VlanId::kMax, "VLAN id");
      return in_range.reason.empty() ? mapped() : in_range;
    }
    case NetworkType::Gre:
    case NetworkType::Vxlan:
    case NetworkType::Geneve: break;
  }
  if (!build.node().tunnel_types.contains(segment.type)) {
    return {
        fmt::format("network type {} is not in [agent] tunnel_types of this host; add it there, or bind the port to "
                    "another host",
                    to_string(segment.type)),
        false};
  }
  if (segment.type == NetworkType::Gre) return range(TunnelKey::kMax, "GRE key");
  return range(kMaxVni, "VNI");
}

}  // namespace

Verdict judge(const Build& build, const Port& port) {
  if (port.mac.is_zero() || port.mac.is_multicast()) {
    return {fmt::format("mac_address {} cannot be a port's own: expected a unicast address (ml2ctl port set {} "
                        "--mac-address MAC)",
                        port.mac.to_string(), port.id.to_string()),
            true};
  }
  Verdict verdict = judge_segment(build, port.segment);
  if (verdict.reason.empty() && !port.admin_state_up) verdict.reason = "admin_state_up is false";
  return verdict;
}

std::optional<Uuid> claim_of(const InterfaceFact& fact, const NodeConfig& node) {
  if (fact.bridge != node.integration_bridge || fact.iface_id.empty()) return std::nullopt;
  return Uuid::parse(fact.iface_id);
}

Claims claims_of(Build& build) {
  Claims claims;
  for (const auto& [name, fact] : build.facts.interfaces) {
    if (fact.bridge != build.node().integration_bridge || fact.iface_id.empty()) continue;
    if (const auto id = Uuid::parse(fact.iface_id)) {
      claims[*id].insert(name);
    } else {
      build.desired.waiting["interface " + name] = fmt::format(
          "external_ids:iface-id {} is no port's UUID; left alone; correct it, or take it out (ovs-vsctl "
          "remove Interface {} external_ids iface-id)",
          text::printable(fact.iface_id), name);
    }
  }
  return claims;
}

Carrier carrier_of(const Segment& segment) {
  return {segment.type, segment.physical_network, segment.segmentation_id};
}

namespace {

// Of several interfaces of one port, the one that is wired already, else the first by name.
const Vif& choose(const std::vector<Vif>& candidates, const Segment& segment) {
  const auto wired = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const Vif& vif) { return local_vlan_hint(*vif.fact) == key_of(segment); });
  return wired == candidates.end() ? candidates.front() : *wired;
}

// Keeps an interface off every network.
void kill(Build& build, const Vif& vif, const Uuid& id) {
  DesiredVif dead;
  dead.tag = kDeadVlan;
  dead.dead = true;
  build.desired.vifs.insert_or_assign(vif.fact->port, std::move(dead));
  if (vif.fact->ofport) compile_dead_port(build, *vif.fact->ofport, id);
}

// Which segments get a local VLAN, of those that have a port here; the others' reasons go into `verdicts`.
std::map<LocalVlanKey, Segment> wanted_segments(const Build& build, const std::vector<const Port*>& wired,
                                                std::map<Uuid, Verdict>& verdicts) {
  std::map<LocalVlanKey, Segment> segments;
  std::map<Carrier, LocalVlanKey> carriers;
  // Segments that have a local VLAN first, so that a newcomer does not push one out.
  std::vector<const Port*> order = wired;
  std::stable_partition(order.begin(), order.end(),
                        [&](const Port* port) { return build.facts.local_vlans.contains(key_of(port->segment)); });
  for (const Port* port : order) {
    const LocalVlanKey key = key_of(port->segment);
    if (const auto [same, added] = segments.emplace(key, port->segment); !added && same->second != port->segment) {
      verdicts[port->id] = {
          fmt::format("network {} has another segment with segmentation_id {} on this host, and the two "
                      "would share a local VLAN; bind the port to another host",
                      key.network.to_string(), key.segmentation_id),
          false};
      continue;
    }
    if (port->segment.type != NetworkType::Local) {
      const auto [owner, first] = carriers.emplace(carrier_of(port->segment), key);
      if (!first && owner->second != key) {
        segments.erase(key);
        verdicts[port->id] = {
            fmt::format("network {} uses the same {} segment on this host; create one of the two networks "
                        "anew with another",
                        owner->second.network.to_string(), to_string(port->segment.type)),
            false};
        continue;
      }
    }
  }
  return segments;
}

// What a wired port still waits for outside its own row; empty when nothing.
std::string waits_for(const Build& build, const Port& port) {
  const Segment& segment = port.segment;
  if (fast_path_carries(build.node(), segment)) return {};  // fast_path.cc says what it waits for
  if (segment.type == NetworkType::Flat || segment.type == NetworkType::Vlan) {
    const PhysicalNetwork& physical = build.physical_networks.at(segment.physical_network);
    const auto waiting = build.desired.waiting.find("patch " + physical.int_port);
    return waiting == build.desired.waiting.end() ? std::string() : waiting->second;
  }
  if (!is_tunnel(segment.type)) return {};
  for (const std::string& object : {std::string("tunnels"), "patch " + build.node().int_peer_patch_port}) {
    if (const auto waiting = build.desired.waiting.find(object); waiting != build.desired.waiting.end()) {
      return waiting->second;
    }
  }
  return {};
}

// The incumbent's five keys; of a flat or local network it leaves segmentation_id out.
std::map<std::string, std::string> other_config_of(const Segment& segment, LocalVlan vlan) {
  std::map<std::string, std::string> config{
      {"net_uuid", segment.network.to_string()},
      {"network_type", std::string(to_string(segment.type))},
      {"physical_network", segment.physical_network.empty() ? "None" : segment.physical_network},
      {"tag", to_string(vlan)},
  };
  if (segment.segmentation_id != 0) config["segmentation_id"] = std::to_string(segment.segmentation_id);
  return config;
}

// Whoever plugs a tap or veth gives it its MTU (os-vif, ml2ctl vif plug); devices of these types are made by
// ovs-vswitchd, so that it must be told (os-vif vif_plug_ovs/ovsdb/ovsdb_lib.py update_device_mtu()). An internal port
// would otherwise get the least MTU of its bridge.
bool open_vswitch_makes(const std::string& type) {
  return type == "dpdkvhostuserclient" || type == "dpdkvhostuser" || type == "internal";
}

void wire(Build& build, const Port& port, const Vif& vif, LocalVlan vlan) {
  PortState& state = build.desired.port_states[port.id];
  state.interface = vif.interface;
  state.ofport = vif.fact->ofport;
  state.local_vlan = vlan;
  DesiredVif row;
  row.tag = vlan.value();
  row.other_config = other_config_of(port.segment, vlan);
  if (build.node().anti_spoofing && is_checked(port)) {
    const std::string& bridge = build.node().integration_bridge;
    row.hold_tag = !vif.fact->ofport;
    if (vif.fact->ofport) {
      row.tag_after = {bridge, antispoof_entry(*vif.fact->ofport)};
      build.merge(bridge, antispoof_flows(port, *vif.fact->ofport));
    }
  }
  if (port.mtu != 0 && open_vswitch_makes(vif.fact->type)) {
    row.interface = vif.interface;
    row.mtu_request = port.mtu;
  }
  build.desired.vifs.insert_or_assign(vif.fact->port, std::move(row));
  if (build.node().explicitly_egress_direct && vif.fact->ofport) {
    compile_direct_port(build, port, *vif.fact->ofport, vlan);
  }

  if (!vif.fact->error.empty()) {
    state.waiting = fmt::format("ovs-vswitchd could not add {}: {}", vif.interface, vif.fact->error);
  } else if (!vif.fact->ofport) {
    state.waiting = fmt::format("ovs-vswitchd has not assigned an OpenFlow port to {} yet", vif.interface);
  } else if (vif.fact->unserved) {
    // Its datapath has thrown the port out (dpif-netdev.c reconfigure_datapath()); nothing in the row says so.
    state.waiting = fmt::format(
        "a machine is connected to {}, but ovs-vswitchd cannot serve it, mostly for want of memory for its packets "
        "(its log "
        "then has: Failed to create memory pool); give it more (other_config:dpdk-socket-mem), or the network a "
        "smaller mtu",
        vif.interface);
  } else {
    state.waiting = waits_for(build, port);
  }
  if (!vif.fact->attached_mac.empty() && Mac::parse(text::lower(vif.fact->attached_mac)) != port.mac) {
    state.warning = fmt::format(
        "external_ids:attached-mac of {} is {}, but mac_address of the port is {}: anti-spoofing "
        "drops what comes from another; correct the one that is wrong",
        vif.interface, text::printable(vif.fact->attached_mac), port.mac.to_string());
  }
}

}  // namespace

Wiring wiring_of(const Build& build, const Claims& claims) {
  Wiring wiring;
  std::vector<const Port*> wired;
  for (const auto& [id, port] : build.intent.ports) {
    if (claims.contains(id) && judge(build, port).reason.empty()) wired.push_back(&port);
  }
  wiring.segments = wanted_segments(build, wired, wiring.overruled);
  std::set<LocalVlanKey> wanted;
  for (const auto& [key, segment] : wiring.segments) wanted.insert(key);
  LocalVlanAllocation allocation =
      allocate_local_vlans(wanted, build.facts, build.node().integration_bridge, /*keep_all=*/!build.intent.complete);
  wiring.vlans = std::move(allocation.vlans);
  for (const Port* port : wired) {
    const LocalVlanKey key = key_of(port->segment);
    if (!allocation.exhausted.contains(key)) continue;
    wiring.segments.erase(key);
    wiring.overruled.try_emplace(port->id,
                                 Verdict{"no local VLAN is left on this host: all of 1-4094 are in use; bind the "
                                         "port to another host",
                                         false});
  }
  return wiring;
}

namespace {

void compile_port(Build& build, const Port& port, const Vif* vif, const Wiring& wiring) {
  Verdict verdict = judge(build, port);
  if (const auto overruled = wiring.overruled.find(port.id);
      verdict.reason.empty() && overruled != wiring.overruled.end()) {
    verdict = overruled->second;
  }
  PortState& state = build.desired.port_states[port.id];
  if (vif != nullptr && verdict.reason.empty()) {
    wire(build, port, *vif, wiring.vlans.at(key_of(port.segment)));
    return;
  }
  state.refused = verdict.refused;
  if (vif == nullptr && verdict.reason.empty()) build.unplugged.insert(port.id);
  state.waiting = verdict.reason.empty()
                      ? fmt::format("no interface with external_ids:iface-id={} on {}: plug the machine",
                                    port.id.to_string(), build.node().integration_bridge)
                      : verdict.reason;
  if (vif == nullptr) return;
  state.interface = vif->interface;
  state.ofport = vif->fact->ofport;
  kill(build, *vif, port.id);
}

}  // namespace

void compile_claim(Build& build, const Uuid& id, const std::set<std::string>& interfaces, const Wiring& wiring) {
  std::vector<Vif> vifs;
  for (const std::string& name : interfaces) vifs.push_back(Vif{name, &build.facts.interfaces.at(name)});
  const auto port = build.intent.ports.find(id);
  const auto refusal = build.intent.refused.find(id);
  const bool known = port != build.intent.ports.end();
  const bool refused = refusal != build.intent.refused.end();
  const Vif* chosen = known && !vifs.empty() ? &choose(vifs, port->second.segment) : nullptr;
  if (known) compile_port(build, port->second, chosen, wiring);
  if (refused) {
    PortState& state = build.desired.port_states[id];
    state.refused = true;
    state.waiting = refusal->second;
    if (!vifs.empty()) {
      state.interface = vifs.front().interface;
      state.ofport = vifs.front().fact->ofport;
    }
  }
  if (!known && !refused && !build.intent.complete) return;  // it may be a port of this host yet
  // All other interfaces that say they are it: nobody's here, refused, or a second one of the same port.
  for (const Vif& vif : vifs) {
    if (chosen != nullptr && vif.interface == chosen->interface) continue;
    kill(build, vif, id);
    if (!known && !refused) build.desired.strangers.emplace(vif.interface, id);
    if (!known) continue;
    PortState& state = build.desired.port_states[id];
    if (!state.warning.empty()) state.warning += "; ";
    state.warning +=
        fmt::format("{} has the same external_ids:iface-id and is kept off the network; unplug it, or {}",
                    vif.interface, chosen != nullptr ? chosen->interface : "correct the port");
  }
}

}  // namespace ml2
