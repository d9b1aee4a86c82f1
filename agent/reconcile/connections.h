// Connections: whether those that the reconciler talks to are there and answer: an event of the journal when that
// changes, a problem for as long as something is wrong.
//
// Where in the walk: Reconciler::run() shows it how its neighbours stand, before each step and without one.
// Threading: the thread of the poll loop only.
// Failure: none; it is about the failures of others.
// What it does not do: it breaks nothing off and decides nothing. An ovs-vswitchd with thousands of ports may be busy for
//   half a minute, which looks from here as if it hung; either way what stands is kept and changes wait. Bridges whose
//   connection is lost are the step's (their flows are gone with it), and the fast path is FastPathSide's.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>

#include "agent/intent/intent_source.h"
#include "agent/reconcile/journal.h"
#include "datapath/base/clock.h"
#include "datapath/base/result.h"
#include "datapath/openflow/switch.h"
#include "ovsdb/database.h"

namespace ml2::reconcile {

class Connections {
 public:
  // Both outlive it.
  Connections(const Clock& clock, Journal& journal) : clock_(clock), journal_(journal) {}

  // How the neighbours stand now. True when problems() are others than before.
  bool run(const std::map<std::string, of::SwitchStatus>& switches, const ovsdb::DatabaseStatus& vswitch,
           const intent::SourceStatus& source, const Status& kernel);
  void wait() const;
  // A sentence stays the same for as long as its cause does.
  [[nodiscard]] const std::set<std::string>& problems() const { return problems_; }
  // The same in a few words, for one line that has to say all.
  [[nodiscard]] const std::set<std::string>& in_short() const { return in_short_; }

 private:
  // A database that is away for longer than this is a problem: a cluster's next leader is there sooner. Its reason is
  // known by then, too.
  static constexpr std::chrono::milliseconds kAway{2000};
  void look_at_switches(const std::map<std::string, of::SwitchStatus>& switches);

  const Clock& clock_;
  Journal& journal_;
  struct Since {
    Monotonic time;
    WallTime wall;  // for people
  };
  struct Database {
    bool connected = false;
    Since since;
  };
  void look_at_database(const std::string& name, const std::string& where, bool connected, const std::string& error);
  [[nodiscard]] Since since_now() const { return {clock_.now(), clock_.wall()}; }

  std::map<std::string, Database> databases_;
  std::map<std::string, Since> silent_;  // by bridge: since when ovs-vswitchd owes an answer
  std::set<std::string> problems_;
  std::set<std::string> in_short_;
};

}  // namespace ml2::reconcile
