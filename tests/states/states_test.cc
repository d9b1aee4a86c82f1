// State lists through expanders: one list of states, run in any order, taken apart, torn down in between, squashed,
// with restarts, losses and an absent source; what Open vSwitch holds at the end of each state is always the same text,
// and World checks the rest on the way.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "datapath/base/text.h"
#include "tests/states/state_lists.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

struct Step {
  State state;
  bool reverse_plugs = false;
  bool restart = false;
  bool is_end_of_state = true;  // the text must be that of the state
  World::Loss loss = World::Loss::None;
};
using Steps = std::vector<Step>;
using Expander = std::function<Steps(const std::vector<State>&)>;

Steps as_they_are(const std::vector<State>& states) {
  Steps steps;
  for (const State& state : states) steps.push_back({.state = state});
  return steps;
}

Steps reverse_plugs(const std::vector<State>& states) {
  Steps steps = as_they_are(states);
  for (Step& step : steps) step.reverse_plugs = true;
  return steps;
}

Steps reverse_states(const std::vector<State>& states) {
  Steps steps = as_they_are(states);
  std::reverse(steps.begin(), steps.end());
  return steps;
}

State emptied(const State& state) {
  State empty = state.named("nothing, on the way to " + state.name);
  empty.intent.ports.clear();
  empty.intent.refused.clear();
  empty.intent.vteps.clear();
  empty.intent.remote.clear();
  empty.plugged.clear();
  return empty;
}

Steps insert_empties(const std::vector<State>& states) {
  Steps steps;
  for (const State& state : states) {
    steps.push_back({.state = emptied(state), .is_end_of_state = false});
    steps.push_back({.state = state});
  }
  return steps;
}

// The source of intent is away before each state: nothing may be deleted meanwhile.
Steps insert_absences(const std::vector<State>& states) {
  Steps steps;
  for (const State& state : states) {
    steps.push_back({.state = state});
    State absent = state.named("source away after " + state.name);
    absent.intent.complete = false;
    steps.push_back({.state = absent, .is_end_of_state = false});
    steps.push_back({.state = absent, .restart = true, .is_end_of_state = false});
  }
  return steps;
}

Steps with_restarts(const std::vector<State>& states) {
  Steps steps;
  for (const State& state : states) {
    steps.push_back({.state = state, .restart = true});
    steps.push_back({.state = state, .restart = true});
  }
  return steps;
}

Steps with_losses(const std::vector<State>& states) {
  Steps steps;
  for (const State& state : states) {
    steps.push_back({.state = state, .loss = World::Loss::FirstBundles});
    steps.push_back({.state = emptied(state), .is_end_of_state = false, .loss = World::Loss::FirstTransaction});
    steps.push_back({.state = state, .loss = World::Loss::FirstTransaction});
  }
  return steps;
}

// One object at a time.
Steps split_states(const std::vector<State>& states) {
  Steps steps;
  State now = emptied(states.front());
  now.intent.node = states.front().intent.node;
  const auto step = [&](const char* what, const State& target) {
    steps.push_back(
        {.state = now.named(std::string(what) + ", on the way to " + target.name), .is_end_of_state = false});
  };
  for (const State& target : states) {
    const State before = now;
    now.intent.node = target.intent.node;
    now.bridges = target.bridges;
    now.addresses = target.addresses;
    step("node", target);
    for (const auto& [name, id] : before.plugged) {
      const auto wanted = target.plugged.find(name);
      if (wanted != target.plugged.end() && wanted->second == id) continue;
      now.plugged.erase(name);
      step("unplug", target);
    }
    for (const auto& [id, port] : before.intent.ports) {
      if (target.intent.ports.contains(id)) continue;
      now.intent.ports.erase(id);
      step("port deleted", target);
    }
    for (const Vtep& vtep : before.intent.vteps) {
      if (target.intent.vteps.contains(vtep)) continue;
      now.intent.vteps.erase(vtep);
      step("host gone", target);
    }
    for (const Vtep& vtep : target.intent.vteps) {
      if (!now.intent.vteps.insert(vtep).second) continue;
      step("host joined", target);
    }
    for (const auto& [name, id] : target.plugged) {
      if (!now.plugged.emplace(name, id).second) continue;
      step("plug", target);
    }
    for (const auto& [id, port] : target.intent.ports) {
      now.intent.ports.insert_or_assign(id, port);
      step("port", target);
    }
    now = target;
    steps.push_back({.state = target});
  }
  return steps;
}

Steps squash(const std::vector<State>& states) { return {{.state = states.back()}}; }

std::map<std::string, Expander> expanders() {
  return {{"as_they_are", as_they_are},         {"reverse_plugs", reverse_plugs}, {"reverse_states", reverse_states},
          {"insert_empties", insert_empties},   {"split_states", split_states},   {"squash", squash},
          {"insert_absences", insert_absences}, {"with_restarts", with_restarts}, {"with_losses", with_losses}};
}

// The text of each state of a list, reached from nothing in one step.
std::map<std::string, std::string> texts_of(const std::vector<State>& states) {
  std::map<std::string, std::string> texts;
  for (const State& state : states) {
    World world;
    world.become(state);
    texts[state.name] = world.text();
  }
  return texts;
}

// The lines that only one of the two has.
std::string difference(const std::string& expected, const std::string& actual) {
  const auto lines = [](const std::string& text) {
    const std::vector<std::string> parts = text::split(text, '\n');
    return std::set<std::string>(parts.begin(), parts.end());
  };
  std::string result;
  for (const std::string& line : lines(expected)) {
    if (!lines(actual).contains(line)) result += "- " + line + "\n";
  }
  for (const std::string& line : lines(actual)) {
    if (!lines(expected).contains(line)) result += "+ " + line + "\n";
  }
  return result;
}

struct Case {
  std::string list;
  std::string expander;
};

class StateLists : public ::testing::TestWithParam<Case> {};

TEST_P(StateLists, EveryWayLeadsToTheSame) {
  const std::vector<State> states = state_lists().at(GetParam().list);
  const std::map<std::string, std::string> texts = texts_of(states);
  World world;
  for (const Step& step : expanders().at(GetParam().expander)(states)) {
    SCOPED_TRACE(step.state.name);
    if (step.restart) world.restart();
    world.loss = step.loss;
    world.become(step.state, step.reverse_plugs);
    if (::testing::Test::HasFailure()) return;
    if (!step.is_end_of_state) continue;
    if (!step.state.keeps_past) {
      const std::string& expected = texts.at(step.state.name);
      ASSERT_TRUE(world.text() == expected) << difference(expected, world.text());
    }
    ASSERT_TRUE(world.planned().empty());
  }
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const auto& [list, states] : state_lists()) {
    for (const auto& [expander, function] : expanders()) result.push_back({list, expander});
  }
  return result;
}

INSTANTIATE_TEST_SUITE_P(All, StateLists, ::testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.list + "_" + one.param.expander; });

// What the switch would do with a frame of network 101 (VNI 1270) to and from each VTEP, at a moment.
void expect_reachable(const OvsModel& ovs, const std::vector<std::string>& vteps) {
  const Actual actual = ovs.actual();
  const of::FlowSet& flows = *actual.flows.at("br-tun");
  std::string flood;
  for (const auto& [key, body] : flows) {
    if (key.table == 22 && body.actions.view().find("0x4f6") != std::string_view::npos)
      flood = fmt::format("{},", body.actions);
  }
  for (const std::string& vtep : vteps) {
    bool sent = false;
    const ovsdb::InterfaceRow* taken = nullptr;  // the port whose frame it is: its own before the one of all
    for (const auto& [name, row] : actual.vswitch.interfaces) {
      if (row.type != "vxlan" || row.ofport.value_or(0) < 1) continue;
      const std::string& remote = row.options.at("remote_ip");
      const bool open = row.options.at("in_key") != kNoKey;
      if (open && (remote == vtep || (remote == "flow" && taken == nullptr))) taken = &row;
      const std::string output = fmt::format("output:{},", *row.ofport);
      if (remote == vtep) sent = sent || flood.find(output) != std::string::npos;
      if (remote == "flow") {
        sent = sent || flood.find(fmt::format("set_field:{}->tun_dst,{}", vtep, output)) != std::string::npos;
      }
    }
    EXPECT_TRUE(sent) << "nothing is sent to " << vtep << ": " << flood;
    ASSERT_NE(taken, nullptr) << "no port takes frames of " << vtep;
    bool received = false;
    const std::string in_port = fmt::format("in_port={}", *taken->ofport);
    for (const auto& [key, body] : flows) {
      received = received || (key.table == 0 &&
                              (key.match == in_port || key.match == fmt::format("tun_src={},{}", vtep, in_port)));
    }
    EXPECT_TRUE(received) << "frames of " << vtep << " from " << taken->name << " are dropped";
  }
}

TEST(TunnelModes, NothingIsLostOnTheWay) {
  const std::vector<State> states = state_lists().at("tunnel_modes");
  const State& per_peer = states.at(0);
  const State& flow_based = states.at(1);
  for (const bool restart : {false, true}) {
    World world;
    world.become(per_peer);
    world.watch = [](const OvsModel& ovs) { expect_reachable(ovs, {"10.0.0.2", "10.0.0.3"}); };
    for (const State* state : {&flow_based, &per_peer, &flow_based}) {
      SCOPED_TRACE(state->name);
      if (restart) world.restart();
      world.become(*state);
    }
  }
}

TEST(TunnelModes, WhatWasLearnedTheOtherWayGoes) {
  const std::vector<State> states = state_lists().at("tunnel_modes");
  World world;
  world.become(states.at(0));
  const auto vlan = world.desired.local_vlans.begin()->second.value();
  const auto learned = [&](const std::string& way) {
    const of::FlowKey key{20, 1, fmt::format("vlan_tci=0x{:04x}/0x0fff,dl_dst=fa:16:3e:00:00:77", vlan)};
    world.ovs.flows("br-tun")[key] = {
        .actions = fmt::format("load:0->NXM_OF_VLAN_TCI[],load:0x4f6->NXM_NX_TUN_ID[],{}", way),
        .cookie = cookie_of_learned(),
        .hard_timeout = 300};
  };
  const auto left = [&] {
    std::size_t count = 0;
    for (const auto& [key, body] : *world.ovs.actual().flows.at("br-tun"))
      count += body.hard_timeout == 300 ? 1U : 0U;
    return count;
  };
  const auto number = [&](const char* port) { return *world.ovs.vswitch().interfaces.at(port).ofport; };
  learned(fmt::format("output:{}", number("vxlan-0a000002")));
  world.become(states.at(0));
  EXPECT_EQ(left(), 1U);
  world.become(states.at(1));
  EXPECT_EQ(left(), 0U);
  learned(fmt::format("load:0xa000003->NXM_NX_TUN_IPV4_DST[],output:{}", number("vxlan-flow")));
  world.become(states.at(1));
  EXPECT_EQ(left(), 1U);
  world.become(states.at(2));  // 10.0.0.3 has gone
  EXPECT_EQ(left(), 0U);
}

}  // namespace
}  // namespace ml2::testing
