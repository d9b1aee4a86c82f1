// Reconciler: the loop's heart: gather, compile, diff, apply; again until the plan is empty.
//
// Where in the walk: agent/main.cc wires it to its four neighbours; every pass of the loop calls run().
// Threading: the thread of the poll loop only.
// Failure: it never gives up: what fails is computed anew from the next reading, after a growing pause. Problems are
//   sentences in problems(), in the intent source's host row and, when they are new, in the log.
// What it does not do: no policy of networking (compile/ and diff/), no I/O of its own (the seams).
//
// The in-sync gate: nothing is changed until the Open_vSwitch database, netlink, the intent, the flows of every bridge
// of ours that exists, and the fast path (where one answers) have been read once. Afterwards a bridge whose connection is lost is left alone until
// its flows have been read again; the rest goes on.
//
// A step costs what has changed: each neighbour says what differs since the last step, and that goes along the walk:
//   rows (VswitchReading) -> Facts (update_facts) -> Desired (Compiler) -> Plan (Differ) -> ports, marks, report.
// The fast path's facts go beside (FastPathReading).
// Each of these equals what is computed from nothing (tests/states hold them to it, and `recompute` asks it of a running
// agent), and each starts from nothing when nobody knows what has changed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/intent/intent_source.h"
#include "agent/reconcile/back_off.h"
#include "agent/reconcile/connections.h"
#include "agent/reconcile/fast_path_drops.h"
#include "agent/reconcile/fast_path_side.h"
#include "agent/reconcile/journal.h"
#include "agent/reconcile/spoof_drops.h"
#include "datapath/base/clock.h"
#include "datapath/compile/compiler.h"
#include "datapath/compile/fast_path_reading.h"
#include "datapath/diff/differ.h"
#include "datapath/diff/plan.h"
#include "datapath/model/desired.h"
#include "datapath/model/facts.h"
#include "datapath/netlink/kernel.h"
#include "datapath/openflow/switch.h"
#include "ovsdb/database.h"
#include "ovsdb/vswitch.h"
#include "ovsdb/vswitch_reading.h"

namespace ml2::reconcile {

using OpenSwitch = std::function<std::unique_ptr<of::Switch>(const std::string& bridge)>;

// All of them outlive the reconciler.
struct Seams {
  ovsdb::Database& vswitch;
  intent::IntentSource& source;
  nl::Kernel& kernel;
  OpenSwitch open_switch;
  const Clock& clock;
  fp::FastPath* fast_path = nullptr;  // with [fastpath] enabled
};

struct Counters {
  std::uint64_t steps = 0;         // times that compile and diff ran
  std::uint64_t from_nothing = 0;  // of these: times that everything was compiled
  std::uint64_t transactions = 0;  // sent to the Open_vSwitch database
  std::uint64_t bundles = 0;
  std::uint64_t flow_mods = 0;
  std::uint64_t failures = 0;  // of both
};

class Reconciler {
 public:
  // Look (--dry-run): reads, compiles and diffs, and neither changes nor reports anything.
  enum class Mode { Act, Look };
  Reconciler(Seams seams, NodeConfig node, Mode mode = Mode::Act);

  void run();
  void wait();

  // What a person or a test may look at. All are as of the last step.
  [[nodiscard]] bool in_sync() const { return in_sync_; }
  [[nodiscard]] std::vector<std::string> gate() const;  // what the in-sync gate waits for; empty once in sync
  [[nodiscard]] bool converged() const;                 // in sync, the plan is empty and nothing is in flight
  [[nodiscard]] const NodeConfig& node() const { return node_; }
  [[nodiscard]] const Facts& facts() const { return facts_; }
  [[nodiscard]] const ovsdb::Vswitch& vswitch() const { return vswitch_.value(); }
  [[nodiscard]] const Desired& desired() const { return compiler_.desired(); }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] const std::map<Uuid, intent::PortReport>& port_reports() const { return port_reports_; }
  [[nodiscard]] std::size_t active_ports() const { return active_ports_; }  // of port_reports()
  [[nodiscard]] const std::set<std::string>& problems() const { return problems_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const intent::IntentSource& source() const { return seams_.source; }
  [[nodiscard]] const ovsdb::Database& database() const { return seams_.vswitch; }
  [[nodiscard]] const nl::Kernel& kernel() const { return seams_.kernel; }
  [[nodiscard]] fp::FastPathStatus fast_path_status() const { return fast_path_.status(); }
  [[nodiscard]] std::map<std::string, of::SwitchStatus> switch_status() const;
  // What is wrong with the process around it: one of problems() until it is said to be empty.
  void set_process_problem(std::string sentence);
  // Somebody looks: asks the switch at once what anti-spoofing drops.
  void look_for_drops() { spoof_drops_.look(); }
  // What anti-spoofing drops of the port now; 0: nothing.
  [[nodiscard]] std::uint64_t spoofed_frames(const PortState& state) const;
  // What is wrong with those it talks to, in a few words.
  [[nodiscard]] const std::set<std::string>& out_of_reach() const { return connections_.in_short(); }
  [[nodiscard]] const Journal& journal() const { return journal_; }
  // By bridge, to read flows and ask for counters; whoever commits is the reconciler alone.
  [[nodiscard]] std::map<std::string, of::Switch*> switches() const;

 private:
  struct Bridge {
    std::unique_ptr<of::Switch> of_switch;
    BackOff back_off;
    std::uint64_t seen = 0;  // the switch's sequence at the last step
    bool had_flows = false;  // flows() was there at the last step
    bool settled = false;    // the last step found nothing to send
    std::string repairs;     // what somebody else changed, while the bundle that mends it is on its way
    std::size_t sent = 0;    // flow mods of the last bundle
    std::string error;       // of the last bundle; empty when it went well
  };

  void track_bridges();
  [[nodiscard]] bool gate_open();
  [[nodiscard]] bool inputs_changed();
  [[nodiscard]] bool kernel_changed();
  void read_fast_path(FastPathReading::News news);
  [[nodiscard]] std::string what_woke() const;
  void step();
  void find_repairs(bool recompiled);
  void apply();
  void send_transaction(Monotonic now);
  void send_bundle(const std::string& name, Bridge& bridge, const of::Bundle& bundle, Monotonic now);
  void take_outcomes();
  std::optional<std::set<Uuid>> judge_ports(const IntentChanges& intent_changes,
                                            const DesiredChanges& desired_changes);
  void judge_port(const Uuid& id, std::set<Uuid>& changed);
  void mark_wired(const ovsdb::VswitchChanges& vswitch_changes);
  void watch_drops();
  void confirm();
  void find_problems();
  void tell_problems();
  void report(const std::set<Uuid>* changed_ports);

  Seams seams_;
  NodeConfig node_;
  Mode mode_;
  std::map<std::string, Bridge> bridges_;
  BackOff database_back_off_;
  std::string database_error_;

  bool in_sync_ = false;
  bool dirty_ = true;  // something failed or ended: step again though no reading changed
  std::uint64_t vswitch_seen_ = 0, source_seen_ = 0, kernel_seen_ = 0;
  bool compiled_ = false;

  ovsdb::VswitchReading vswitch_;
  std::set<IpAddress> addresses_;  // of this host
  FastPathReading fast_path_reading_;
  FastPathFactsChanges fast_path_changes_;  // of facts_, since the last step
  std::optional<FastPathIdKeys> ids_moved_ =
      FastPathIdKeys{};  // of desired(), that facts_ does not know; nullopt: any
  Facts facts_;
  bool vlans_moved_ = false;  // facts_.local_vlans is not desired().local_vlans yet
  Compiler compiler_;         // its flows are canonical
  Differ differ_;
  Plan plan_;
  std::map<Uuid, intent::PortReport> port_reports_;
  std::size_t active_ports_ = 0;
  std::set<Uuid> on_their_way_;                 // ports that a step may find wired though their state is the same
  std::set<std::string> marked_again_;          // interfaces whose marks were not right at the last step
  std::set<std::string> marked_early_;          // interfaces marked with their VLAN, whose ports are not ACTIVE yet
  std::map<fp::PortId, Uuid> fast_path_ports_;  // whose ports of the fast path these are, or were
  bool all_judged_ = false;                     // port_reports_ is of all ports
  std::set<Uuid> judged_;                       // at this step
  // A problem is told (log, host row) when it has stood for kPatience: most are a port's way to its OpenFlow number.
  static constexpr std::chrono::milliseconds kPatience{1000};
  struct Since {
    Monotonic time;
    bool told = false;
  };
  std::map<std::string, Since> problems_since_;
  std::set<std::string> problems_;
  std::string process_problem_;
  bool problems_moved_ = false;             // problems_ may be others, though no reading has changed
  std::optional<std::int64_t> applied_;     // the source's generation that is carried out
  std::optional<intent::NodeReport> said_;  // of the node, without ports; nullopt: nothing yet
  bool root_moved_ = false;                 // what said_ has of ovs-vswitchd may not be so any more
  bool rows_settled_ = false;               // the last step found no rows to write
  std::size_t rows_to_repair_ = 0;          // of the transaction that is planned or on its way
  Counters counters_;
  Journal journal_;
  Connections connections_;
  FastPathSide fast_path_;
  SpoofDrops spoof_drops_;
  FastPathDrops fast_path_drops_;
};

}  // namespace ml2::reconcile
