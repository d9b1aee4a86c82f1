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

// Learned flows have no counterpart in Desired; they go by their own rule.
bool is_learned(const of::FlowKey& key, const of::FlowBody& body) {
  return key.table == of::number(of::TunTable::UcastToTun) && body.hard_timeout != 0;
}

Command command_for(const of::FlowBody& desired, const of::FlowBody& actual) {
  // Neither cookie nor timeouts can be changed in place (OpenFlow 1.4 section 6.4, "modify").
  const bool in_place = desired.cookie == actual.cookie && desired.idle_timeout == actual.idle_timeout &&
                        desired.hard_timeout == actual.hard_timeout;
  return in_place ? Command::Modify : Command::Add;
}

void diff_bridge(const std::string& bridge, const of::FlowSet& desired, const of::FlowSet& actual, bool complete,
                 Plan& plan) {
  const std::optional<std::uint64_t> incumbent = incumbent_cookie(desired, actual);
  const Delta<of::FlowKey, of::FlowBody> changes = delta(desired, actual);
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

  std::size_t withheld = 0;
  for (const auto& [key, body] : changes.remove) {
    if (!is_removable(body.cookie, incumbent)) continue;
    if (is_learned(key, body) && (learned_rightly(key, body, desired) || forgotten.contains(key))) continue;
    if (!complete) {
      ++withheld;
      if (body.actions == "drop") plan.pending_cookies.insert(body.cookie);  // it still cuts a port off
      continue;
    }
    plan.pending_cookies.insert(body.cookie);
    bundle.mods.push_back({Command::Delete, key, {}});
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

void diff_flows(const Desired& desired, const Actual& actual, Plan& plan) {
  for (const auto& [bridge, flows] : desired.flows) {
    const auto found = actual.flows.find(bridge);
    if (found != actual.flows.end() && found->second != nullptr) {
      diff_bridge(bridge, flows, *found->second, desired.complete, plan);
      continue;
    }
    for (const auto& [key, body] : flows) plan.pending_cookies.insert(body.cookie);
    plan.held.push_back(fmt::format("{}: its flows have not been read yet", bridge));
  }
}

}  // namespace ml2
