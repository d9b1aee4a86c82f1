// Names that Neutron's other programs (server, L3, DHCP, metadata, SR-IOV and OVN agents) read from the same files.
// An operator's neutron.conf is full of them; ml2-agent passes over them without a warning.
#include <algorithm>
#include <array>

#include "agent/config/options.h"

namespace ml2::config {
namespace {

// Sorted, as std::binary_search needs it.
constexpr auto kDefaultNames = std::to_array<std::string_view>({
    "advertise_mtu",
    "agent_mode",
    "allow_automatic_dhcp_failover",
    "allow_automatic_l3agent_failover",
    "allow_bulk",
    "allow_overlapping_ips",
    "allow_pagination",
    "allow_sorting",
    "allowed_conntrack_helpers",
    "api_extensions_path",
    "api_paste_config",
    "api_workers",
    "auth_region",
    "auth_strategy",
    "backdoor_port",
    "backdoor_socket",
    "backlog",
    "bind_host",
    "bind_port",
    "bulk_reload_interval",
    "cleanup_on_shutdown",
    "client_socket_timeout",
    "config_dir",
    "config_file",
    "conn_pool_min_size",
    "conn_pool_ttl",
    "core_plugin",
    "default_availability_zones",
    "dhcp_agent_notification",
    "dhcp_agents_per_network",
    "dhcp_broadcast_reply",
    "dhcp_confs",
    "dhcp_delete_namespaces",
    "dhcp_driver",
    "dnsmasq_base_log_dir",
    "dnsmasq_config_file",
    "dnsmasq_dns_servers",
    "dnsmasq_enable_addr6_list",
    "dnsmasq_lease_max",
    "dnsmasq_local_resolv",
    "enable_default_route_bfd",
    "enable_default_route_ecmp",
    "enable_dvr",
    "enable_isolated_metadata",
    "enable_metadata_network",
    "enable_metadata_proxy",
    "enable_services_on_agents_with_admin_state_down",
    "enable_snat_by_default",
    "enable_traditional_dhcp",
    "executor_thread_pool_size",
    "external_dns_driver",
    "external_ingress_mark",
    "external_network_bridge",
    "filter_validation",
    "force_metadata",
    "gateway_external_network_id",
    "graceful_shutdown_timeout",
    "ha_confs_path",
    "ha_keepalived_state_change_server_threads",
    "ha_vrrp_advert_int",
    "ha_vrrp_auth_password",
    "ha_vrrp_auth_type",
    "ha_vrrp_health_check_interval",
    "handle_internal_only_routers",
    "host_dvr_for_dhcp",
    "http_retries",
    "interface_driver",
    "ipam_driver",
    "ipv6_gateway",
    "ipv6_pd_enabled",
    "keepalived_use_no_track",
    "l3_ha",
    "l3_ha_net_cidr",
    "l3_ha_network_physical_name",
    "l3_ha_network_type",
    "log_options",
    "max_allowed_address_pair",
    "max_dns_nameservers",
    "max_fixed_ips_per_port",
    "max_header_line",
    "max_l3_agents_per_router",
    "max_routes",
    "max_rtr_adv_interval",
    "max_subnet_host_routes",
    "metadata_access_mark",
    "metadata_backlog",
    "metadata_port",
    "metadata_proxy_group",
    "metadata_proxy_socket",
    "metadata_proxy_user",
    "metadata_workers",
    "min_rtr_adv_interval",
    "network_auto_schedule",
    "network_device_mtu",
    "network_link_prefix",
    "network_scheduler_driver",
    "notify_nova_on_port_data_changes",
    "notify_nova_on_port_status_changes",
    "nova_url",
    "num_sync_threads",
    "ovs_integration_bridge",
    "ovs_use_veth",
    "pagination_max_limit",
    "pd_confs",
    "periodic_fuzzy_delay",
    "periodic_interval",
    "prefix_delegation_driver",
    "ra_confs",
    "radvd_user",
    "resync_interval",
    "resync_throttle",
    "retry_until_window",
    "router_auto_schedule",
    "router_delete_namespaces",
    "router_distributed",
    "router_scheduler_driver",
    "rpc_backend",
    "rpc_conn_pool_size",
    "rpc_ping_enabled",
    "rpc_state_report_workers",
    "rpc_thread_pool_size",
    "rpc_workers",
    "run_external_periodic_tasks",
    "send_events_interval",
    "service_plugins",
    "setproctitle",
    "tcp_keepidle",
    "use_forwarded_for",
    "use_ssl",
    "vendor_pen",
    "verbose",
    "vlan_qinq",
    "vlan_transparent",
    "wsgi_default_pool_size",
    "wsgi_keep_alive",
    "wsgi_log_format",
    "wsgi_server_debug",
});

constexpr auto kAgentNames = std::to_array<std::string_view>({
    "availability_zone",
    "check_child_processes_action",
    "check_child_processes_interval",
    "kill_scripts_path",
});

// Of the metadata agent.
constexpr auto kMetadataNames = std::to_array<std::string_view>({
    "metadata_backlog",
    "metadata_proxy_group",
    "metadata_proxy_socket",
    "metadata_proxy_socket_mode",
    "metadata_proxy_user",
    "metadata_workers",
});

constexpr auto kSections = std::to_array<std::string_view>({
    "cache",
    "cors",
    "database",
    "designate",
    "experimental",
    "fwaas",
    "healthcheck",
    "ironic",
    "keystone_authtoken",
    "l2pop",
    "linux_bridge",
    "macvtap",
    "ml2_sriov",
    "nova",
    "octavia",
    "oslo_limit",
    "oslo_messaging_amqp",
    "oslo_messaging_kafka",
    "oslo_middleware",
    "oslo_policy",
    "oslo_reports",
    "oslo_versionedobjects",
    "ovn",
    "ovn_agent",
    "ovn_baremetal_agent",
    "ovn_nb_global",
    "ovn_vpn",
    "placement",
    "privsep",
    "profiler",
    "profiler_jaeger",
    "profiler_otlp",
    "qos",
    "quotas",
    "service_auth",
    "service_providers",
    "sriov_driver",
    "sriov_nic",
    "ssl",
    "vpnagent",
    "vxlan",
});

static_assert(std::ranges::is_sorted(kDefaultNames) && std::ranges::is_sorted(kAgentNames) &&
              std::ranges::is_sorted(kMetadataNames) && std::ranges::is_sorted(kSections));

template <std::size_t kSize>
bool contains(const std::array<std::string_view, kSize>& names, std::string_view name) {
  return std::binary_search(names.begin(), names.end(), name);
}

}  // namespace

bool belongs_elsewhere(std::string_view group, std::string_view name) {
  if (group == "DEFAULT") return contains(kDefaultNames, name);
  if (group == "agent") return contains(kAgentNames, name);
  if (group == "metadata") return contains(kMetadataNames, name);
  return section_belongs_elsewhere(group);
}

bool section_belongs_elsewhere(std::string_view group) {
  // [privsep_link] and the like: one section for each of the incumbent's privileged helpers.
  return contains(kSections, group) || group.starts_with("privsep_");
}

}  // namespace ml2::config
