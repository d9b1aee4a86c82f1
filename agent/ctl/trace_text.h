// trace_text: the answer of ovs-vswitchd's ofproto/trace as stages, one flow table each, with the tables' names.
//
// Where in the walk: `ml2ctl trace`.
// Threading: pure functions.
// Failure: lines that do not read as expected stay as notes of the stage that they stand in.
// What it does not do: no meaning of actions beyond "dropped".
// Source: ofproto/ofproto-dpif-trace.c and the OFT_* reports of ofproto-dpif-xlate.c, Open vSwitch 3.1.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace ml2::ctl {

struct TraceStage {
  std::string bridge;
  std::string table;  // its number as text; "" for what precedes the first table of a bridge
  std::string table_name;
  std::string match;  // "in_port=3, priority 10, cookie 0x..."; of a miss what Open vSwitch says
  std::vector<std::string> actions;
  std::vector<std::string> notes;  // Open vSwitch's remarks: "forwarding to learned port"
};

struct Trace {
  std::vector<TraceStage> stages;
  std::string final_flow, megaflow, datapath_actions;
  bool dropped = false;
};

// The bridges whose tables have names.
struct TraceBridges {
  std::string integration, tunnel;  // any other is a physical bridge
};

[[nodiscard]] Trace read_trace(const std::string& text, const TraceBridges& bridges);
[[nodiscard]] std::string trace_table(const Trace& trace);
[[nodiscard]] nlohmann::json trace_json(const Trace& trace);

// `flow` with what the port adds where the person did not say it: its OpenFlow port, MAC address and addresses.
struct TraceSource {
  std::string ofport, mac, ip4, ip6;
};
[[nodiscard]] std::string complete_flow(const std::string& flow, const TraceSource& source);

}  // namespace ml2::ctl
