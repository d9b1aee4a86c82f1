// FastPathCompiler: ml2-fastpath's tables: the NICs, the machines' ports that it serves, their segments, VTEPs and addresses, and
//   the patch that joins a segment's ports on Open vSwitch with those on the fast path.
//
// Every segment has one way to other hosts. Where that is the fast path's (fast_path_carries()), Open vSwitch has none for it,
// and its ports of the segment reach everything through the patch, with their local VLAN as the tag; so there is no loop.
//
// Where in the walk: compile() makes one and calls all(), after the units of Open vSwitch; Compiler keeps one, and calls some()
//   with what has changed. What it finds out about a port (its device, what it waits for) goes into that port's state.
// How: first the frame (NICs, the patch), then units: a port (its device, who may send what from it, and its station in its
//   segment); a VTEP; of a segment what it is and by which devices it leaves, and apart from that what other hosts have of it.
//   Each unit knows the keys of the records that it has written.
// Threading: one owner.
// Failure: what cannot be served waits with its reason. Whatever is out of the ordinary (two networks with one segment, one
//   MAC twice in a segment, no number left) is compiled from nothing as long as it lasts: regular().
// What it does not do: no numbers of its own: fast_path_ids.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/compile/build.h"
#include "datapath/compile/fast_path_ids.h"

namespace ml2 {

// Of a device of the kernel, by the driver of [fastpath] kernel_driver.
[[nodiscard]] std::string kernel_devargs(const FastPathConfig& config, const std::string& link);

class FastPathCompiler {
 public:
  // Everything: from the units of `desired`, into it. `local`: segments with ports on Open vSwitch.
  void all(const Build& build, const std::map<LocalVlanKey, LocalSegment>& local, Desired& desired);
  // Whether it can be brought up to date by changes.
  [[nodiscard]] bool regular() const { return regular_; }

  // What has to be made anew on account of facts: into `ports` and `vteps`; false: everything.
  [[nodiscard]] bool take_facts(const FastPathFactsChanges& changes, const Intent& intent, const Facts& facts,
                                const FastPathIds& given, std::set<Uuid>& ports, std::set<IpAddress>& vteps) const;
  struct Work {
    const Build& build;                // Build::unplugged: of `ports`
    std::map<Uuid, PortState*> ports;  // made anew; nullptr: gone
    std::set<LocalVlanKey> segments;   // of which the VLAN has come or gone
    std::set<Segment> remote;          // of which other hosts have something else than before
    std::set<IpAddress> vteps;
    std::function<std::optional<LocalSegment>(const LocalVlanKey&)> local;
  };
  // Brings desired.fast_path and the states in `work` up to date; false: something that only the whole can judge.
  [[nodiscard]] bool some(const Work& work, Desired& desired, FastPathChanges& changes);

 private:
  using Unit = fp::KeysOf<std::vector>;  // the records that it has written
  struct Remade {
    Unit* unit = nullptr;
    fp::Tables next;
  };
  // A segment with a port on the fast path, or with one on Open vSwitch whose way out is the fast path's.
  struct Here {
    Segment segment;
    FastPathIdAllocation::SegmentNumber number;
    std::set<Uuid> machines;        // that the fast path serves
    std::optional<LocalVlan> vlan;  // with ports on Open vSwitch
    std::map<Mac, unsigned> macs;   // of all of these, and how many have it
    std::set<Uuid> any_mac;         // those that may have a MAC that nobody wrote down
    bool far_known = true;          // nobody on another host may
    bool answers = false;           // ARP and neighbour solicitations
    Unit unit;                      // the segment itself, and its ways out
    Unit reach;                     // what other hosts have
  };
  struct Member {  // a port of a segment that is here
    std::optional<LocalVlanKey> key;
    Mac mac;
    std::string device;  // of a machine's port
    Unit unit;
  };
  struct FarEnd {  // a VTEP
    fp::VtepId id = 0;
    std::optional<NextHop> hop;
    Unit unit;
  };
  // One call of all() or some().
  struct Step {
    const Build& build;
    Desired& desired;
    FastPathIdAllocation ids;
    FastPathChanges* changes = nullptr;   // nullptr: nobody asks
    std::set<LocalVlanKey> touched = {};  // segments that are not as they were
    std::set<LocalVlanKey> reach = {};    // what is written of other hosts has to be looked at again

    [[nodiscard]] const NodeConfig& node() const { return build.node(); }
    [[nodiscard]] const FastPathConfig& config() const { return build.node().fast_path; }
    [[nodiscard]] const FastPathFacts& facts() const { return build.facts.fast_path; }
    [[nodiscard]] fp::Tables& tables() const { return desired.fast_path.tables; }
  };

  // fast_path_frame.cc
  void uplinks(Step& step);
  void tunnel_uplink(Step& step);
  std::optional<fp::PortId> add_port(Step& step, fp::Tables& to, fp::abi::PortKind kind, const std::string& devargs,
                                     std::size_t mtu);
  void patch(Step& step, const std::map<LocalVlanKey, LocalSegment>& local);
  [[nodiscard]] bool has_tunnels() const { return tunnel_port_ && tunnel_trouble_.empty(); }
  [[nodiscard]] std::string trouble_with(const Segment& segment) const;
  [[nodiscard]] fp::Tables far_end(Step& step, const IpAddress& address);
  [[nodiscard]] std::string vtep_record(Step& step, const Vtep& vtep, FarEnd& end, fp::Tables& next);

  // fast_path_units.cc
  [[nodiscard]] static bool serves(const NodeConfig& node, const Port& port);
  Here* enter(Step& step, const Segment& segment, std::string& reason);
  void join(Step& step, const Port& port, Here& here, const std::string& device);
  void leave(Step& step, const Uuid& id, Member& member);
  [[nodiscard]] fp::Tables machine(Step& step, const Port& port, PortState& state);
  [[nodiscard]] fp::Tables beside(Step& step, const Port& port, PortState& state);
  [[nodiscard]] fp::Tables reach(Step& step, Here& here) const;
  [[nodiscard]] fp::Tables itself(Step& step, const Here& here) const;

  // fast_path.cc
  [[nodiscard]] bool share(Step& step, const Work& work);
  void remake_segments(Step& step, std::vector<Remade>& remade);
  void withdraw(Step& step, Remade& remade) const;
  void install(Step& step, Remade& remade);

  bool regular_ = true;
  std::optional<fp::PortId> tunnel_port_;
  std::string tunnel_trouble_;
  std::map<std::string, fp::PortId> physnets_;
  fp::PortId patch_port_ = 0;      // 0: none
  std::string patch_waiting_;      // for what the patch waits
  std::set<LocalVlanKey> shared_;  // segments that are to go through the patch
  std::map<LocalVlanKey, Here> segments_;
  std::map<LocalVlanKey, std::string> refusals_;  // of segments that cannot be here: why
  std::map<Carrier, LocalVlanKey> carriers_;
  std::map<Uuid, Member> members_;
  std::map<std::string, Uuid> devices_;  // whose they are
  std::map<IpAddress, FarEnd> vteps_;
  std::map<NextHop, std::set<IpAddress>> hops_;  // VTEPs behind each
};

}  // namespace ml2
