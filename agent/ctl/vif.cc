#include "agent/ctl/vif.h"

#include <fmt/format.h>

#include "agent/ml2/lookup.h"
#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

// Kept from all traffic until the agent wires the port (neutron: DEAD_VLAN_TAG; os-vif: isolate_vif).
constexpr std::int64_t kDeadVlan = 4095;

// Addresses and routes of the machine's end. Routes to gateways first: a next hop must be reachable.
Status add_addresses(const ovsdb::Ml2Rows& rows, const PlugRequest& request, nl::Batch& machine) {
  std::vector<nl::Operation> routes;
  for (const ovsdb::Ml2FixedIp& fixed_ip : plugin::fixed_ips_of(rows, request.port)) {
    const auto address = IpAddress::parse(fixed_ip.ip_address);
    const auto subnet = rows.subnets.find(fixed_ip.subnet);
    const auto prefix = subnet == rows.subnets.end() ? std::nullopt : IpNetwork::parse(subnet->second.cidr);
    if (!address || !prefix) {
      return invalid(fmt::format("port {}: the fixed IP {} in the database is no address of a subnet",
                                 request.port.to_string(), text::printable(fixed_ip.ip_address)));
    }
    machine.add(nl::AddAddress{
        .link = request.ifname, .address = *address, .prefix_length = prefix->prefix_length(), .no_dad = true});
    const IpNetwork everywhere =
        address->is_v4() ? IpNetwork() : IpNetwork::make(IpAddress::v6({}), 0).value_or(IpNetwork());
    const auto gateway = subnet->second.gateway_ip ? IpAddress::parse(*subnet->second.gateway_ip) : std::nullopt;
    if (gateway && gateway->family() == address->family() && *gateway != *address) {
      if (!prefix->contains(*gateway)) {
        const auto host_route = IpNetwork::make(*gateway, gateway->is_v4() ? 32 : 128);
        routes.emplace_back(nl::ReplaceRoute{.dst = *host_route, .link = request.ifname});
      }
      routes.emplace_back(nl::ReplaceRoute{.dst = everywhere, .gateway = *gateway, .link = request.ifname});
    }
    for (const auto& [destination_text, next_hop_text] : subnet->second.host_routes) {
      const auto destination = IpNetwork::parse(destination_text);
      const auto next_hop = IpAddress::parse(next_hop_text);
      if (!destination || !next_hop || *next_hop == *address) continue;
      routes.emplace_back(nl::ReplaceRoute{.dst = *destination, .gateway = *next_hop, .link = request.ifname});
    }
  }
  for (nl::Operation& route : routes) machine.add(std::move(route));
  return {};
}

ovsdb::Transaction add_port(const ovsdb::BridgeRow& bridge, const std::string& device, const ovsdb::Ml2Port& port) {
  ovsdb::StringMap external_ids{{"iface-id", port.uuid.to_string()},
                                {"iface-status", "active"},
                                {"attached-mac", port.mac_address},
                                {"vm-uuid", port.device_id}};
  if (port.device_id.empty()) external_ids.erase("vm-uuid");
  const Uuid interface = Uuid::random();
  const Uuid port_row = Uuid::random();
  ovsdb::Transaction transaction;
  transaction.comment = fmt::format("ml2ctl: plug port {}", port.uuid.to_string());
  transaction.operations.emplace_back(
      ovsdb::RowInsert{"Interface",
                       interface,
                       {{"name", ovsdb::Datum::of(device)}, {"external_ids", ovsdb::Datum::map(external_ids)}},
                       false});
  transaction.operations.emplace_back(ovsdb::RowInsert{"Port",
                                                       port_row,
                                                       {{"name", ovsdb::Datum::of(device)},
                                                        {"interfaces", ovsdb::Datum::uuids({interface})},
                                                        {"tag", ovsdb::Datum::of(ovsdb::Atom(kDeadVlan))}},
                                                       false});
  transaction.operations.emplace_back(
      ovsdb::RowMutate{"Bridge", bridge.uuid, "ports", ovsdb::Datum::uuids({port_row}), ovsdb::Datum::none()});
  return transaction;
}

}  // namespace

// 15 characters at most (IFNAMSIZ), as nova and os-vif name it.
std::string device_name(const Uuid& port) { return "tap" + port.to_string().substr(0, 11); }

std::optional<std::string> plugged_as(const ovsdb::Vswitch& vswitch, const Uuid& port) {
  for (const auto& [name, interface] : vswitch.interfaces) {
    const auto found = interface.external_ids.find("iface-id");
    if (found != interface.external_ids.end() && found->second == port.to_string()) return name;
  }
  return std::nullopt;
}

Result<PlugPlan> plan_plug(const ovsdb::Ml2Rows& rows, const ovsdb::Vswitch& vswitch, const PlugRequest& request) {
  const auto found = rows.ports.find(request.port);
  if (found == rows.ports.end()) return invalid(fmt::format("there is no port {}", request.port.to_string()));
  const ovsdb::Ml2Port& port = found->second;
  if (const auto name = plugged_as(vswitch, request.port)) {
    return conflict(fmt::format("port {} is plugged already, as {}: unplug it first",
                                plugin::name_of(rows.ports, request.port), *name));
  }
  const auto bridge = vswitch.bridges.find(request.bridge);
  if (bridge == vswitch.bridges.end()) {
    return invalid(
        fmt::format("there is no bridge {} in the local Open vSwitch: start ml2-agent, which makes its integration "
                    "bridge, or name another with --bridge",
                    request.bridge));
  }
  const auto mac = Mac::parse(port.mac_address);
  if (!mac) {
    return invalid(fmt::format("port {}: the MAC address {} in the database is none", request.port.to_string(),
                               text::printable(port.mac_address)));
  }
  if (!nl::is_link_name(request.ifname)) {
    return invalid(fmt::format("{} cannot be an interface's name: 1 to 15 characters, no '/', ':' or space",
                               text::printable(request.ifname)));
  }
  std::optional<std::uint32_t> mtu;
  const auto network = rows.networks.find(port.network);
  if (network != rows.networks.end() && network->second.mtu > 0)
    mtu = static_cast<std::uint32_t>(network->second.mtu);

  PlugPlan plan;
  plan.device = device_name(request.port);
  if (request.tap) {
    plan.host.add(nl::CreateTap{.name = plan.device});
    plan.host.add(nl::SetLink{.name = plan.device, .up = true, .mtu = mtu});
  } else {
    plan.host.add(nl::CreateVeth{
        .name = plan.device, .peer_name = request.ifname, .peer_netns = request.netns, .peer_mac = *mac, .mtu = mtu});
    plan.host.add(nl::SetLink{.name = plan.device, .up = true});
    // The userspace datapath takes frames as they are: what is left to the hardware to fill in stays wrong.
    plan.machine.add(nl::SetOffloads{.link = request.ifname});
    plan.machine.add(nl::SetLink{.name = request.ifname, .up = true});
    if (request.addresses) {
      if (Status added = add_addresses(rows, request, plan.machine); !added) return forward_error(added);
    }
  }
  plan.undo.add(nl::DeleteLink{.name = plan.device});
  plan.vswitch = add_port(bridge->second, plan.device, port);
  return plan;
}

UnplugPlan plan_unplug(const ovsdb::Vswitch& vswitch, const Uuid& port) {
  UnplugPlan plan;
  const auto name = plugged_as(vswitch, port);
  if (!name) return plan;
  plan.device = *name;
  const auto port_name = vswitch.interface_port.find(*name);
  if (port_name == vswitch.interface_port.end()) return plan;
  const auto row = vswitch.ports.find(port_name->second);
  const auto bridge_name = vswitch.port_bridge.find(port_name->second);
  if (row == vswitch.ports.end() || bridge_name == vswitch.port_bridge.end()) return plan;
  plan.vswitch.comment = fmt::format("ml2ctl: unplug port {}", port.to_string());
  // Port and Interface are no root tables: they go when no bridge refers to them.
  plan.vswitch.operations.emplace_back(ovsdb::RowMutate{"Bridge", vswitch.bridges.at(bridge_name->second).uuid,
                                                        "ports", ovsdb::Datum::none(),
                                                        ovsdb::Datum::uuids({row->second.uuid})});
  return plan;
}

}  // namespace ml2::ctl
