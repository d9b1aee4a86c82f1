// parts: the parts of diff() and what they know of flows as text.
//
// Where in the walk: diff() calls diff_flows(), then diff_rows(), then diff_fast_path(), on one Plan.
// Threading: pure.
// Failure: text that does not read as expected is "no".
// What it does not do: no parsing beyond the few fields named here; both sides are canonical text.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "datapath/diff/plan.h"
#include "datapath/model/desired.h"

namespace ml2 {

void diff_flows(const Desired& desired, const Actual& actual, Plan& plan);
void diff_rows(const Desired& desired, const Actual& actual, Plan& plan);
void diff_fast_path(const Desired& desired, const Actual& actual, Plan& plan);

// The cookie under which the incumbent agent left its flows on a bridge; nullopt when there are none, or ours have
// replaced them.
[[nodiscard]] std::optional<std::uint64_t> incumbent_cookie(const of::FlowSet& desired, const of::FlowSet& actual);
// Whether diff() may remove a flow with this cookie.
[[nodiscard]] bool is_removable(std::uint64_t cookie, std::optional<std::uint64_t> incumbent);
// The port whose frames a flow matches; nullopt: not one alone, or the bridge's own.
[[nodiscard]] std::optional<std::int64_t> in_port_of(const of::FlowKey& key);
// Whether a flow matches frames from port `ofport` or sends frames to it.
[[nodiscard]] bool refers_to(const of::FlowKey& key, const of::FlowBody& body, std::int64_t ofport);
// Whether a learned flow of the tunnel bridge is what would be learned today: a frame from that tunnel port with that
// key gets that local VLAN.
[[nodiscard]] bool learned_rightly(const of::FlowKey& key, const of::FlowBody& body, const of::FlowSet& desired);

// The matches under which the switch may have learned the MAC of a written entry of table UcastToTun ("dl_vlan=1,
// dl_dst=..."); empty for anything else.
[[nodiscard]] std::vector<of::FlowKey> learned_keys(const of::FlowKey& written);

}  // namespace ml2
