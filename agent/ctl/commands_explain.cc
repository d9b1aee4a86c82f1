// ml2ctl explain: why a port works or does not, wherever it is bound.
//
// The local agent explains its own ports. Of any other port the ML2 database tells which host has it and how that
// host is; of a port of this host whose agent does not run it tells what the agent said last.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/ctl/control_client.h"
#include "agent/ctl/program.h"
#include "agent/ml2/mechanism_driver.h"

namespace ml2::ctl {
namespace {

using nlohmann::json;

// By name or id, else by the start of an id.
Result<Uuid> find_any_port(const ovsdb::Ml2Rows& rows, const std::string& text) {
  auto found = plugin::find_resource(rows.ports, "port", text);
  if (found || text.size() < 2) return found;
  std::vector<Uuid> starts;
  for (const auto& [id, port] : rows.ports) {
    if (id.to_string().starts_with(text::lower(text))) starts.push_back(id);
  }
  if (starts.size() == 1) return starts.front();
  if (starts.empty()) return found;
  return invalid(fmt::format("{} ports have ids that begin with {}", starts.size(), text::printable(text, 40)));
}

// The host of a binding, as the database knows it.
json host_json(const Reading& reading, const ovsdb::Ml2Binding& binding) {
  json shown{{"name", binding.host}};
  const ovsdb::Ml2Host* host = ovsdb::host_named(reading.rows, binding.host);
  shown["known"] = host != nullptr;
  if (host == nullptr) {
    shown["alive"] = false;
    shown["alive_reason"] = "no agent has ever reported from there under this name: check [DEFAULT] host of its ini";
    return shown;
  }
  const Status alive = plugin::check_alive(*host, reading.plugin->options().agent_down_time, reading.plugin->now());
  shown["alive"] = alive.has_value();
  shown["alive_reason"] = alive ? "" : alive.error().message;
  shown["agent_version"] = host->agent_version;
  shown["problems"] = host->problems;
  shown["heartbeat_seconds_ago"] = std::max<std::int64_t>(0, reading.plugin->now() - host->heartbeat);
  shown["heartbeat"] = plugin::heartbeat_age(*host, reading.plugin->now());
  return shown;
}

std::string advice_of(const ovsdb::Ml2Port& port, const ovsdb::Ml2Binding* binding, const json& host) {
  const std::string name = port.name.empty() ? port.uuid.to_string() : text::printable(port.name, 60);
  if (binding == nullptr || binding->host.empty())
    return fmt::format("bind it: ml2ctl port set {} --host HOST", name);
  if (!binding->failure.empty() || !binding->segment) {
    return fmt::format("solve what the binding says, then bind again: ml2ctl port set {} --host {}", name,
                       binding->host);
  }
  if (host.value("alive", false)) return fmt::format("run ml2ctl explain {} on host {}", name, binding->host);
  return fmt::format("start ml2-agent on host {}, or bind the port to another host: ml2ctl port set {} --host HOST",
                     binding->host, name);
}

json explain_from_database(const Reading& reading, const Uuid& id) {
  const ovsdb::Ml2Port& port = reading.rows.ports.at(id);
  json root = plugin::view(reading.inputs(), port);
  const auto bindings = plugin::bindings_of(reading.rows, id);
  const ovsdb::Ml2Binding* binding = bindings.empty() ? nullptr : &bindings.front();
  const bool bound = binding != nullptr && !binding->host.empty() && binding->segment.has_value();
  root["bound"] = bound;
  root["bound_here"] = false;
  const json host = binding == nullptr || binding->host.empty() ? json() : host_json(reading, *binding);
  root["host"] = host;
  root["advice"] = advice_of(port, binding, host);
  return root;
}

std::string to_text(const json& port) {
  std::string text =
      fmt::format("port {}  {}  {}", text::printable(port["name"].get<std::string>(), 80),
                  port["id"].get<std::string>(), text::printable(port["mac_address"].get<std::string>(), 40));
  for (const json& fixed_ip : port["fixed_ips"]) text += " " + fixed_ip["ip_address"].get<std::string>();
  const std::string reason = port["status_reason"];
  text += fmt::format("\n{}{}{}\n", port["status"].get<std::string>(), reason.empty() ? "" : ": ", reason);
  text += "what to do: " + port["advice"].get<std::string>() + "\n\n";
  const json& host = port["host"];
  if (host.is_null()) {
    text += "  NO  bound: to no host\n";
    return text;
  }
  const std::string failure = port.value("binding:failure", "");
  text += fmt::format("  {}bound: to host {}{}\n", port["bound"].get<bool>() ? "ok  " : "NO  ",
                      host["name"].get<std::string>(), failure.empty() ? "" : ": " + failure);
  if (host["alive"].get<bool>()) {
    text += fmt::format("  ok  agent of host {}: version {}, {}\n", host["name"].get<std::string>(),
                        host["agent_version"].get<std::string>(), host["heartbeat"].get<std::string>());
  } else {
    text += fmt::format("  NO  agent of host {}: {}\n", host["name"].get<std::string>(),
                        host["alive_reason"].get<std::string>());
  }
  for (const json& problem : host.value("problems", json::array())) {
    text += fmt::format("problem of host {}: {}\n", host["name"].get<std::string>(), problem.get<std::string>());
  }
  return text;
}

Status explain(Session& session, const PortOptions& options) {
  const auto print = [&](const std::string& text) { session.print(text.ends_with('\n') ? text : text + "\n"); };
  const auto local = ask_local_agent(session, "explain", {options.port, session.options().format});
  if (local) {
    print(*local);
    return {};
  }
  const auto reading = read_rows(session);
  if (!reading) {
    return tl::unexpected<Error>(
        Error{local.error().kind, fmt::format("{}; and {}", local.error().message, reading.error().message)});
  }
  const auto id = find_any_port(reading->rows, options.port);
  if (!id) return forward_error(id);
  if (local.error().kind == ErrorKind::Invalid) {  // there is an agent, and it does not know the port by that name
    if (const auto by_id = ask_local_agent(session, "explain", {id->to_string(), session.options().format})) {
      print(*by_id);
      return {};
    }
  }
  const json explained = explain_from_database(*reading, *id);
  if (session.format() == Format::Json) {
    session.print(explained.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  } else {
    print(to_text(explained));
  }
  // A port of another host is explained as far as it goes from here.
  const auto config = session.config();
  const bool here = config && explained["host"].is_object() &&
                    explained["host"]["name"] == (*config)->get_string("DEFAULT", "host");
  return here && local.error().kind != ErrorKind::Invalid ? Status(forward_error(local)) : Status();
}

}  // namespace

void add_explain_command(Command& top, Program& program) {
  add_command<PortOptions>(
      top, program, "explain", "Explain why a port works or does not: bound, plugged, wired, flows, what to do",
      [](Command& command, PortOptions& options) {
        command.add_option("PORT", options.port, "Name, id, start of an id, or interface of this host").required();
        command.footer("Examples:\n  ml2ctl explain web1\n  ml2ctl --format json explain tap1a2b3c4d\n");
      },
      explain);
}

}  // namespace ml2::ctl
