// Flows: one atomic bundle per bridge; additions and changes first, deletions last.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "datapath/base/delta.h"
#include "datapath/diff/parts.h"
#include "datapath/openflow/pipeline.h"

namespace ml2 {
namespace {

using Command = of::FlowMod::Command;

Command command_for(const of::FlowBody& desired, const of::FlowBody& actual) {
  // Neither cookie nor timeouts can be changed in place (OpenFlow 1.4 section 6.4, "modify").
  const bool in_place = desired.cookie == actual.cookie && desired.idle_timeout == actual.idle_timeout &&
                        desired.hard_timeout == actual.hard_timeout;
  return in_place ? Command::Modify : Command::Add;
}

// The OpenFlow ports of a bridge that its rows have.
std::set<std::int64_t> ports_by_rows(const ovsdb::Vswitch& vswitch, const std::string& bridge) {
  std::set<std::int64_t> ports;
  for (const auto& [name, row] : vswitch.interfaces) {
    const auto port = vswitch.interface_port.find(name);
    if (port == vswitch.interface_port.end() || !row.ofport) continue;
    const auto found = vswitch.port_bridge.find(port->second);
    if (found != vswitch.port_bridge.end() && found->second == bridge) ports.insert(*row.ofport);
  }
  return ports;
}

using FlowDelta = Delta<of::FlowKey, of::FlowBody>;

FlowDelta delta_of(const std::set<of::FlowKey>& suspects, const of::FlowSet& desired, const of::FlowSet& actual) {
  FlowDelta result;
  for (const of::FlowKey& key : suspects) {
    const auto wanted = desired.find(key);
    const auto there = actual.find(key);
    if (wanted == desired.end()) {
      if (there != actual.end()) result.remove.push_back(*there);
    } else if (there == actual.end()) {
      result.add.push_back(*wanted);
    } else if (wanted->second != there->second) {
      result.change.push_back(*wanted);
    }
  }
  return result;
}

void diff_bridge(const std::string& bridge, const of::FlowSet& desired, const of::FlowSet& actual,
                 const FlowDelta& changes, const ovsdb::Vswitch& vswitch, bool complete, Plan& plan) {
  if (changes.add.empty() && changes.change.empty() && changes.remove.empty()) return;
  const std::optional<std::uint64_t> incumbent = incumbent_cookie(desired, actual);
  of::Bundle bundle;
  std::size_t kept_marks = 0;
  for (const auto& [key, body] : changes.add) bundle.mods.push_back({Command::Add, key, body});
  for (const auto& [key, body] : changes.change) {
    const of::FlowBody& there = actual.at(key);
    // While nothing may be deleted, the incumbent's flows that do the right thing stay its own: by its cookie on them
    // the others are found later.
    if (!complete && incumbent && there.cookie == *incumbent && there.actions == body.actions) {
      ++kept_marks;
      continue;
    }
    bundle.mods.push_back({command_for(body, there), key, body});
  }
  for (const of::FlowMod& mod : bundle.mods) plan.pending_cookies.insert(mod.body.cookie);

  // Where the intent's word on a MAC changes, what was heard of it before is no longer true.
  std::set<of::FlowKey> forgotten;
  const auto forget = [&](const of::FlowKey& written) {
    for (const of::FlowKey& key : learned_keys(written)) {
      const auto learned = actual.find(key);
      if (complete && learned != actual.end() && is_learned(key, learned->second) &&
          is_removable(learned->second.cookie, incumbent)) {
        forgotten.insert(key);
      }
    }
  };
  for (const auto& [key, body] : changes.change) forget(key);
  for (const auto& [key, body] : changes.remove) forget(key);
  for (const of::FlowKey& key : forgotten) bundle.mods.push_back({Command::Delete, key, {}});

  // A port whose row has gone is there until ovs-vswitchd has read that: what takes its frames stays as long.
  const bool unsettled = vswitch.cur_cfg < vswitch.next_cfg;
  std::optional<std::set<std::int64_t>> rows;
  std::size_t going = 0;
  std::size_t withheld = 0;
  for (const auto& [key, body] : changes.remove) {
    if (!is_removable(body.cookie, incumbent)) continue;
    if (is_learned(key, body) && (learned_rightly(key, body, desired) || forgotten.contains(key))) continue;
    if (!complete) {
      ++withheld;
      if (body.actions == "drop") plan.pending_cookies.insert(body.cookie);  // it still cuts a port off
      continue;
    }
    const auto port = unsettled ? in_port_of(key) : std::nullopt;
    if (port && !rows) rows = ports_by_rows(vswitch, bridge);
    if (port && !rows->contains(*port)) {
      ++going;
      continue;
    }
    plan.pending_cookies.insert(body.cookie);
    bundle.mods.push_back({Command::Delete, key, {}});
  }
  if (going != 0) {
    plan.held.push_back(
        fmt::format("{}: {} flows of ports that go; deleted when ovs-vswitchd has let go of them", bridge, going));
  }
  if (kept_marks != 0) {
    plan.held.push_back(
        fmt::format("{}: {} flows keep the cookie of neutron-openvswitch-agent until the intent is "
                    "complete",
                    bridge, kept_marks));
  }
  if (withheld != 0) {
    plan.held.push_back(
        fmt::format("{}: {} flows are not wanted; not deleted until the intent is complete", bridge, withheld));
  }
  if (!bundle.empty()) plan.bundles.emplace(bridge, std::move(bundle));
}

}  // namespace

bool is_learned(const of::FlowKey& key, const of::FlowBody& body) {
  // Of the tunnel bridge, or of the integration bridge, which has no table of the other's number.
  return (key.table == of::number(of::TunTable::UcastToTun) && body.hard_timeout != 0) ||
         (key.table == of::number(of::IntTable::Spoofing) && body.idle_timeout != 0);
}

void diff_flows(const Sides& sides, const Suspects* suspects, Plan& plan) {
  for (const auto& [bridge, flows] : sides.desired.flows) {
    const auto found = sides.flows.find(bridge);
    if (found != sides.flows.end() && found->second != nullptr) {
      const of::FlowSet& there = *found->second;
      FlowDelta changes;
      if (suspects == nullptr) {
        changes = delta(flows, there);
      } else if (const auto some = suspects->flows.find(bridge); some != suspects->flows.end()) {
        changes = delta_of(some->second, flows, there);
      }
      diff_bridge(bridge, flows, there, changes, sides.vswitch, sides.desired.complete, plan);
      continue;
    }
    for (const auto& [key, body] : flows) plan.pending_cookies.insert(body.cookie);
    plan.held.push_back(fmt::format("{}: its flows have not been read yet", bridge));
  }
}

}  // namespace ml2
