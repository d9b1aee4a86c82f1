// AgentCommands: the commands of the agent's control socket.
//
// Where in the walk: main() makes one behind the reconciler; `ml2ctl` and `ovs-appctl -t SOCKET list-commands` see it.
//   What needs more than one pass of the loop (recompute, explain) is kept here until it is answered.
// Threading: the thread of the poll loop only; no command blocks it.
// Failure: a wrong argument is refused with the words that are allowed.
// What it does not do: vlog/*, version, coverage/* and list-commands are libopenvswitch's; nothing here changes OVS.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/control/control.h"
#include "agent/control/explain.h"
#include "agent/control/status.h"
#include "agent/reconcile/audit.h"
#include "agent/reconcile/reconciler.h"

namespace ml2::control {

class AgentCommands {
 public:
  struct Places {
    reconcile::OpenDatabase open_vswitch;                           // for recompute
    reconcile::OpenSwitch open_switch;                              // likewise
    std::function<std::unique_ptr<fp::FastPath>()> open_fast_path;  // likewise; may be empty
    std::function<void()> exit;
  };
  // `control`, `reconciler` and `clock` outlive it.
  AgentCommands(Control& control, reconcile::Reconciler& reconciler, const Clock& clock, AgentFacts facts,
                Places places);

  void run();
  void wait();

 private:
  void run_audits();
  void run_explains();
  void explain(const Arguments& arguments, Reply reply);
  void recompute(Reply reply);

  struct RunningAudit {
    std::unique_ptr<reconcile::Audit> audit;
    Reply reply;
  };
  struct RunningExplain {
    std::string port;
    bool json = false;
    Reply reply;
  };

  reconcile::Reconciler& reconciler_;
  const Clock& clock_;
  AgentFacts facts_;
  Places places_;
  std::vector<RunningAudit> audits_;
  std::vector<RunningExplain> explains_;
  std::optional<CounterReading> reading_;  // one for all that wait in explains_
};

}  // namespace ml2::control
