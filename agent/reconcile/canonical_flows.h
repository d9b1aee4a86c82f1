// CanonicalFlows: desired flows in the form in which a switch reports them, each text put through the codec once.
//
// Where in the walk: between compile() and diff(): both sides of the diff then went through the same encoder.
// Threading: one owner.
// Failure: a flow that does not parse is a bug of ours: it is left out, named in the log, and counted as a problem.
// What it does not do: no look at the switch.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "datapath/openflow/flow.h"

namespace ml2::reconcile {

class CanonicalFlows {
 public:
  // Flows that were there at the last call cost one look-up; flows that are gone are forgotten.
  [[nodiscard]] std::map<std::string, of::FlowSet> of_bridges(const std::map<std::string, of::FlowSet>& flows);
  // Sentences on flows of the last call that could not be used.
  [[nodiscard]] const std::vector<std::string>& rejected() const { return rejected_; }

 private:
  struct Seen {
    of::FlowBody written;  // as compile() wrote it
    of::FlowKey key;       // canonical
    of::FlowBody body;
  };
  using Bridge = std::map<of::FlowKey, Seen>;  // by the key as compile() wrote it

  std::map<std::string, Bridge> seen_;
  std::vector<std::string> rejected_;
};

}  // namespace ml2::reconcile
