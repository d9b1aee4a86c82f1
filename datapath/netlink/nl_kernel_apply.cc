#include "datapath/netlink/nl_kernel_apply.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "datapath/netlink/nl_kernel_device.h"

namespace ml2::nl {
namespace {

unsigned char family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

struct Apply {
  const ApplyContext& context;

  [[nodiscard]] Ack index_of(const std::string& name, int* index) const {
    return link_index(context.ioctl_socket, name, index);
  }

  // RTM_NEWLINK that creates, up to IFLA_LINKINFO; the caller adds the rest.
  [[nodiscard]] static NlMessage new_link(const std::string& name) {
    NlMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.header(ifinfomsg{});
    message.text(IFLA_IFNAME, name);
    return message;
  }

  [[nodiscard]] Ack create_simple(const std::string& name, const char* kind) const {
    NlMessage message = new_link(name);
    nlattr* info = message.begin(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, kind);
    message.end(info);
    return context.requests.request(message);
  }

  Ack operator()(const CreateVeth& op) const {
    UniqueFd netns;
    if (op.peer_netns) {
      if (Ack ack = open_netns(*op.peer_netns, &netns); !ack.ok()) return ack;
    }
    NlMessage message = new_link(op.name);
    if (op.mtu) message.u32(IFLA_MTU, *op.mtu);
    if (op.mac) message.mac(IFLA_ADDRESS, *op.mac);
    nlattr* info = message.begin(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, "veth");
    nlattr* data = message.begin(IFLA_INFO_DATA);
    nlattr* peer = message.begin(VETH_INFO_PEER);
    message.header(ifinfomsg{});
    message.text(IFLA_IFNAME, op.peer_name);
    if (op.mtu) message.u32(IFLA_MTU, *op.mtu);
    if (op.peer_mac) message.mac(IFLA_ADDRESS, *op.peer_mac);
    if (netns) message.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns.get()));
    message.end(peer);
    message.end(data);
    message.end(info);
    return context.requests.request(message);
  }

  Ack operator()(const CreateTap& op) const {
    // A tap belongs to the namespace of the thread that opens /dev/net/tun.
    if (context.netns_fd < 0) return create_tap(op);
    return in_netns(context.netns_fd, [&] { return create_tap(op); });
  }

  Ack operator()(const CreateBridge& op) const { return create_simple(op.name, "bridge"); }
  Ack operator()(const CreateDummy& op) const { return create_simple(op.name, "dummy"); }

  Ack operator()(const CreateVxlan& op) const {
    NlMessage message = new_link(op.name);
    nlattr* info = message.begin(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, "vxlan");
    nlattr* data = message.begin(IFLA_INFO_DATA);
    message.u32(IFLA_VXLAN_ID, op.vni.value());
    message.u16_be(IFLA_VXLAN_PORT, op.udp_port);
    message.u8(IFLA_VXLAN_LEARNING, op.learning ? 1 : 0);
    if (op.local) message.ip(op.local->is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, *op.local);
    message.end(data);
    message.end(info);
    return context.requests.request(message);
  }

  Ack operator()(const DeleteLink& op) const {
    ifinfomsg info{};
    if (Ack ack = index_of(op.name, &info.ifi_index); !ack.ok()) return ack;
    NlMessage message(RTM_DELLINK, 0);
    message.header(info);
    return context.requests.request(message);
  }

  Ack operator()(const SetLink& op) const {
    ifinfomsg info{};
    if (Ack ack = index_of(op.name, &info.ifi_index); !ack.ok()) return ack;
    int master = 0;
    if (op.master && !op.master->empty()) {
      if (Ack ack = index_of(*op.master, &master); !ack.ok()) return {ack.error_number, "master " + *op.master};
    }
    if (op.up) {
      info.ifi_change = IFF_UP;
      info.ifi_flags = *op.up ? IFF_UP : 0;
    }
    NlMessage message(RTM_SETLINK, 0);
    message.header(info);
    if (op.mtu) message.u32(IFLA_MTU, *op.mtu);
    if (op.mac) message.mac(IFLA_ADDRESS, *op.mac);
    if (op.alias) message.text(IFLA_IFALIAS, *op.alias);
    if (op.rename) message.text(IFLA_IFNAME, *op.rename);
    if (op.master) message.u32(IFLA_MASTER, static_cast<std::uint32_t>(master));
    return context.requests.request(message);
  }

  Ack operator()(const MoveToNetns& op) const {
    UniqueFd netns;
    if (Ack ack = open_netns(op.netns, &netns); !ack.ok()) return ack;
    ifinfomsg info{};
    if (Ack ack = index_of(op.name, &info.ifi_index); !ack.ok()) return ack;
    NlMessage message(RTM_SETLINK, 0);
    message.header(info);
    message.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns.get()));
    if (op.new_name) message.text(IFLA_IFNAME, *op.new_name);
    return context.requests.request(message);
  }

  [[nodiscard]] Ack address(int type, int flags, const std::string& link, const IpAddress& ip, unsigned prefix_length,
                            bool no_dad) const {
    int index = 0;
    if (Ack ack = index_of(link, &index); !ack.ok()) return ack;
    ifaddrmsg info{};
    info.ifa_family = family_of(ip);
    info.ifa_prefixlen = static_cast<unsigned char>(prefix_length);
    info.ifa_index = static_cast<unsigned>(index);
    info.ifa_scope = ip.is_loopback() ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    if (no_dad && ip.is_v6()) info.ifa_flags = IFA_F_NODAD;
    NlMessage message(type, flags);
    message.header(info);
    message.ip(IFA_LOCAL, ip);
    message.ip(IFA_ADDRESS, ip);
    return context.requests.request(message);
  }

  Ack operator()(const AddAddress& op) const {
    return address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, op.link, op.address, op.prefix_length, op.no_dad);
  }
  Ack operator()(const DeleteAddress& op) const {
    return address(RTM_DELADDR, 0, op.link, op.address, op.prefix_length, false);
  }

  // `info` has what differs between adding and deleting.
  template <class Op>
  [[nodiscard]] Ack route(int type, int flags, rtmsg info, const Op& op) const {
    int index = 0;
    if (!op.link.empty()) {
      if (Ack ack = index_of(op.link, &index); !ack.ok()) return ack;
    }
    info.rtm_family = family_of(op.dst.address());
    info.rtm_dst_len = static_cast<unsigned char>(op.dst.prefix_length());
    info.rtm_protocol = op.protocol;
    info.rtm_table =
        op.table < 256 ? static_cast<unsigned char>(op.table) : static_cast<unsigned char>(RT_TABLE_UNSPEC);
    NlMessage message(type, flags);
    message.header(info);
    message.u32(RTA_TABLE, op.table);
    if (op.dst.prefix_length() > 0) message.ip(RTA_DST, op.dst.address());
    if (op.gateway) message.ip(RTA_GATEWAY, *op.gateway);
    if (index != 0) message.u32(RTA_OIF, static_cast<std::uint32_t>(index));
    if (op.priority != 0) message.u32(RTA_PRIORITY, op.priority);
    return context.requests.request(message);
  }

  Ack operator()(const ReplaceRoute& op) const {
    rtmsg info{};
    info.rtm_type = RTN_UNICAST;
    info.rtm_scope = op.gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    return route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, info, op);
  }
  Ack operator()(const DeleteRoute& op) const {
    rtmsg info{};
    info.rtm_scope = RT_SCOPE_NOWHERE;  // any
    return route(RTM_DELROUTE, 0, info, op);
  }

  Ack operator()(const ReplaceNeighbour& op) const {
    ndmsg info{};
    if (Ack ack = index_of(op.link, &info.ndm_ifindex); !ack.ok()) return ack;
    info.ndm_family = family_of(op.address);
    info.ndm_state = NUD_PERMANENT;
    NlMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    message.header(info);
    message.ip(NDA_DST, op.address);
    message.mac(NDA_LLADDR, op.mac);
    return context.requests.request(message);
  }
  Ack operator()(const DeleteNeighbour& op) const {
    ndmsg info{};
    if (Ack ack = index_of(op.link, &info.ndm_ifindex); !ack.ok()) return ack;
    info.ndm_family = family_of(op.address);
    NlMessage message(RTM_DELNEIGH, 0);
    message.header(info);
    message.ip(NDA_DST, op.address);
    return context.requests.request(message);
  }

  Ack operator()(const ResolveNeighbour& op) const {
    ndmsg info{};
    if (Ack ack = index_of(op.link, &info.ndm_ifindex); !ack.ok()) return ack;
    info.ndm_family = family_of(op.address);
    info.ndm_state = NUD_NONE;
    info.ndm_flags = NTF_USE;
    NlMessage message(RTM_NEWNEIGH, NLM_F_CREATE);
    message.header(info);
    message.ip(NDA_DST, op.address);
    return context.requests.request(message);
  }

  template <class Op>
  [[nodiscard]] Ack fdb(int type, int flags, const Op& op) const {
    ndmsg info{};
    if (Ack ack = index_of(op.link, &info.ndm_ifindex); !ack.ok()) return ack;
    info.ndm_family = AF_BRIDGE;
    // In a bridge "permanent" would mean the port's own address, which is not forwarded to (bridge(8)).
    info.ndm_state = op.in_bridge ? NUD_NOARP : NUD_PERMANENT;
    info.ndm_flags = op.in_bridge ? NTF_MASTER : NTF_SELF;
    NlMessage message(type, flags);
    message.header(info);
    message.mac(NDA_LLADDR, op.mac);
    if (op.vlan) message.u16(NDA_VLAN, op.vlan->value());
    if (op.dst) message.ip(NDA_DST, *op.dst);
    if (op.vni) message.u32(NDA_VNI, op.vni->value());
    return context.requests.request(message);
  }

  Ack operator()(const ReplaceFdb& op) const {
    // The kernel takes several destinations for these alone, and replaces none of them (vxlan_fdb_update_existing()).
    const bool several = !op.in_bridge && (op.mac.is_zero() || op.mac.is_multicast());
    return fdb(RTM_NEWNEIGH, NLM_F_CREATE | (several ? NLM_F_APPEND : NLM_F_REPLACE), op);
  }
  Ack operator()(const DeleteFdb& op) const { return fdb(RTM_DELNEIGH, 0, op); }

  Ack operator()(const SetOffloads& op) const { return set_offloads(context.ioctl_socket, op); }
};

}  // namespace

Ack apply_operation(const ApplyContext& context, const Operation& operation) {
  return std::visit(Apply{context}, operation);
}

}  // namespace ml2::nl
