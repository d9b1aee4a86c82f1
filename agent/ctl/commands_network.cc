// ml2ctl network ...
#include <nlohmann/json.hpp>

#include "agent/ctl/key_values.h"
#include "agent/ctl/program.h"
#include "datapath/base/text.h"

namespace ml2::ctl {
namespace {

struct CreateOptions {
  plugin::NetworkRequest request;
  std::vector<std::string> segments;
  std::optional<bool> enable, share, external, port_security;
};

struct SetOptions {
  std::string name;
  plugin::NetworkUpdate update;
};

const std::vector<std::string> kSegmentKeys{"network-type", "physical-network", "segment"};

Status create(Session& session, const CreateOptions& options) {
  plugin::NetworkRequest request = options.request;
  request.admin_state_up = options.enable.value_or(true);
  request.shared = options.share.value_or(false);
  request.external = options.external.value_or(false);
  request.port_security_enabled = options.port_security;
  for (const std::string& text : options.segments) {
    const auto values = parse_key_values(text, kSegmentKeys, {"network-type"});
    if (!values) return forward_error(values);
    plugin::SegmentRequest segment;
    for (const auto& [key, value] : *values) {
      if (key == "network-type") segment.network_type = value;
      if (key == "physical-network") segment.physical_network = value;
      if (key == "segment") {
        segment.segmentation_id = text::to_int(value);
        if (!segment.segmentation_id) return invalid("segment=" + text::printable(value) + " is no number");
      }
    }
    request.segments.push_back(std::move(segment));
  }
  const auto plugin = session.plugin();
  if (!plugin) return forward_error(plugin);
  const auto id = (*plugin)->create_network(request);
  if (!id) return forward_error(id);
  return show_row(session, *id, &ovsdb::Ml2Rows::networks);
}

Status list(Session& session, const ListOptions&) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  auto objects = nlohmann::json::array();
  for (const auto& [id, network] : reading->rows.networks) {
    objects.push_back(plugin::view(reading->inputs(), network));
  }
  session.list(objects, {{"ID", "id"},
                         {"Name", "name"},
                         {"Type", "provider:network_type"},
                         {"Physical network", "provider:physical_network"},
                         {"Segment", "provider:segmentation_id"},
                         {"MTU", "mtu"},
                         {"Subnets", "", [&](const nlohmann::json& object) {
                            std::string text;
                            for (const auto& subnet : object["subnets"]) {
                              const auto id = Uuid::parse(subnet.get<std::string>());
                              const auto row = reading->rows.subnets.find(id.value_or(Uuid()));
                              if (row == reading->rows.subnets.end()) continue;
                              text += (text.empty() ? "" : "\n") + row->second.cidr;
                            }
                            return text;
                          }}});
  return {};
}

Status set(Session& session, const SetOptions& options) {
  const auto reading = read_rows(session);
  if (!reading) return forward_error(reading);
  const auto id = plugin::find_resource(reading->rows.networks, "network", options.name);
  if (!id) return forward_error(id);
  return reading->plugin->update_network(*id, options.update);
}

}  // namespace

void add_network_commands(Command& top, Program& program) {
  Command network = top.add_group("network", "Networks and their segments");
  add_command<CreateOptions>(
      network, program, "create", "Create a network",
      [](Command& command, CreateOptions& options) {
        auto& request = options.request;
        command.add_option("NAME", request.name, "Name of the network").required();
        command.add_option("--provider-network-type", request.provider.network_type,
                           "local, flat, vlan, gre, vxlan or geneve; default: the first of project_network_types "
                           "with a free segment");
        command.add_option("--provider-physical-network", request.provider.physical_network,
                           "Physical network of a flat or vlan network");
        command.add_option("--provider-segment", request.provider.segmentation_id,
                           "VLAN id, VNI or GRE key; default: a free one of the ranges in the ini file");
        add_key_values(command, "--segment", options.segments, kSegmentKeys, {"network-type"},
                       "One segment of a network with several; repeat it");
        command.add_option("--mtu", request.mtu, "Bytes; default: the most that the segment carries");
        command.add_option("--project", request.project_id, "Project that owns it");
        command.add_option("--description", request.description, "Text");
        command.add_switch("--enable", "--disable", options.enable, "It is up (default)",
                           "It is down: its ports carry no traffic");
        command.add_switch("--share", "--no-share", options.share, "Other projects may use it",
                           "They may not (default)");
        command.add_switch("--external", "--internal", options.external, "router:external: a network to the outside",
                           "It is not (default)");
        command.add_switch("--enable-port-security", "--disable-port-security", options.port_security,
                           "Default of its ports (default)",
                           "Its ports have no anti-spoofing and no security groups by default");
        command.footer(
            "Examples:\n"
            "  ml2ctl network create blue\n"
            "  ml2ctl network create blue --provider-network-type vxlan --provider-segment 100\n"
            "  ml2ctl network create office --provider-network-type vlan --provider-physical-network external "
            "--provider-segment 42\n");
      },
      create);
  add_command<ListOptions>(
      network, program, "list", "List the networks", [](Command&, ListOptions&) {}, list);
  add_show(network, program, "network", &ovsdb::Ml2Rows::networks);
  add_command<SetOptions>(
      network, program, "set", "Change a network",
      [](Command& command, SetOptions& options) {
        auto& update = options.update;
        command.add_option("NETWORK", options.name, "Name or id").required();
        command.add_option("--name", update.name, "New name");
        command.add_option("--description", update.description, "Text");
        command.add_option("--mtu", update.mtu, "Bytes; 0: the most that the segment carries");
        command.add_option("--provider-segment", update.segmentation_id, "Another VLAN id of a vlan network");
        command.add_switch("--enable", "--disable", update.admin_state_up, "It is up", "It is down");
        command.add_switch("--share", "--no-share", update.shared, "Other projects may use it", "They may not");
        command.add_switch("--external", "--internal", update.external, "router:external", "Not so");
        command.add_switch("--enable-port-security", "--disable-port-security", update.port_security_enabled,
                           "Default of ports to come", "Default of ports to come");
        command.needs_an_option();
        command.footer("Example:\n  ml2ctl network set blue --name green --mtu 1400\n");
      },
      set);
  add_delete(network, program, "network", &ovsdb::Ml2Rows::networks,
             [](plugin::Plugin& plugin, const Uuid& id) { return plugin.delete_network(id); });
}

}  // namespace ml2::ctl
