// Requests: what an operator or the REST API asks of the plugin, as values.
//
// Where in the walk: ml2ctl (and later ml2-server) fill them in; resources judge them.
// Threading: values.
// Failure: none here.
// What it does not do: no defaults that depend on other rows; absent means "not given".
// Source: the attributes of Neutron's API (neutron-lib api/definitions); C: at create, U: at update.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/ml2/type_driver.h"
#include "datapath/base/uuid.h"

namespace ml2::plugin {

struct NetworkRequest {
  std::string name, description, project_id;
  bool admin_state_up = true;
  bool shared = false;
  bool external = false;
  std::optional<bool> port_security_enabled;
  std::optional<std::int64_t> mtu;       // bytes; absent or 0: the most that the segments carry
  SegmentRequest provider;               // either this
  std::vector<SegmentRequest> segments;  // or this (multi-provider)
};

struct NetworkUpdate {
  std::optional<std::string> name, description;
  std::optional<bool> admin_state_up, shared, external, port_security_enabled;
  std::optional<std::int64_t> mtu;
  std::optional<std::int64_t> segmentation_id;  // of a network with a single vlan segment
};

struct GatewayChoice {
  enum class Kind { Auto, None, Address } kind = Kind::Auto;  // Auto: the first address
  std::string address;
};

// first, last; both included.
using PoolText = std::pair<std::string, std::string>;

struct SubnetRequest {
  Uuid network;
  std::string name, description, project_id;
  std::string cidr;
  std::optional<std::int64_t> ip_version;
  GatewayChoice gateway;
  std::vector<PoolText> allocation_pools;  // none: all but network, broadcast and gateway address
  bool enable_dhcp = true;
  std::vector<std::string> dns_nameservers;
  std::map<std::string, std::string> host_routes;
};

struct SubnetUpdate {
  std::optional<std::string> name, description;
  std::optional<GatewayChoice> gateway;
  std::optional<std::vector<PoolText>> allocation_pools;
  std::optional<bool> enable_dhcp;
  std::optional<std::vector<std::string>> dns_nameservers;
  std::optional<std::map<std::string, std::string>> host_routes;
};

struct FixedIpRequest {
  std::optional<std::string> subnet;  // name or id
  std::optional<std::string> ip_address;
};

struct AddressPairRequest {
  std::optional<std::string> mac_address;
  std::string ip_address;  // address or prefix
};

struct PortRequest {
  Uuid network;
  std::string name, description, project_id;
  std::optional<std::string> mac_address;
  bool admin_state_up = true;
  std::string device_id, device_owner;
  // Absent: one address of an IPv4 and one of an IPv6 subnet; empty: no address.
  std::optional<std::vector<FixedIpRequest>> fixed_ips;
  std::optional<bool> port_security_enabled;
  std::vector<std::string> security_groups;  // names or ids
  std::vector<AddressPairRequest> allowed_address_pairs;
  std::string host;  // empty: not bound
  std::string vnic_type = "normal";
  std::map<std::string, std::string> profile;
};

struct PortUpdate {
  std::optional<std::string> name, description;
  std::optional<std::string> mac_address;
  std::optional<bool> admin_state_up;
  std::optional<std::string> device_id, device_owner;
  std::optional<std::vector<FixedIpRequest>> fixed_ips;  // all of them
  std::vector<FixedIpRequest> add_fixed_ips;             // beside those that stay
  std::optional<bool> port_security_enabled;
  std::optional<std::vector<std::string>> security_groups;
  std::optional<std::vector<AddressPairRequest>> allowed_address_pairs;
  std::optional<std::string> host;  // "": take the binding away
  std::optional<std::string> vnic_type;
  std::optional<std::map<std::string, std::string>> profile;
};

struct SecurityGroupRequest {
  std::string name, description, project_id;
  bool stateful = true;
};

struct SecurityGroupRuleRequest {
  Uuid security_group;
  std::string direction = "ingress";
  std::string ethertype = "IPv4";
  std::optional<std::string> protocol;
  std::optional<std::int64_t> port_range_min, port_range_max;
  std::optional<std::string> remote_ip_prefix;
  std::optional<std::string> remote_group;  // name or id
  std::string description;
};

}  // namespace ml2::plugin
