// World: states of intent and plugged interfaces, and an agent's loop that takes an OvsModel from one to the next.
//
// Where in the walk: state lists and golden texts; everything that DESIGN asks of compile() and diff() together is
//   checked on the way (see World::converge); Compiler and Differ are held to them in each round (follower.h).
// Threading: none. Failure: gtest failures that name the state and the round.
// What it does not do: no expectations of single flows: those are golden texts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/compile/compile.h"
#include "datapath/diff/diff.h"
#include "tests/states/follower.h"
#include "tests/states/ovs_model.h"

namespace ml2::testing {

// A UUID that stays readable: uuid_of(7) is 00000000-0000-0000-0000-000000000007.
Uuid uuid_of(std::uint32_t number);
IpAddress ip(const char* text);
Mac mac(const char* text);

Segment vxlan(std::uint32_t network, std::uint32_t vni);
Segment geneve(std::uint32_t network, std::uint32_t vni);
Segment gre(std::uint32_t network, std::uint32_t key);
Segment vlan(std::uint32_t network, const char* physical_network, std::uint32_t id);
Segment flat(std::uint32_t network, const char* physical_network);
Segment local(std::uint32_t network);

// What is asked, and what people and nova have done on the host.
struct State {
  std::string name;
  Intent intent;
  std::map<std::string, Uuid> plugged;  // interface on br-int -> the port it says it is
  std::set<std::string> bridges;        // made by the operator
  std::set<IpAddress> addresses;        // of the host
  bool keeps_past = false;              // what it looks like depends on what was there before

  State named(std::string new_name) const;
  State& port(std::uint32_t number, const Segment& segment, bool plug = true);
  State& without_port(std::uint32_t number);
  State& vtep(NetworkType type, const char* address);
  State& without_vtep(NetworkType type, const char* address);
};
// A host "hv1" with vxlan tunnels from 10.0.0.1 and br-ex for physical network "physnet1".
State base_state();
std::string tap_of(std::uint32_t port);

class World {
 public:
  World() = default;

  OvsModel ovs;
  Desired desired;  // of the last round
  std::unique_ptr<Follower> follower = std::make_unique<Follower>();

  // Does to the host what `state` says, then converges; `reverse`: plugs in the opposite order.
  void become(const State& state, bool reverse = false);
  // The agent is killed and starts again: what it had in memory is gone.
  void restart() {
    memory_.clear();
    follower = std::make_unique<Follower>();
  }
  // Bundles are lost in the first round (a slow connection), or the transaction is.
  // Called between the halves of each round, and after it.
  std::function<void(const OvsModel&)> watch;
  enum class Loss { None, FirstBundles, FirstTransaction };
  Loss loss = Loss::None;

  // All rows and flows of ours as text that does not depend on numbers given out on the way.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] Desired compiled() const;
  [[nodiscard]] Plan planned() const;
  // One round; false when there was nothing to do.
  bool round();
  // What is asked, without converging.
  void ask(const State& state) { state_ = state; }
  void converge();

 private:
  struct Shot {
    std::map<std::string, of::FlowSet> flows;
    ovsdb::Vswitch rows;
  };
  [[nodiscard]] Shot shot() const;
  void check_plan(const Plan& plan) const;
  void check_isolation() const;

  State state_;
  LocalVlans memory_;
  int rounds_ = 0;
};

}  // namespace ml2::testing
