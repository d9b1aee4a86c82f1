// parts: the parts of diff() and what they know of flows as text.
//
// Where in the walk: diff() calls diff_flows(), then diff_rows(), then diff_fast_path(), on one Plan.
// Threading: pure.
// Failure: text that does not read as expected is "no".
// What it does not do: no parsing beyond the few fields named here; both sides are canonical text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/diff/plan.h"
#include "datapath/model/desired.h"

namespace ml2 {

// Empty where the key is not there.
[[nodiscard]] inline std::string value_of(const ovsdb::StringMap& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

// What is compared. Both outlive the call.
struct Sides {
  const Desired& desired;
  const ovsdb::Vswitch& vswitch;
  const std::map<std::string, const of::FlowSet*>& flows;  // Actual::flows
};
// Where the two may differ, when that is known: everything else is as it shall be, or is none of ours.
struct Suspects {
  std::map<std::string, std::set<of::FlowKey>> flows;  // by bridge; a bridge that is absent: none of its flows
  std::set<std::string> ports;                         // names of Port rows, there or desired
};

// `suspects`: nullptr for all. diff_rows() puts the names of ports that are not as they shall be into `unsettled`.
void diff_flows(const Sides& sides, const Suspects* suspects, Plan& plan);
void diff_rows(const Sides& sides, const Suspects* suspects, Plan& plan, std::set<std::string>* unsettled = nullptr);
// `fast_path`, `kernel`: as in Actual. `suspects`: the records that may not be as they shall be, nullptr for all; the keys of
// those that are not go into `unsettled`.
void diff_fast_path(const Desired& desired, const fp::Tables* fast_path, const nl::Snapshot* kernel,
                    const fp::RecordKeys* suspects, Plan& plan, fp::RecordKeys* unsettled = nullptr);

// The cookie under which the incumbent agent left its flows on a bridge; nullopt when there are none, or ours have
// replaced them.
[[nodiscard]] std::optional<std::uint64_t> incumbent_cookie(const of::FlowSet& desired, const of::FlowSet& actual);
// Whether it is told by this flow.
[[nodiscard]] bool tells_incumbent(const of::FlowKey& key);
// Whether diff() may remove a flow with this cookie.
[[nodiscard]] bool is_removable(std::uint64_t cookie, std::optional<std::uint64_t> incumbent);
// Whether the switch has learned a flow by itself; such flows have no counterpart in Desired and go by their own rule.
[[nodiscard]] bool is_learned(const of::FlowKey& key, const of::FlowBody& body);
// The port whose frames a flow matches; nullopt: not one alone, or the bridge's own.
[[nodiscard]] std::optional<std::int64_t> in_port_of(const of::FlowKey& key);
// Whether a flow matches frames from port `ofport` or sends frames to it.
[[nodiscard]] bool refers_to(const of::FlowKey& key, const of::FlowBody& body, std::int64_t ofport);
// Whether a learned flow is what would be learned today. On the tunnel bridge: a frame from that tunnel port with that key
// gets that local VLAN. On the integration bridge: that port has that drop flow.
[[nodiscard]] bool learned_rightly(const of::FlowKey& key, const of::FlowBody& body, const of::FlowSet& desired);

// The matches under which the switch may have learned the MAC of a written entry of table UcastToTun ("dl_vlan=1,
// dl_dst=..."); empty for anything else.
[[nodiscard]] std::vector<of::FlowKey> learned_keys(const of::FlowKey& written);

}  // namespace ml2
