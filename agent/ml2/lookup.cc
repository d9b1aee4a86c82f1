#include "agent/ml2/lookup.h"

#include <algorithm>

#include "datapath/base/ip.h"

namespace ml2::plugin {

std::vector<ovsdb::Ml2Segment> segments_of(const ovsdb::Ml2Rows& rows, const Uuid& network) {
  std::vector<ovsdb::Ml2Segment> segments;
  for (const auto& [uuid, segment] : rows.segments) {
    if (segment.network == network) segments.push_back(segment);
  }
  std::stable_sort(segments.begin(), segments.end(),
                   [](const auto& a, const auto& b) { return a.segment_index < b.segment_index; });
  return segments;
}

std::vector<ovsdb::Ml2Subnet> subnets_of(const ovsdb::Ml2Rows& rows, const Uuid& network) {
  std::vector<ovsdb::Ml2Subnet> subnets;
  for (const auto& [uuid, subnet] : rows.subnets) {
    if (subnet.network == network) subnets.push_back(subnet);
  }
  std::stable_sort(subnets.begin(), subnets.end(), [](const auto& a, const auto& b) {
    return IpNetwork::parse(a.cidr).value_or(IpNetwork()) < IpNetwork::parse(b.cidr).value_or(IpNetwork());
  });
  return subnets;
}

std::vector<ovsdb::Ml2Port> ports_of(const ovsdb::Ml2Rows& rows, const Uuid& network) {
  std::vector<ovsdb::Ml2Port> ports;
  for (const auto& [uuid, port] : rows.ports) {
    if (port.network == network) ports.push_back(port);
  }
  return ports;
}

std::vector<ovsdb::Ml2FixedIp> fixed_ips_of(const ovsdb::Ml2Rows& rows, const Uuid& port) {
  std::vector<ovsdb::Ml2FixedIp> fixed_ips;
  for (const auto& [uuid, fixed_ip] : rows.fixed_ips) {
    if (fixed_ip.port == port) fixed_ips.push_back(fixed_ip);
  }
  std::stable_sort(fixed_ips.begin(), fixed_ips.end(), [](const auto& a, const auto& b) {
    return IpAddress::parse(a.ip_address).value_or(IpAddress()) <
           IpAddress::parse(b.ip_address).value_or(IpAddress());
  });
  return fixed_ips;
}

std::vector<ovsdb::Ml2Binding> bindings_of(const ovsdb::Ml2Rows& rows, const Uuid& port) {
  std::vector<ovsdb::Ml2Binding> bindings;
  for (const auto& [uuid, binding] : rows.bindings) {
    if (binding.port == port) bindings.push_back(binding);
  }
  std::stable_sort(bindings.begin(), bindings.end(),
                   [](const auto& a, const auto& b) { return a.status < b.status; });  // ACTIVE before INACTIVE
  return bindings;
}

}  // namespace ml2::plugin
