// Follower: Compiler and Differ beside an agent's loop that computes everything from nothing; both must always agree.
//
// Where in the walk: World has one: whatever a state list or a random walk does, after each round what was reached by
//   changes alone is compared with what compile() and diff() make of the whole.
// Threading: none. Failure: gtest failures that name what differs.
// What it does not do: no database: what has changed it finds out by comparing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/compile/compiler.h"
#include "datapath/compile/fast_path_reading.h"
#include "datapath/diff/differ.h"

namespace ml2::testing {

[[nodiscard]] ovsdb::VswitchChanges changes_between(const ovsdb::Vswitch& before, const ovsdb::Vswitch& now);

class Follower {
 public:
  Follower();

  // Of a node whose fast path is enabled.
  struct FastPath {
    const nl::Snapshot* kernel = nullptr;
    const fp::Tables* tables = nullptr;  // nullptr: not read
  };
  // The same input as compile() and diff() had, and what they made of it.
  void follow(const Intent& intent, const ovsdb::Vswitch& vswitch, const std::set<IpAddress>& addresses,
              const std::map<std::string, const of::FlowSet*>& flows, const FastPath& fast_path,
              const Desired& desired, const Plan& plan);
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  // Of these: how often everything was compiled.
  [[nodiscard]] std::uint64_t from_nothing() const { return compiler_.from_nothing(); }

 private:
  // Brings facts_.fast_path up to date; answers which records have changed, nullopt: any.
  std::optional<fp::RecordKeys> follow_fast_path(const Intent& intent, const IntentChanges& intent_changes,
                                                 const FastPath& fast_path, FastPathFactsChanges& changes);

  Compiler compiler_;
  Differ differ_;
  FastPathReading fast_path_reading_;
  Facts facts_;
  bool vlans_moved_ = false;                                    // DesiredChanges::local_vlans of the last step
  std::optional<FastPathIdKeys> ids_moved_ = FastPathIdKeys{};  // DesiredChanges::fast_path of the last step
  std::uint64_t steps_ = 0;
  // What it saw the last time.
  std::optional<Intent> intent_;
  ovsdb::Vswitch vswitch_;
  std::map<std::string, of::FlowSet> flows_;
  nl::Snapshot kernel_;
  std::optional<fp::Tables> tables_;
};

}  // namespace ml2::testing
