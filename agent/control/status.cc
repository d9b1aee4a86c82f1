#include "agent/control/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/reconcile/plan_text.h"
#include "agent/reconcile/port_reports.h"
#include "datapath/base/text.h"

namespace ml2::control {
namespace {

using nlohmann::json;
using reconcile::has_unenforced_groups;
using reconcile::kNotEnforced;
using reconcile::Reconciler;

const char* word(intent::PortStatus status) {
  switch (status) {
    case intent::PortStatus::Active: return "ACTIVE";
    case intent::PortStatus::Down: return "DOWN";
    case intent::PortStatus::Error: return "ERROR";
  }
  return "ERROR";
}

// One row of the ports' table; the JSON has the same facts.
struct PortLine {
  Uuid id;
  std::string name, network, type, segmentation_id, interface, ofport, local_vlan, status, note;
};

std::vector<PortLine> port_lines(const Reconciler& reconciler) {
  std::vector<PortLine> lines;
  const Intent* intent = reconciler.source().intent();
  for (const auto& [id, report] : reconciler.port_reports()) {
    PortLine line{.id = id, .status = word(report.status), .note = report.reason};
    if (intent != nullptr) {
      if (const auto port = intent->ports.find(id); port != intent->ports.end()) {
        line.name = text::printable(port->second.name, 40);
        line.network = port->second.segment.network.to_string();
        line.type = std::string(to_string(port->second.segment.type));
        if (port->second.segment.segmentation_id != 0) {
          line.segmentation_id = std::to_string(port->second.segment.segmentation_id);
        }
        if (line.note.empty() && has_unenforced_groups(port->second)) line.note = kNotEnforced;
      }
    }
    if (const auto state = reconciler.desired().port_states.find(id);
        state != reconciler.desired().port_states.end()) {
      line.interface = state->second.interface;
      if (state->second.ofport) line.ofport = to_string(*state->second.ofport);
      if (state->second.local_vlan) line.local_vlan = to_string(*state->second.local_vlan);
      if (!state->second.warning.empty()) line.note += (line.note.empty() ? "" : "; ") + state->second.warning;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string dash(const std::string& text) { return text.empty() ? "-" : text; }

bool any_unenforced(const Reconciler& reconciler) {
  const Intent* intent = reconciler.source().intent();
  return intent != nullptr && std::any_of(intent->ports.begin(), intent->ports.end(),
                                          [](const auto& entry) { return has_unenforced_groups(entry.second); });
}

std::set<std::string> notices(const Reconciler& reconciler, const AgentFacts& agent) {
  std::set<std::string> result;
  if (agent.security_groups_expected || any_unenforced(reconciler)) result.insert(kNotEnforced);
  return result;
}

}  // namespace

std::string status_json(const Reconciler& reconciler, const AgentFacts& agent) {
  const ovsdb::DatabaseStatus database = reconciler.database().status();
  const intent::SourceStatus source = reconciler.source().status();
  json root{{"version", agent.version},
            {"host", reconciler.node().host},
            {"in_sync", reconciler.in_sync()},
            {"waiting_for", reconciler.gate()},
            {"converged", reconciler.converged()},
            {"plan_empty", reconciler.in_sync() && reconciler.plan().empty()},
            {"problems", reconciler.problems()},
            {"notices", notices(reconciler, agent)}};
  root["ovsdb"] = {{"remote", database.remote},
                   {"connected", database.connected},
                   {"error", database.error},
                   {"reconnects", database.reconnects},
                   {"ovs_version", reconciler.vswitch().ovs_version}};
  root["intent"] = {
      {"kind", source.kind}, {"remote", source.where}, {"connected", source.connected}, {"error", source.error}};
  json bridges = json::object();
  for (const auto& [name, status] : reconciler.switch_status()) {
    const auto flows = reconciler.desired().flows.find(name);
    bridges[name] = {{"connected", status.connected},
                     {"error", status.error},
                     {"connections", status.connections},
                     {"bundles", status.bundles},
                     {"flow_mods", status.flow_mods},
                     {"failures", status.failures},
                     {"flows", flows == reconciler.desired().flows.end() ? 0 : flows->second.size()}};
  }
  root["bridges"] = bridges;
  json ports = json::array();
  for (const PortLine& line : port_lines(reconciler)) {
    ports.push_back({{"id", line.id.to_string()},
                     {"name", line.name},
                     {"network_id", line.network},
                     {"network_type", line.type},
                     {"segmentation_id", line.segmentation_id},
                     {"interface", line.interface},
                     {"ofport", line.ofport},
                     {"local_vlan", line.local_vlan},
                     {"status", line.status},
                     {"note", line.note}});
  }
  root["ports"] = ports;
  const reconcile::Counters& counters = reconciler.counters();
  root["counters"] = {{"steps", counters.steps},
                      {"transactions", counters.transactions},
                      {"bundles", counters.bundles},
                      {"flow_mods", counters.flow_mods},
                      {"failures", counters.failures}};
  // Names and texts in rows may hold any bytes: what is no UTF-8 is replaced, never thrown at.
  return root.dump(2, ' ', false, json::error_handler_t::replace);
}

std::string status_table(const Reconciler& reconciler, const AgentFacts& agent) {
  const ovsdb::DatabaseStatus database = reconciler.database().status();
  const intent::SourceStatus source = reconciler.source().status();
  const auto link = [](bool connected, const std::string& error) {
    return connected ? std::string("connected") : error.empty() ? "not connected" : "not connected: " + error;
  };
  std::vector<std::vector<std::string>> rows{
      {"host", reconciler.node().host},
      {"version", agent.version},
      {"Open_vSwitch", fmt::format("{} ({})", database.remote, link(database.connected, database.error))},
      {source.kind, fmt::format("{} ({})", source.where, link(source.connected, source.error))}};
  for (const auto& [name, status] : reconciler.switch_status()) {
    const auto flows = reconciler.desired().flows.find(name);
    const std::size_t count = flows == reconciler.desired().flows.end() ? 0 : flows->second.size();
    rows.push_back({"bridge " + name, fmt::format("{} flows ({})", count, link(status.connected, status.error))});
  }
  rows.push_back({"state", !reconciler.in_sync()    ? "reading"
                           : reconciler.converged() ? "converged: nothing to change"
                                                    : "changes are under way"});
  std::string text = table(rows);
  for (const std::string& sentence : reconciler.gate()) text += "waiting: " + sentence + "\n";
  for (const std::string& sentence : reconciler.plan().held) text += "held: " + sentence + "\n";
  for (const std::string& sentence : reconciler.problems()) text += "problem: " + sentence + "\n";
  for (const std::string& sentence : notices(reconciler, agent)) text += "notice: " + sentence + "\n";
  const std::vector<PortLine> lines = port_lines(reconciler);
  if (lines.empty()) return text + "no ports are bound to this host";
  std::vector<std::vector<std::string>> ports{
      {"PORT", "NAME", "TYPE", "SEGMENT", "INTERFACE", "OFPORT", "VLAN", "STATUS", "NOTE"}};
  for (const PortLine& line : lines) {
    ports.push_back({line.id.to_string(), dash(line.name), dash(line.type), dash(line.segmentation_id),
                     dash(line.interface), dash(line.ofport), dash(line.local_vlan), line.status, line.note});
  }
  text += "\n" + table(ports);
  text.pop_back();
  return text;
}

std::string intent_text(const Reconciler& reconciler) {
  const Intent* intent = reconciler.source().intent();
  if (intent == nullptr) return "the intent has not been read yet";
  std::string text;
  for (const auto& [id, port] : intent->ports) {
    std::vector<std::string> addresses;
    for (const IpAddress& address : port.fixed_ips) addresses.push_back(address.to_string());
    text +=
        fmt::format("port {} name={} network={} type={} physical_network={} segmentation_id={} mac={} up={} ips={}\n",
                    id.to_string(), text::printable(port.name, 40), port.segment.network.to_string(),
                    to_string(port.segment.type), dash(port.segment.physical_network), port.segment.segmentation_id,
                    port.mac.to_string(), port.admin_state_up, fmt::join(addresses, ","));
  }
  for (const Vtep& vtep : intent->vteps) {
    text += fmt::format("vtep {} {} host={}\n", to_string(vtep.type), vtep.address.to_string(), vtep.host);
  }
  for (const auto& [id, reason] : intent->refused) text += fmt::format("refused {}: {}\n", id.to_string(), reason);
  return text.empty() ? "the intent is empty" : text.substr(0, text.size() - 1);
}

std::string desired_text(const Reconciler& reconciler) {
  const Desired& desired = reconciler.desired();
  std::string text;
  const auto map_text = [](const std::map<std::string, std::string>& map) {
    std::string result;
    for (const auto& [key, value] : map) result += fmt::format("{}{}={}", result.empty() ? "" : ",", key, value);
    return result;
  };
  for (const auto& [name, bridge] : desired.bridges) {
    text += fmt::format("bridge {} datapath_type={} fail_mode={} other_config={}\n", name, bridge.datapath_type,
                        bridge.fail_mode, map_text(bridge.other_config));
  }
  for (const auto& [name, port] : desired.ports) {
    text +=
        fmt::format("port {} bridge={} type={} options={}\n", name, port.bridge, port.type, map_text(port.options));
  }
  for (const auto& [name, vif] : desired.vifs) {
    text += fmt::format("vif {} tag={} other_config={}\n", name, vif.tag, map_text(vif.other_config));
  }
  for (const auto& [bridge, flows] : desired.flows) {
    for (const auto& [key, body] : flows) {
      text += fmt::format("{} {}\n", bridge, reconcile::flow_text(key, body, bridge, reconciler.node()));
    }
  }
  for (const auto& [object, reason] : desired.waiting) text += fmt::format("waiting {}: {}\n", object, reason);
  return text.empty() ? "nothing is desired yet" : text.substr(0, text.size() - 1);
}

}  // namespace ml2::control
