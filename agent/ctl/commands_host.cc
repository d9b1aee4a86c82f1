// ml2ctl host ...: the agents as they have reported.
#include <nlohmann/json.hpp>

#include "agent/ctl/program.h"

namespace ml2::ctl {
namespace {

// Of create and set.
struct HostOptions {
  std::string name;
  std::optional<bool> enable;
};

Status list(Session& session, const ListOptions&) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  auto objects = nlohmann::json::array();
  for (const auto& [id, host] : reading->rows.hosts) objects.push_back(plugin::view(reading->inputs(), host));
  session.list(
      objects,
      {{"ID", "id"},
       {"Host", "name"},
       {"Alive", "", [](const nlohmann::json& object) { return object["alive"] == true ? ":-)" : "XXX"; }},
       {"State", "", [](const nlohmann::json& object) { return object["admin_state_up"] == true ? "UP" : "DOWN"; }},
       {"Bridge mappings", "bridge_mappings"},
       {"Endpoints", "",
        [](const nlohmann::json& object) {
          std::string text;
          for (const auto& endpoint : object["endpoints"]) {
            text +=
                (text.empty() ? "" : "\n") + to_cell(endpoint["tunnel_type"]) + " " + to_cell(endpoint["ip_address"]);
          }
          return text;
        }},
       {"Problems", "", [](const nlohmann::json& object) {
          const std::string reason = to_cell(object["alive_reason"]);
          const std::string problems = to_cell(object["problems"]);
          return reason + (reason.empty() || problems.empty() ? "" : "\n") + problems;
        }}});
  return {};
}

Status create(Session& session, const HostOptions& options) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto id = reading->plugin->create_host(options.name, options.enable.value_or(true));
  if (!id) return forward_error(id);
  return show_row(session, *id, &ovsdb::Ml2Rows::hosts);
}

Status set(Session& session, const HostOptions& options) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto id = plugin::find_resource(reading->rows.hosts, "host", options.name);
  if (!id) return forward_error(id);
  return options.enable ? reading->plugin->set_host_admin_state(*id, *options.enable) : Status();
}

}  // namespace

void add_host_commands(Command& top, Program& program) {
  Command host = top.add_group("host", "Hosts: where agents have reported from");
  add_command<HostOptions>(
      host, program, "create", "Prepare a host before its agent reports",
      [](Command& command, HostOptions& options) {
        command.add_option("NAME", options.name, "Name: [DEFAULT] host of its agent").required();
        command.add_switch("--enable", "--disable", options.enable, "In service (default)", "Out of service");
        command.footer("Examples:\n  ml2ctl host create hv3 --disable");
      },
      create);
  add_command<ListOptions>(
      host, program, "list", "List the hosts", [](Command&, ListOptions&) {}, list);
  add_show(host, program, "host", &ovsdb::Ml2Rows::hosts);
  add_command<HostOptions>(
      host, program, "set", "Change a host",
      [](Command& command, HostOptions& options) {
        command.add_option("HOST", options.name, "Name or id").required();
        command.add_switch("--enable", "--disable", options.enable, "In service", "Out of service");
        command.needs_an_option();
      },
      set);
  add_delete(host, program, "host", &ovsdb::Ml2Rows::hosts,
             [](plugin::Plugin& plugin, const Uuid& id) { return plugin.delete_host(id); });
}

}  // namespace ml2::ctl
