// Differ: diff() for whoever asks again and again: it looks where something has changed, or was not right the last time.
//
// Where in the walk: the reconciler has one. Its Plan is that of diff() for the same Desired and Actual.
// How: it remembers the suspects: flows, Port rows and records of the fast path that differed the last time. To these come those whose desired or
//   actual state has changed since. All others are as they shall be, or none of ours. What the switch has learned is
//   judged by other flows (parts.h, learned_rightly()): when one of those changes, all that is learned is suspect.
// Threading: one owner.
// Failure: where the changes are not known, everything is compared.
// What it does not do: no look at outcomes: what was sent stays suspect until it is read back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/diff/parts.h"
#include "datapath/diff/plan.h"
#include "datapath/model/desired.h"
#include "ovsdb/vswitch.h"

namespace ml2 {

class Differ {
 public:
  // By bridge: flows that may have changed since the last call; nullopt, or a bridge that is absent: any of them.
  using FlowChanges = std::map<std::string, std::optional<std::set<of::FlowKey>>>;

  // `flows`, `fast_path`, `kernel` as in Actual; the changes are what has happened since the last call. Of the fast path:
  // the records that may have changed; nullopt: any.
  [[nodiscard]] Plan update(const Desired& desired, const DesiredChanges& desired_changes,
                            const ovsdb::Vswitch& vswitch, const ovsdb::VswitchChanges& vswitch_changes,
                            const std::map<std::string, const of::FlowSet*>& flows, const FlowChanges& flow_changes,
                            const fp::Tables* fast_path = nullptr,
                            std::optional<fp::RecordKeys> fast_path_changes = std::nullopt,
                            const nl::Snapshot* kernel = nullptr);

 private:
  struct Bridge {
    bool read = false;  // its flows had been read the last time
    std::optional<std::uint64_t> incumbent;
    std::set<of::FlowKey> learned;
    std::set<of::FlowKey> suspects;  // after update(): those that differed
  };

  void suspect_flows(const std::string& name, const Sides& sides, const DesiredChanges& desired_changes,
                     const FlowChanges& flow_changes);
  void note_learned(Bridge& bridge, const of::FlowSet& there, const std::set<of::FlowKey>& changed) const;
  void follow_fast_path(const Desired& desired, const DesiredChanges& desired_changes, const fp::Tables* fast_path,
                        std::optional<fp::RecordKeys> changes, const nl::Snapshot* kernel, Plan& plan);
  static void settle(Bridge& bridge, const of::FlowSet& wanted, const of::FlowSet& there);

  std::map<std::string, Bridge> bridges_;
  bool rows_read_ = false;           // unsettled_ is of a whole comparison
  std::set<std::string> unsettled_;  // Port rows that were not as they shall be
  bool fast_path_read_ = false;      // the next is of a whole comparison
  fp::RecordKeys unsettled_records_;
};

}  // namespace ml2
