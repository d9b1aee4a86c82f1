#include "datapath/netlink/nl_kernel_parse.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace ml2::nl {
namespace {

// Attributes by type; nullptr where there is none.
template <int Max>
using Attributes = std::array<nlattr*, static_cast<std::size_t>(Max) + 1>;

// The fixed header and the attributes of a message; nullptr when it is too short.
template <class Header, int Max>
const Header* split(nlmsghdr* header, Attributes<Max>& attributes) {
  attributes.fill(nullptr);
  if (nlmsg_parse(header, sizeof(Header), attributes.data(), Max, nullptr) < 0) return nullptr;
  return static_cast<const Header*>(nlmsg_data(header));
}

template <class Value>
std::optional<Value> number(const nlattr* attribute) {
  if (attribute == nullptr || nla_len(attribute) < static_cast<int>(sizeof(Value))) return std::nullopt;
  Value value;
  std::memcpy(&value, nla_data(attribute), sizeof value);
  return value;
}

std::string chars(const nlattr* attribute) {
  if (attribute == nullptr || nla_len(attribute) <= 0) return {};
  const auto* data = static_cast<const char*>(nla_data(attribute));
  return std::string(data, strnlen(data, static_cast<std::size_t>(nla_len(attribute))));
}

std::optional<Mac> mac_of(const nlattr* attribute) {
  std::array<std::uint8_t, 6> bytes{};
  if (attribute == nullptr || nla_len(attribute) != static_cast<int>(bytes.size())) return std::nullopt;
  std::memcpy(bytes.data(), nla_data(attribute), bytes.size());
  return Mac(bytes);
}

std::optional<IpAddress> ip_from(const void* data, int length) {
  if (length == 4) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), data, bytes.size());
    return IpAddress::v4(bytes);
  }
  if (length == 16) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), data, bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

std::optional<IpAddress> ip_of(const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  return ip_from(nla_data(attribute), nla_len(attribute));
}

// The address in an RTA_VIA (struct rtvia: family, then the address): a gateway of another family than the route's.
std::optional<IpAddress> via_of(const nlattr* attribute) {
  constexpr int kFamilyBytes = sizeof(__kernel_sa_family_t);
  if (attribute == nullptr || nla_len(attribute) <= kFamilyBytes) return std::nullopt;
  return ip_from(static_cast<const char*>(nla_data(attribute)) + kFamilyBytes, nla_len(attribute) - kFamilyBytes);
}

// 0 is "no link" in the kernel's messages.
std::optional<IfIndex> index_of(const nlattr* attribute) {
  const auto value = number<std::uint32_t>(attribute);
  return value ? IfIndex::make(*value) : std::nullopt;
}

Scope scope_of(unsigned value) {
  switch (value) {
    case RT_SCOPE_SITE: return Scope::Site;
    case RT_SCOPE_LINK: return Scope::Link;
    case RT_SCOPE_HOST: return Scope::Host;
    default: return Scope::Global;  // the ones users may define lie between global and site
  }
}

std::optional<NeighbourState> state_of(unsigned state) {
  switch (state) {
    case NUD_INCOMPLETE: return NeighbourState::Incomplete;
    case NUD_REACHABLE: return NeighbourState::Reachable;
    case NUD_STALE: return NeighbourState::Stale;
    case NUD_DELAY: return NeighbourState::Delay;
    case NUD_PROBE: return NeighbourState::Probe;
    case NUD_FAILED: return NeighbourState::Failed;
    case NUD_PERMANENT: return NeighbourState::Permanent;
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<Link> parse_link(nlmsghdr* header) {
  Attributes<IFLA_MAX> attributes;
  const auto* info = split<ifinfomsg, IFLA_MAX>(header, attributes);
  // Messages of family AF_BRIDGE are about a bridge's port, not about the link; those with IFLA_WIRELESS are events
  // that carry nothing of the link but its name.
  if (info == nullptr || info->ifi_family != AF_UNSPEC || attributes[IFLA_WIRELESS] != nullptr) return std::nullopt;
  const auto index = IfIndex::make(info->ifi_index);
  if (!index || attributes[IFLA_IFNAME] == nullptr) return std::nullopt;

  Link link{.index = *index};
  link.name = chars(attributes[IFLA_IFNAME]);
  link.mac = mac_of(attributes[IFLA_ADDRESS]).value_or(Mac());
  link.mtu = number<std::uint32_t>(attributes[IFLA_MTU]).value_or(0);
  link.up = (info->ifi_flags & IFF_UP) != 0;
  // A link that just came up has IFF_RUNNING until the kernel's link watch looked at it; the carrier is right at once.
  const bool carrier = number<std::uint8_t>(attributes[IFLA_CARRIER]).value_or(1) != 0;
  link.running = link.up && carrier && (info->ifi_flags & IFF_RUNNING) != 0;
  link.peer = index_of(attributes[IFLA_LINK]);
  link.peer_netnsid = number<std::int32_t>(attributes[IFLA_LINK_NETNSID]);
  link.master = index_of(attributes[IFLA_MASTER]);
  link.alias = chars(attributes[IFLA_IFALIAS]);
  if (attributes[IFLA_LINKINFO] != nullptr) {
    Attributes<IFLA_INFO_MAX> link_info;
    link_info.fill(nullptr);
    if (nla_parse_nested(link_info.data(), IFLA_INFO_MAX, attributes[IFLA_LINKINFO], nullptr) >= 0) {
      link.kind = chars(link_info[IFLA_INFO_KIND]);
    }
  }
  return link;
}

std::optional<Address> parse_address(nlmsghdr* header) {
  Attributes<IFA_MAX> attributes;
  const auto* info = split<ifaddrmsg, IFA_MAX>(header, attributes);
  if (info == nullptr || (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)) return std::nullopt;
  const auto index = IfIndex::make(info->ifa_index);
  // On a point-to-point link IFA_ADDRESS is the other end's; IFA_LOCAL is then ours (linux/if_addr.h).
  auto ip = ip_of(attributes[IFA_LOCAL]);
  if (!ip) ip = ip_of(attributes[IFA_ADDRESS]);
  if (!index || !ip) return std::nullopt;
  return Address{
      .link = *index, .address = *ip, .prefix_length = info->ifa_prefixlen, .scope = scope_of(info->ifa_scope)};
}

std::vector<Route> parse_route(nlmsghdr* header) {
  Attributes<RTA_MAX> attributes;
  const auto* info = split<rtmsg, RTA_MAX>(header, attributes);
  if (info == nullptr || (info->rtm_family != AF_INET && info->rtm_family != AF_INET6)) return {};
  // Not: local, broadcast, multicast, blackhole; not a cache of a route (IPv6 path MTU).
  if (info->rtm_type != RTN_UNICAST || (info->rtm_flags & RTM_F_CLONED) != 0) return {};

  IpAddress base = info->rtm_family == AF_INET ? IpAddress::v4({}) : IpAddress::v6({});
  if (attributes[RTA_DST] != nullptr) base = ip_of(attributes[RTA_DST]).value_or(base);
  const auto dst = IpNetwork::make(base, info->rtm_dst_len);
  if (!dst) return {};

  Route route{.dst = *dst};
  route.protocol = info->rtm_protocol;
  route.table = number<std::uint32_t>(attributes[RTA_TABLE]).value_or(info->rtm_table);
  route.priority = number<std::uint32_t>(attributes[RTA_PRIORITY]).value_or(0);
  if (attributes[RTA_MULTIPATH] == nullptr) {
    route.gateway = ip_of(attributes[RTA_GATEWAY]);
    if (!route.gateway) route.gateway = via_of(attributes[RTA_VIA]);
    route.oif = index_of(attributes[RTA_OIF]);
    return {route};
  }

  // RTA_MULTIPATH: struct rtnexthop with attributes of its own, one after the other (rtnetlink(7)).
  std::vector<Route> routes;
  const auto* data = static_cast<const char*>(nla_data(attributes[RTA_MULTIPATH]));
  auto left = static_cast<std::size_t>(nla_len(attributes[RTA_MULTIPATH]));
  while (left >= sizeof(rtnexthop)) {
    rtnexthop hop{};
    std::memcpy(&hop, data, sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > left) break;
    Attributes<RTA_MAX> inner;
    inner.fill(nullptr);
    auto* first = static_cast<nlattr*>(const_cast<void*>(static_cast<const void*>(data + sizeof hop)));
    (void)nla_parse(inner.data(), RTA_MAX, first, static_cast<int>(hop.rtnh_len - sizeof hop), nullptr);
    Route one = route;
    one.oif = IfIndex::make(hop.rtnh_ifindex);
    one.gateway = ip_of(inner[RTA_GATEWAY]);
    if (!one.gateway) one.gateway = via_of(inner[RTA_VIA]);
    routes.push_back(one);
    const std::size_t step = std::min<std::size_t>(left, NLMSG_ALIGN(hop.rtnh_len));
    data += step;
    left -= step;
  }
  return routes;
}

std::optional<Neighbour> parse_neighbour(nlmsghdr* header, bool* present) {
  *present = false;
  Attributes<NDA_MAX> attributes;
  const auto* info = split<ndmsg, NDA_MAX>(header, attributes);
  if (info == nullptr || (info->ndm_family != AF_INET && info->ndm_family != AF_INET6)) return std::nullopt;
  if ((info->ndm_flags & NTF_PROXY) != 0) return std::nullopt;
  const auto index = IfIndex::make(info->ndm_ifindex);
  const auto ip = ip_of(attributes[NDA_DST]);
  if (!index || !ip) return std::nullopt;
  Neighbour neighbour{.link = *index, .address = *ip, .mac = mac_of(attributes[NDA_LLADDR]).value_or(Mac())};
  const auto state = state_of(info->ndm_state);
  if (state) neighbour.state = *state;
  *present = state.has_value();
  return neighbour;
}

std::optional<FdbEntry> parse_fdb(nlmsghdr* header) {
  Attributes<NDA_MAX> attributes;
  const auto* info = split<ndmsg, NDA_MAX>(header, attributes);
  if (info == nullptr || info->ndm_family != AF_BRIDGE) return std::nullopt;
  const auto index = IfIndex::make(info->ndm_ifindex);
  const auto mac = mac_of(attributes[NDA_LLADDR]);
  if (!index || !mac) return std::nullopt;

  FdbEntry entry{.link = *index, .mac = *mac};
  // A bridge marks its own entries by NDA_MASTER without NTF_SELF (net/bridge/br_fdb.c: fdb_fill_info).
  if ((info->ndm_flags & NTF_SELF) == 0) entry.bridge = index_of(attributes[NDA_MASTER]);
  if (const auto vlan = number<std::uint16_t>(attributes[NDA_VLAN])) entry.vlan = VlanId::make(*vlan);
  entry.dst = ip_of(attributes[NDA_DST]);
  if (const auto vni = number<std::uint32_t>(attributes[NDA_VNI])) entry.vni = TunnelKey::make(*vni);
  if (mac->is_multicast() && !entry.dst) return std::nullopt;
  if ((info->ndm_state & NUD_PERMANENT) != 0) {
    entry.state = FdbState::Permanent;
  } else {
    entry.state = (info->ndm_state & NUD_NOARP) != 0 ? FdbState::Static : FdbState::Learned;
  }
  return entry;
}

}  // namespace ml2::nl
