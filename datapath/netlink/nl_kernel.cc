#include "datapath/netlink/nl_kernel.h"

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"
#include "datapath/base/unique_fd.h"
#include "datapath/netlink/nl_kernel_apply.h"
#include "datapath/netlink/nl_kernel_device.h"
#include "datapath/netlink/nl_kernel_parse.h"
#include "datapath/netlink/nl_kernel_socket.h"

namespace ml2::nl {
namespace {

constexpr const char* kModule = "netlink";
// How often a dump that the kernel interrupted is taken again before the read counts as failed.
constexpr int kDumpTries = 16;
// How often one run() reads everything when notifications are lost again meanwhile.
constexpr int kReadTries = 3;
// Datagrams taken in by one run(), so that a storm cannot hold the loop.
constexpr int kDatagramsPerRun = 65536;
constexpr long long kRetryMsec = 500;

}  // namespace

struct NlKernel::Impl {
  Impl(Options opts, UniqueFd netns_fd, NlSocket request_socket, NlSocket event_socket, UniqueFd ioctl_fd)
      : options(std::move(opts)),
        netns(std::move(netns_fd)),
        requests(std::move(request_socket)),
        events(std::move(event_socket)),
        ioctl_socket(std::move(ioctl_fd)) {}

  Options options;
  UniqueFd netns;  // none: the calling thread's
  NlSocket requests;
  NlSocket events;
  UniqueFd ioctl_socket;

  std::optional<Snapshot> current{};
  std::uint64_t sequence = 0;
  std::uint64_t full_reads = 0;
  bool everything_is_stale = true;  // nothing read yet, or notifications were lost
  bool routes_are_stale = false;
  long long retry_at = 0;  // ml2_time_msec() after a read that failed; 0: at once
  Status last_read{};

  bool handle(nlmsghdr* header, Snapshot& snapshot);
  NlSocket::Received drain(Snapshot* snapshot, bool* changed);
  Status read_part(const char* what, const std::function<NlMessage()>& request, const std::function<void()>& restart,
                   const NlSocket::Visit& visit);
  Status read_links(Snapshot& snapshot);
  Status read_addresses(Snapshot& snapshot);
  Status read_routes(std::set<Route>& routes);
  Status read_neighbours(const char* what, unsigned char family, const std::function<void()>& restart,
                         Snapshot& snapshot);
  Status read_all(Snapshot& snapshot);
  void refresh_everything();
  void refresh_routes(Snapshot& snapshot, bool* changed);
  void note(const Status& read);
};

// Takes one notification (or a message of a dump, which looks the same) into `snapshot`; true when that changed it.
bool NlKernel::Impl::handle(nlmsghdr* header, Snapshot& snapshot) {
  const Monitor& monitor = options.monitor;
  switch (header->nlmsg_type) {
    case RTM_NEWLINK: {
      auto link = parse_link(header);
      if (!link) return false;
      // The kernel does not tell which IPv4 routes go when a link goes down (net/ipv4: fib_disable_ip).
      const Link* old = find_link(snapshot, link->index);
      if (old == nullptr || old->up != link->up || old->running != link->running) routes_are_stale = monitor.routes;
      return snapshot.put(std::move(*link));
    }
    case RTM_DELLINK: {
      const auto link = parse_link(header);
      if (!link) return false;
      routes_are_stale = monitor.routes;
      return snapshot.erase_link(link->index);
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const auto address = parse_address(header);
      if (!monitor.addresses || !address) return false;
      routes_are_stale = monitor.routes;
      return header->nlmsg_type == RTM_NEWADDR ? snapshot.put(*address)
                                               : snapshot.addresses.erase(address->key()) > 0;
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      // A replaced route is told without the old one, and IPv6 has several of one key: only a dump is exact.
      routes_are_stale = monitor.routes;
      return false;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const bool added = header->nlmsg_type == RTM_NEWNEIGH;
      if (const auto entry = parse_fdb(header)) {
        if (!monitor.fdb) return false;
        return added ? snapshot.put(*entry) : snapshot.fdb.erase(entry->key()) > 0;
      }
      bool present = false;
      const auto neighbour = parse_neighbour(header, &present);
      if (!monitor.neighbours || !neighbour) return false;
      return added && present ? snapshot.put(*neighbour) : snapshot.neighbours.erase(neighbour->key()) > 0;
    }
    default: return false;
  }
}

// Takes in all notifications that wait; without `snapshot` they are thrown away. Lost when some were dropped.
NlSocket::Received NlKernel::Impl::drain(Snapshot* snapshot, bool* changed) {
  bool lost = false;
  for (int i = 0; i < kDatagramsPerRun; ++i) {
    const auto received = events.receive([&](nlmsghdr* header) {
      if (snapshot != nullptr && handle(header, *snapshot)) *changed = true;
    });
    if (received == NlSocket::Received::Nothing) break;
    if (received == NlSocket::Received::Lost) {
      lost = true;
      snapshot = nullptr;
    }
  }
  return lost ? NlSocket::Received::Lost : NlSocket::Received::Nothing;
}

// One table, read until the kernel says that it did not change meanwhile. `restart` forgets what was read of it.
Status NlKernel::Impl::read_part(const char* what, const std::function<NlMessage()>& request,
                                 const std::function<void()>& restart, const NlSocket::Visit& visit) {
  for (int i = 0; i < kDumpTries; ++i) {
    restart();
    NlMessage message = request();
    bool interrupted = false;
    const Ack ack = requests.dump(message, visit, &interrupted);
    if (!ack.ok()) {
      return transient(fmt::format("cannot read the kernel's {}: {}{}; trying again", what,
                                   std::generic_category().message(ack.error_number),
                                   ack.detail.empty() ? std::string() : " (" + ack.detail + ")"));
    }
    if (!interrupted) return {};
  }
  return transient(
      fmt::format("cannot read the kernel's {}: they changed {} times meanwhile; trying again", what, kDumpTries));
}

Status NlKernel::Impl::read_links(Snapshot& snapshot) {
  const auto request = [] {
    NlMessage message(RTM_GETLINK, 0);
    message.header(ifinfomsg{});
    message.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return message;
  };
  const auto restart = [&] {
    snapshot.links.clear();
    snapshot.link_names.clear();
  };
  return read_part("links", request, restart, [&](nlmsghdr* header) { handle(header, snapshot); });
}

Status NlKernel::Impl::read_addresses(Snapshot& snapshot) {
  const auto request = [] {
    NlMessage message(RTM_GETADDR, 0);
    message.header(ifaddrmsg{});
    return message;
  };
  return read_part(
      "addresses", request, [&] { snapshot.addresses.clear(); }, [&](nlmsghdr* header) { handle(header, snapshot); });
}

Status NlKernel::Impl::read_routes(std::set<Route>& routes) {
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    std::set<Route> found;
    const auto request = [&] {
      NlMessage message(RTM_GETROUTE, 0);
      rtmsg info{};
      info.rtm_family = family;
      message.header(info);
      return message;
    };
    const auto visit = [&](nlmsghdr* header) {
      if (header->nlmsg_type != RTM_NEWROUTE) return;
      for (Route& route : parse_route(header)) found.insert(std::move(route));
    };
    if (Status status = read_part(
            "routes", request, [&] { found.clear(); }, visit);
        !status)
      return status;
    routes.merge(found);
  }
  return {};
}

// Both tables are asked for with RTM_GETNEIGH; `family` AF_BRIDGE is the FDB, AF_UNSPEC are the others.
Status NlKernel::Impl::read_neighbours(const char* what, unsigned char family, const std::function<void()>& restart,
                                       Snapshot& snapshot) {
  const auto request = [&] {
    NlMessage message(RTM_GETNEIGH, 0);
    ndmsg info{};
    info.ndm_family = family;
    message.header(info);
    return message;
  };
  return read_part(what, request, restart, [&](nlmsghdr* header) { handle(header, snapshot); });
}

Status NlKernel::Impl::read_all(Snapshot& snapshot) {
  if (Status status = read_links(snapshot); !status) return status;
  if (options.monitor.addresses) {
    if (Status status = read_addresses(snapshot); !status) return status;
  }
  if (options.monitor.routes) {
    if (Status status = read_routes(snapshot.routes); !status) return status;
  }
  if (options.monitor.neighbours) {
    const auto restart = [&] { snapshot.neighbours.clear(); };
    if (Status status = read_neighbours("neighbours", AF_UNSPEC, restart, snapshot); !status) return status;
  }
  if (options.monitor.fdb) {
    return read_neighbours(
        "FDB entries", AF_BRIDGE, [&] { snapshot.fdb.clear(); }, snapshot);
  }
  return {};
}

// The result of a read: kept for status(), logged when it is news, and a time for the next try.
void NlKernel::Impl::note(const Status& read) {
  if (!read && (last_read || last_read.error() != read.error())) log::warn(kModule, "{}", read.error().message);
  if (read && !last_read) log::info(kModule, "reading works again");
  last_read = read;
  retry_at = read ? 0 : ml2_time_msec() + kRetryMsec;
}

void NlKernel::Impl::refresh_everything() {
  for (int i = 0; i < kReadTries; ++i) {
    Snapshot fresh;
    // What is told before the dump is in the dump; what is told while it is taken is taken in after it.
    bool changed = false;
    (void)drain(nullptr, &changed);
    if (Status read = read_all(fresh); !read) return note(read);
    routes_are_stale = false;
    if (drain(&fresh, &changed) == NlSocket::Received::Lost) continue;
    everything_is_stale = false;
    ++full_reads;
    if (!current || *current != fresh) ++sequence;
    current = std::move(fresh);
    return note({});  // routes that changed meanwhile are the next run()'s
  }
  note(transient("cannot read the kernel's links: notifications were lost meanwhile; trying again"));
}

void NlKernel::Impl::refresh_routes(Snapshot& snapshot, bool* changed) {
  std::set<Route> routes;
  Status read = read_routes(routes);
  if (read) {
    routes_are_stale = false;
    if (snapshot.routes != routes) {
      snapshot.routes = std::move(routes);
      *changed = true;
    }
  }
  note(read);
}

NlKernel::NlKernel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NlKernel::~NlKernel() = default;

Result<std::unique_ptr<NlKernel>> NlKernel::open(const Options& options) {
  std::optional<NlSocket> requests;
  std::optional<NlSocket> events;
  UniqueFd ioctl_socket;
  Status opened;
  const auto open_sockets = [&] {
    auto request_socket = NlSocket::open();
    auto event_socket = NlSocket::open();
    if (!request_socket || !event_socket) {
      opened = forward_error(request_socket ? event_socket : request_socket);
      return Ack();
    }
    requests = std::move(*request_socket);
    events = std::move(*event_socket);
    ioctl_socket.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return ioctl_socket ? Ack() : Ack{errno, "opening a socket"};
  };

  UniqueFd netns;
  Ack ack;
  if (options.netns.is_current()) {
    ack = open_sockets();
  } else {
    ack = open_netns(options.netns, &netns);
    if (ack.ok()) ack = in_netns(netns.get(), open_sockets);
  }
  if (!ack.ok()) {
    return tl::unexpected<Error>(
        Error{kind_of(ack.error_number),
              fmt::format("cannot open netlink in network namespace '{}': {} ({})", to_string(options.netns),
                          std::generic_category().message(ack.error_number), ack.detail)});
  }
  if (!opened) return forward_error(opened);

  std::vector<int> groups = {RTNLGRP_LINK};
  if (options.monitor.addresses) groups.insert(groups.end(), {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR});
  if (options.monitor.routes) groups.insert(groups.end(), {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE});
  if (options.monitor.neighbours || options.monitor.fdb) groups.push_back(RTNLGRP_NEIGH);
  events->set_receive_buffer(options.receive_buffer);
  events->set_nonblocking();
  for (const int group : groups) {
    if (Status joined = events->join(group); !joined) return forward_error(joined);
  }
  return std::unique_ptr<NlKernel>(new NlKernel(std::make_unique<Impl>(
      options, std::move(netns), std::move(*requests), std::move(*events), std::move(ioctl_socket))));
}

void NlKernel::run() {
  Impl& impl = *impl_;
  bool changed = false;
  if (!impl.everything_is_stale && impl.drain(&*impl.current, &changed) == NlSocket::Received::Lost) {
    log::warn(kModule, "notifications of the kernel were lost; reading everything again");
    impl.everything_is_stale = true;
  }
  const bool may_read = impl.retry_at == 0 || ml2_time_msec() >= impl.retry_at;
  if (impl.everything_is_stale) {
    if (may_read) impl.refresh_everything();
  } else if (impl.routes_are_stale && may_read) {
    impl.refresh_routes(*impl.current, &changed);
  }
  if (changed) ++impl.sequence;
}

void NlKernel::wait() {
  if (impl_->everything_is_stale || impl_->routes_are_stale) {
    if (impl_->retry_at == 0) {
      ml2_poll_immediate();
    } else {
      ml2_poll_timer(impl_->retry_at - ml2_time_msec());
    }
    // While everything is stale notifications are of no use and would only wake the loop.
    if (impl_->everything_is_stale) return;
  }
  ml2_poll_fd(impl_->events.fd(), POLLIN);
}

const Snapshot* NlKernel::snapshot() const { return impl_->current ? &*impl_->current : nullptr; }
std::uint64_t NlKernel::sequence() const { return impl_->sequence; }
std::uint64_t NlKernel::full_reads() const { return impl_->full_reads; }
Status NlKernel::status() const { return impl_->last_read; }

Status NlKernel::apply(const Batch& batch) {
  const ApplyContext context{impl_->requests, impl_->ioctl_socket.get(), impl_->netns.get()};
  for (std::size_t i = 0; i < batch.operations.size(); ++i) {
    const Operation& operation = batch.operations[i];
    std::optional<Error> error;
    if (Status checked = check(operation); !checked) {
      error = checked.error();
    } else if (Ack ack = apply_operation(context, operation); !ack.ok()) {
      error = error_of(operation, ack.error_number, ack.detail);
    }
    if (error) return tl::unexpected<Error>(error_in_batch(std::move(*error), i, batch.operations.size()));
  }
  return {};
}

Result<Offloads> NlKernel::offloads(const std::string& link) {
  Offloads offloads;
  Ack ack{EINVAL, "no name of a link"};
  if (is_link_name(link)) ack = get_offloads(impl_->ioctl_socket.get(), link, &offloads);
  if (!ack.ok()) {
    return tl::unexpected<Error>(
        Error{kind_of(ack.error_number), fmt::format("cannot read the offloads of '{}': {}", text::printable(link),
                                                     std::generic_category().message(ack.error_number))});
  }
  return offloads;
}

}  // namespace ml2::nl
