// FakeNode: one hypervisor in memory: Open_vSwitch database, ovs-vswitchd, kernel and a source of intent, with a
// Reconciler on top that can be killed and started again.
//
// Where in the walk: unit tests of the reconciler.
// Threading: one thread.
// Failure: what its fakes offer: vswitch(), of_switch(), source() are open to the test.
// What it does not do: no packets.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/reconcile/reconciler.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_database.h"
#include "tests/fakes/fake_fast_path.h"
#include "tests/fakes/fake_kernel.h"
#include "tests/fakes/fake_switch.h"

namespace ml2::reconcile {

class FakeSource final : public intent::IntentSource {
 public:
  void run() override {}
  void wait() override {}
  [[nodiscard]] const Intent* intent() const override { return intent_ ? &*intent_ : nullptr; }
  [[nodiscard]] std::uint64_t sequence() const override { return sequence_; }
  // What differs is found out by comparing, so that the reconciler is held to it.
  [[nodiscard]] IntentChanges changes_since(std::uint64_t sequence) const override;
  void report(const intent::NodeReport* node, const std::map<Uuid, intent::PortReport>& ports,
              const std::set<Uuid>* changed) override;
  [[nodiscard]] intent::SourceStatus status() const override { return status_; }
  [[nodiscard]] std::string why_not_here(const Uuid& port) const override { return "no port " + port.to_string(); }

  [[nodiscard]] std::int64_t generation() const override { return generation_; }
  // What it says of itself; what it holds stays.
  void disconnect(std::string error) {
    status_.connected = false;
    status_.error = std::move(error);
  }
  void reconnect() {
    status_.connected = true;
    status_.error.clear();
  }

  void ask_for(std::int64_t generation) { generation_ = generation; }

  void set(Intent intent) {
    before_ = std::move(intent_);
    intent_ = std::move(intent);
    ++sequence_;
  }
  [[nodiscard]] const intent::NodeReport& last_report() const { return report_; }

 private:
  std::optional<Intent> before_;  // of the number before
  std::optional<Intent> intent_;
  std::uint64_t sequence_ = 0;
  std::int64_t generation_ = 0;
  intent::NodeReport report_;
  intent::SourceStatus status_{.kind = "test", .where = "memory", .connected = true};
};

class FakeNode {
 public:
  explicit FakeNode(NodeConfig node);

  // kill -9 and start: a reconciler with no memory on the same world.
  void start_agent();
  // The ini of the next start.
  void set_node(NodeConfig node) { node_ = std::move(node); }
  [[nodiscard]] Reconciler& agent() { return *agent_; }

  // Passes of the loop, each followed by what ovs-vswitchd does about the database.
  void run(int passes = 12);
  // What ovs-vswitchd does: makes bridges and gives OpenFlow ports.
  void run_vswitchd();
  bool vswitchd_alive = true;

  // As `vif plug` does it.
  void plug(const std::string& interface, const Uuid& port);
  void unplug(const std::string& interface);
  void add_bridge(const std::string& name);
  // The agent's end of a bridge's switch, as the reconciler gets it.
  [[nodiscard]] std::unique_ptr<of::Switch> open_switch(const std::string& bridge);

  ovsdb::FakeDatabase& vswitch() { return vswitch_; }
  of::FakeSwitch& of_switch(const std::string& bridge);
  FakeSource& source() { return source_; }
  FakeClock& clock() { return clock_; }
  nl::FakeKernel& kernel() { return kernel_; }
  nl::FakeHost& host() { return host_; }
  // Serves the agent when [fastpath] is enabled; alive from the start.
  fp::FakeFastPathProcess& fast_path() { return fast_path_; }

  // What the agent has done so far, over all of its lives.
  [[nodiscard]] std::size_t transactions() const { return vswitch_.committed().size(); }
  [[nodiscard]] std::size_t bundles() const;

 private:
  NodeConfig node_;
  FakeClock clock_;
  ovsdb::FakeDatabase vswitch_;
  nl::FakeHost host_;
  nl::FakeKernel kernel_;
  fp::FakeFastPathProcess fast_path_;
  std::unique_ptr<fp::FakeFastPath> fast_path_end_;  // the agent's
  FakeSource source_;
  std::map<std::string, std::unique_ptr<of::FakeSwitch>> switches_;
  std::unique_ptr<Reconciler> agent_;
  std::int64_t next_ofport_ = 1;
};

}  // namespace ml2::reconcile
