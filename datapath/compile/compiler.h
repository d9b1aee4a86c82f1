// Compiler: compile() for whoever asks again and again: it keeps what it has made and makes anew what has changed.
//
// Where in the walk: the reconciler has one. Its Desired is that of compile(), with each flow in canonical form.
// How: Desired is made of units (build.h). A change of a port, of an interface on the integration bridge or of what
//   other hosts have of a network makes those units anew that have it as an input; their flows are compared with what
//   the unit had, and only those that differ are put through the codec. A network's remote ports, of which it may have
//   thousands, are some to a unit, by their MACs. Any other change (the ini, bridges, patch and
//   tunnel ports, addresses of the host, VTEPs, an intent that is not complete), and whatever is out of the ordinary (two
//   networks with one segment, no VLAN left, two units that write one flow or row), makes everything anew. No change makes
//   nothing. The fast path's units follow theirs (fast_path_compiler.h).
// Threading: one owner.
// Failure: a flow that the codec refuses is a bug of ours: it is left out and named in rejected().
// What it does not do: no look at what is there; diff/ does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "datapath/base/result.h"
#include "datapath/compile/build.h"
#include "datapath/compile/compile.h"
#include "datapath/compile/fast_path_compiler.h"
#include "datapath/model/desired.h"
#include "datapath/model/facts.h"
#include "datapath/model/intent.h"

namespace ml2 {

// The parts of two Desired that are not equal, by name ("flows of br-int"); empty when all are.
[[nodiscard]] std::vector<std::string> differences(const Desired& one, const Desired& other);

class Compiler {
 public:
  // of::canonical(), which compile/ does not link.
  using Canonical =
      std::function<Result<std::pair<of::FlowKey, of::FlowBody>>(const of::FlowKey&, const of::FlowBody&)>;
  // By bridge: flows as a switch has reported them. What is written in the same words needs no codec.
  using Known = std::map<std::string, const of::FlowSet*>;

  explicit Compiler(Canonical canonical) : canonical_(std::move(canonical)) {}

  // Brings desired() up to date: `intent_changes` and `facts_changes` are what has happened since the last call.
  // facts.local_vlans must be desired().local_vlans.
  DesiredChanges update(const Intent& intent, const IntentChanges& intent_changes, const Facts& facts,
                        const FactsChanges& facts_changes, const Known& known = {});

  [[nodiscard]] const Desired& desired() const { return desired_; }
  // Sentences on flows that could not be used.
  [[nodiscard]] const std::vector<std::string>& rejected() const { return rejected_; }
  // How often everything was made anew.
  [[nodiscard]] std::uint64_t from_nothing() const { return from_nothing_; }

 private:
  using BridgeFlows = std::pair<const std::string, of::FlowSet>;  // an entry of desired_.flows
  // What one unit has put into desired_.
  struct Unit {
    std::vector<std::pair<BridgeFlows*, of::FlowSet::iterator>> flows;
    std::vector<std::string> vifs;
    std::vector<std::string> strangers;
  };
  struct Claim {
    std::set<std::string> interfaces;
    std::optional<Segment> wired;  // the segment that it is wired to
    Unit unit;
  };
  struct Use {
    Segment segment;
    std::set<Uuid> ports;  // wired to it
    Unit unit;
    // Its remote ports' units, and by how many they are told apart: a power of two.
    std::map<unsigned, Unit> remote;
    unsigned remote_units = 1;
  };
  // Which of a segment's units are made anew: its own always; of remote ports all, or those with these MACs.
  struct Stale {
    bool all = false;
    std::set<Mac> macs;
  };
  using StaleSegments = std::map<LocalVlanKey, Stale>;
  // A unit that is made anew, and what it is now.
  struct Remade {
    Uuid id;  // of a claim; of a segment: zero
    Unit* unit = nullptr;
    Desired next;
  };

  void compile_all(const Intent& intent, const Facts& facts, const Known& known, const Desired& before);
  [[nodiscard]] bool compile_units(Build& build, const Claims& claims, const Wiring& wiring, const Known& known);
  [[nodiscard]] bool update_some(const Intent& intent, const IntentChanges& intent_changes, const Facts& facts,
                                 const FactsChanges& facts_changes, DesiredChanges& changes);
  [[nodiscard]] bool take_claims(const NodeConfig& node, const Facts& facts, const FactsChanges& changes,
                                 std::set<Uuid>& dirty);
  [[nodiscard]] bool rewire(const Build& build, const std::set<Uuid>& dirty, StaleSegments& segments,
                            DesiredChanges& changes);
  [[nodiscard]] bool allocate(const Build& build, const StaleSegments& segments, DesiredChanges& changes);
  [[nodiscard]] bool take_remote(const Intent& intent, const IntentChanges& changes, StaleSegments& segments,
                                 std::set<IpAddress>& vteps);
  [[nodiscard]] bool take_remote(const Intent& intent, const Segment& segment, const std::set<Mac>* macs,
                                 StaleSegments& segments, std::set<IpAddress>& vteps);
  void remake_segment(Build& build, Use& use, std::optional<LocalVlan> vlan, const Stale& stale,
                      std::vector<Remade>& remade);
  void count_vteps(const Segment& segment, const std::set<IpAddress>& now, std::set<IpAddress>& changed);
  [[nodiscard]] bool follow_fast_path(FastPathCompiler::Work work, std::vector<Remade>& remade,
                                      DesiredChanges& changes);
  void withdraw(Remade& remade, DesiredChanges& changes);
  [[nodiscard]] bool install(Remade& remade, const Known& known, DesiredChanges& changes);
  [[nodiscard]] std::optional<std::pair<of::FlowKey, of::FlowBody>> canonical(const std::string& bridge,
                                                                              const of::FlowKey& key,
                                                                              const of::FlowBody& body,
                                                                              const Known& known);

  Canonical canonical_;
  Desired desired_;
  const Desired* before_ = nullptr;  // desired_ as it was, while all is made anew
  std::vector<std::string> rejected_;
  std::uint64_t from_nothing_ = 0;
  bool regular_ = false;  // what follows is complete: single units can be made anew
  Frame frame_;
  std::map<Uuid, Claim> claims_;
  std::map<LocalVlanKey, Use> uses_;
  std::map<Carrier, LocalVlanKey> carriers_;
  FastPathCompiler fast_path_;
  std::map<Segment, std::set<IpAddress>> remote_vteps_;                 // RemoteSegment::vteps
  std::map<std::pair<NetworkType, IpAddress>, std::size_t> vtep_uses_;  // in how many of these
};

}  // namespace ml2
