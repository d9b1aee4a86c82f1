#include "tests/states/follower.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <utility>

#include "datapath/base/delta.h"

namespace ml2::testing {
namespace {

template <class T>
void note(const std::map<std::string, T>& before, const std::map<std::string, T>& now, std::set<std::string>& names) {
  const Delta<std::string, T> changes = delta(now, before);
  for (const auto* list : {&changes.add, &changes.change, &changes.remove}) {
    for (const auto& [name, value] : *list) names.insert(name);
  }
}

template <class T>
void note_new(const std::map<std::string, T>& before, const std::map<std::string, T>& now, std::set<Uuid>& rows) {
  std::set<Uuid> known;
  for (const auto& [name, row] : before) known.insert(row.uuid);
  for (const auto& [name, row] : now) {
    if (!known.contains(row.uuid)) rows.insert(row.uuid);
  }
}

}  // namespace

ovsdb::VswitchChanges changes_between(const ovsdb::Vswitch& before, const ovsdb::Vswitch& now) {
  ovsdb::VswitchChanges changes;
  changes.root = before.root != now.root || before.cur_cfg != now.cur_cfg || before.next_cfg != now.next_cfg ||
                 before.iface_types != now.iface_types || before.datapath_types != now.datapath_types;
  changes.root_more = changes.root;
  note(before.bridges, now.bridges, changes.bridges);
  note(before.ports, now.ports, changes.ports);
  note(before.port_bridge, now.port_bridge, changes.ports);
  note(before.interfaces, now.interfaces, changes.interfaces);
  note(before.interface_port, now.interface_port, changes.interfaces);
  for (const auto* vswitch : {&before, &now}) {
    for (const auto& [interface, port] : vswitch->interface_port) {
      if (changes.ports.contains(port)) changes.interfaces.insert(interface);
    }
  }
  note_new(before.bridges, now.bridges, changes.new_rows);
  note_new(before.ports, now.ports, changes.new_rows);
  note_new(before.interfaces, now.interfaces, changes.new_rows);
  return changes;
}

Follower::Follower()
    : compiler_([](const of::FlowKey& key, const of::FlowBody& body) { return std::pair(key, body); }) {}

void Follower::follow(const Intent& intent, const ovsdb::Vswitch& vswitch, const std::set<IpAddress>& addresses,
                      const std::map<std::string, const of::FlowSet*>& flows, const FastPath& fast_path,
                      const Desired& desired, const Plan& plan) {
  ++steps_;
  IntentChanges intent_changes;
  ovsdb::VswitchChanges vswitch_changes;
  if (intent_) {
    intent_changes = ml2::changes_between(*intent_, intent);
    vswitch_changes = changes_between(vswitch_, vswitch);
  } else {
    intent_changes.all = true;
    vswitch_changes.all = true;
  }
  Differ::FlowChanges flow_changes;
  for (const auto& [bridge, set] : flows) {
    const auto before = flows_.find(bridge);
    if (before == flows_.end()) continue;
    std::set<of::FlowKey>& changed = flow_changes[bridge].emplace();
    const Delta<of::FlowKey, of::FlowBody> changes = delta(*set, before->second);
    for (const auto* list : {&changes.add, &changes.change, &changes.remove}) {
      for (const auto& [key, body] : *list) changed.insert(key);
    }
  }
  FactsChanges facts_changes = update_facts(vswitch, vswitch_changes, addresses,
                                            vlans_moved_ ? &compiler_.desired().local_vlans : nullptr, facts_);
  Facts facts = gather_facts(vswitch, addresses, compiler_.desired().local_vlans);
  std::optional<fp::RecordKeys> record_changes;
  if (intent.node.fast_path.enabled) {
    record_changes = follow_fast_path(intent, intent_changes, fast_path, facts_changes.fast_path);
    facts.fast_path =
        gather_fast_path_facts(intent, *fast_path.kernel, fast_path.tables, compiler_.desired().fast_path.ids);
  }
  EXPECT_EQ(facts_, facts) << "facts by changes";
  const DesiredChanges desired_changes = compiler_.update(intent, intent_changes, facts_, facts_changes);
  vlans_moved_ = desired_changes.local_vlans;
  ids_moved_ = desired_changes.all ? std::nullopt : std::optional(desired_changes.fast_path.ids);
  EXPECT_TRUE(differences(desired, compiler_.desired()).empty()) << fmt::format(
      "by changes, otherwise than from nothing: {}", fmt::join(differences(desired, compiler_.desired()), ", "));
  const Plan followed = differ_.update(compiler_.desired(), desired_changes, vswitch, vswitch_changes, flows,
                                       flow_changes, fast_path.tables, record_changes, fast_path.kernel);
  EXPECT_EQ(to_text(followed.fast_path), to_text(plan.fast_path));
  EXPECT_EQ(followed.fast_path.full, plan.fast_path.full);
  EXPECT_EQ(followed.fast_path_unread, plan.fast_path_unread);
  EXPECT_EQ(followed.pending_fast_path, plan.pending_fast_path);
  EXPECT_EQ(followed.links.operations.size(), plan.links.operations.size());
  EXPECT_EQ(followed.ovsdb.comment, plan.ovsdb.comment);
  EXPECT_EQ(followed.held, plan.held);
  EXPECT_EQ(followed.stays, plan.stays);
  EXPECT_EQ(followed.pending_ports, plan.pending_ports);
  EXPECT_EQ(followed.set_ports, plan.set_ports);
  EXPECT_EQ(followed.pending_cookies, plan.pending_cookies);
  for (const auto& [bridge, bundle] : plan.bundles) {
    const auto found = followed.bundles.find(bridge);
    EXPECT_TRUE(found != followed.bundles.end() && found->second == bundle) << "another bundle for " << bridge;
  }
  EXPECT_TRUE(followed.ovsdb == plan.ovsdb) << "another transaction by changes than from nothing";
  EXPECT_EQ(followed.bundles.size(), plan.bundles.size());

  intent_ = intent;
  vswitch_ = vswitch;
  flows_.clear();
  for (const auto& [bridge, set] : flows) flows_.emplace(bridge, *set);
}

std::optional<fp::RecordKeys> Follower::follow_fast_path(const Intent& intent, const IntentChanges& intent_changes,
                                                         const FastPath& fast_path, FastPathFactsChanges& changes) {
  std::optional<fp::RecordKeys> records;
  if (tables_ && fast_path.tables != nullptr) fp::add_differences(*tables_, *fast_path.tables, records.emplace());
  fast_path_reading_.update(
      {.intent = intent,
       .kernel = *fast_path.kernel,
       .read_back = fast_path.tables,
       .given = compiler_.desired().fast_path.ids},
      {.vteps = intent_changes.all, .kernel = *fast_path.kernel != kernel_, .records = records, .given = ids_moved_},
      facts_.fast_path, changes);
  kernel_ = *fast_path.kernel;
  tables_.reset();
  if (fast_path.tables != nullptr) tables_ = *fast_path.tables;
  return records;
}

}  // namespace ml2::testing
