// ml2ctl port ...
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/ctl/key_values.h"
#include "agent/ctl/program.h"

namespace ml2::ctl {
namespace {

const std::vector<std::string> kFixedIpKeys{"subnet", "ip-address"};
const std::vector<std::string> kPairKeys{"ip-address", "mac-address"};

struct CreateOptions {
  plugin::PortRequest request;
  std::string network;
  std::vector<std::string> fixed_ips, pairs;
  bool no_fixed_ip = false;
  std::optional<bool> enable, port_security;
};

struct SetOptions {
  std::string name;
  plugin::PortUpdate update;
  std::vector<std::string> fixed_ips, pairs, groups;
  bool no_fixed_ip = false;
  bool no_pairs = false;
  bool no_groups = false;
  bool no_host = false;
};

Result<std::vector<plugin::FixedIpRequest>> fixed_ips_of(const std::vector<std::string>& texts) {
  std::vector<plugin::FixedIpRequest> requests;
  for (const std::string& one : texts) {
    const auto values = parse_key_values(one, kFixedIpKeys, {});
    if (!values) return forward_error(values);
    plugin::FixedIpRequest request;
    if (const auto found = values->find("subnet"); found != values->end()) request.subnet = found->second;
    if (const auto found = values->find("ip-address"); found != values->end()) request.ip_address = found->second;
    requests.push_back(std::move(request));
  }
  return requests;
}

Result<std::vector<plugin::AddressPairRequest>> pairs_of(const std::vector<std::string>& texts) {
  std::vector<plugin::AddressPairRequest> requests;
  for (const std::string& one : texts) {
    const auto values = parse_key_values(one, kPairKeys, {"ip-address"});
    if (!values) return forward_error(values);
    plugin::AddressPairRequest request;
    request.ip_address = values->at("ip-address");
    if (const auto found = values->find("mac-address"); found != values->end()) request.mac_address = found->second;
    requests.push_back(std::move(request));
  }
  return requests;
}

// A port that nobody could bind is there all the same; the reason must not be overlooked.
void warn_unbound(Session& session, const ovsdb::Ml2Rows& rows, const Uuid& id) {
  for (const auto& binding : plugin::bindings_of(rows, id)) {
    if (binding.failure.empty()) continue;
    session.warn(fmt::format("port {} is not bound: {}", plugin::name_of(rows.ports, id), binding.failure));
  }
}

Status create(Session& session, const CreateOptions& options) {
  plugin::PortRequest request = options.request;
  request.admin_state_up = options.enable.value_or(true);
  request.port_security_enabled = options.port_security;
  if (options.no_fixed_ip || !options.fixed_ips.empty()) {
    auto fixed_ips = fixed_ips_of(options.fixed_ips);
    if (!fixed_ips) return forward_error(fixed_ips);
    request.fixed_ips = std::move(*fixed_ips);
  }
  auto pairs = pairs_of(options.pairs);
  if (!pairs) return forward_error(pairs);
  request.allowed_address_pairs = std::move(*pairs);
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto network = plugin::find_resource(reading->rows.networks, "network", options.network);
  if (!network) return forward_error(network);
  request.network = *network;
  const auto id = reading->plugin->create_port(request);
  if (!id) return forward_error(id);
  if (const auto now = reading->plugin->rows()) warn_unbound(session, *now, *id);
  return show_row(session, *id, &ovsdb::Ml2Rows::ports);
}

Status list(Session& session, const ListOptions& options) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  std::optional<Uuid> network;
  if (!options.network.empty()) {
    const auto found = plugin::find_resource(reading->rows.networks, "network", options.network);
    if (!found) return forward_error(found);
    network = *found;
  }
  auto objects = nlohmann::json::array();
  for (const auto& [id, port] : reading->rows.ports) {
    if (network && port.network != *network) continue;
    if (!options.device.empty() && port.device_id != options.device) continue;
    auto object = plugin::view(reading->inputs(), port);
    if (!options.host.empty() && object["binding:host_id"] != options.host) continue;
    objects.push_back(std::move(object));
  }
  session.list(objects, {{"ID", "id"},
                         {"Name", "name"},
                         {"Network", "",
                          [&](const nlohmann::json& object) {
                            const auto id = Uuid::parse(object["network_id"].get<std::string>());
                            return plugin::name_of(reading->rows.networks, id.value_or(Uuid()));
                          }},
                         {"MAC Address", "mac_address"},
                         {"Fixed IP Addresses", "",
                          [](const nlohmann::json& object) {
                            std::string text;
                            for (const auto& fixed_ip : object["fixed_ips"]) {
                              text += (text.empty() ? "" : "\n") + to_cell(fixed_ip["ip_address"]);
                            }
                            return text;
                          }},
                         {"Host", "binding:host_id"},
                         {"Status", "status"},
                         {"Reason", "status_reason"}});
  return {};
}

Status set(Session& session, const SetOptions& options) {
  plugin::PortUpdate update = options.update;
  auto fixed_ips = fixed_ips_of(options.fixed_ips);
  if (!fixed_ips) return forward_error(fixed_ips);
  // As the openstack command does: what is given is added, --no-... starts from nothing.
  if (options.no_fixed_ip) {
    update.fixed_ips = std::move(*fixed_ips);
  } else {
    update.add_fixed_ips = std::move(*fixed_ips);
  }
  if (options.no_host) update.host = "";
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto id = plugin::find_resource(reading->rows.ports, "port", options.name);
  if (!id) return forward_error(id);
  const ovsdb::Ml2Port& port = reading->rows.ports.at(*id);
  if (options.no_pairs || !options.pairs.empty()) {
    auto pairs = pairs_of(options.pairs);
    if (!pairs) return forward_error(pairs);
    for (const Uuid& old : options.no_pairs ? std::set<Uuid>() : port.allowed_address_pairs) {
      const auto pair = reading->rows.address_pairs.find(old);
      if (pair == reading->rows.address_pairs.end()) continue;
      pairs->push_back({pair->second.mac_address, pair->second.ip_address});
    }
    update.allowed_address_pairs = std::move(*pairs);
  }
  if (options.no_groups || !options.groups.empty()) {
    std::vector<std::string> groups = options.groups;
    for (const Uuid& old : options.no_groups ? std::set<Uuid>() : port.security_groups) {
      groups.push_back(old.to_string());
    }
    update.security_groups = std::move(groups);
  }
  if (Status done = reading->plugin->update_port(*id, update); !done) return done;
  if (!update.host) return {};
  if (const auto now = reading->plugin->rows()) warn_unbound(session, *now, *id);
  return {};
}

void define_create(Command& command, CreateOptions& options) {
  auto& request = options.request;
  command.add_option("NAME", request.name, "Name of the port").required();
  command.add_option("--network", options.network, "Its network, by name or id").required();
  add_key_values(command, "--fixed-ip", options.fixed_ips, kFixedIpKeys, {},
                 "An address, or the next free one of a subnet; repeat it. Default: one IPv4 and one IPv6 address");
  command.add_flag("--no-fixed-ip", options.no_fixed_ip, "No address");
  command.add_option("--mac-address", request.mac_address, "Default: base_mac with random last bytes");
  command.add_option("--host", request.host, "Host that it is bound to");
  command.add_option("--vnic-type", request.vnic_type, "normal, direct, smart-nic or vdpa").show_default();
  command.add_option("--device", request.device_id, "Id of the machine that it belongs to");
  command.add_option("--device-owner", request.device_owner, "Such as compute:nova");
  command.add_option("--security-group", request.security_groups, "Name or id; repeat it").repeatable();
  add_key_values(command, "--allowed-address", options.pairs, kPairKeys, {"ip-address"},
                 "Another address that it may send from; repeat it");
  command.add_switch("--enable-port-security", "--disable-port-security", options.port_security,
                     "Anti-spoofing and security groups (default: that of the network)", "Without");
  command.add_switch("--enable", "--disable", options.enable, "It is up (default)", "It is down: no traffic");
  command.add_option("--project", request.project_id, "Project that owns it");
  command.add_option("--description", request.description, "Text");
  command.footer(
      "Examples:\n"
      "  ml2ctl port create web1 --network blue --host hv1\n"
      "  ml2ctl port create web2 --network blue --fixed-ip subnet=blue4,ip-address=10.0.0.80 "
      "--mac-address fa:16:3e:00:00:80\n");
}

void define_set(Command& command, SetOptions& options) {
  auto& update = options.update;
  command.add_option("PORT", options.name, "Name or id").required();
  command.add_option("--name", update.name, "New name");
  command.add_option("--description", update.description, "Text");
  Option host = command.add_option("--host", update.host, "Bind it to this host (again, if it is there already)");
  command.add_flag("--no-host", options.no_host, "Take it off its host").excludes(host);
  command.add_switch("--enable", "--disable", update.admin_state_up, "It is up", "It is down: no traffic");
  add_key_values(command, "--fixed-ip", options.fixed_ips, kFixedIpKeys, {}, "One more; repeat it");
  command.add_flag("--no-fixed-ip", options.no_fixed_ip, "Forget the present ones");
  command.add_option("--mac-address", update.mac_address, "Another MAC address");
  command.add_option("--vnic-type", update.vnic_type, "normal, direct, smart-nic or vdpa");
  command.add_option("--device", update.device_id, "Id of the machine that it belongs to");
  command.add_option("--device-owner", update.device_owner, "Such as compute:nova");
  command.add_option("--security-group", options.groups, "One more, by name or id; repeat it").repeatable();
  command.add_flag("--no-security-group", options.no_groups, "Forget the present ones");
  add_key_values(command, "--allowed-address", options.pairs, kPairKeys, {"ip-address"}, "One more; repeat it");
  command.add_flag("--no-allowed-address", options.no_pairs, "Forget the present ones");
  command.add_switch("--enable-port-security", "--disable-port-security", update.port_security_enabled,
                     "Anti-spoofing and security groups", "Without");
  command.needs_an_option();
  command.footer(
      "Examples:\n"
      "  ml2ctl port set web1 --host hv2\n"
      "  ml2ctl port set web1 --no-fixed-ip --fixed-ip ip-address=10.0.0.81\n");
}

}  // namespace

void add_port_commands(Command& top, Program& program) {
  Command port = top.add_group("port", "Ports: where machines meet networks");
  add_command<CreateOptions>(port, program, "create", "Create a port", define_create, create);
  add_command<ListOptions>(
      port, program, "list", "List the ports",
      [](Command& command, ListOptions& options) {
        command.add_option("--network", options.network, "Only those of this network");
        command.add_option("--host", options.host, "Only those of this host");
        command.add_option("--device", options.device, "Only those of this machine");
      },
      list);
  add_show(port, program, "port", &ovsdb::Ml2Rows::ports);
  add_command<SetOptions>(port, program, "set", "Change a port", define_set, set);
  add_delete(port, program, "port", &ovsdb::Ml2Rows::ports,
             [](plugin::Plugin& plugin, const Uuid& id) { return plugin.delete_port(id); });
}

}  // namespace ml2::ctl
