#include "agent/control/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/control/dumps.h"
#include "agent/control/words.h"
#include "agent/reconcile/plan_text.h"
#include "agent/reconcile/port_reports.h"
#include "agent/reconcile/wired_marks.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"
#include "datapath/compile/compile.h"
#include "datapath/openflow/pipeline.h"

namespace ml2::control {
namespace {

using nlohmann::json;
using reconcile::Reconciler;

// What stands in the way, by which a person knows where to look.
struct Check {
  std::string what;
  bool ok = false;
  std::string detail;
};

void add(json& checks, const Check& check) {
  checks.push_back({{"what", check.what}, {"ok", check.ok}, {"detail", check.detail}});
}

// Interfaces that look as if they were meant to be this port: another bridge, a wrong iface-id.
std::vector<std::string> near_misses(const Reconciler& reconciler, const Uuid& id, const Port* port) {
  std::vector<std::string> hints;
  const std::string& bridge = reconciler.node().integration_bridge;
  for (const auto& [name, fact] : reconciler.facts().interfaces) {
    if (fact.iface_id.empty()) continue;
    const auto claimed = Uuid::parse(fact.iface_id);
    if (claimed == id && fact.bridge != bridge) {
      hints.push_back(fmt::format("interface {} has this port's iface-id but is on bridge {}: move it to {}", name,
                                  fact.bridge.empty() ? "none" : fact.bridge, bridge));
    }
    if (port == nullptr || claimed == id || Mac::parse(text::lower(fact.attached_mac)) != port->mac) continue;
    hints.push_back(fmt::format(
        "interface {} has this port's MAC address in external_ids:attached-mac, but its iface-id is {}: expected {}",
        name, text::printable(fact.iface_id, 60), id.to_string()));
  }
  return hints;
}

std::string advice(const Reconciler& reconciler, const PortState& state, const Port* port) {
  if (port == nullptr) return "correct the row in the ML2 database (ml2ctl port set, network set, or bind it again)";
  if (!port->admin_state_up) {
    return fmt::format("ml2ctl port set {} --enable (or the network is down: ml2ctl network set --enable)",
                       port->id.to_string());
  }
  if (state.interface.empty()) {
    return fmt::format(
        "plug its machine: ml2ctl vif plug {0}, or set external_ids:iface-id={0} on the machine's "
        "interface on {1}",
        port->id.to_string(), reconciler.node().integration_bridge);
  }
  if (state.fast_path_port != 0) {
    return "look at the log of ml2-fastpath and at `ml2ctl fastpath ports`";
  }
  if (!state.ofport) {
    return "look at the log of ovs-vswitchd and at `ovs-vsctl list Interface " + state.interface + "`";
  }
  return {};
}

json flow_json(const Reconciler& reconciler, const std::string& bridge, const of::FlowKey& key,
               const of::FlowBody& body) {
  return {{"table", key.table},
          {"table_name", reconcile::table_text(key.table, bridge, reconciler.node())},
          {"priority", key.priority},
          {"match", key.match.view()},
          {"actions", body.actions.view()}};
}

// The flows of the port and of its segment on each bridge: what is in the switch with its counters, what is missing.
json flows_json(const Reconciler& reconciler, const Uuid& id, const Port* port, const FlowCounts& counts) {
  const std::uint64_t own = cookie_of_port(id);
  const std::uint64_t segment = port == nullptr ? own : cookie_of(port->segment);
  json result = json::object();
  for (const auto& [bridge, of_switch] : reconciler.switches()) {
    json flows = json::array();
    const auto owner = [&](std::uint64_t cookie) {
      if (cookie == own) return "port";
      return cookie == segment ? "segment" : "";
    };
    const of::FlowSet* there = of_switch->flows();
    const auto bridge_counts = counts.find(bridge);
    if (there != nullptr) {
      for (const auto& [key, body] : *there) {
        if (*owner(body.cookie) == '\0') continue;
        json flow = flow_json(reconciler, bridge, key, body);
        flow["of"] = owner(body.cookie);
        if (bridge_counts != counts.end()) {
          if (const auto count = bridge_counts->second.find(key); count != bridge_counts->second.end()) {
            flow["packets"] = count->second.packets;
            flow["bytes"] = count->second.bytes;
            flow["age_seconds"] = static_cast<double>(count->second.age.count()) / 1000;
          }
        }
        flows.push_back(std::move(flow));
      }
    }
    if (const auto wanted = reconciler.desired().flows.find(bridge); wanted != reconciler.desired().flows.end()) {
      for (const auto& [key, body] : wanted->second) {
        if (*owner(body.cookie) == '\0' || (there != nullptr && there->contains(key))) continue;
        json flow = flow_json(reconciler, bridge, key, body);
        flow["of"] = owner(body.cookie);
        flow["missing"] = true;
        flows.push_back(std::move(flow));
      }
    }
    if (!flows.empty()) result[bridge] = std::move(flows);
  }
  return result;
}

// What anti-spoofing has dropped of this port's, by the counters of its own drop flows (compile/flows_antispoof.cc).
std::vector<std::string> spoofed(const Reconciler& reconciler, const Uuid& id, const FlowCounts& counts) {
  std::vector<std::string> hints;
  const auto switches = reconciler.switches();
  const auto bridge = switches.find(reconciler.node().integration_bridge);
  const auto counted = counts.find(reconciler.node().integration_bridge);
  if (bridge == switches.end() || bridge->second->flows() == nullptr || counted == counts.end()) {
    return hints;
  }
  const auto dropped_in = [&](of::IntTable table) {
    std::uint64_t packets = 0;
    for (const auto& [key, body] : *bridge->second->flows()) {
      if (key.table != of::number(table) || key.priority != of::kSpoofDropPriority ||
          body.cookie != cookie_of_port(id))
        continue;
      if (const auto count = counted->second.find(key); count != counted->second.end())
        packets += count->second.packets;
    }
    return packets;
  };
  if (const std::uint64_t packets = dropped_in(of::IntTable::ArpSpoof); packets > 0) {
    hints.push_back(
        fmt::format("anti-spoofing has dropped {} frames of ARP or neighbour advertisements for addresses "
                    "that this port may not have; if it shall: ml2ctl port set {} --allowed-address "
                    "ip-address=ADDRESS",
                    packets, id.to_string()));
  }
  if (const std::uint64_t packets = dropped_in(of::IntTable::MacSpoof); packets > 0) {
    hints.push_back(
        fmt::format("anti-spoofing has dropped {} frames from MACs that are not this port's; if it shall send "
                    "them: ml2ctl port set {} --allowed-address ip-address=ADDRESS,mac-address=MAC, or "
                    "--disable-port-security",
                    packets, id.to_string()));
  }
  return hints;
}

void put_port(json& root, const Port& port) {
  root["name"] = text::printable(port.name, 80);
  root["mac_address"] = port.mac.to_string();
  root["admin_state_up"] = port.admin_state_up;
  root["fixed_ips"] = json::array();
  for (const IpAddress& address : port.fixed_ips) root["fixed_ips"].push_back(address.to_string());
  root["network_id"] = port.segment.network.to_string();
  root["network_type"] = to_string(port.segment.type);
  root["physical_network"] = port.segment.physical_network;
  root["segmentation_id"] = port.segment.segmentation_id;
}

std::string segment_text(const json& port) {
  std::string text = port.value("network_type", "");
  if (port.value("segmentation_id", 0U) != 0) text += fmt::format(" {}", port["segmentation_id"].get<unsigned>());
  if (const std::string physical = port.value("physical_network", ""); !physical.empty()) text += " on " + physical;
  return text;
}

}  // namespace

Result<Uuid> find_port(const Reconciler& reconciler, const std::string& text) {
  const auto& reports = reconciler.port_reports();
  if (const auto id = Uuid::parse(text); id && reports.contains(*id)) return *id;
  std::vector<Uuid> found;
  const Intent* intent = reconciler.source().intent();
  if (intent != nullptr) {
    for (const auto& [id, port] : intent->ports) {
      if (!text.empty() && port.name == text) found.push_back(id);
    }
  }
  if (found.empty()) {
    for (const auto& [id, state] : reconciler.desired().port_states) {
      if (!text.empty() && state.interface == text) found.push_back(id);
    }
  }
  if (found.empty() && text.size() >= 2) {
    for (const auto& [id, report] : reports) {
      if (id.to_string().starts_with(text::lower(text))) found.push_back(id);
    }
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return invalid(fmt::format("no port of host {} has the name, id or interface {}", reconciler.node().host,
                               text::printable(text, 60)));
  }
  std::string ids;
  for (const Uuid& id : found) ids += (ids.empty() ? "" : ", ") + id.to_string();
  return invalid(
      fmt::format("{} ports of this host are meant by {}: {}", found.size(), text::printable(text, 60), ids));
}

CounterReading::CounterReading(const Reconciler& reconciler, const Clock& clock)
    : clock_(clock), deadline_(clock.now() + kLimit) {
  for (const auto& [bridge, of_switch] : reconciler.switches()) {
    if (const auto request = of_switch->request_counters(std::nullopt)) open_.emplace(bridge, *request);
  }
}

void CounterReading::run(const Reconciler& reconciler) {
  const auto switches = reconciler.switches();
  std::erase_if(open_, [&](const auto& entry) {
    const auto& [bridge, request] = entry;
    const auto of_switch = switches.find(bridge);
    if (of_switch == switches.end() || of_switch->second->flows() == nullptr) return true;
    auto counts = of_switch->second->take_counters(request);
    if (counts) counts_[entry.first] = std::move(*counts);
    return counts.has_value();
  });
}

bool CounterReading::done() const { return open_.empty() || clock_.now() >= deadline_; }

void CounterReading::wait() const {
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - clock_.now()).count() + 1);
}

json explain_json(const Reconciler& reconciler, const Uuid& id, const FlowCounts& counts) {
  const Intent* intent = reconciler.source().intent();
  const Port* port = nullptr;
  if (intent != nullptr) {
    if (const auto found = intent->ports.find(id); found != intent->ports.end()) port = &found->second;
  }
  const auto report = reconciler.port_reports().find(id);
  const auto state_at = reconciler.desired().port_states.find(id);
  const PortState state = state_at == reconciler.desired().port_states.end() ? PortState{} : state_at->second;
  const bool active =
      report != reconciler.port_reports().end() && report->second.status == intent::PortStatus::Active;

  json root{{"id", id.to_string()}, {"name", ""}, {"host", reconciler.node().host}, {"bound_here", true}};
  if (port != nullptr) put_port(root, *port);
  root["integration_bridge"] = reconciler.node().integration_bridge;
  root["tunnel_bridge"] = reconciler.node().has_tunnels() ? reconciler.node().tunnel_bridge : "";
  root["interface"] = state.interface;
  root["ofport"] = state.ofport ? json(state.ofport->value()) : json();
  root["local_vlan"] = state.local_vlan ? json(state.local_vlan->value()) : json();
  root["fastpath_port"] = state.fast_path_port != 0 ? json(state.fast_path_port) : json();
  if (report != reconciler.port_reports().end()) {
    root["status"] = word(report->second.status);
    root["reason"] = report->second.reason;
  }
  if (const auto history = reconciler.journal().port_histories().find(id);
      history != reconciler.journal().port_histories().end()) {
    root["since"] = history->second.since ? json(text::time(*history->second.since)) : json();
    if (history->second.seconds_to_wire) root["seconds_to_wire"] = *history->second.seconds_to_wire;
  }
  const auto row = reconciler.vswitch().interfaces.find(state.interface);
  const bool installed =
      row != reconciler.vswitch().interfaces.end() && row->second.external_ids.contains(reconcile::kInstalledKey);
  root["installed"] = installed;

  json& checks = root["checks"] = json::array();
  add(checks, {"agent in sync", reconciler.in_sync(),
               reconciler.gate().empty() ? "" : "waits for: " + reconciler.gate().front()});
  const ovsdb::DatabaseStatus database = reconciler.database().status();
  const intent::SourceStatus source = reconciler.source().status();
  add(checks, {"Open_vSwitch database connected", database.connected, database.error});
  add(checks, {source.kind + " connected", source.connected, source.error});
  add(checks, {"bound to this host", true, port == nullptr ? "its row makes no sense" : segment_text(root)});
  add(checks, {"row accepted", port != nullptr && !state.refused,
               port == nullptr || state.refused ? state.waiting : std::string()});
  if (port != nullptr) add(checks, {"administratively up", port->admin_state_up, ""});
  add(checks, {"plugged", !state.interface.empty(), state.interface});
  if (state.fast_path_port != 0) {
    const fp::FastPathStatus fast_path = reconciler.fast_path_status();
    add(checks, {"fast path answers", fast_path.connected, fast_path.error});
    add(checks, {"port of the fast path", !reconciler.plan().pending_fast_path.contains(state.fast_path_port),
                 std::to_string(state.fast_path_port)});
  } else {
    add(checks, {"OpenFlow port", state.ofport.has_value(), state.ofport ? to_string(*state.ofport) : ""});
    add(checks, {"local VLAN", state.local_vlan.has_value(), state.local_vlan ? to_string(*state.local_vlan) : ""});
  }
  for (const auto& [bridge, of_switch] : reconciler.switches()) {
    const of::SwitchStatus status = of_switch->status();
    if (status.silent.count() > 0) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(status.silent).count();
      add(checks,
          {"bridge " + bridge, false,
           fmt::format("ovs-vswitchd has not answered for {} s: it hangs, or is busy with a large change", seconds)});
    } else if (of_switch->flows() == nullptr) {
      add(checks,
          {"bridge " + bridge, false, status.error.empty() ? "its flows have not been read yet" : status.error});
    }
  }
  add(checks, {"wired", active, active ? "" : state.waiting.empty() ? root.value("reason", "") : state.waiting});

  root["advice"] = active ? "" : advice(reconciler, state, port);
  json& warnings = root["warnings"] = json::array();
  if (!state.warning.empty()) warnings.push_back(state.warning);
  if (port != nullptr && reconcile::has_unenforced_groups(*port)) warnings.push_back(reconcile::kNotEnforced);
  if (state.interface.empty()) {
    for (std::string& hint : near_misses(reconciler, id, port)) warnings.push_back(std::move(hint));
  }
  for (const auto& [bridge, of_switch] : reconciler.switches()) {
    if (of_switch->flows() == nullptr || counts.contains(bridge)) continue;
    warnings.push_back(fmt::format("the counters of {} are missing: ovs-vswitchd did not tell them within {} s",
                                   bridge, CounterReading::kLimit.count() / 1000));
  }
  for (std::string& hint : spoofed(reconciler, id, counts)) warnings.push_back(std::move(hint));
  root["problems"] = reconciler.problems();  // of the whole host: what is wrong with a tunnel is wrong with its ports
  root["held"] = reconciler.plan().held;
  root["flows"] = flows_json(reconciler, id, port, counts);
  root["last_error"] = last_error(reconciler);
  return root;
}

std::string explain_text(const json& port) {
  std::string name = port.value("name", "");
  std::string text = fmt::format("port {}{}", name.empty() ? "" : name + "  ", port["id"].get<std::string>());
  if (port.contains("mac_address")) text += "  " + port["mac_address"].get<std::string>();
  for (const json& address : port.value("fixed_ips", json::array())) text += " " + address.get<std::string>();
  text += "\n";
  if (port.contains("status")) {
    const bool active = port["status"] == "ACTIVE";  // what is wrong all the same is a warning below
    const std::string reason = active ? "" : port.value("reason", "");
    const json since = port.value("since", json());
    text += fmt::format("{} on host {} since {}{}{}\n", port["status"].get<std::string>(),
                        port["host"].get<std::string>(),
                        since.is_string() ? since.get<std::string>() : "before the agent's start",
                        reason.empty() ? "" : ": ", reason);
  }
  if (const std::string advice = port.value("advice", ""); !advice.empty()) text += "what to do: " + advice + "\n";
  text += "\n";
  for (const json& check : port["checks"]) {
    const std::string detail = check["detail"];
    text += fmt::format("  {:<4}{}{}{}\n", check["ok"].get<bool>() ? "ok" : "NO", check["what"].get<std::string>(),
                        detail.empty() ? "" : ": ", detail);
  }
  for (const json& warning : port["warnings"]) text += "warning: " + warning.get<std::string>() + "\n";
  for (const json& problem : port["problems"]) text += "problem of this host: " + problem.get<std::string>() + "\n";
  for (const json& held : port["held"]) text += "held: " + held.get<std::string>() + "\n";
  if (port.contains("seconds_to_wire")) {
    text += fmt::format("from plug to wired: {:.0f} ms\n", port["seconds_to_wire"].get<double>() * 1000);
  }
  if (port["last_error"].is_object()) {
    text +=
        fmt::format("last error of this host: {} {}: {}\n", port["last_error"]["time"].get<std::string>(),
                    port["last_error"]["where"].get<std::string>(), port["last_error"]["error"].get<std::string>());
  }
  for (const auto& [bridge, flows] : port["flows"].items()) {
    std::vector<std::vector<std::string>> rows{{bridge, "TABLE", "PACKETS", "BYTES", "OF", "FLOW"}};
    for (const json& flow : flows) {
      const std::string match = flow["match"];
      rows.push_back({"", flow["table_name"],
                      flow.contains("packets") ? std::to_string(flow["packets"].get<std::uint64_t>()) : "-",
                      flow.contains("bytes") ? std::to_string(flow["bytes"].get<std::uint64_t>()) : "-", flow["of"],
                      fmt::format("{}priority={}{}{} actions={}", flow.contains("missing") ? "MISSING " : "",
                                  flow["priority"].get<unsigned>(), match.empty() ? "" : ",", match,
                                  flow["actions"].get<std::string>())});
    }
    text += "\n" + table(rows);
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace ml2::control
