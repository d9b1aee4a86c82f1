// Flow, FlowSet, Bundle: OpenFlow flows as values, with match and actions in ovs-ofctl(8) syntax.
//
// Where in the walk: compile/ writes a FlowSet per bridge (through Match and Actions, match.h and actions.h), the
//   Switch seam reads one back, diff/ compares the two after both went through the codec's canonical form.
// Threading: values.
// Failure: none; text that OVS refuses is found by the codec.
// What it does not do: no groups, no meters (step by step, as features need them).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "datapath/base/shared_text.h"

namespace ml2::of {

// What makes two flows the same flow (OpenFlow 1.4 section 5.2: table, match and priority).
struct FlowKey {
  std::uint8_t table = 0;
  std::uint16_t priority = 0;
  SharedText match;  // "arp,in_port=3"; empty: everything

  friend auto operator<=>(const FlowKey&, const FlowKey&) = default;
};

struct FlowBody {
  SharedText actions;              // "set_field:4097->vlan_vid,goto_table:60"; "drop"
  std::uint64_t cookie = 0;        // see cookie.h
  std::uint16_t idle_timeout = 0;  // seconds; 0: never
  std::uint16_t hard_timeout = 0;  // seconds; 0: never

  friend bool operator==(const FlowBody&, const FlowBody&) = default;
};

// The flows of one bridge.
using FlowSet = std::map<FlowKey, FlowBody>;

struct FlowMod {
  // Add replaces a flow with the same key (OFPFC_ADD without CHECK_OVERLAP): cookie, timeouts and actions are the new
  //   ones, the age begins anew; packet and byte counters are kept (no RESET_COUNTS flag, OpenFlow 1.4 section 6.4);
  // Modify changes the actions only, keeps cookie, timeouts and age, and does nothing when there is no such flow
  //   (OFPFC_MODIFY_STRICT);
  // Delete takes the flow with exactly this key (OFPFC_DELETE_STRICT); its body is not looked at.
  enum class Command { Add, Modify, Delete };
  Command command = Command::Add;
  FlowKey key;
  FlowBody body;

  friend bool operator==(const FlowMod&, const FlowMod&) = default;
};

// Carried out in this order, all or none (OpenFlow 1.4 section 6.9.1, flags ATOMIC and ORDERED).
struct Bundle {
  std::vector<FlowMod> mods;

  [[nodiscard]] bool empty() const { return mods.empty(); }
  friend bool operator==(const Bundle&, const Bundle&) = default;
};

// As ovs-ofctl prints it, without counters: "table=60, priority=3 actions=NORMAL".
[[nodiscard]] std::string to_text(const FlowKey& key, const FlowBody& body);

}  // namespace ml2::of
