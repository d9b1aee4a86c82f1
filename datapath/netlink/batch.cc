#include "datapath/netlink/batch.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "datapath/base/text.h"

namespace ml2::nl {
namespace {

// Range of RFC 791's smallest datagram and of IFLA_MTU on Ethernet devices (ETH_MIN_MTU, ETH_MAX_MTU).
constexpr std::uint32_t kMinMtu = 68;
constexpr std::uint32_t kMaxMtu = 65535;
// IFALIASZ - 1 (linux/if.h).
constexpr std::size_t kMaxAlias = 255;
// RFC 7348: the VNI has 24 bits.
constexpr std::uint32_t kMaxVni = 0xffffff;

// Names come from configuration and databases, so they are made fit for a terminal.
std::string in_quotes(std::string_view name) { return "'" + text::printable(name, 64) + "'"; }

std::string fdb_words(std::string_view link, const Mac& mac, const std::optional<VlanId>& vlan,
                      const std::optional<IpAddress>& dst, const std::optional<TunnelKey>& vni, bool in_bridge) {
  std::string out = fmt::format("FDB entry {} of {}", mac.to_string(), in_quotes(link));
  if (vlan) out += fmt::format(" VLAN {}", vlan->value());
  if (dst) out += fmt::format(" to {}", dst->to_string());
  if (vni) out += fmt::format(" VNI {}", vni->value());
  return out + (in_bridge ? " in its bridge" : "");
}

std::string route_words(const IpNetwork& dst, const std::optional<IpAddress>& gateway, std::string_view link) {
  std::string out = fmt::format("route {}", dst.to_string());
  if (gateway) out += fmt::format(" via {}", gateway->to_string());
  if (!link.empty()) out += fmt::format(" dev {}", in_quotes(link));
  return out;
}

// The operation in words, for to_string().
struct Describe {
  std::string operator()(const CreateVeth& op) const {
    std::string out = fmt::format("create veth {} with peer {}", in_quotes(op.name), in_quotes(op.peer_name));
    if (op.peer_netns) out += fmt::format(" in namespace {}", in_quotes(nl::to_string(*op.peer_netns)));
    return out;
  }
  std::string operator()(const CreateTap& op) const { return "create tap " + in_quotes(op.name); }
  std::string operator()(const CreateBridge& op) const { return "create bridge " + in_quotes(op.name); }
  std::string operator()(const CreateDummy& op) const { return "create dummy " + in_quotes(op.name); }
  std::string operator()(const CreateVxlan& op) const {
    return fmt::format("create vxlan {} with VNI {}", in_quotes(op.name), op.vni.value());
  }
  std::string operator()(const DeleteLink& op) const { return "delete link " + in_quotes(op.name); }
  std::string operator()(const SetLink& op) const {
    std::string out = "set link " + in_quotes(op.name);
    if (op.up) out += *op.up ? " up" : " down";
    if (op.mtu) out += fmt::format(" MTU {}", *op.mtu);
    if (op.mac) out += fmt::format(" MAC {}", op.mac->to_string());
    if (op.alias) out += " alias " + in_quotes(*op.alias);
    if (op.rename) out += " name " + in_quotes(*op.rename);
    if (op.master) out += op.master->empty() ? std::string(" without master") : " master " + in_quotes(*op.master);
    return out;
  }
  std::string operator()(const MoveToNetns& op) const {
    std::string out =
        fmt::format("move link {} to namespace {}", in_quotes(op.name), in_quotes(nl::to_string(op.netns)));
    if (op.new_name) out += " as " + in_quotes(*op.new_name);
    return out;
  }
  std::string operator()(const AddAddress& op) const {
    return fmt::format("add address {}/{} to {}", op.address.to_string(), op.prefix_length, in_quotes(op.link));
  }
  std::string operator()(const DeleteAddress& op) const {
    return fmt::format("delete address {}/{} from {}", op.address.to_string(), op.prefix_length, in_quotes(op.link));
  }
  std::string operator()(const ReplaceRoute& op) const { return "set " + route_words(op.dst, op.gateway, op.link); }
  std::string operator()(const DeleteRoute& op) const { return "delete " + route_words(op.dst, op.gateway, op.link); }
  std::string operator()(const ReplaceNeighbour& op) const {
    return fmt::format("set neighbour {} of {} to {}", op.address.to_string(), in_quotes(op.link),
                       op.mac.to_string());
  }
  std::string operator()(const DeleteNeighbour& op) const {
    return fmt::format("delete neighbour {} of {}", op.address.to_string(), in_quotes(op.link));
  }
  std::string operator()(const ResolveNeighbour& op) const {
    return fmt::format("ask for neighbour {} on {}", op.address.to_string(), in_quotes(op.link));
  }
  std::string operator()(const ReplaceFdb& op) const {
    return "set " + fdb_words(op.link, op.mac, op.vlan, op.dst, op.vni, op.in_bridge);
  }
  std::string operator()(const DeleteFdb& op) const {
    return "delete " + fdb_words(op.link, op.mac, op.vlan, op.dst, op.vni, op.in_bridge);
  }
  std::string operator()(const SetOffloads& op) const {
    auto word = [](bool on) { return on ? "on" : "off"; };
    return fmt::format("set offloads of {}: tx {} tso {} gso {}", in_quotes(op.link), word(op.tx_checksum),
                       word(op.tso), word(op.gso));
  }
};

// What is wrong with an operation, whatever the kernel holds; "" when nothing is.
struct FindFault {
  static std::string name(std::string_view name) {
    if (is_link_name(name)) return {};
    return fmt::format("{} is no name of a link: 1 to 15 bytes without '/', ':' and white space are",
                       in_quotes(name));
  }
  static std::string mac(const std::optional<Mac>& mac) {
    if (!mac || (!mac->is_multicast() && !mac->is_zero())) return {};
    return fmt::format("{} is no MAC address of a host: it must be unicast and not zero", mac->to_string());
  }
  static std::string mtu(const std::optional<std::uint32_t>& mtu) {
    if (!mtu || (*mtu >= kMinMtu && *mtu <= kMaxMtu)) return {};
    return fmt::format("MTU {} is not in {}-{}", *mtu, kMinMtu, kMaxMtu);
  }
  static std::string prefix(const IpAddress& address, unsigned length) {
    const unsigned max = address.is_v4() ? 32 : 128;
    return length <= max ? std::string() : fmt::format("prefix length {} is not in 0-{}", length, max);
  }
  static std::string vni(const std::optional<TunnelKey>& vni) {
    if (!vni || vni->value() <= kMaxVni) return {};
    return fmt::format("VNI {} is not in 1-{}", vni->value(), kMaxVni);
  }
  static std::string route(const IpNetwork& dst, const std::optional<IpAddress>& gateway, const std::string& link) {
    if (gateway && gateway->family() != dst.address().family()) {
      return fmt::format("gateway {} and destination are not of one address family", gateway->to_string());
    }
    return link.empty() ? std::string() : name(link);
  }
  // The first fault that is one.
  template <class... Faults>
  static std::string first(Faults... faults) {
    std::string result;
    ((result.empty() ? void(result = std::move(faults)) : void()), ...);
    return result;
  }

  std::string operator()(const CreateVeth& op) const {
    std::string same;
    if (!op.peer_netns && op.name == op.peer_name) same = "both ends have the same name";
    return first(name(op.name), name(op.peer_name), mac(op.mac), mac(op.peer_mac), mtu(op.mtu), same);
  }
  std::string operator()(const CreateTap& op) const { return name(op.name); }
  std::string operator()(const CreateBridge& op) const { return name(op.name); }
  std::string operator()(const CreateDummy& op) const { return name(op.name); }
  std::string operator()(const CreateVxlan& op) const {
    return first(name(op.name), vni(op.vni), op.udp_port == 0 ? std::string("UDP port 0") : std::string());
  }
  std::string operator()(const DeleteLink& op) const { return name(op.name); }
  std::string operator()(const SetLink& op) const {
    std::string alias;
    if (op.alias && op.alias->size() > kMaxAlias) alias = fmt::format("the alias is longer than {} bytes", kMaxAlias);
    if (op.alias && op.alias->find('\0') != std::string::npos) alias = "the alias has a NUL byte";
    return first(name(op.name), mtu(op.mtu), mac(op.mac), alias, op.rename ? name(*op.rename) : std::string(),
                 op.master && !op.master->empty() ? name(*op.master) : std::string());
  }
  std::string operator()(const MoveToNetns& op) const {
    return first(name(op.name), op.new_name ? name(*op.new_name) : std::string(),
                 op.netns.is_current() ? std::string("no namespace is named") : std::string());
  }
  std::string operator()(const AddAddress& op) const {
    std::string kind;
    if (op.address.is_multicast() || op.address.is_unspecified()) {
      kind = op.address.to_string() + " is no address of a host";
    }
    return first(name(op.link), prefix(op.address, op.prefix_length), kind);
  }
  std::string operator()(const DeleteAddress& op) const {
    return first(name(op.link), prefix(op.address, op.prefix_length));
  }
  std::string operator()(const ReplaceRoute& op) const {
    return first(route(op.dst, op.gateway, op.link), !op.gateway && op.link.empty()
                                                         ? std::string("neither a gateway nor a link is given")
                                                         : std::string());
  }
  std::string operator()(const DeleteRoute& op) const { return route(op.dst, op.gateway, op.link); }
  std::string operator()(const ReplaceNeighbour& op) const { return first(name(op.link), mac(op.mac)); }
  std::string operator()(const DeleteNeighbour& op) const { return name(op.link); }
  std::string operator()(const ResolveNeighbour& op) const { return name(op.link); }
  std::string operator()(const ReplaceFdb& op) const { return first(name(op.link), vni(op.vni)); }
  std::string operator()(const DeleteFdb& op) const { return first(name(op.link), vni(op.vni)); }
  std::string operator()(const SetOffloads& op) const { return name(op.link); }
};

bool creates_link(const Operation& operation) {
  return std::holds_alternative<CreateVeth>(operation) || std::holds_alternative<CreateTap>(operation) ||
         std::holds_alternative<CreateBridge>(operation) || std::holds_alternative<CreateDummy>(operation) ||
         std::holds_alternative<CreateVxlan>(operation);
}

}  // namespace

std::string to_string(const Operation& operation) { return std::visit(Describe(), operation); }

std::string to_string(const Batch& batch) {
  std::string out;
  for (const Operation& operation : batch.operations) out += to_string(operation) + "\n";
  return out;
}

bool is_link_name(std::string_view name) {
  if (name.empty() || name.size() > 15 || name == "." || name == "..") return false;
  for (const char c : name) {
    // The kernel's isspace() is that of Latin-1: 0xa0 counts.
    const auto byte = static_cast<unsigned char>(c);
    if (c == '/' || c == ':' || c == '\0' || c == ' ' || (byte >= 9 && byte <= 13) || byte == 0xa0) return false;
  }
  return true;
}

Status check(const Operation& operation) {
  std::string fault = std::visit(FindFault(), operation);
  if (fault.empty()) return {};
  return invalid("cannot " + to_string(operation) + ": " + fault);
}

ErrorKind kind_of(int error_number) {
  switch (error_number) {
    case EEXIST:
    case EADDRINUSE: return ErrorKind::Conflict;
    case EPERM:
    case EACCES: return ErrorKind::Fatal;
    case EBUSY:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
    case EINTR:
    case EMFILE:
    case ENFILE:
    case ETIMEDOUT:
    case ENETDOWN: return ErrorKind::Transient;
    default: return ErrorKind::Invalid;
  }
}

Error error_of(const Operation& operation, int error_number, std::string_view detail) {
  std::string message =
      fmt::format("cannot {}: {}", to_string(operation), std::generic_category().message(error_number));
  if (!detail.empty()) message += fmt::format(" ({})", text::printable(detail));
  if (error_number == EPERM || error_number == EACCES) {
    message += "; the process needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for another network namespace";
  }
  if (error_number == EOPNOTSUPP && creates_link(operation)) {
    message += "; this kernel has no driver for such a device, or its module is not installed";
  }
  return {kind_of(error_number), std::move(message)};
}

Error error_in_batch(Error error, std::size_t failed, std::size_t count) {
  if (count > 1) {
    error.message += fmt::format("; of the {} operations of this batch {} were done and {} were not tried", count,
                                 failed, count - failed - 1);
  }
  return error;
}

}  // namespace ml2::nl
