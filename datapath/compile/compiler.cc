#include "datapath/compile/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "datapath/compile/local_vlan.h"

namespace ml2 {
namespace {

// What the frame may depend on: our own ports, and names that a tunnel port of ours could have.
bool is_of_frame(const std::string& name, const InterfaceFact& fact) {
  constexpr std::array<std::string_view, 5> kTypes{"patch", "vxlan", "gre", "ip6gre", "geneve"};
  if (fact.owned || name == kFastPathPatch) return true;
  return std::any_of(kTypes.begin(), kTypes.end(), [&](std::string_view type) {
    return fact.type == type || (name.size() > type.size() && name.starts_with(type) && name[type.size()] == '-');
  });
}

bool claims_nonsense(const InterfaceFact& fact, const NodeConfig& node) {
  return fact.bridge == node.integration_bridge && !fact.iface_id.empty() && !Uuid::parse(fact.iface_id);
}

// What a unit has written; the frame's part stays.
Desired take_unit(Build& build) {
  Desired unit;
  unit.flows = std::exchange(build.desired.flows, {});
  unit.vifs = std::exchange(build.desired.vifs, {});
  unit.port_states = std::exchange(build.desired.port_states, {});
  unit.strangers = std::exchange(build.desired.strangers, {});
  return unit;
}

}  // namespace

std::vector<std::string> differences(const Desired& one, const Desired& other) {
  std::vector<std::string> parts;
  const auto compare = [&](const char* part, const auto& left, const auto& right) {
    if (left != right) parts.emplace_back(part);
  };
  compare("bridges", one.bridges, other.bridges);
  compare("patch and tunnel ports", one.ports, other.ports);
  compare("columns of VM ports", one.vifs, other.vifs);
  compare("local VLANs", one.local_vlans, other.local_vlans);
  compare("port states", one.port_states, other.port_states);
  compare("strangers", one.strangers, other.strangers);
  compare("waiting", one.waiting, other.waiting);
  compare("complete", one.complete, other.complete);
  compare("tunnel bridge", one.tunnel_bridge, other.tunnel_bridge);
  compare("local_ip", one.local_ip, other.local_ip);
  compare("records of the fast path", one.fast_path.tables, other.fast_path.tables);
  compare("ids of the fast path", one.fast_path.ids, other.fast_path.ids);
  compare("next hops of the fast path", one.fast_path.next_hops, other.fast_path.next_hops);
  compare("patch to the fast path", one.fast_path.patch, other.fast_path.patch);
  for (const auto& [bridge, flows] : one.flows) {
    const auto found = other.flows.find(bridge);
    if (found == other.flows.end() || found->second != flows) parts.push_back("flows of " + bridge);
  }
  for (const auto& [bridge, flows] : other.flows) {
    if (!one.flows.contains(bridge)) parts.push_back("flows of " + bridge);
  }
  return parts;
}

DesiredChanges Compiler::update(const Intent& intent, const IntentChanges& intent_changes, const Facts& facts,
                                const FactsChanges& facts_changes, const Known& known) {
  DesiredChanges changes;
  if (regular_ && update_some(intent, intent_changes, facts, facts_changes, changes)) {
    changes.rows = !changes.vifs.empty();
    return changes;
  }
  // Where no single unit can be made anew, the same inputs still make the same.
  if (from_nothing_ != 0 && intent_changes.empty() && facts_changes.empty()) return changes;
  const Desired before = std::move(desired_);
  compile_all(intent, facts, known, before);
  changes = {};
  changes.all = true;
  changes.local_vlans = true;
  changes.rows = before.bridges != desired_.bridges || before.ports != desired_.ports || before.vifs != desired_.vifs;
  return changes;
}

void Compiler::compile_all(const Intent& intent, const Facts& facts, const Known& known, const Desired& before) {
  ++from_nothing_;
  rejected_.clear();
  claims_.clear();
  uses_.clear();
  carriers_.clear();
  remote_vteps_.clear();
  vtep_uses_.clear();
  before_ = &before;

  Build build(intent, facts);
  compile_frame(build);
  const Claims claims = claims_of(build);
  const Wiring wiring = wiring_of(build, claims);
  build.desired.local_vlans = wiring.vlans;
  for (const auto& [key, segment] : wiring.segments) {
    build.segments.emplace(key, LocalSegment{segment, wiring.vlans.at(key)});
  }
  // Where two units write the same, their order counts.
  const bool by_units = compile_units(build, claims, wiring, known);
  if (by_units) {
    fast_path_.all(build, build.segments, desired_);
  } else {
    rejected_.clear();
    Desired whole = compile(intent, facts);
    const std::map<std::string, of::FlowSet> written = std::exchange(whole.flows, {});
    desired_ = std::move(whole);
    for (const auto& [bridge, flows] : written) {
      of::FlowSet& set = desired_.flows[bridge];
      for (const auto& [key, body] : flows) {
        if (auto flow = canonical(bridge, key, body, known)) set.insert(std::move(*flow));
      }
    }
  }
  before_ = nullptr;
  frame_ = std::move(static_cast<Frame&>(build));
  std::set<IpAddress> ignored;
  for (const auto& [segment, remote] : intent.remote) count_vteps(segment, remote.vteps, ignored);
  regular_ = by_units && intent.complete && wiring.overruled.empty() && rejected_.empty() && fast_path_.regular();
}

bool Compiler::compile_units(Build& build, const Claims& claims, const Wiring& wiring, const Known& known) {
  const Intent& intent = build.intent;
  DesiredChanges ignored;
  ignored.all = true;
  Unit frame_unit;
  Remade frame{.id = {}, .unit = &frame_unit, .next = {}};
  frame.next.flows = std::exchange(build.desired.flows, {});
  desired_ = build.desired;
  for (const auto& [bridge, flows] : frame.next.flows) desired_.flows[bridge];  // also where there is none to write
  if (!install(frame, known, ignored)) return false;

  for (const auto& [id, interfaces] : claims) claims_[id].interfaces = interfaces;
  for (const auto& [id, port] : intent.ports) claims_[id];
  for (const auto& [id, reason] : intent.refused) claims_[id];
  for (auto& [id, claim] : claims_) {
    compile_claim(build, id, claim.interfaces, wiring);
    Remade remade{.id = id, .unit = &claim.unit, .next = take_unit(build)};
    if (!install(remade, known, ignored)) return false;
    const auto port = intent.ports.find(id);
    if (port == intent.ports.end() || claim.interfaces.empty() || !judge(build, port->second).reason.empty())
      continue;
    claim.wired = port->second.segment;
    uses_[key_of(port->second.segment)].ports.insert(id);
  }
  for (const auto& [key, segment] : wiring.segments) {
    Use& use = uses_[key];
    use.segment = segment;
    if (segment.type != NetworkType::Local) carriers_.emplace(carrier_of(segment), key);
    std::vector<Remade> remade;
    remake_segment(build, use, wiring.vlans.at(key), {.all = true, .macs = {}}, remade);
    for (Remade& unit : remade) {
      if (!install(unit, known, ignored)) return false;
    }
  }
  return true;
}

bool Compiler::update_some(const Intent& intent, const IntentChanges& intent_changes, const Facts& facts,
                           const FactsChanges& facts_changes, DesiredChanges& changes) {
  if (intent_changes.all || facts_changes.all) return false;
  // A bridge without our ports, which others' flows keep from being given back, waits for no rows.
  if (facts_changes.settled && std::ranges::any_of(frame_.unmapped, &UnmappedBridge::parted)) return false;
  std::set<Uuid> dirty = intent_changes.ports;
  StaleSegments segments;
  std::set<IpAddress> vteps;  // that concern the fast path
  if (!take_claims(intent.node, facts, facts_changes, dirty)) return false;
  if (!take_remote(intent, intent_changes, segments, vteps)) return false;
  if (!fast_path_.take_facts(facts_changes.fast_path, intent, facts, desired_.fast_path.ids, dirty, vteps))
    return false;
  if (dirty.empty() && segments.empty() && vteps.empty() && intent_changes.remote.empty() &&
      intent_changes.remote_ports.empty()) {
    return true;
  }

  Build build(intent, facts, std::move(frame_));
  build.desired.waiting = desired_.waiting;
  const auto give_back = [&] { frame_ = std::move(static_cast<Frame&>(build)); };
  if (!rewire(build, dirty, segments, changes)) {
    give_back();
    return false;
  }
  Wiring wiring;
  std::vector<Remade> remade;
  for (const Uuid& id : dirty) {
    Claim& claim = claims_[id];
    if (claim.wired) wiring.vlans.emplace(key_of(*claim.wired), desired_.local_vlans.at(key_of(*claim.wired)));
    const bool there = intent.ports.contains(id) || intent.refused.contains(id) || !claim.interfaces.empty();
    if (there) compile_claim(build, id, claim.interfaces, wiring);
    remade.push_back({.id = id, .unit = &claim.unit, .next = take_unit(build)});
  }
  FastPathCompiler::Work work{.build = build, .remote = intent_changes.remote, .vteps = std::move(vteps)};
  for (const auto& [segment, macs] : intent_changes.remote_ports) work.remote.insert(segment);
  for (const auto& [key, stale] : segments) {
    work.segments.insert(key);
    const auto use = uses_.find(key);
    if (use == uses_.end()) continue;
    const bool used = !use->second.ports.empty();
    remake_segment(build, use->second, used ? std::optional(desired_.local_vlans.at(key)) : std::nullopt, stale,
                   remade);
  }
  const bool followed = follow_fast_path(std::move(work), remade, changes);
  give_back();
  if (!followed) return false;
  for (Remade& unit : remade) withdraw(unit, changes);
  for (Remade& unit : remade) {
    if (!install(unit, {}, changes)) return false;
  }
  if (!rejected_.empty()) return false;
  for (const Uuid& id : dirty) {
    if (!intent.ports.contains(id) && !intent.refused.contains(id) && claims_.at(id).interfaces.empty()) {
      claims_.erase(id);
    }
  }
  for (const auto& [key, stale] : segments) {
    const auto use = uses_.find(key);
    if (use == uses_.end()) continue;
    std::erase_if(use->second.remote, [](const auto& entry) { return entry.second.flows.empty(); });
    if (use->second.ports.empty()) uses_.erase(use);
  }
  return true;
}

// Interfaces of the integration bridge that say they are some port; false: the frame may have changed.
bool Compiler::take_claims(const NodeConfig& node, const Facts& facts, const FactsChanges& changes,
                           std::set<Uuid>& dirty) {
  for (const auto& [name, before] : changes.interfaces) {
    const auto found = facts.interfaces.find(name);
    const InterfaceFact* now = found == facts.interfaces.end() ? nullptr : &found->second;
    if (before && (is_of_frame(name, *before) || claims_nonsense(*before, node))) return false;
    if (now != nullptr && (is_of_frame(name, *now) || claims_nonsense(*now, node))) return false;
    if (const auto id = before ? claim_of(*before, node) : std::nullopt) {
      claims_[*id].interfaces.erase(name);
      dirty.insert(*id);
    }
    if (const auto id = now != nullptr ? claim_of(*now, node) : std::nullopt) {
      claims_[*id].interfaces.insert(name);
      dirty.insert(*id);
    }
  }
  return true;
}

// Which segments the dirty ports are wired to; false: something that only the whole can judge.
bool Compiler::rewire(const Build& build, const std::set<Uuid>& dirty, StaleSegments& segments,
                      DesiredChanges& changes) {
  std::vector<std::pair<Uuid, Segment>> wired;
  std::set<LocalVlanKey> left;
  for (const Uuid& id : dirty) {
    Claim& claim = claims_[id];
    const auto port = build.intent.ports.find(id);
    std::optional<Segment> now;
    if (port != build.intent.ports.end() && !claim.interfaces.empty() && judge(build, port->second).reason.empty()) {
      now = port->second.segment;
    }
    if (now == claim.wired) continue;
    if (claim.wired) {
      uses_.at(key_of(*claim.wired)).ports.erase(id);
      left.insert(key_of(*claim.wired));
    }
    if (now) wired.emplace_back(id, *now);
    claim.wired = now;
  }
  for (const auto& [id, segment] : wired) {
    const LocalVlanKey key = key_of(segment);
    Use& use = uses_[key];
    if (use.ports.empty() && (use.segment != segment || !desired_.local_vlans.contains(key))) {
      if (use.segment.type != NetworkType::Local) carriers_.erase(carrier_of(use.segment));
      use.segment = segment;
      segments[key].all = true;
    }
    if (use.segment != segment) return false;
    if (segment.type != NetworkType::Local && carriers_.emplace(carrier_of(segment), key).first->second != key) {
      return false;
    }
    use.ports.insert(id);
  }
  for (const LocalVlanKey& key : left) {
    const Use& use = uses_.at(key);
    if (!use.ports.empty()) continue;
    if (use.segment.type != NetworkType::Local) carriers_.erase(carrier_of(use.segment));
    segments[key].all = true;
  }
  return allocate(build, segments, changes);
}

// VLANs of segments that have come or gone; false: not all of them get one.
bool Compiler::allocate(const Build& build, const StaleSegments& segments, DesiredChanges& changes) {
  bool news = false;
  for (const auto& [key, stale] : segments) {
    const auto use = uses_.find(key);
    const bool used = use != uses_.end() && !use->second.ports.empty();
    news = news || (used && !desired_.local_vlans.contains(key));
  }
  if (news) {
    std::set<LocalVlanKey> wanted;
    for (const auto& [key, use] : uses_) {
      if (!use.ports.empty()) wanted.insert(key);
    }
    LocalVlanAllocation allocation =
        allocate_local_vlans(wanted, build.facts, build.node().integration_bridge, /*keep_all=*/false);
    if (!allocation.exhausted.empty()) return false;
    for (const auto& [key, vlan] : allocation.vlans) {
      const auto before = desired_.local_vlans.find(key);
      if (before != desired_.local_vlans.end() && before->second != vlan) return false;
    }
    desired_.local_vlans = std::move(allocation.vlans);
    changes.local_vlans = true;
    return true;
  }
  for (const auto& [key, stale] : segments) {
    const auto use = uses_.find(key);
    if (use == uses_.end() || !use->second.ports.empty()) continue;
    if (desired_.local_vlans.erase(key) != 0) changes.local_vlans = true;
  }
  return true;
}

// The fast path's part; it also says of a port that it serves what that waits for.
bool Compiler::follow_fast_path(FastPathCompiler::Work work, std::vector<Remade>& remade, DesiredChanges& changes) {
  for (Remade& unit : remade) {
    if (unit.id.is_zero()) continue;
    const auto state = unit.next.port_states.find(unit.id);
    work.ports.emplace(unit.id, state == unit.next.port_states.end() ? nullptr : &state->second);
  }
  work.local = [this](const LocalVlanKey& key) -> std::optional<LocalSegment> {
    const auto use = uses_.find(key);
    if (use == uses_.end() || use->second.ports.empty()) return std::nullopt;
    return LocalSegment{use->second.segment, desired_.local_vlans.at(key)};
  };
  return fast_path_.some(work, desired_, changes.fast_path);
}

// Takes out what the unit has in desired_ and has no more, or otherwise; what stays as it is leaves `next`.
void Compiler::withdraw(Remade& remade, DesiredChanges& changes) {
  Unit& unit = *remade.unit;
  Desired& next = remade.next;
  std::erase_if(unit.flows, [&](const auto& place) {
    const auto& [bridge, flow] = place;
    if (const auto set = next.flows.find(bridge->first); set != next.flows.end()) {
      const auto same = set->second.find(flow->first);
      if (same != set->second.end() && same->second == flow->second) {
        set->second.erase(same);
        return false;
      }
    }
    changes.flows[bridge->first].insert(flow->first);
    bridge->second.erase(flow);
    return true;
  });
  std::erase_if(unit.vifs, [&](const std::string& name) {
    const auto now = next.vifs.find(name);
    if (now != next.vifs.end() && now->second == desired_.vifs.at(name)) {
      next.vifs.erase(now);
      return false;
    }
    changes.vifs.insert(name);
    desired_.vifs.erase(name);
    return true;
  });
  for (const std::string& name : unit.strangers) desired_.strangers.erase(name);
  unit.strangers.clear();
  if (remade.id.is_zero()) return;
  const auto before = desired_.port_states.find(remade.id);
  if (before == desired_.port_states.end()) return;
  const auto now = next.port_states.find(remade.id);
  if (now != next.port_states.end() && now->second == before->second) {
    next.port_states.erase(now);
    return;
  }
  changes.ports.insert(remade.id);
  desired_.port_states.erase(before);
}

// Puts what is left of `next` into desired_; false: another unit has put something there.
bool Compiler::install(Remade& remade, const Known& known, DesiredChanges& changes) {
  Unit& unit = *remade.unit;
  Desired& next = remade.next;
  for (const auto& [bridge, written] : next.flows) {
    if (written.empty()) continue;
    BridgeFlows& flows = *desired_.flows.try_emplace(bridge).first;
    std::set<of::FlowKey>* changed = changes.all ? nullptr : &changes.flows[bridge];
    for (const auto& [key, body] : written) {
      auto flow = canonical(bridge, key, body, known);
      if (!flow) continue;
      const auto [at, added] = flows.second.insert(std::move(*flow));
      if (!added) return false;
      unit.flows.emplace_back(&flows, at);
      if (changed != nullptr) changed->insert(at->first);
    }
  }
  for (auto& [name, vif] : next.vifs) {
    if (!desired_.vifs.emplace(name, std::move(vif)).second) return false;
    unit.vifs.push_back(name);
    changes.vifs.insert(name);
  }
  for (const auto& [name, id] : next.strangers) {
    if (!desired_.strangers.emplace(name, id).second) return false;
    unit.strangers.push_back(name);
  }
  for (auto& [id, state] : next.port_states) {
    if (!desired_.port_states.emplace(id, std::move(state)).second) return false;
    changes.ports.insert(id);
  }
  return true;
}

std::optional<std::pair<of::FlowKey, of::FlowBody>> Compiler::canonical(const std::string& bridge,
                                                                        const of::FlowKey& key,
                                                                        const of::FlowBody& body,
                                                                        const Known& known) {
  // Of the same words those that are there already.
  using Flow = std::optional<std::pair<of::FlowKey, of::FlowBody>>;
  const auto known_in = [&](const of::FlowSet& flows) -> Flow {
    const auto found = flows.find(key);
    return found != flows.end() && found->second == body ? Flow(*found) : std::nullopt;
  };
  const auto reported = known.find(bridge);
  if (reported != known.end() && reported->second != nullptr) {
    if (Flow there = known_in(*reported->second)) return there;
  }
  if (before_ != nullptr) {
    const auto before = before_->flows.find(bridge);
    if (before != before_->flows.end()) {
      if (Flow there = known_in(before->second)) return there;
    }
  }
  auto made = canonical_(key, body);
  if (made) return *std::move(made);
  rejected_.push_back(fmt::format("bridge {}: {}", bridge, made.error().message));
  return std::nullopt;
}

}  // namespace ml2
