#include "agent/control/dumps.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/control/words.h"
#include "agent/reconcile/plan_text.h"
#include "datapath/base/text.h"

namespace ml2::control {

using nlohmann::json;
using reconcile::Reconciler;

namespace {

std::string map_text(const std::map<std::string, std::string>& map) {
  std::string result;
  for (const auto& [key, value] : map) result += fmt::format("{}{}={}", result.empty() ? "" : ",", key, value);
  return result;
}

std::string segment_text(const Segment& segment) {
  return fmt::format("network={} type={} physical_network={} segmentation_id={}", segment.network.to_string(),
                     to_string(segment.type), dash(segment.physical_network), segment.segmentation_id);
}

json segment_json(const Segment& segment) {
  return {{"network_id", segment.network.to_string()},
          {"network_type", to_string(segment.type)},
          {"physical_network", segment.physical_network},
          {"segmentation_id", segment.segmentation_id}};
}

template <class Values>
std::vector<std::string> texts(const Values& values) {
  std::vector<std::string> result;
  for (const auto& value : values) result.push_back(value.to_string());
  return result;
}

template <class Values>
std::string joined(const Values& values) {
  return dash(fmt::format("{}", fmt::join(texts(values), ",")));
}

// Without the last line end.
std::string or_else(std::string text, const char* nothing) {
  if (text.empty()) return nothing;
  text.pop_back();
  return text;
}

json flow_json(const of::FlowKey& key, const of::FlowBody& body, const std::string& bridge, const NodeConfig& node) {
  return {{"table", key.table},
          {"table_name", reconcile::table_text(key.table, bridge, node)},
          {"priority", key.priority},
          {"match", key.match.view()},
          {"actions", body.actions.view()},
          {"cookie", fmt::format("{:#x}", body.cookie)}};
}

json event_json(const reconcile::Event& event) {
  return {{"id", event.id},       {"time", text::time(event.time)}, {"kind", to_string(event.kind)},
          {"cause", event.cause}, {"subject", event.subject},       {"text", event.text},
          {"size", event.size}};
}

}  // namespace

std::string print(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace); }

json last_error(const Reconciler& reconciler) {
  const auto& events = reconciler.journal().events();
  const auto found = std::find_if(events.rbegin(), events.rend(), [](const reconcile::Event& event) {
    return event.kind == reconcile::Event::Kind::Failed;
  });
  if (found == events.rend()) return nullptr;
  return {{"time", text::time(found->time)}, {"where", found->subject}, {"error", found->text}};
}

std::string intent_text(const Reconciler& reconciler) {
  const Intent* intent = reconciler.source().intent();
  if (intent == nullptr) return "the intent has not been read yet";
  std::string text;
  for (const auto& [id, port] : intent->ports) {
    std::vector<std::string> pairs;
    for (const AddressPair& pair : port.allowed_address_pairs) {
      pairs.push_back(fmt::format("{}@{}", pair.network.to_string(), pair.mac.to_string()));
    }
    text += fmt::format(
        "port {} name={} {} mac={} up={} ips={} device_owner={} port_security={} allowed_address_pairs={}\n",
        id.to_string(), text::printable(port.name, 40), segment_text(port.segment), port.mac.to_string(),
        port.admin_state_up, joined(port.fixed_ips), dash(text::printable(port.device_owner, 60)),
        port.port_security_enabled, dash(fmt::format("{}", fmt::join(pairs, ","))));
  }
  for (const Vtep& vtep : intent->vteps) {
    text += fmt::format("vtep {} {} host={}\n", to_string(vtep.type), vtep.address.to_string(), vtep.host);
  }
  for (const auto& [segment, remote] : intent->remote) {
    text += fmt::format("remote {} vteps={} any_mac={} shared_macs={}\n", segment_text(segment), joined(remote.vteps),
                        remote.any_mac, joined(remote.shared_macs));
    for (const RemotePort& port : remote.ports) {
      text += fmt::format("remote_port network={} mac={} vtep={} answered={}{}\n", segment.network.to_string(),
                          port.mac.to_string(), port.vtep.to_string(), joined(port.answered),
                          port.router ? " router" : "");
    }
  }
  for (const auto& [id, reason] : intent->refused) text += fmt::format("refused {}: {}\n", id.to_string(), reason);
  for (const std::string& problem : intent->problems) text += fmt::format("problem {}\n", problem);
  return or_else(std::move(text), "the intent is empty");
}

std::string desired_text(const Reconciler& reconciler) {
  const Desired& desired = reconciler.desired();
  std::string text;
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
  return or_else(std::move(text), "nothing is desired yet");
}

std::string facts_text(const Reconciler& reconciler) {
  const Facts& facts = reconciler.facts();
  std::string text;
  for (const auto& [name, datapath_id] : facts.bridges) {
    text += fmt::format("bridge {} datapath_id={}\n", name, dash(datapath_id));
  }
  for (const auto& [name, fact] : facts.interfaces) {
    text += fmt::format("interface {} bridge={} type={} ofport={} tag={} iface-id={}{}{}\n", name, fact.bridge,
                        dash(fact.type), fact.ofport ? to_string(*fact.ofport) : "-",
                        fact.tag ? std::to_string(*fact.tag) : "-", dash(text::printable(fact.iface_id, 60)),
                        fact.owned ? " ours" : "", fact.error.empty() ? "" : " error=" + text::printable(fact.error));
  }
  for (const auto& [key, vlan] : facts.local_vlans) {
    text += fmt::format("local_vlan {} network={} segmentation_id={}\n", vlan.value(), key.network.to_string(),
                        key.segmentation_id);
  }
  for (const IpAddress& address : facts.host_addresses) text += fmt::format("address {}\n", address.to_string());
  if (!text.empty()) text += fmt::format("settled {}\n", facts.settled);
  return or_else(std::move(text), "no facts have been read yet");
}

std::string facts_json(const Reconciler& reconciler) {
  const Facts& facts = reconciler.facts();
  json root{{"settled", facts.settled}, {"bridges", facts.bridges}, {"iface_types", facts.iface_types}};
  json& interfaces = root["interfaces"] = json::object();
  for (const auto& [name, fact] : facts.interfaces) {
    interfaces[name] = {{"port", fact.port},
                        {"bridge", fact.bridge},
                        {"type", fact.type},
                        {"ofport", fact.ofport ? json(fact.ofport->value()) : json()},
                        {"tag", fact.tag ? json(*fact.tag) : json()},
                        {"iface_id", fact.iface_id},
                        {"attached_mac", fact.attached_mac},
                        {"peer", fact.peer},
                        {"error", fact.error},
                        {"ours", fact.owned}};
  }
  json& vlans = root["local_vlans"] = json::array();
  for (const auto& [key, vlan] : facts.local_vlans) {
    vlans.push_back({{"local_vlan", vlan.value()},
                     {"network_id", key.network.to_string()},
                     {"segmentation_id", key.segmentation_id}});
  }
  json& addresses = root["host_addresses"] = json::array();
  for (const IpAddress& address : facts.host_addresses) addresses.push_back(address.to_string());
  return print(root);
}

std::string intent_json(const Reconciler& reconciler) {
  const Intent* intent = reconciler.source().intent();
  if (intent == nullptr) return "null";
  json root{{"host", intent->node.host}, {"complete", intent->complete}};
  json& ports = root["ports"] = json::array();
  for (const auto& [id, port] : intent->ports) {
    json pairs = json::array();
    for (const AddressPair& pair : port.allowed_address_pairs) {
      pairs.push_back({{"ip_address", pair.network.to_string()}, {"mac_address", pair.mac.to_string()}});
    }
    json one = segment_json(port.segment);
    one.update({{"id", id.to_string()},
                {"name", port.name},
                {"mac_address", port.mac.to_string()},
                {"admin_state_up", port.admin_state_up},
                {"fixed_ips", texts(port.fixed_ips)},
                {"device_owner", port.device_owner},
                {"port_security_enabled", port.port_security_enabled},
                {"security_groups", texts(port.security_groups)},
                {"allowed_address_pairs", std::move(pairs)},
                {"vhost_user", port.vhost_user},
                {"mtu", port.mtu}});
    ports.push_back(std::move(one));
  }
  json& vteps = root["vteps"] = json::array();
  for (const Vtep& vtep : intent->vteps) {
    vteps.push_back({{"type", to_string(vtep.type)},
                     {"address", vtep.address.to_string()},
                     {"udp_port", vtep.udp_port},
                     {"host", vtep.host}});
  }
  json& segments = root["remote"] = json::array();
  for (const auto& [segment, remote] : intent->remote) {
    json one = segment_json(segment);
    json remote_ports = json::array();
    for (const RemotePort& port : remote.ports) {
      remote_ports.push_back({{"mac_address", port.mac.to_string()},
                              {"vtep", port.vtep.to_string()},
                              {"answered", texts(port.answered)},
                              {"router", port.router}});
    }
    one.update({{"vteps", texts(remote.vteps)},
                {"ports", std::move(remote_ports)},
                {"shared_macs", texts(remote.shared_macs)},
                {"any_mac", remote.any_mac}});
    segments.push_back(std::move(one));
  }
  root["problems"] = intent->problems;
  json& refused = root["refused"] = json::object();
  for (const auto& [id, reason] : intent->refused) refused[id.to_string()] = reason;
  return print(root);
}

std::string desired_json(const Reconciler& reconciler) {
  const Desired& desired = reconciler.desired();
  json root{{"complete", desired.complete}, {"waiting", desired.waiting}};
  json& bridges = root["bridges"] = json::object();
  for (const auto& [name, bridge] : desired.bridges) {
    bridges[name] = {{"datapath_type", bridge.datapath_type},
                     {"fail_mode", bridge.fail_mode},
                     {"protocols", bridge.protocols},
                     {"other_config", bridge.other_config}};
  }
  json& ports = root["ports"] = json::object();
  for (const auto& [name, port] : desired.ports) {
    ports[name] = {
        {"bridge", port.bridge}, {"type", port.type}, {"options", port.options}, {"other_config", port.other_config}};
  }
  json& vifs = root["vifs"] = json::object();
  for (const auto& [name, vif] : desired.vifs) {
    vifs[name] = {{"tag", vif.tag}, {"dead", vif.dead}, {"other_config", vif.other_config}};
  }
  json& flows = root["flows"] = json::object();
  for (const auto& [bridge, set] : desired.flows) {
    json& list = flows[bridge] = json::array();
    for (const auto& [key, body] : set) list.push_back(flow_json(key, body, bridge, reconciler.node()));
  }
  return print(root);
}

std::string plan_json(const Reconciler& reconciler) {
  const Plan& plan = reconciler.plan();
  json root{{"empty", plan.empty()}, {"held", plan.held}, {"comment", plan.ovsdb.comment}};
  json& rows = root["rows"] = json::array();
  for (const ovsdb::Operation& operation : plan.ovsdb.operations) rows.push_back(reconcile::to_text(operation));
  json& flows = root["flows"] = json::object();
  for (const auto& [bridge, bundle] : plan.bundles) {
    json& list = flows[bridge] = json::array();
    for (const of::FlowMod& mod : bundle.mods) {
      json flow = flow_json(mod.key, mod.body, bridge, reconciler.node());
      flow["command"] = reconcile::to_text(mod.command);
      list.push_back(std::move(flow));
    }
  }
  return print(root);
}

std::string events_text(const reconcile::Journal& journal, std::uint64_t since) {
  std::string text;
  for (const reconcile::Event& event : journal.events()) {
    if (event.id <= since) continue;
    text += fmt::format("{} {:<10} {}: {}{}{}\n", text::time(event.time), to_string(event.kind), event.subject,
                        event.text, event.size == 0 ? "" : fmt::format(" [{} changes]", event.size),
                        event.cause.empty() ? "" : fmt::format(" (woken by: {})", event.cause));
  }
  return or_else(std::move(text), "no events");
}

std::string events_json(const reconcile::Journal& journal, std::uint64_t since) {
  json list = json::array();
  for (const reconcile::Event& event : journal.events()) {
    if (event.id > since) list.push_back(event_json(event));
  }
  return print(list);
}

}  // namespace ml2::control
