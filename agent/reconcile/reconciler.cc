#include "agent/reconcile/reconciler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/reconcile/plan_text.h"
#include "agent/reconcile/repairs.h"
#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/compile/compile.h"
#include "datapath/diff/diff.h"
#include "datapath/openflow/codec.h"

namespace ml2::reconcile {
namespace {

// The bridges whose flows are ours to write, as far as they exist.
std::set<std::string> bridges_of(const NodeConfig& node) {
  std::set<std::string> names{node.integration_bridge};
  if (node.has_tunnels()) names.insert(node.tunnel_bridge);
  for (const auto& [physical_network, bridge] : node.bridge_mappings) names.insert(bridge);
  return names;
}

std::set<IpAddress> addresses_of(const nl::Snapshot& snapshot) {
  std::set<IpAddress> addresses;
  for (const auto& [key, entry] : snapshot.addresses) addresses.insert(entry.address);
  return addresses;
}

std::size_t count(const of::Bundle& bundle, of::FlowMod::Command command) {
  return static_cast<std::size_t>(std::count_if(bundle.mods.begin(), bundle.mods.end(),
                                                [&](const of::FlowMod& mod) { return mod.command == command; }));
}

}  // namespace

Reconciler::Reconciler(Seams seams, NodeConfig node, Mode mode)
    : seams_(std::move(seams)),
      node_(std::move(node)),
      mode_(mode),
      compiler_([](const of::FlowKey& key, const of::FlowBody& body) { return of::canonical(key, body); }),
      journal_(seams_.clock),
      connections_(seams_.clock, journal_),
      fast_path_(seams_.fast_path, seams_.kernel, seams_.clock, journal_),
      spoof_drops_(seams_.clock),
      fast_path_drops_(seams_.clock) {}

void Reconciler::run() {
  seams_.vswitch.run();
  seams_.kernel.run();
  seams_.source.run();
  track_bridges();
  for (auto& [name, bridge] : bridges_) bridge.of_switch->run();
  if (fast_path_.run()) dirty_ = true;
  take_outcomes();
  if (connections_.run(switch_status(), seams_.vswitch.status(), seams_.source.status(), seams_.kernel.status()))
    problems_moved_ = true;
  if (!gate_open()) return;
  watch_drops();
  if (inputs_changed() || dirty_) {
    step();
  } else if (problems_moved_) {
    find_problems();
    const std::set<Uuid> none;
    report(&none);
  }
  if (mode_ == Mode::Look) return;
  apply();
  confirm();
  tell_problems();
}

void Reconciler::wait() {
  seams_.vswitch.wait();
  seams_.kernel.wait();
  seams_.source.wait();
  for (auto& [name, bridge] : bridges_) bridge.of_switch->wait();
  fast_path_.wait(plan_, in_sync_);
  connections_.wait();
  if (!in_sync_) return;
  if (dirty_ || problems_moved_) ml2_poll_immediate();
  spoof_drops_.wait();
  fast_path_drops_.wait();
  const Monotonic now = seams_.clock.now();
  const auto wake_at = [&](Monotonic when) {
    ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count() + 1);
  };
  if (!plan_.ovsdb.empty() && !seams_.vswitch.busy() && seams_.vswitch.status().connected &&
      !database_back_off_.due(now)) {
    wake_at(database_back_off_.until());
  }
  for (const auto& [sentence, since] : problems_since_) {
    if (!since.told) wake_at(since.time + kPatience);
  }
  for (auto& [name, bridge] : bridges_) {
    if (plan_.bundles.contains(name) && !bridge.of_switch->busy() && !bridge.back_off.due(now)) {
      wake_at(bridge.back_off.until());
    }
  }
}

// Opens a channel to each bridge of ours that ovs-vswitchd has made, and drops those of bridges that are gone. A
// bridge that was deleted and made anew has another datapath: its channel breaks by itself and its flows are read
// again.
void Reconciler::track_bridges() {
  const ovsdb::Snapshot* snapshot = seams_.vswitch.snapshot();
  if (snapshot == nullptr) return;
  std::set<std::string> wanted;
  std::set<std::string> names = bridges_of(node_);
  for (const auto& [name, flows] : desired().flows) names.insert(name);  // also one that is no longer mapped
  for (const auto& [uuid, row] : snapshot->table("Bridge")) {
    const auto name = row->column("name").string();
    if (name && names.contains(*name) && !row->column("datapath_id").empty()) wanted.insert(*name);
  }
  std::erase_if(bridges_, [&](const auto& entry) { return !wanted.contains(entry.first); });
  for (const std::string& name : wanted) {
    if (!bridges_.contains(name)) bridges_[name].of_switch = seams_.open_switch(name);
  }
}

std::vector<std::string> Reconciler::gate() const {
  std::vector<std::string> missing;
  if (in_sync_) return missing;
  const auto because = [](const std::string& error) { return error.empty() ? std::string() : ": " + error; };
  if (seams_.vswitch.snapshot() == nullptr) {
    const ovsdb::DatabaseStatus status = seams_.vswitch.status();
    missing.push_back(
        fmt::format("Open_vSwitch database at {} not read yet{}", status.remote, because(status.error)));
  }
  if (seams_.kernel.snapshot() == nullptr) missing.emplace_back("netlink not read yet");
  if (seams_.source.intent() == nullptr) {
    const intent::SourceStatus status = seams_.source.status();
    missing.push_back(fmt::format("{} at {} not read yet{}", status.kind, status.where, because(status.error)));
  }
  for (const auto& [name, bridge] : bridges_) {
    if (bridge.of_switch->flows() != nullptr) continue;
    missing.push_back(
        fmt::format("flows of bridge {} not read yet{}", name, because(bridge.of_switch->status().error)));
  }
  if (std::string fast_path = fast_path_.gate(); !fast_path.empty()) missing.push_back(std::move(fast_path));
  return missing;
}

bool Reconciler::gate_open() {
  if (in_sync_) return true;
  if (!gate().empty()) return false;
  in_sync_ = true;
  log::info("reconcile", "in sync: the databases, netlink and the flows of {} bridges have been read",
            bridges_.size());
  journal_.add(Event::Kind::Sync, "agent", "the databases, netlink and the flows of all bridges have been read");
  return true;
}

// The kernel tells of every neighbour that it has heard of: only what is a fact of ours makes a step.
bool Reconciler::kernel_changed() {
  if (seams_.kernel.sequence() == kernel_seen_) return false;
  const nl::Snapshot* kernel = seams_.kernel.snapshot();
  const Intent* intent = seams_.source.intent();
  if (!compiled_ || kernel == nullptr || intent == nullptr || !plan_.links.empty()) return true;
  if (addresses_of(*kernel) != facts_.host_addresses) return true;
  if (fast_path_.enabled()) {
    read_fast_path({.kernel = true});
    if (!fast_path_changes_.empty() || has_to_make_links(desired(), *kernel)) return true;
  }
  kernel_seen_ = seams_.kernel.sequence();
  return false;
}

void Reconciler::read_fast_path(FastPathReading::News news) {
  fast_path_reading_.update({.intent = *seams_.source.intent(),
                             .kernel = *seams_.kernel.snapshot(),
                             .read_back = fast_path_.tables(),
                             .given = desired().fast_path.ids},
                            news, facts_.fast_path, fast_path_changes_);
}

bool Reconciler::inputs_changed() {
  bool changed = !compiled_ || seams_.vswitch.sequence() != vswitch_seen_ ||
                 seams_.source.sequence() != source_seen_ || fast_path_.changed() || kernel_changed();
  for (auto& [name, bridge] : bridges_) {
    const bool has_flows = bridge.of_switch->flows() != nullptr;
    changed = changed || bridge.of_switch->sequence() != bridge.seen || has_flows != bridge.had_flows;
  }
  return changed;
}

// For people: which inputs have changed since the last step.
std::string Reconciler::what_woke() const {
  std::vector<std::string> causes;
  if (!compiled_) causes.emplace_back("start");
  if (seams_.source.sequence() != source_seen_) causes.push_back(seams_.source.status().kind);
  if (seams_.vswitch.sequence() != vswitch_seen_) causes.emplace_back("Open_vSwitch database");
  if (seams_.kernel.sequence() != kernel_seen_) causes.emplace_back("netlink");
  if (fast_path_.changed()) causes.emplace_back("fast path");
  for (const auto& [name, bridge] : bridges_) {
    if (bridge.of_switch->sequence() != bridge.seen) causes.push_back("flows of " + name);
  }
  if (causes.empty()) causes.emplace_back("outcome of a change");
  return fmt::format("{}", fmt::join(causes, ", "));
}

void Reconciler::step() {
  const Monotonic begun = seams_.clock.now();
  journal_.woken_by(what_woke());
  ++counters_.steps;
  dirty_ = false;
  const bool recompile = !compiled_ || seams_.vswitch.sequence() != vswitch_seen_ ||
                         seams_.source.sequence() != source_seen_ || seams_.kernel.sequence() != kernel_seen_ ||
                         fast_path_.changed();
  // Only Open vSwitch has changed, and nothing of ours was on its way to it.
  const bool undisturbed = compiled_ && seams_.source.sequence() == source_seen_ &&
                           seams_.kernel.sequence() == kernel_seen_ && !fast_path_.changed() && rows_settled_;
  std::map<std::string, const of::FlowSet*> flows;
  Differ::FlowChanges flow_changes;
  for (auto& [name, bridge] : bridges_) {
    const bool has_flows = bridge.of_switch->flows() != nullptr;
    if (has_flows != bridge.had_flows) {
      bridge.settled = false;
      journal_.add(Event::Kind::Connection, name,
                   has_flows ? "its flows have been read" : "the connection to ovs-vswitchd is lost");
    }
    if (has_flows) {
      flows[name] = bridge.of_switch->flows();
      if (bridge.had_flows) flow_changes[name] = bridge.of_switch->changes_since(bridge.seen);
    }
    bridge.seen = bridge.of_switch->sequence();
    bridge.had_flows = has_flows;
  }
  ovsdb::VswitchChanges vswitch_changes;
  IntentChanges intent_changes;
  DesiredChanges desired_changes;
  std::optional<fp::RecordKeys> record_changes = fp::RecordKeys{};
  if (recompile) {
    const bool kernel_read = !compiled_ || seams_.kernel.sequence() != kernel_seen_;
    if (!compiled_ || seams_.vswitch.sequence() != vswitch_seen_) {
      vswitch_changes = vswitch_.update(*seams_.vswitch.snapshot(),
                                        compiled_ ? seams_.vswitch.changes_since(vswitch_seen_) : std::nullopt);
    }
    if (kernel_read) addresses_ = addresses_of(*seams_.kernel.snapshot());
    if (compiled_) {
      intent_changes = seams_.source.changes_since(source_seen_);
    } else {
      intent_changes.all = true;
    }
    root_moved_ = root_moved_ || vswitch_changes.all || vswitch_changes.root_more;
    vswitch_seen_ = seams_.vswitch.sequence();
    source_seen_ = seams_.source.sequence();
    kernel_seen_ = seams_.kernel.sequence();
    const LocalVlans* moved = std::exchange(vlans_moved_, false) ? &desired().local_vlans : nullptr;
    FactsChanges facts_changes = update_facts(vswitch(), vswitch_changes, addresses_, moved, facts_);
    if (fast_path_.enabled()) {
      record_changes = fast_path_.changes();
      read_fast_path({.vteps = intent_changes.all,
                      .kernel = kernel_read,
                      .records = record_changes,
                      .given = std::exchange(ids_moved_, FastPathIdKeys{})});
      facts_changes.fast_path = std::exchange(fast_path_changes_, {});
    }
    fast_path_.seen();
    desired_changes = compiler_.update(*seams_.source.intent(), intent_changes, facts_, facts_changes, flows);
    vlans_moved_ = desired_changes.local_vlans;
    ids_moved_ = desired_changes.all ? std::nullopt : std::optional(desired_changes.fast_path.ids);
    if (desired_changes.all || desired_changes.fast_path.next_hops) fast_path_.look_at_next_hops();
    counters_.from_nothing = compiler_.from_nothing();
    compiled_ = true;
  }
  plan_ =
      differ_.update(desired(), desired_changes, vswitch(), vswitch_changes, flows, flow_changes, fast_path_.tables(),
                     std::move(record_changes), fast_path_.enabled() ? seams_.kernel.snapshot() : nullptr);
  find_repairs(recompile);
  if (recompile && undisturbed && !desired_changes.rows && !plan_.ovsdb.empty()) {
    rows_to_repair_ = count_row_repairs(vswitch_changes.new_rows, plan_.ovsdb);
  }
  const std::optional<std::set<Uuid>> changed_ports = judge_ports(intent_changes, desired_changes);
  mark_wired(vswitch_changes);
  // What is held back (a VLAN, until the port's flows are in) is still on its way.
  rows_settled_ = plan_.ovsdb.empty() && plan_.held.empty() && !seams_.vswitch.busy();
  find_problems();
  report(changed_ports ? &*changed_ports : nullptr);
  journal_.step_took(std::chrono::duration<double>(seams_.clock.now() - begun).count());
}

// A bridge that was settled, and of which nothing but its flows has changed since: somebody else has changed them.
void Reconciler::find_repairs(bool recompiled) {
  for (auto& [name, bridge] : bridges_) {
    const auto bundle = plan_.bundles.find(name);
    const bool to_send = bundle != plan_.bundles.end() && !bundle->second.empty();
    if (bridge.settled && to_send && !recompiled) bridge.repairs = tables_text(bundle->second, name, node_);
    // What is held back is still on its way.
    bridge.settled = bridge.had_flows && !to_send && plan_.held.empty() && !bridge.of_switch->busy();
  }
}

void Reconciler::apply() {
  const Monotonic now = seams_.clock.now();
  send_transaction(now);
  for (const auto& [name, bundle] : plan_.bundles) {
    const auto bridge = bridges_.find(name);
    if (bridge != bridges_.end()) send_bundle(name, bridge->second, bundle, now);
  }
  fast_path_.apply(plan_, desired().fast_path);
}

void Reconciler::send_transaction(Monotonic now) {
  if (plan_.ovsdb.empty() || seams_.vswitch.busy() || !seams_.vswitch.status().connected ||
      !database_back_off_.due(now)) {
    return;
  }
  if (const Status sent = seams_.vswitch.commit(plan_.ovsdb); !sent) {
    database_back_off_.failed(now);
    database_error_ = sent.error().message;
    log::warn("reconcile", "cannot write to the Open_vSwitch database: {}", database_error_);
    journal_.add(Event::Kind::Failed, "Open_vSwitch database", database_error_);
    return;
  }
  ++counters_.transactions;
  journal_.add(Event::Kind::Rows, "Open_vSwitch database", plan_.ovsdb.comment, plan_.ovsdb.operations.size());
  log::info("reconcile", "sent {} changes to the Open_vSwitch database: {}", plan_.ovsdb.operations.size(),
            plan_.ovsdb.comment);
  plan_.ovsdb = {};  // until the next reading
}

void Reconciler::send_bundle(const std::string& name, Bridge& bridge, const of::Bundle& bundle, Monotonic now) {
  if (bundle.empty() || bridge.of_switch->busy() || bridge.of_switch->flows() == nullptr ||
      !bridge.back_off.due(now)) {
    return;
  }
  if (bridge.of_switch->sequence() != bridge.seen) return;  // computed from an older reading: the next step's work
  if (const Status sent = bridge.of_switch->commit(bundle); !sent) {
    ++counters_.failures;
    bridge.back_off.failed(now);
    bridge.error = sent.error().message;
    log::warn("reconcile", "bridge {}: {}", name, bridge.error);
    journal_.add(Event::Kind::Failed, name, bridge.error);
    return;
  }
  ++counters_.bundles;
  counters_.flow_mods += bundle.mods.size();
  bridge.sent = bundle.mods.size();
  const std::string counts =
      fmt::format("{} flows to add, {} to change, {} to delete", count(bundle, of::FlowMod::Command::Add),
                  count(bundle, of::FlowMod::Command::Modify), count(bundle, of::FlowMod::Command::Delete));
  log::info("reconcile", "bridge {}: sent {}", name, counts);
  journal_.add(Event::Kind::Flows, name, counts, bridge.sent);
}

void Reconciler::take_outcomes() {
  const Monotonic now = seams_.clock.now();
  if (const auto outcome = seams_.vswitch.take_outcome()) {
    dirty_ = true;
    if (outcome->status) {
      database_back_off_.succeeded();
      database_error_.clear();
      journal_.add(Event::Kind::Confirmed, "Open_vSwitch database", "the transaction was carried out");
      if (rows_to_repair_ > 0) {
        const std::string text = fmt::format("repaired {} row{} that something else had changed or removed",
                                             rows_to_repair_, rows_to_repair_ == 1 ? "" : "s");
        log::warn("reconcile", "Open_vSwitch database: {}", text);
        journal_.add(Event::Kind::Repair, "Open_vSwitch database", text, rows_to_repair_);
      }
    } else {
      ++counters_.failures;
      database_back_off_.failed(now);
      database_error_ = outcome->status.error().message;
      log::warn("reconcile", "the Open_vSwitch database did not take a change: {}; next try in {} ms",
                database_error_, database_back_off_.pause().count());
      journal_.add(Event::Kind::Failed, "Open_vSwitch database", database_error_);
    }
    rows_to_repair_ = 0;
  }
  for (auto& [name, bridge] : bridges_) {
    const auto outcome = bridge.of_switch->take_outcome();
    if (!outcome) continue;
    dirty_ = true;
    if (*outcome) {
      bridge.back_off.succeeded();
      bridge.error.clear();
      journal_.add(Event::Kind::Confirmed, name, "the bundle was carried out", bridge.sent);
      if (!bridge.repairs.empty()) {
        const std::string text = fmt::format("repaired {}, which something else had changed", bridge.repairs);
        log::warn("reconcile", "bridge {}: {}", name, text);
        journal_.add(Event::Kind::Repair, name, text, bridge.sent);
      }
    } else {
      ++counters_.failures;
      bridge.back_off.failed(now);
      bridge.error = outcome->error().message;
      log::warn("reconcile", "bridge {}: a bundle failed: {}; next try in {} ms", name, bridge.error,
                bridge.back_off.pause().count());
      journal_.add(Event::Kind::Failed, name, bridge.error);
    }
    bridge.repairs.clear();
  }
}

bool Reconciler::converged() const {
  if (!in_sync_ || dirty_ || !plan_.empty() || seams_.vswitch.busy() || !fast_path_.idle()) return false;
  return std::all_of(bridges_.begin(), bridges_.end(), [](const auto& entry) {
    return !entry.second.of_switch->busy() && entry.second.of_switch->flows() != nullptr;
  });
}

std::map<std::string, of::SwitchStatus> Reconciler::switch_status() const {
  std::map<std::string, of::SwitchStatus> result;
  for (const auto& [name, bridge] : bridges_) result[name] = bridge.of_switch->status();
  return result;
}

std::map<std::string, of::Switch*> Reconciler::switches() const {
  std::map<std::string, of::Switch*> result;
  for (const auto& [name, bridge] : bridges_) result[name] = bridge.of_switch.get();
  return result;
}

// All that was asked for up to generation() is in the switches: the plan that was computed of it is empty, the barriers
// behind the last bundles have been answered, and ovs-vswitchd has carried out the rows.
void Reconciler::confirm() {
  const std::int64_t generation = seams_.source.generation();
  if (applied_ == generation || !converged() || !facts_.settled || inputs_changed()) return;
  applied_ = generation;
  const std::set<Uuid> none;
  report(&none);
}

void Reconciler::set_process_problem(std::string sentence) {
  if (sentence == process_problem_) return;
  process_problem_ = std::move(sentence);
  problems_moved_ = true;
}

void Reconciler::find_problems() {
  problems_moved_ = false;
  std::set<std::string> problems(plan_.stays.begin(), plan_.stays.end());
  if (!process_problem_.empty()) problems.insert(process_problem_);
  for (const auto& [object, reason] : desired().waiting) problems.insert(fmt::format("{}: {}", object, reason));
  for (const auto& [interface, port] : desired().strangers) {
    const std::string why = seams_.source.why_not_here(port);
    if (!why.empty()) problems.insert(fmt::format("interface {}: kept off the network: {}", interface, why));
  }
  problems.insert(seams_.source.intent()->problems.begin(), seams_.source.intent()->problems.end());
  for (const std::string& sentence : compiler_.rejected()) problems.insert(sentence);
  if (!database_error_.empty()) problems.insert("Open_vSwitch database: " + database_error_);
  problems.merge(fast_path_.problems(node_.fast_path));
  problems.insert(connections_.problems().begin(), connections_.problems().end());
  for (const auto& [name, bridge] : bridges_) {
    if (!bridge.error.empty()) problems.insert(fmt::format("bridge {}: {}", name, bridge.error));
  }
  std::erase_if(problems_since_, [&](const auto& entry) {
    const auto& [sentence, since] = entry;
    if (problems.contains(sentence)) return false;
    if (since.told) {
      log::info("reconcile", "solved: {}", sentence);
      journal_.add(Event::Kind::Solved, "agent", sentence);
    }
    return true;
  });
  for (const std::string& sentence : problems) problems_since_.try_emplace(sentence, Since{seams_.clock.now()});
  problems_ = std::move(problems);
}

void Reconciler::tell_problems() {
  const Monotonic now = seams_.clock.now();
  bool news = false;
  for (auto& [sentence, since] : problems_since_) {
    if (since.told || now < since.time + kPatience) continue;
    since.told = true;
    news = true;
    log::warn("reconcile", "problem: {}", sentence);
    journal_.add(Event::Kind::Problem, "agent", sentence);
  }
  const std::set<Uuid> none;
  if (news) report(&none);
}

void Reconciler::report(const std::set<Uuid>* changed_ports) {
  if (mode_ == Mode::Look) return;
  const bool has_local_ip = node_.local_ip && facts_.host_addresses.contains(*node_.local_ip);
  std::set<std::string> told;
  for (const auto& [sentence, since] : problems_since_) {
    if (since.told) told.insert(sentence);
  }
  const bool same = said_ && !std::exchange(root_moved_, false) && said_->problems == told &&
                    said_->local_ip_present == has_local_ip && said_->applied == applied_;
  if (!same) {
    said_ = intent::NodeReport{
        .problems = std::move(told),
        .local_ip_present = has_local_ip,
        .datapath_types = vswitch().datapath_types,
        .iface_types = vswitch().iface_types,
        .switch_id = vswitch().root ? vswitch().root->to_string() : std::string(),
        .applied = applied_,
    };
  }
  seams_.source.report(same ? nullptr : &*said_, port_reports_, changed_ports);
}

}  // namespace ml2::reconcile
