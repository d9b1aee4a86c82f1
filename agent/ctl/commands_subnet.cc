// ml2ctl subnet ...
#include <nlohmann/json.hpp>

#include "agent/ctl/key_values.h"
#include "agent/ctl/program.h"

namespace ml2::ctl {
namespace {

const std::vector<std::string> kPoolKeys{"start", "end"};
const std::vector<std::string> kRouteKeys{"destination", "gateway"};

struct CreateOptions {
  plugin::SubnetRequest request;
  std::string network;
  std::string gateway = "auto";
  std::vector<std::string> pools, host_routes;
  std::optional<bool> dhcp;
};

struct SetOptions {
  std::string name;
  plugin::SubnetUpdate update;
  std::optional<std::string> gateway;
  std::vector<std::string> pools, host_routes, dns_nameservers;
  bool no_dns_nameservers = false;
  bool no_host_routes = false;
};

plugin::GatewayChoice gateway_of(const std::string& text) {
  using Kind = plugin::GatewayChoice::Kind;
  if (text == "auto") return {Kind::Auto, ""};
  if (text == "none") return {Kind::None, ""};
  return {Kind::Address, text};
}

Result<std::vector<plugin::PoolText>> pools_of(const std::vector<std::string>& texts) {
  std::vector<plugin::PoolText> pools;
  for (const std::string& one : texts) {
    const auto values = parse_key_values(one, kPoolKeys, kPoolKeys);
    if (!values) return forward_error(values);
    pools.emplace_back(values->at("start"), values->at("end"));
  }
  return pools;
}

Result<std::map<std::string, std::string>> routes_of(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> routes;
  for (const std::string& one : texts) {
    const auto values = parse_key_values(one, kRouteKeys, kRouteKeys);
    if (!values) return forward_error(values);
    routes[values->at("destination")] = values->at("gateway");
  }
  return routes;
}

Status create(Session& session, const CreateOptions& options) {
  plugin::SubnetRequest request = options.request;
  request.gateway = gateway_of(options.gateway);
  request.enable_dhcp = options.dhcp.value_or(true);
  auto pools = pools_of(options.pools);
  if (!pools) return forward_error(pools);
  request.allocation_pools = std::move(*pools);
  auto routes = routes_of(options.host_routes);
  if (!routes) return forward_error(routes);
  request.host_routes = std::move(*routes);
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto network = plugin::find_resource(reading->rows.networks, "network", options.network);
  if (!network) return forward_error(network);
  request.network = *network;
  const auto id = reading->plugin->create_subnet(request);
  if (!id) return forward_error(id);
  return show_row(session, *id, &ovsdb::Ml2Rows::subnets);
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
  for (const auto& [id, subnet] : reading->rows.subnets) {
    if (network && subnet.network != *network) continue;
    objects.push_back(plugin::view(reading->inputs(), subnet));
  }
  session.list(objects, {{"ID", "id"},
                         {"Name", "name"},
                         {"Network", "",
                          [&](const nlohmann::json& object) {
                            const auto id = Uuid::parse(object["network_id"].get<std::string>());
                            return plugin::name_of(reading->rows.networks, id.value_or(Uuid()));
                          }},
                         {"Subnet", "cidr"},
                         {"Gateway", "gateway_ip"}});
  return {};
}

Status set(Session& session, const SetOptions& options) {
  plugin::SubnetUpdate update = options.update;
  if (options.gateway) update.gateway = gateway_of(*options.gateway);
  if (!options.pools.empty()) {
    auto pools = pools_of(options.pools);
    if (!pools) return forward_error(pools);
    update.allocation_pools = std::move(*pools);
  }
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto id = plugin::find_resource(reading->rows.subnets, "subnet", options.name);
  if (!id) return forward_error(id);
  const ovsdb::Ml2Subnet& subnet = reading->rows.subnets.at(*id);
  // As the openstack command does: what is given is added, --no-... starts from nothing.
  if (options.no_host_routes || !options.host_routes.empty()) {
    auto routes = routes_of(options.host_routes);
    if (!routes) return forward_error(routes);
    if (!options.no_host_routes) routes->insert(subnet.host_routes.begin(), subnet.host_routes.end());
    update.host_routes = std::move(*routes);
  }
  if (options.no_dns_nameservers || !options.dns_nameservers.empty()) {
    std::vector<std::string> servers = options.dns_nameservers;
    if (!options.no_dns_nameservers) {
      servers.insert(servers.end(), subnet.dns_nameservers.begin(), subnet.dns_nameservers.end());
    }
    update.dns_nameservers = std::move(servers);
  }
  return reading->plugin->update_subnet(*id, update);
}

}  // namespace

void add_subnet_commands(Command& top, Program& program) {
  Command subnet = top.add_group("subnet", "Subnets: prefixes of networks and their address pools");
  add_command<CreateOptions>(
      subnet, program, "create", "Create a subnet",
      [](Command& command, CreateOptions& options) {
        auto& request = options.request;
        command.add_option("NAME", request.name, "Name of the subnet").required();
        command.add_option("--network", options.network, "Its network, by name or id").required();
        command.add_option("--subnet-range", request.cidr, "Prefix, such as 10.0.0.0/24 or fd00::/64").required();
        command.add_option("--ip-version", request.ip_version, "4 or 6; default: that of the prefix").one_of({4, 6});
        command.add_option("--gateway", options.gateway, "Address, auto (the first address) or none").show_default();
        add_key_values(command, "--allocation-pool", options.pools, kPoolKeys, kPoolKeys,
                       "Addresses for ports; repeat it. Default: all but the gateway");
        command.add_option("--dns-nameserver", request.dns_nameservers, "Address; repeat it").repeatable();
        add_key_values(command, "--host-route", options.host_routes, kRouteKeys, kRouteKeys,
                       "Another route of its ports; repeat it");
        command.add_switch("--dhcp", "--no-dhcp", options.dhcp, "enable_dhcp (default)",
                           "Addresses are not told by DHCP");
        command.add_option("--project", request.project_id, "Project that owns it");
        command.add_option("--description", request.description, "Text");
        command.footer(
            "Examples:\n"
            "  ml2ctl subnet create blue4 --network blue --subnet-range 10.0.0.0/24\n"
            "  ml2ctl subnet create blue6 --network blue --subnet-range fd00:1::/64 --gateway none\n"
            "  ml2ctl subnet create office4 --network office --subnet-range 192.168.7.0/24 --gateway 192.168.7.254 "
            "--allocation-pool start=192.168.7.100,end=192.168.7.199\n");
      },
      create);
  add_command<ListOptions>(
      subnet, program, "list", "List the subnets",
      [](Command& command, ListOptions& options) {
        command.add_option("--network", options.network, "Only those of this network");
      },
      list);
  add_show(subnet, program, "subnet", &ovsdb::Ml2Rows::subnets);
  add_command<SetOptions>(
      subnet, program, "set", "Change a subnet",
      [](Command& command, SetOptions& options) {
        auto& update = options.update;
        command.add_option("SUBNET", options.name, "Name or id").required();
        command.add_option("--name", update.name, "New name");
        command.add_option("--description", update.description, "Text");
        command.add_option("--gateway", options.gateway, "Address, auto (the first address) or none");
        add_key_values(command, "--allocation-pool", options.pools, kPoolKeys, kPoolKeys,
                       "In place of the present pools; repeat it");
        command.add_option("--dns-nameserver", options.dns_nameservers, "One more; repeat it").repeatable();
        command.add_flag("--no-dns-nameservers", options.no_dns_nameservers, "Forget the present ones");
        add_key_values(command, "--host-route", options.host_routes, kRouteKeys, kRouteKeys, "One more; repeat it");
        command.add_flag("--no-host-route", options.no_host_routes, "Forget the present ones");
        command.add_switch("--dhcp", "--no-dhcp", update.enable_dhcp, "enable_dhcp", "Not so");
        command.needs_an_option();
        command.footer("Example:\n  ml2ctl subnet set blue4 --gateway none\n");
      },
      set);
  add_delete(subnet, program, "subnet", &ovsdb::Ml2Rows::subnets,
             [](plugin::Plugin& plugin, const Uuid& id) { return plugin.delete_subnet(id); });
}

}  // namespace ml2::ctl
