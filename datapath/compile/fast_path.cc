// FastPathCompiler's two ways: from nothing, and by changes; and which records a unit has written.
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "datapath/compile/fast_path_compiler.h"

namespace ml2 {
namespace {

// The ports whose device would have this name: it has the beginning of their ids.
template <class Visit>
void for_each_port_of_tap(const std::map<Uuid, Port>& ports, const std::string& tap, Visit visit) {
  constexpr std::string_view kTap = "tap";
  constexpr std::string_view kRest = "00-0000-0000-000000000000";
  if (!tap.starts_with(kTap)) return;
  const std::string begin = tap.substr(kTap.size());
  const auto first = Uuid::parse(begin + std::string(kRest));
  if (!first) return;
  for (auto at = ports.lower_bound(*first); at != ports.end() && at->first.to_string().starts_with(begin); ++at) {
    visit(at->first);
  }
}

}  // namespace

void FastPathCompiler::all(const Build& build, const std::map<LocalVlanKey, LocalSegment>& local, Desired& desired) {
  *this = {};
  desired.fast_path = {};
  const Intent& intent = build.intent;
  if (!intent.node.fast_path.enabled) return;
  desired.fast_path.enabled = true;
  Step step{.build = build, .desired = desired, .ids = {build.facts.fast_path.ids, desired.fast_path.ids}};
  uplinks(step);
  const auto write = [&](Unit& unit, fp::Tables next) {
    Remade remade{.unit = &unit, .next = std::move(next)};
    install(step, remade);
  };
  for (const Uuid& id : build.unplugged) {
    const Port& port = intent.ports.at(id);
    if (!serves(intent.node, port)) continue;
    fp::Tables next = machine(step, port, desired.port_states[id]);
    if (!next.empty()) write(members_[id].unit, std::move(next));
  }
  patch(step, local);
  for (auto& [id, state] : desired.port_states) {
    const auto port = intent.ports.find(id);
    if (port == intent.ports.end() || !state.local_vlan) continue;
    fp::Tables next = beside(step, port->second, state);
    if (!next.empty()) write(members_[id].unit, std::move(next));
  }
  if (has_tunnels()) {
    for (const Vtep& vtep : intent.vteps) {
      if (vtep.type != NetworkType::Vxlan || vteps_.contains(vtep.address)) continue;
      fp::Tables next = far_end(step, vtep.address);
      write(vteps_[vtep.address].unit, std::move(next));
    }
  }
  for (auto& [key, here] : segments_) {
    write(here.reach, reach(step, here));
    write(here.unit, itself(step, here));
  }
}

bool FastPathCompiler::take_facts(const FastPathFactsChanges& changes, const Intent& intent, const Facts& facts,
                                  const FastPathIds& given, std::set<Uuid>& ports, std::set<IpAddress>& vteps) const {
  if (!intent.node.fast_path.enabled) return true;
  if (changes.underlay || changes.links.contains(kFastPathPatch) || changes.links.contains(kFastPathPatchPeer)) {
    return false;
  }
  // A number that we gave and that is no longer known, or is another's.
  bool same = true;
  for_each_id_kind(
      [&same](const auto& keys, const auto& known, const auto& ours) {
        same = same && std::all_of(keys.begin(), keys.end(), [&](const auto& key) {
                 const auto number = ours.of(key);
                 return !number || known.of(key) == number;
               });
      },
      changes.ids, facts.fast_path.ids, given);
  if (!same) return false;
  for (const std::string& link : changes.links) {
    for_each_port_of_tap(intent.ports, link, [&](const Uuid& id) { ports.insert(id); });
  }
  vteps.insert(changes.next_hops.begin(), changes.next_hops.end());
  return true;
}

bool FastPathCompiler::some(const Work& work, Desired& desired, FastPathChanges& changes) {
  const Intent& intent = work.build.intent;
  if (!intent.node.fast_path.enabled) return true;
  Step step{.build = work.build,
            .desired = desired,
            .ids = {work.build.facts.fast_path.ids, desired.fast_path.ids},
            .changes = &changes};
  step.touched = work.segments;
  for (const Segment& segment : work.remote) {
    const auto here = segments_.find(key_of(segment));
    if (here != segments_.end() && here->second.segment == segment) step.reach.insert(here->first);
  }
  std::set<std::string> left;  // devices of which somebody has left
  std::map<Uuid, Remade> remade_ports;
  for (const auto& [id, state] : work.ports) {
    const auto member = members_.find(id);
    if (member == members_.end()) continue;
    if (!member->second.device.empty()) left.insert(member->second.device);
    leave(step, id, member->second);
    remade_ports[id];
  }
  for (const auto& [id, state] : work.ports) {
    const auto port = intent.ports.find(id);
    if (state == nullptr || port == intent.ports.end()) continue;
    if (!work.build.unplugged.contains(id) || !serves(intent.node, port->second)) continue;
    fp::Tables next = machine(step, port->second, *state);
    if (!next.empty()) remade_ports[id].next = std::move(next);
  }
  if (!share(step, work)) return false;
  for (const auto& [id, state] : work.ports) {
    const auto port = intent.ports.find(id);
    if (state == nullptr || port == intent.ports.end() || !state->local_vlan) continue;
    fp::Tables next = beside(step, port->second, *state);
    if (!next.empty()) remade_ports[id].next = std::move(next);
  }
  for (const std::string& device : left) {
    if (devices_.contains(device)) continue;
    desired.fast_path.ids.ports.take(device);
    changes.ids.ports.insert(device);
  }
  if (!regular_) return false;

  std::vector<Remade> remade;
  for (auto& [id, port] : remade_ports) {
    remade.push_back({.unit = &members_.at(id).unit, .next = std::move(port.next)});
  }
  for (const IpAddress& address : work.vteps) {
    if (!has_tunnels()) break;
    fp::Tables next = far_end(step, address);
    remade.push_back({.unit = &vteps_.at(address).unit, .next = std::move(next)});
  }
  remake_segments(step, remade);
  for (Remade& unit : remade) withdraw(step, unit);
  for (Remade& unit : remade) install(step, unit);

  for (const auto& [id, port] : remade_ports) {
    if (!members_.at(id).key) members_.erase(id);
  }
  for (const LocalVlanKey& key : step.touched) {
    const auto here = segments_.find(key);
    if (here != segments_.end() && here->second.machines.empty() && !here->second.vlan) segments_.erase(here);
  }
  std::erase_if(vteps_, [&](const auto& entry) {
    return work.vteps.contains(entry.first) && entry.second.id == 0 && !entry.second.hop;
  });
  return regular_;
}

// Which of the touched segments go through the patch; false: what only the whole can judge.
bool FastPathCompiler::share(Step& step, const Work& work) {
  const std::set<LocalVlanKey> touched = step.touched;
  for (const LocalVlanKey& key : touched) {
    const std::optional<LocalSegment> local = work.local(key);
    const auto found = segments_.find(key);
    const bool machines = found != segments_.end() && !found->second.machines.empty();
    const bool carried = local && fast_path_carries(step.node(), local->segment);
    const bool now = local && (carried || machines);
    if (now != shared_.contains(key)) {
      // With a segment that stays on this host, all of its ports on Open vSwitch come or go.
      const Segment* segment = local ? &local->segment : found != segments_.end() ? &found->second.segment : nullptr;
      if (segment != nullptr && !fast_path_carries(step.node(), *segment)) return false;
      const bool any = !shared_.empty();
      if (now) {
        shared_.insert(key);
      } else {
        shared_.erase(key);
      }
      if (any == shared_.empty() && !patch_waiting_.empty()) return false;
    }
    if (!now) {
      if (found != segments_.end()) found->second.vlan.reset();
      continue;
    }
    std::string reason = trouble_with(local->segment);
    if (!reason.empty()) continue;
    Here* here = enter(step, local->segment, reason);
    if (here == nullptr) return false;
    here->vlan = local->vlan;
  }
  return true;
}

void FastPathCompiler::remake_segments(Step& step, std::vector<Remade>& remade) {
  std::set<LocalVlanKey> keys = step.touched;
  keys.insert(step.reach.begin(), step.reach.end());
  for (const LocalVlanKey& key : keys) {
    const auto found = segments_.find(key);
    if (found == segments_.end()) continue;
    Here& here = found->second;
    if (here.machines.empty() && !here.vlan) {  // it goes
      remade.push_back({.unit = &here.reach, .next = {}});
      remade.push_back({.unit = &here.unit, .next = {}});
      if (here.segment.type != NetworkType::Local) carriers_.erase(carrier_of(here.segment));
      step.desired.fast_path.ids.segments.take(here.number.mark);
      step.changes->ids.segments.insert(here.number.mark);
      step.touched.insert(key);
      continue;
    }
    if (step.reach.contains(key)) remade.push_back({.unit = &here.reach, .next = reach(step, here)});
    remade.push_back({.unit = &here.unit, .next = itself(step, here)});
  }
}

// Takes out what the unit has written and has no more, or otherwise; what stays as it is leaves `next`.
void FastPathCompiler::withdraw(Step& step, Remade& remade) const {
  fp::for_each_kind(
      [](fp::abi::Kind, auto& keys, auto& next, auto& table, auto& changed) {
        std::erase_if(keys, [&](const auto& key) {
          const auto there = table.find(key);
          const auto wanted = next.find(key);
          if (wanted != next.end() && there != table.end() && fp::same(wanted->second, there->second)) {
            next.erase(wanted);
            return false;
          }
          if (there != table.end()) table.erase(there);
          changed.insert(key);
          return true;
        });
      },
      *remade.unit, remade.next, step.tables(), step.changes->records);
}

void FastPathCompiler::install(Step& step, Remade& remade) {
  fp::for_each_kind(
      [&](fp::abi::Kind, auto& keys, const auto& next, auto& table) {
        for (const auto& [key, record] : next) {
          if (!table.insert_or_assign(key, record).second) regular_ = false;  // another unit has written it
          keys.push_back(key);
        }
      },
      *remade.unit, remade.next, step.tables());
  if (step.changes == nullptr) return;
  fp::for_each_kind(
      [](fp::abi::Kind, const auto& next, auto& changed) {
        for (const auto& [key, record] : next) changed.insert(key);
      },
      remade.next, step.changes->records);
}

}  // namespace ml2
