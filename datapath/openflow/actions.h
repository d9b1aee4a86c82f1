// Actions: what a flow does with its packets, built action by action into ovs-ofctl(8) text.
//
//   Actions(TunTable::VxlanTunToLv).push_vlan().set_vlan_vid(vlan).goto_table(TunTable::LearnFromTun).text()
//     "push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10"
//
// Where in the walk: compile/ writes FlowBody::actions with it, in the spelling in which Open vSwitch prints actions
//   that came to it over OpenFlow 1.4 (lib/ofp-actions.c); codec.h has the last word.
// Threading: values.
// Failure: none for typed values. goto_table to a table that is not further on, or an action after it, is a bug of
//   the caller (ML2_CHECK); a table of another bridge does not compile.
// What it does not do: no ct(), conjunction, groups, meters: they come with the features that need them.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "datapath/base/check.h"
#include "datapath/base/ip.h"
#include "datapath/base/mac.h"
#include "datapath/base/strong_id.h"
#include "datapath/openflow/field.h"
#include "datapath/openflow/pipeline.h"

namespace ml2::of {

// The tables of one bridge (pipeline.h).
template <class T>
concept PipelineTable = std::same_as<T, IntTable> || std::same_as<T, TunTable> || std::same_as<T, PhysTable>;

// The flow that a learn() action makes of each packet it sees (ovs-actions(7), "The learn action").
template <PipelineTable Table>
struct Learn {
  Table table;  // where the flow goes
  std::uint16_t idle_timeout = 0;
  std::uint16_t hard_timeout = 0;  // seconds; 0: never
  std::uint16_t priority = 0;
  std::uint64_t cookie = 0;
  std::vector<std::string> steps;  // from namespace learn
};

// Steps of a learn() action: first what the learned flow matches, then what it does.
namespace learn {
[[nodiscard]] std::string match(const Subfield& both);  // as the packet has it
[[nodiscard]] std::string match(const Subfield& learned,
                                const Subfield& packet);  // learned = the packet's other field
[[nodiscard]] std::string load(std::uint64_t value, const Subfield& to);
[[nodiscard]] std::string load(const Subfield& packet, const Subfield& to);
[[nodiscard]] std::string output(const Subfield& packet);  // to the port whose number is in the packet's field
}  // namespace learn

// One action as text.
namespace action {
[[nodiscard]] std::string output(OfPort port);
[[nodiscard]] std::string set_vlan_vid(std::uint16_t id);
[[nodiscard]] std::string set_number(std::uint64_t value, const Field& field, bool hexadecimal);
[[nodiscard]] std::string set_text(const std::string& value, const Field& field);
[[nodiscard]] std::string load(std::uint64_t value, const Subfield& to);
[[nodiscard]] std::string move(const Subfield& from, const Subfield& to);
[[nodiscard]] std::string learn(std::uint8_t table, std::uint16_t idle_timeout, std::uint16_t hard_timeout,
                                std::uint16_t priority, std::uint64_t cookie, const std::vector<std::string>& steps);
[[nodiscard]] std::string join(const std::vector<std::string>& actions);
}  // namespace action

// Of a flow that stands in `Table`.
template <PipelineTable Table>
class Actions {
 public:
  explicit Actions(Table table) : table_(table) {}

  // Nothing: an empty list drops; this says that it is meant.
  Actions& drop() {
    ML2_CHECK(parts_.empty(), "drop stands alone");
    return *this;
  }
  // As a learning switch does, with the bridge's own MAC table and VLANs.
  Actions& normal() { return add("NORMAL"); }
  // Back out of the port it came in by, which output() never does.
  Actions& in_port() { return add("IN_PORT"); }
  Actions& output(OfPort port) { return add(action::output(port)); }
  // One copy to each, in the order given (sort it: the order is part of the text that is compared).
  Actions& output_list(std::span<const OfPort> ports) {
    for (const OfPort port : ports) output(port);
    return *this;
  }

  // A new 802.1Q header (TPID 0x8100); set_vlan_vid() must follow.
  Actions& push_vlan() { return add("push_vlan:0x8100"); }
  Actions& pop_vlan() { return add("pop_vlan"); }
  Actions& set_vlan_vid(VlanId vlan) { return add(action::set_vlan_vid(vlan.value())); }
  Actions& set_vlan_vid(LocalVlan vlan) { return add(action::set_vlan_vid(vlan.value())); }
  // The key with which tunnel ports of key=flow will send it.
  Actions& set_tun_id(TunnelKey key) { return add(action::set_number(key.value(), field::kTunId, true)); }

  // Registers and other numbers that Open vSwitch prints in hexadecimal.
  Actions& set_reg(const Field& reg, std::uint32_t value) { return add(action::set_number(value, reg, true)); }
  Actions& set_arp_op(std::uint16_t operation) { return add(action::set_number(operation, field::kArpOp, false)); }
  Actions& set_icmp6_type(std::uint8_t type) { return add(action::set_number(type, field::kIcmpv6Type, false)); }
  // The 32 bits before the target of neighbour discovery: in an advertisement R, S and O are the highest three.
  Actions& set_nd_flags(std::uint32_t flags) { return add(action::set_number(flags, field::kNdReserved, false)); }
  Actions& set_nd_options_type(std::uint8_t type) {
    return add(action::set_number(type, field::kNdOptionsType, false));
  }
  Actions& set_field(const Mac& mac, const Field& to) { return add(action::set_text(mac.to_string(), to)); }
  Actions& set_field(const IpAddress& address, const Field& to) {
    return add(action::set_text(address.to_string(), to));
  }
  Actions& load(std::uint64_t value, const Subfield& to) { return add(action::load(value, to)); }
  Actions& move(const Subfield& from, const Subfield& to) { return add(action::move(from, to)); }

  Actions& learn(const Learn<Table>& what) {
    return add(action::learn(number(what.table), what.idle_timeout, what.hard_timeout, what.priority, what.cookie,
                             what.steps));
  }

  // Looks the packet up in `next` at once and comes back here; may go backwards, unlike goto_table().
  Actions& resubmit(Table next) { return add("resubmit(," + std::to_string(number(next)) + ")"); }
  // Goes on in `next`, for good.
  Actions& goto_table(Table next) {
    ML2_CHECK(number(next) > number(table_), "goto_table goes forward");
    add("goto_table:" + std::to_string(number(next)));
    gone_ = true;
    return *this;
  }

  // "drop" when there is no action.
  [[nodiscard]] std::string text() const { return action::join(parts_); }

 private:
  Actions& add(std::string part) {
    ML2_CHECK(!gone_, "nothing comes after goto_table");
    parts_.push_back(std::move(part));
    return *this;
  }

  Table table_;
  bool gone_ = false;
  std::vector<std::string> parts_;
};

}  // namespace ml2::of
