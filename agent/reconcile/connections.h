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

#include <map>
#include <set>
#include <string>

#include "agent/reconcile/journal.h"
#include "datapath/base/clock.h"
#include "datapath/openflow/switch.h"

namespace ml2::reconcile {

class Connections {
 public:
  // Both outlive it.
  Connections(const Clock& clock, Journal& journal) : clock_(clock), journal_(journal) {}

  // How the neighbours stand now. True when problems() are others than before.
  bool run(const std::map<std::string, of::SwitchStatus>& switches);
  // A sentence stays the same for as long as its cause does.
  [[nodiscard]] const std::set<std::string>& problems() const { return problems_; }
  // The same in a few words, for one line that has to say all.
  [[nodiscard]] const std::set<std::string>& in_short() const { return in_short_; }

 private:
  void look_at_switches(const std::map<std::string, of::SwitchStatus>& switches);

  const Clock& clock_;
  Journal& journal_;
  struct Since {
    Monotonic time;
    WallTime wall;  // for people
  };
  std::map<std::string, Since> silent_;  // by bridge: since when ovs-vswitchd owes an answer
  std::set<std::string> problems_;
  std::set<std::string> in_short_;
};

}  // namespace ml2::reconcile
