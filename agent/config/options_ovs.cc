// [ovs]: the local Open vSwitch, its bridges and this host's mappings; [ovs_driver]: of the ML2 mechanism driver.
#include "agent/config/options.h"

namespace ml2::config {
namespace {

std::vector<Option> switch_options() {
  using enum OptionType;
  using enum Use;
  constexpr auto kGroup = "ovs";
  return {
      {.group = kGroup,
       .name = "ovsdb_connection",
       .fallback = "tcp:127.0.0.1:6640",
       .meaning =
           "The local ovsdb-server, as tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH. While it is not set, ml2-agent "
           "uses the local UNIX socket (db.sock in Open vSwitch's run directory) instead of the default",
       .check = Check::OvsdbRemote},
      {.group = kGroup,
       .name = "ovsdb_timeout",
       .type = Int,
       .fallback = "10",
       .meaning = "Seconds to wait for an OVSDB transaction",
       .min = 1},
      {.group = kGroup,
       .name = "ovsdb_debug",
       .type = Bool,
       .fallback = "false",
       .meaning = "Log OVSDB traffic",
       .use = NotYet},
      {.group = kGroup, .name = "ssl_key_file", .meaning = "Private key for an ssl: ovsdb_connection"},
      {.group = kGroup, .name = "ssl_cert_file", .meaning = "Certificate for an ssl: ovsdb_connection"},
      {.group = kGroup,
       .name = "ssl_ca_cert_file",
       .meaning = "Certificate of the authority that signed ovsdb-server's certificate"},
      {.group = kGroup,
       .name = "integration_bridge",
       .fallback = "br-int",
       .meaning = "Bridge to which ports of instances are attached",
       .check = Check::BridgeName,
       .old_names = {{"ovs", "ovs_integration_bridge"}}},
      {.group = kGroup,
       .name = "tunnel_bridge",
       .fallback = "br-tun",
       .meaning = "Bridge that has the tunnel ports",
       .check = Check::BridgeName},
      {.group = kGroup,
       .name = "int_peer_patch_port",
       .fallback = "patch-tun",
       .meaning = "Patch port in the integration bridge towards the tunnel bridge"},
      {.group = kGroup,
       .name = "tun_peer_patch_port",
       .fallback = "patch-int",
       .meaning = "Patch port in the tunnel bridge towards the integration bridge"},
      {.group = kGroup,
       .name = "local_ip",
       .type = Ip,
       .meaning = "Address of this host's tunnel endpoint (VTEP), IPv4 or IPv6; must be on an interface of this host",
       .check = Check::VtepAddress},
      {.group = kGroup,
       .name = "bridge_mappings",
       .type = List,
       .fallback = "",
       .meaning =
           "Physical networks and their bridges on this host, as physical network:bridge,...; the bridges must exist",
       .check = Check::BridgeMappings},
      {.group = kGroup,
       .name = "datapath_type",
       .fallback = "system",
       .meaning = "Datapath of the bridges: system is the kernel's, netdev is in user space",
       .choices = {"system", "netdev"}},
      {.group = kGroup,
       .name = "vhostuser_socket_dir",
       .fallback = "/var/run/openvswitch",
       .meaning = "Directory of vhost-user sockets; told to whoever binds ports to this host"},
      {.group = kGroup,
       .name = "bridge_mac_table_size",
       .type = Int,
       .fallback = "50000",
       .meaning = "Largest number of MAC addresses that a bridge learns",
       .min = 0},
      {.group = kGroup,
       .name = "igmp_snooping_enable",
       .type = Bool,
       .fallback = "false",
       .meaning = "IGMP snooping on the integration bridge"},
      {.group = kGroup,
       .name = "igmp_flood",
       .type = Bool,
       .fallback = "false",
       .meaning = "Flood multicast (except reports) to the ports towards physical networks"},
      {.group = kGroup,
       .name = "igmp_flood_reports",
       .type = Bool,
       .fallback = "true",
       .meaning = "Flood multicast reports to the ports towards physical networks"},
      {.group = kGroup,
       .name = "igmp_flood_unregistered",
       .type = Bool,
       .fallback = "false",
       .meaning = "Flood unregistered multicast to all ports"},
      {.group = kGroup,
       .name = "of_listen_address",
       .type = Ip,
       .fallback = "127.0.0.1",
       .meaning =
           "Address on which the incumbent listens for OpenFlow; ml2-agent uses the bridge's management socket",
       .use = NoEffect},
      {.group = kGroup,
       .name = "of_listen_port",
       .type = Port,
       .fallback = "6633",
       .meaning = "Port on which the incumbent listens for OpenFlow; ml2-agent uses the bridge's management socket",
       .use = NoEffect},
      {.group = kGroup,
       .name = "of_connect_timeout",
       .type = Int,
       .fallback = "300",
       .meaning = "Seconds to wait for the switch to connect",
       .min = 1,
       .use = NotYet},
      {.group = kGroup,
       .name = "of_request_timeout",
       .type = Int,
       .fallback = "300",
       .meaning =
           "Seconds to wait for the answer to an OpenFlow request. ml2-agent gives no request up: after this time, "
           "or 5 seconds if that is less, it says that ovs-vswitchd does not answer",
       .min = 1,
       .max = 2147483},
      {.group = kGroup,
       .name = "of_inactivity_probe",
       .type = Int,
       .fallback = "10",
       .meaning =
           "Seconds without a message after which ovs-vswitchd is asked whether it is there (see "
           "of_request_timeout for how long it may take to answer); 0 never: that it hangs shows then only when "
           "something is asked of it",
       .min = 0,
       .max = 2147483},
      {.group = kGroup,
       .name = "openflow_processed_per_port",
       .type = Bool,
       .fallback = "false",
       .meaning = "The incumbent's choice of one bundle per port; ml2-agent always applies one bundle per bridge",
       .use = NoEffect},
      {.group = kGroup,
       .name = "qos_meter_bandwidth",
       .type = Bool,
       .fallback = "false",
       .meaning = "Limit bandwidth with OpenFlow meters",
       .use = NotYet},
      {.group = kGroup,
       .name = "trunk_enabled",
       .type = Bool,
       .fallback = "true",
       .meaning = "Trunk ports on this host",
       .use = NotYet},
  };
}

std::vector<Option> placement_options() {
  using enum OptionType;
  using enum Use;
  constexpr auto kGroup = "ovs";
  constexpr auto kInventory = "allocation_ratio:1.0,min_unit:1,step_size:1,reserved:0";
  return {
      {.group = kGroup,
       .name = "resource_provider_bandwidths",
       .type = List,
       .fallback = "",
       .meaning = "Bandwidth reported to Placement, as bridge:egress:ingress in kbit/s; the bridges must be in "
                  "bridge_mappings",
       .check = Check::Bandwidths,
       .use = NotYet},
      {.group = kGroup,
       .name = "resource_provider_hypervisors",
       .type = Dict,
       .fallback = "",
       .meaning = "Names of hypervisors in Placement, as bridge:hypervisor",
       .use = NotYet},
      {.group = kGroup,
       .name = "resource_provider_packet_processing_without_direction",
       .type = List,
       .fallback = "",
       .meaning = "Packet rate reported to Placement, as hypervisor:kpps; an empty hypervisor is this host",
       .check = Check::PacketRates,
       .use = NotYet},
      {.group = kGroup,
       .name = "resource_provider_packet_processing_with_direction",
       .type = List,
       .fallback = "",
       .meaning =
           "The same with hardware offload, as hypervisor:egress kpps:ingress kpps; not together with the other",
       .check = Check::DirectedPacketRates,
       .use = NotYet},
      {.group = kGroup,
       .name = "resource_provider_default_hypervisor",
       .meaning = "Name of this hypervisor in Placement; the default is the canonical host name",
       .use = NotYet},
      {.group = kGroup,
       .name = "resource_provider_inventory_defaults",
       .type = Dict,
       .fallback = kInventory,
       .meaning = "Defaults of bandwidth inventories in Placement",
       .use = NotYet},
      {.group = kGroup,
       .name = "resource_provider_packet_processing_inventory_defaults",
       .type = Dict,
       .fallback = kInventory,
       .meaning = "Defaults of packet rate inventories in Placement",
       .use = NotYet},
      {.group = "ovs_driver",
       .name = "vnic_type_prohibit_list",
       .type = List,
       .fallback = "",
       .meaning = "VNIC types that the openvswitch mechanism driver refuses to bind"},
      {.group = "ovs_driver",
       .name = "ovs_create_tap",
       .type = Bool,
       .fallback = "true",
       .meaning = "Whether os-vif creates the TAP device of a kernel port",
       .use = NotYet,
       .removal = "it will always be true"},
  };
}

// Of the agent before ML2 (Neutron 2012 to 2014); the loader carries them over (old_options.cc).
std::vector<Option> old_options() {
  using enum OptionType;
  using enum Use;
  constexpr auto kGroup = "ovs";
  return {
      {.group = kGroup,
       .name = "enable_tunneling",
       .type = Bool,
       .meaning = "Old: true made tunnel_type count; today [agent] tunnel_types alone says whether there are tunnels",
       .use = OldName},
      {.group = kGroup,
       .name = "tunnel_type",
       .type = List,
       .meaning = "Old: stands for [agent] tunnel_types, with enable_tunneling = true",
       .use = OldName},
      {.group = kGroup,
       .name = "tunnel_id_ranges",
       .type = List,
       .meaning = "Old: stands for [ml2_type_vxlan] vni_ranges, [ml2_type_gre] tunnel_id_ranges or [ml2_type_geneve] "
                  "vni_ranges",
       .use = OldName},
      {.group = kGroup,
       .name = "tenant_network_type",
       .type = List,
       .meaning = "Old: stands for [ml2] project_network_types",
       .use = OldName},
  };
}

}  // namespace

std::vector<Option> ovs_options() {
  std::vector<Option> options = switch_options();
  for (Option& option : placement_options()) options.push_back(std::move(option));
  for (Option& option : old_options()) options.push_back(std::move(option));
  return options;
}

}  // namespace ml2::config
