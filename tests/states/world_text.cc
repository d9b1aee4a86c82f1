// World::text(): the golden form.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "datapath/base/text.h"
#include "datapath/openflow/cookie.h"
#include "datapath/openflow/pipeline.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

// One bridge's numbers as names.
struct Names {
  const NodeConfig& node;
  const ovsdb::Vswitch& rows;
  const Desired& desired;

  [[nodiscard]] std::string port(const std::string& bridge, std::int64_t number) const {
    for (const auto& [name, row] : rows.interfaces) {
      if (row.ofport == number && rows.port_bridge.at(rows.interface_port.at(name)) == bridge) return name;
    }
    return fmt::format("port-{}", number);
  }
  [[nodiscard]] std::string local_vlan(std::int64_t number) const {
    if (number == kDeadVlan) return "dead";
    for (const auto& [key, vlan] : desired.local_vlans) {
      if (vlan.value() == number) return "local-vlan-of-network-" + short_id(key.network);
    }
    return fmt::format("local-vlan-{}", number);
  }
  [[nodiscard]] static std::string short_id(const Uuid& uuid) {
    const auto& bytes = uuid.bytes();
    return std::to_string(bytes[14] << 8U | bytes[15]);
  }
  [[nodiscard]] std::string table(const std::string& bridge, std::int64_t number) const {
    const auto id = static_cast<std::uint8_t>(number);
    if (bridge == node.integration_bridge) return std::string(of::name_of(of::kIntTables, id));
    if (bridge == node.tunnel_bridge) return std::string(of::name_of(of::kTunTables, id));
    return std::string(of::name_of(of::kPhysTables, id));
  }
};

// Replaces the numbers that stand between `before` and `after` by what `name` makes of them.
template <class Name>
std::string replace(const std::string& text, std::string_view before, std::string_view after, Name name) {
  std::string result;
  std::size_t from = 0;
  for (std::size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const std::size_t begin = at + before.size();
    const std::size_t end = std::min(text.find_first_not_of("0123456789", begin), text.size());
    if (end == begin || text.compare(end, after.size(), after) != 0) continue;
    result += text.substr(from, begin - from) + name(text::to_int(text.substr(begin, end - begin)).value_or(-1));
    from = end;
  }
  return result + text.substr(from);
}

// A local VLAN in register 6, which is printed in hexadecimal: "reg6=0x1" in a match, "set_field:0x1->reg6" in actions.
template <class Name>
std::string registers(const std::string& text, const std::string& what, Name name) {
  if (text.find(what) == std::string::npos) return text;
  for (int number = 1; number <= 4094; ++number) {
    const std::string hex = fmt::format("{:#x}", number);
    const bool action = what.starts_with("->");
    const std::string wanted = action ? "set_field:" + hex + what : what + hex;
    const auto at = text.find(wanted);
    if (at == std::string::npos) continue;
    const std::size_t end = at + wanted.size();
    if (end < text.size() && text[end] != ',') continue;  // a longer number
    return text.substr(0, at) + (action ? "set_field:" + name(number) + what : what + name(number)) +
           text.substr(end);
  }
  return text;
}

std::string sorted_outputs(const std::string& actions) {
  if (actions.find("learn(") != std::string::npos) return actions;
  std::vector<std::string> parts;  // one for each copy: with the address that it is given
  for (const std::string& part : text::split(actions, ',')) {
    const bool goes_on = !parts.empty() && parts.back().ends_with("_dst") && part.starts_with("output:");
    if (goes_on) {
      parts.back() += "," + part;
    } else {
      parts.push_back(part);
    }
  }
  const auto first =
      std::find_if(parts.begin(), parts.end(), [](const auto& part) { return part.find("output:") != part.npos; });
  std::sort(first, parts.end());
  return fmt::format("{}", fmt::join(parts, ","));
}

std::string flow_text(const Names& names, const std::string& bridge, const of::FlowKey& key,
                      const of::FlowBody& body) {
  const auto port = [&](std::int64_t number) { return names.port(bridge, number); };
  const auto local = [&](std::int64_t number) { return names.local_vlan(number); };
  const auto table = [&](std::int64_t number) { return names.table(bridge, number); };
  const bool integration = bridge == names.node.integration_bridge;
  const bool physical = !integration && bridge != names.node.tunnel_bridge;

  std::string match = replace(std::string(key.match.view()), "in_port=", "", port);
  const bool local_tags = !integration || key.table == of::number(of::IntTable::LocalMacDirect);
  if (local_tags) match = replace(match, "dl_vlan=", "", local);
  match = registers(match, "reg6=", local);
  std::string actions = replace(std::string(body.actions.view()), "output:", "", port);
  actions = replace(actions, "goto_table:", "", table);
  actions = replace(actions, "set_field:", "->vlan_vid", [&](std::int64_t vid) {
    return physical ? fmt::format("4096+{}", vid - 4096) : "4096+" + names.local_vlan(vid - 4096);
  });
  actions = registers(actions, "->reg6", local);
  const std::string learned = fmt::format("{:#x}", cookie_of_learned());
  if (const auto at = actions.find(learned); at != std::string::npos) actions.replace(at, learned.size(), "learned");
  const std::string own = fmt::format("{:#x}", body.cookie);
  if (const auto at = actions.find(own); at != std::string::npos) actions.replace(at, own.size(), "own");
  std::string timeouts;
  if (body.hard_timeout != 0) timeouts = fmt::format(" hard_timeout={},", body.hard_timeout);
  return fmt::format("table={},{} priority={}{}{} actions={}{}", names.table(bridge, key.table), timeouts,
                     key.priority, match.empty() ? "" : ",", match, sorted_outputs(actions),
                     of::is_ours(body.cookie) ? "" : "  (not ours)");
}

std::string map_text(const ovsdb::StringMap& map) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : map) parts.push_back(key + "=" + value);
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

std::string port_text(const Names& names, const ovsdb::PortRow& row) {
  const ovsdb::InterfaceRow& interface = names.rows.interfaces.at(row.name);
  ovsdb::StringMap other_config = row.other_config;
  if (const auto tag = other_config.find("tag"); tag != other_config.end()) {
    tag->second = names.local_vlan(text::to_int(tag->second).value_or(-1));
  }
  std::string text = "  port " + row.name;
  if (!interface.type.empty()) text += " type=" + interface.type;
  if (!interface.options.empty()) text += " options=" + map_text(interface.options);
  if (row.tag) text += " tag=" + names.local_vlan(*row.tag);
  if (!row.vlan_mode.empty()) text += " vlan_mode=" + row.vlan_mode;
  if (!row.trunks.empty()) text += fmt::format(" trunks=[{}]", fmt::join(row.trunks, ","));
  if (!other_config.empty()) text += " other_config=" + map_text(other_config);
  if (!row.external_ids.empty()) text += " external_ids=" + map_text(row.external_ids);
  if (!interface.error.empty()) text += " error=\"" + interface.error + "\"";
  return text + "\n";
}

std::string bridge_text(const Names& names, const ovsdb::BridgeRow& row, const of::FlowSet& flows) {
  std::string text = fmt::format(
      "bridge {} datapath_type={} fail_mode={} protocols=[{}] mcast_snooping_enable={} "
      "other_config={}\n",
      row.name, row.datapath_type, row.fail_mode, fmt::join(row.protocols, ","), row.mcast_snooping_enable,
      map_text(row.other_config));
  std::set<std::string> ports;
  for (const auto& [name, bridge] : names.rows.port_bridge) {
    if (bridge == row.name) ports.insert(name);
  }
  for (const std::string& name : ports) text += port_text(names, names.rows.ports.at(name));
  std::vector<std::pair<std::pair<int, int>, std::string>> lines;
  for (const auto& [key, body] : flows) {
    lines.push_back({{key.table, -key.priority}, flow_text(names, row.name, key, body)});
  }
  std::sort(lines.begin(), lines.end());
  for (const auto& [order, line] : lines) text += "  " + line + "\n";
  return text;
}

}  // namespace

std::string World::text() const {
  const Actual actual = ovs.actual();
  const Desired now = compiled();
  const Names names{state_.intent.node, actual.vswitch, now};
  std::string text;
  for (const auto& [name, row] : actual.vswitch.bridges) text += bridge_text(names, row, *actual.flows.at(name));
  for (const auto& [id, state] : now.port_states) {
    text += fmt::format("port {}: {}{}{}{}{}\n", Names::short_id(id),
                        state.interface.empty() ? "not plugged" : state.interface,
                        state.local_vlan ? ", " + names.local_vlan(state.local_vlan->value()) : "",
                        state.waiting.empty() ? "" : ", waiting: " + state.waiting, state.refused ? " (refused)" : "",
                        state.warning.empty() ? "" : ", warning: " + state.warning);
  }
  for (const auto& [object, reason] : now.waiting) text += fmt::format("waiting {}: {}\n", object, reason);
  return text;
}

}  // namespace ml2::testing
