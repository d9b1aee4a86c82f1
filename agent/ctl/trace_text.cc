#include "agent/ctl/trace_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/ctl/flow_words.h"
#include "datapath/base/text.h"
#include "datapath/openflow/pipeline.h"

namespace ml2::ctl {
namespace {

std::string table_name(const TraceBridges& bridges, const std::string& bridge, const std::string& table) {
  const auto number = text::to_int(table);
  if (!number || *number < 0 || *number > 255) return {};
  const auto id = static_cast<std::uint8_t>(*number);
  if (bridge == bridges.integration) return std::string(of::name_of(of::kIntTables, id));
  if (bridge == bridges.tunnel) return std::string(of::name_of(of::kTunTables, id));
  return std::string(of::name_of(of::kPhysTables, id));
}

// The rest of `line` behind `start`; nullopt when it does not begin so.
std::optional<std::string> behind(std::string_view line, std::string_view start) {
  if (!line.starts_with(start)) return std::nullopt;
  return std::string(text::trim(line.substr(start.size())));
}

// "60. priority 3": the number of a table and what matched there.
std::optional<std::pair<std::string, std::string>> table_line(std::string_view line) {
  std::size_t digits = 0;
  while (digits < line.size() && std::isdigit(static_cast<unsigned char>(line[digits])) != 0) ++digits;
  if (digits == 0 || digits > 3 || line.substr(digits, 2) != ". ") return std::nullopt;
  return std::pair(std::string(line.substr(0, digits)), std::string(text::trim(line.substr(digits + 2))));
}

}  // namespace

Trace read_trace(const std::string& answer, const TraceBridges& bridges) {
  Trace trace;
  std::string bridge;
  for (const std::string& raw : text::split(answer, '\n')) {
    const std::string_view line = text::trim(raw);
    if (line.empty() || line.find_first_not_of('-') == std::string_view::npos) continue;
    if (line.starts_with("bridge(\"")) {
      const std::size_t end = line.find('"', 8);
      bridge = std::string(line.substr(8, end == std::string_view::npos ? end : end - 8));
      trace.stages.push_back({.bridge = bridge});
    } else if (const auto table = table_line(line)) {
      if (!trace.stages.empty() && trace.stages.back().table.empty() && trace.stages.back().notes.empty()) {
        trace.stages.pop_back();
      }
      trace.stages.push_back({.bridge = bridge,
                              .table = table->first,
                              .table_name = table_name(bridges, bridge, table->first),
                              .match = table->second});
    } else if (const auto final_flow = behind(line, "Final flow:")) {
      trace.final_flow = *final_flow;
    } else if (const auto megaflow = behind(line, "Megaflow:")) {
      trace.megaflow = *megaflow;
    } else if (const auto actions = behind(line, "Datapath actions:")) {
      trace.datapath_actions = *actions;
    } else if (!trace.stages.empty() && !line.starts_with("Flow:")) {
      TraceStage& stage = trace.stages.back();
      if (const auto note = behind(line, "->")) {
        stage.notes.push_back(*note);
      } else if (line.starts_with(">>")) {
        stage.notes.emplace_back(line);
      } else {
        stage.actions.emplace_back(line);
      }
    }
  }
  trace.dropped = trace.datapath_actions == "drop" || trace.datapath_actions.empty();
  return trace;
}

std::string trace_table(const Trace& trace) {
  std::string text;
  std::string bridge;
  for (const TraceStage& stage : trace.stages) {
    if (stage.bridge != bridge || stage.table.empty()) text += fmt::format("{}\n", stage.bridge);
    bridge = stage.bridge;
    std::string actions;
    for (const std::string& action : stage.actions) actions += (actions.empty() ? "" : ", ") + action;
    if (!stage.table.empty()) {
      text += fmt::format("  {:>3} {:<18} {}\n", stage.table, stage.table_name, stage.match);
    }
    if (!actions.empty()) text += fmt::format("      {:<18} => {}\n", "", actions);
    for (const std::string& note : stage.notes) text += fmt::format("      {:<18}    ({})\n", "", note);
  }
  std::string result = trace.datapath_actions;
  if (trace.dropped) {
    result = "DROPPED";
    if (!trace.stages.empty()) {
      const TraceStage& last = trace.stages.back();
      result += fmt::format(" in {} table {} {}", last.bridge, last.table, last.table_name);
    }
  }
  return text + "result: " + result + "\n";
}

nlohmann::json trace_json(const Trace& trace) {
  auto stages = nlohmann::json::array();
  for (const TraceStage& stage : trace.stages) {
    const auto number = text::to_int(stage.table);
    stages.push_back({{"bridge", stage.bridge},
                      {"table", number ? nlohmann::json(*number) : nlohmann::json()},
                      {"table_name", stage.table_name},
                      {"match", stage.match},
                      {"actions", stage.actions},
                      {"notes", stage.notes}});
  }
  return {{"stages", std::move(stages)},
          {"final_flow", trace.final_flow},
          {"megaflow", trace.megaflow},
          {"datapath_actions", trace.datapath_actions},
          {"dropped", trace.dropped}};
}

std::string complete_flow(const std::string& flow, const TraceSource& source) {
  const FlowWords words(flow);
  std::string complete = flow;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) complete += fmt::format("{}{}={}", complete.empty() ? "" : ",", name, value);
  };
  if (!words.has({"in_port"})) add("in_port", source.ofport);
  if (!words.has({"dl_src", "eth_src"})) add("dl_src", source.mac);
  if (words.has({"ip", "icmp", "tcp", "udp", "sctp"}) && !words.has({"nw_src", "ip_src"})) add("nw_src", source.ip4);
  if (words.has({"ipv6", "icmp6", "tcp6", "udp6", "sctp6"}) && !words.has({"ipv6_src"})) add("ipv6_src", source.ip6);
  if (words.has({"arp"})) {
    if (!words.has({"arp_sha"})) add("arp_sha", source.mac);
    if (!words.has({"arp_spa", "nw_src"})) add("arp_spa", source.ip4);
  }
  return complete;
}

}  // namespace ml2::ctl
