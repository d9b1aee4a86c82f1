#include "datapath/diff/differ.h"

#include <algorithm>
#include <utility>

#include "datapath/base/delta.h"
#include "datapath/openflow/pipeline.h"

namespace ml2 {
namespace {

// Whether a learned flow may be right or wrong by this flow.
bool judges_learned(const of::FlowKey& key) {
  return key.table != of::number(of::TunTable::UcastToTun) && key.table != of::number(of::TunTable::ArpResponder) &&
         key.table != of::number(of::TunTable::FloodToTun);
}

}  // namespace

Plan Differ::update(const Desired& desired, const DesiredChanges& desired_changes, const ovsdb::Vswitch& vswitch,
                    const ovsdb::VswitchChanges& vswitch_changes,
                    const std::map<std::string, const of::FlowSet*>& flows, const FlowChanges& flow_changes,
                    const fp::Tables* fast_path, std::optional<fp::RecordKeys> fast_path_changes,
                    const nl::Snapshot* kernel) {
  Plan plan;
  const Sides sides{.desired = desired, .vswitch = vswitch, .flows = flows};
  Suspects suspects;
  std::erase_if(bridges_, [&](const auto& entry) { return !desired.flows.contains(entry.first); });
  for (const auto& [name, wanted] : desired.flows) {
    suspect_flows(name, sides, desired_changes, flow_changes);
    suspects.flows.emplace(name, std::move(bridges_[name].suspects));
  }
  diff_flows(sides, &suspects, plan);
  for (const auto& [name, wanted] : desired.flows) {
    Bridge& bridge = bridges_[name];
    bridge.suspects = std::move(suspects.flows[name]);
    if (bridge.read) settle(bridge, wanted, *flows.at(name));
  }

  const bool all_rows = desired_changes.all || vswitch_changes.all || !rows_read_;
  if (!all_rows) {
    suspects.ports = std::move(unsettled_);
    suspects.ports.insert(desired_changes.vifs.begin(), desired_changes.vifs.end());
    suspects.ports.insert(vswitch_changes.ports.begin(), vswitch_changes.ports.end());
    for (const std::string& interface : vswitch_changes.interfaces) {
      const auto port = vswitch.interface_port.find(interface);
      if (port != vswitch.interface_port.end()) suspects.ports.insert(port->second);
    }
  }
  unsettled_.clear();
  diff_rows(sides, all_rows ? nullptr : &suspects, plan, &unsettled_);
  rows_read_ = vswitch.root.has_value();
  follow_fast_path(desired, desired_changes, fast_path, std::move(fast_path_changes), kernel, plan);
  return plan;
}

void Differ::follow_fast_path(const Desired& desired, const DesiredChanges& desired_changes,
                              const fp::Tables* fast_path, std::optional<fp::RecordKeys> changes,
                              const nl::Snapshot* kernel, Plan& plan) {
  std::optional<fp::RecordKeys> suspects;
  if (!desired_changes.all && fast_path_read_ && changes) {
    suspects = std::move(changes);
    fp::for_each_kind(
        [](fp::abi::Kind, auto& keys, const auto& before, const auto& desired_now) {
          keys.insert(before.begin(), before.end());
          keys.insert(desired_now.begin(), desired_now.end());
        },
        *suspects, unsettled_records_, desired_changes.fast_path.records);
  }
  unsettled_records_ = {};
  diff_fast_path(desired, fast_path, kernel, suspects ? &*suspects : nullptr, plan, &unsettled_records_);
  fast_path_read_ = fast_path != nullptr && desired.fast_path.enabled;
}

void Differ::suspect_flows(const std::string& name, const Sides& sides, const DesiredChanges& desired_changes,
                           const FlowChanges& flow_changes) {
  Bridge& bridge = bridges_[name];
  const of::FlowSet& wanted = sides.desired.flows.at(name);
  const auto found = sides.flows.find(name);
  const of::FlowSet* there = found == sides.flows.end() ? nullptr : found->second;
  if (there == nullptr) {  // all of them are pending; nothing is compared
    bridge = {};
    return;
  }
  const auto actual = flow_changes.find(name);
  const auto changed = desired_changes.flows.find(name);
  const bool unknown = desired_changes.all || !bridge.read || actual == flow_changes.end() || !actual->second;
  const auto incumbent_in = [](const std::set<of::FlowKey>& keys) {
    return std::ranges::any_of(keys, tells_incumbent);
  };
  const bool may_be_another = unknown || incumbent_in(*actual->second) ||
                              (changed != desired_changes.flows.end() && incumbent_in(changed->second));
  const std::optional<std::uint64_t> incumbent = may_be_another ? incumbent_cookie(wanted, *there) : bridge.incumbent;
  const bool all = unknown || incumbent != bridge.incumbent;
  bridge.read = true;
  bridge.incumbent = incumbent;
  if (all) {
    bridge.learned.clear();
    bridge.suspects.clear();
    const Delta<of::FlowKey, of::FlowBody> changes = delta(wanted, *there);
    for (const auto* list : {&changes.add, &changes.change, &changes.remove}) {
      for (const auto& [key, body] : *list) bridge.suspects.insert(bridge.suspects.end(), key);
    }
    for (const auto& [key, body] : changes.remove) {
      if (is_learned(key, body)) bridge.learned.insert(key);
    }
    return;
  }
  note_learned(bridge, *there, *actual->second);
  bridge.suspects.insert(actual->second->begin(), actual->second->end());
  if (changed == desired_changes.flows.end()) return;
  bridge.suspects.insert(changed->second.begin(), changed->second.end());
  if (std::any_of(changed->second.begin(), changed->second.end(), judges_learned)) {
    bridge.suspects.insert(bridge.learned.begin(), bridge.learned.end());
  }
}

void Differ::note_learned(Bridge& bridge, const of::FlowSet& there, const std::set<of::FlowKey>& changed) const {
  for (const of::FlowKey& key : changed) {
    const auto flow = there.find(key);
    if (flow != there.end() && is_learned(key, flow->second)) {
      bridge.learned.insert(key);
    } else {
      bridge.learned.erase(key);
    }
  }
}

// Keeps the suspects that are not as they shall be, of those that are ours to change.
void Differ::settle(Bridge& bridge, const of::FlowSet& wanted, const of::FlowSet& there) {
  std::erase_if(bridge.suspects, [&](const of::FlowKey& key) {
    const auto flow = there.find(key);
    const auto desired = wanted.find(key);
    if (desired != wanted.end()) return flow != there.end() && flow->second == desired->second;
    if (flow == there.end() || !is_removable(flow->second.cookie, bridge.incumbent)) return true;
    return is_learned(key, flow->second) && learned_rightly(key, flow->second, wanted);
  });
}

}  // namespace ml2
