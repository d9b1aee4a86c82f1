#include "agent/control/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/control/dumps.h"
#include "agent/control/words.h"
#include "agent/reconcile/port_reports.h"
#include "datapath/base/text.h"

namespace ml2::control {
namespace {

using nlohmann::json;
using reconcile::has_unenforced_groups;
using reconcile::kNotEnforced;
using reconcile::Reconciler;

// One row of the ports' table; the JSON has the same facts.
struct PortLine {
  Uuid id;
  std::string name, network, type, segmentation_id, interface, ofport, local_vlan, status, note;
  int fast_path_port = 0;     // 0: Open vSwitch's
  std::uint64_t spoofed = 0;  // frames that anti-spoofing drops
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
      line.fast_path_port = state->second.fast_path_port;
      if (line.fast_path_port != 0) line.ofport = fmt::format("fp {}", line.fast_path_port);
      if (state->second.ofport) line.ofport = to_string(*state->second.ofport);
      if (state->second.local_vlan) line.local_vlan = to_string(*state->second.local_vlan);
      if (line.note.find(state->second.warning) == std::string::npos) {
        line.note += (line.note.empty() ? "" : "; ") + state->second.warning;
      }
      line.spoofed = reconciler.spoofed_frames(state->second);
      if (line.spoofed > 0) line.note += fmt::format(" ({} so far)", line.spoofed);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

// Of the Open_vSwitch database, as ovs-vswitchd writes it down.
std::string ovs_schema(const Reconciler& reconciler) {
  const ovsdb::Snapshot* snapshot = reconciler.database().snapshot();
  if (snapshot == nullptr || snapshot->table("Open_vSwitch").empty()) return {};
  return snapshot->table("Open_vSwitch").begin()->second->column("db_version").string().value_or("");
}

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1000; }

std::string netlink_text(const nl::Kernel& kernel) {
  const nl::Snapshot* snapshot = kernel.snapshot();
  const Status status = kernel.status();
  std::string text = "not read yet";
  if (snapshot != nullptr) {
    text = fmt::format("{} links, {} addresses", snapshot->links.size(), snapshot->addresses.size());
    // Again: notifications were lost.
    if (kernel.full_reads() > 1) text += fmt::format(", read whole {} times", kernel.full_reads());
  }
  return status ? text : fmt::format("{} ({})", text, status.error().message);
}

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
  root["versions"] = {{"agent", agent.version},
                      {"ovs", reconciler.vswitch().ovs_version},
                      {"ovs_schema", ovs_schema(reconciler)},
                      {"ml2_schema", agent.ml2_schema},
                      {"ml2_database_is_old", source.old_schema}};
  root["ovs_rundir"] = agent.ovs_rundir;
  root["started"] = text::time(agent.started);
  if (const auto last = reconciler.journal().last_change()) root["last_change"] = text::time(*last);
  root["last_error"] = last_error(reconciler);
  root["repairs"] = reconciler.journal().repairs();
  root["intent"] = {{"kind", source.kind},
                    {"remote", source.where},
                    {"connected", source.connected},
                    {"error", source.error},
                    {"read", reconciler.source().intent() != nullptr},
                    {"generation", reconciler.source().generation()}};
  const nl::Snapshot* kernel = reconciler.kernel().snapshot();
  const Status kernel_status = reconciler.kernel().status();
  root["netlink"] = {{"read", kernel != nullptr},
                     {"error", kernel_status ? "" : kernel_status.error().message},
                     {"full_reads", reconciler.kernel().full_reads()}};
  json bridges = json::object();
  for (const auto& [name, status] : reconciler.switch_status()) {
    const auto flows = reconciler.desired().flows.find(name);
    bridges[name] = {{"connected", status.connected},
                     {"error", status.error},
                     {"silent_seconds", seconds(status.silent)},
                     {"in_sync", reconciler.switches().at(name)->flows() != nullptr},
                     {"connections", status.connections},
                     {"bundles", status.bundles},
                     {"flow_mods", status.flow_mods},
                     {"failures", status.failures},
                     {"flows", flows == reconciler.desired().flows.end() ? 0 : flows->second.size()}};
  }
  root["bridges"] = bridges;
  if (reconciler.node().fast_path.enabled) {
    const fp::FastPathStatus fast_path = reconciler.fast_path_status();
    root["fastpath"] = {{"socket", fast_path.target},
                        {"connected", fast_path.connected},
                        {"error", fast_path.error},
                        {"boot", fmt::format("{:016x}", fast_path.boot)},
                        {"generation", fast_path.generation},
                        {"connections", fast_path.connections},
                        {"updates", fast_path.updates},
                        {"records_sent", fast_path.records},
                        {"records_read", fast_path.records_read},
                        {"failures", fast_path.failures},
                        {"records", reconciler.desired().fast_path.tables.size()}};
  }
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
                     {"fastpath_port", line.fast_path_port},
                     {"status", line.status},
                     {"spoofed_frames", line.spoofed},
                     {"note", line.note}});
  }
  root["ports"] = ports;
  const reconcile::Counters& counters = reconciler.counters();
  root["counters"] = {{"steps", counters.steps},       {"transactions", counters.transactions},
                      {"bundles", counters.bundles},   {"flow_mods", counters.flow_mods},
                      {"failures", counters.failures}, {"repairs", reconciler.journal().repairs()}};
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
      {"version", fmt::format("{}, running since {}", agent.version, text::time(agent.started))},
      {"Open_vSwitch",
       fmt::format(
           "{} ({}), Open vSwitch {}", database.remote, link(database.connected, database.error),
           fmt::format("{}, schema {}", dash(reconciler.vswitch().ovs_version), dash(ovs_schema(reconciler))))},
      {source.kind, fmt::format("{} ({}){}", source.where, link(source.connected, source.error),
                                !source.old_schema
                                    ? ", schema " + agent.ml2_schema
                                    : fmt::format(", its schema is older than this program's {}: run ml2-db upgrade",
                                                  agent.ml2_schema))}};
  rows.push_back({"netlink", netlink_text(reconciler.kernel())});
  for (const auto& [name, status] : reconciler.switch_status()) {
    const auto flows = reconciler.desired().flows.find(name);
    const std::size_t count = flows == reconciler.desired().flows.end() ? 0 : flows->second.size();
    const std::string silent =
        status.silent.count() == 0
            ? ""
            : fmt::format(", ovs-vswitchd has not answered for {:.0f} s", seconds(status.silent));
    rows.push_back(
        {"bridge " + name, fmt::format("{} flows ({}{})", count, link(status.connected, status.error), silent)});
  }
  if (reconciler.node().fast_path.enabled) {
    const fp::FastPathStatus fast_path = reconciler.fast_path_status();
    rows.push_back(
        {"fast path", fmt::format("{} ({}), {}", fast_path.target, link(fast_path.connected, fast_path.error),
                                  fp::summary(reconciler.desired().fast_path.tables))});
  }
  rows.push_back({"state", !reconciler.in_sync()    ? "reading"
                           : reconciler.converged() ? "converged: nothing to change"
                                                    : "changes are under way"});
  const auto last = reconciler.journal().last_change();
  rows.push_back({"last change", last ? text::time(*last) : "none since the start"});
  if (const json failed = last_error(reconciler); failed.is_object()) {
    rows.push_back(
        {"last error", fmt::format("{} {}: {}", failed["time"].get<std::string>(), failed["where"].get<std::string>(),
                                   failed["error"].get<std::string>())});
  }
  if (reconciler.journal().repairs() > 0) {
    rows.push_back({"repairs", fmt::format("{} changed by others since the start", reconciler.journal().repairs())});
  }
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

}  // namespace ml2::control
