// ml2ctl security-group ...
#include <nlohmann/json.hpp>

#include "agent/ctl/program.h"
#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

struct CreateOptions {
  plugin::SecurityGroupRequest request;
  std::optional<bool> stateful;
};

struct RuleOptions {
  plugin::SecurityGroupRuleRequest request;
  std::string group;
  std::string ports;
  std::optional<std::int64_t> icmp_type, icmp_code;
  bool ingress = false;
  bool egress = false;
};

const std::vector<Column> kRuleColumns{{"ID", "id"},
                                       {"Direction", "direction"},
                                       {"Ethertype", "ethertype"},
                                       {"Protocol", "protocol"},
                                       {"First port", "port_range_min"},
                                       {"Last port", "port_range_max"},
                                       {"Remote prefix", "remote_ip_prefix"},
                                       {"Remote group", "remote_group_id"},
                                       {"Description", "description"}};

Status create(Session& session, const CreateOptions& options) {
  plugin::SecurityGroupRequest request = options.request;
  request.stateful = options.stateful.value_or(true);
  const auto plugin = session.plugin();
  if (!plugin) return forward_error(plugin);
  const auto id = (*plugin)->create_security_group(request);
  if (!id) return forward_error(id);
  return show_row(session, *id, &ovsdb::Ml2Rows::security_groups);
}

Status list(Session& session, const ListOptions&) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  auto objects = nlohmann::json::array();
  for (const auto& [id, group] : reading->rows.security_groups) {
    objects.push_back(plugin::view(reading->inputs(), group));
  }
  session.list(objects,
               {{"ID", "id"},
                {"Name", "name"},
                {"Description", "description"},
                {"Rules", "", [](const auto& o) { return std::to_string(o["security_group_rules"].size()); }}});
  return {};
}

Status create_rule(Session& session, const RuleOptions& options) {
  plugin::SecurityGroupRuleRequest request = options.request;
  request.direction = options.egress ? "egress" : "ingress";
  if (!options.ports.empty()) {
    const auto parts = text::split(options.ports, ':');
    request.port_range_min = text::to_int(parts.front());
    request.port_range_max = text::to_int(parts.back());
    if (parts.size() > 2 || !request.port_range_min || !request.port_range_max) {
      return invalid("--dst-port " + text::printable(options.ports) + ": expected a port or FIRST:LAST");
    }
  }
  if (options.icmp_type) request.port_range_min = options.icmp_type;
  if (options.icmp_code) request.port_range_max = options.icmp_code;
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto group = plugin::find_resource(reading->rows.security_groups, "security group", options.group);
  if (!group) return forward_error(group);
  request.security_group = *group;
  const auto id = reading->plugin->create_security_group_rule(request);
  if (!id) return forward_error(id);
  return show_row(session, *id, &ovsdb::Ml2Rows::security_group_rules);
}

Status list_rules(Session& session, const NameOptions& options) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto id = plugin::find_resource(reading->rows.security_groups, "security group", options.name);
  if (!id) return forward_error(id);
  const auto shown = plugin::view(reading->inputs(), reading->rows.security_groups.at(*id));
  session.list(shown["security_group_rules"], kRuleColumns);
  return {};
}

Status delete_rules(Session& session, const NamesOptions& options) {
  const auto plugin = session.plugin();
  if (!plugin) return forward_error(plugin);
  for (const std::string& name : options.names) {
    const auto id = Uuid::parse(name);
    if (!id) return invalid(text::printable(name) + " is no id: rules have no names");
    if (Status done = (*plugin)->delete_security_group_rule(*id); !done) return done;
  }
  return {};
}

}  // namespace

void add_security_group_commands(Command& top, Program& program) {
  Command group = top.add_group("security-group", "Security groups and their rules");
  add_command<CreateOptions>(
      group, program, "create", "Create a security group: everything out, nothing in",
      [](Command& command, CreateOptions& options) {
        command.add_option("NAME", options.request.name, "Name of the group").required();
        command.add_option("--description", options.request.description, "Text");
        command.add_option("--project", options.request.project_id, "Project that owns it");
        command.add_switch("--stateful", "--stateless", options.stateful, "Replies are let through (default)",
                           "Each direction needs its rule");
      },
      create);
  add_command<ListOptions>(
      group, program, "list", "List the security groups", [](Command&, ListOptions&) {}, list);
  add_show(group, program, "security group", &ovsdb::Ml2Rows::security_groups);
  add_delete(group, program, "security group", &ovsdb::Ml2Rows::security_groups,
             [](plugin::Plugin& plugin, const Uuid& id) { return plugin.delete_security_group(id); });
  Command rule = group.add_group("rule", "Rules of a security group");
  add_command<RuleOptions>(
      rule, program, "create", "Let something through",
      [](Command& command, RuleOptions& options) {
        auto& request = options.request;
        command.add_option("GROUP", options.group, "Name or id of the group").required();
        Option ingress = command.add_flag("--ingress", options.ingress, "To the port (default)");
        command.add_flag("--egress", options.egress, "From the port").excludes(ingress);
        command.add_option("--ethertype", request.ethertype, "IPv4 or IPv6").show_default();
        command.add_option("--protocol", request.protocol, "Name or number; default: any");
        command.add_option("--dst-port", options.ports, "A port or FIRST:LAST");
        command.add_option("--icmp-type", options.icmp_type, "0 to 255");
        command.add_option("--icmp-code", options.icmp_code, "0 to 255");
        command.add_option("--remote-ip", request.remote_ip_prefix, "Only from (to) this prefix");
        command.add_option("--remote-group", request.remote_group, "Only from (to) ports of this group");
        command.add_option("--description", request.description, "Text");
        command.footer("Example:\n  ml2ctl security-group rule create web --protocol tcp --dst-port 80:443\n");
      },
      create_rule);
  add_command<NameOptions>(
      rule, program, "list", "List the rules of a group",
      [](Command& command, NameOptions& options) {
        command.add_option("GROUP", options.name, "Name or id of the group").required();
      },
      list_rules);
  add_command<NamesOptions>(
      rule, program, "delete", "Delete rules",
      [](Command& command, NamesOptions& options) { command.add_option("RULE", options.names, "Ids").required(); },
      delete_rules);
}

}  // namespace ml2::ctl
