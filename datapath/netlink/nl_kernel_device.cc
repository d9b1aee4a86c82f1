#include "datapath/netlink/nl_kernel_device.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace ml2::nl {
namespace {

// `name` was checked to be shorter than IFNAMSIZ.
ifreq request_for(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

// One of the ETHTOOL_G* or ETHTOOL_S* commands that take one number.
Ack ethtool(int socket, const std::string& name, std::uint32_t command, std::uint32_t* value) {
  ethtool_value argument{.cmd = command, .data = *value};
  ifreq request = request_for(name);
  request.ifr_data = static_cast<char*>(static_cast<void*>(&argument));
  if (ioctl(socket, SIOCETHTOOL, &request) != 0) return {errno, {}};
  *value = argument.data;
  return {};
}

Ack set_feature(int socket, const std::string& name, std::uint32_t command, bool on, const char* feature) {
  std::uint32_t value = on ? 1 : 0;
  Ack ack = ethtool(socket, name, command, &value);
  // A device that cannot have it switched has it off for good, as tun without an opener.
  if (!on && ack.error_number == EOPNOTSUPP) return {};
  if (!ack.ok()) ack.detail = feature;
  return ack;
}

}  // namespace

Ack open_netns(const NetnsRef& netns, UniqueFd* fd) {
  const std::string path = netns.is_current() ? "/proc/thread-self/ns/net" : netns.path;
  fd->reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!*fd) return {errno, "network namespace " + path};
  return {};
}

Ack in_netns(int netns_fd, const std::function<Ack()>& work) {
  Ack ack;
  try {
    std::thread worker([&] {
      if (setns(netns_fd, CLONE_NEWNET) != 0) {
        ack = {errno, "entering the network namespace"};
        return;
      }
      ack = work();
    });
    worker.join();
  } catch (const std::system_error& error) {
    ack = {EAGAIN, std::string("starting a thread: ") + error.what()};
  }
  return ack;
}

Ack link_index(int socket, const std::string& name, int* index) {
  ifreq request = request_for(name);
  if (ioctl(socket, SIOCGIFINDEX, &request) != 0) return {errno, {}};
  *index = request.ifr_ifindex;
  return {};
}

Ack create_tap(const CreateTap& tap) {
  constexpr const char* kDevice = "/dev/net/tun";
  UniqueFd fd(::open(kDevice, O_RDWR | O_CLOEXEC));
  if (!fd) return {errno, kDevice};
  ifreq request = request_for(tap.name);
  int flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL;
  if (tap.multi_queue) flags |= IFF_MULTI_QUEUE;
  if (tap.vnet_hdr) flags |= IFF_VNET_HDR;
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    // With IFF_TUN_EXCL "busy" means that a device of this name is there (drivers/net/tun.c: tun_set_iff).
    return {errno == EBUSY ? EEXIST : errno, {}};
  }
  if (tap.owner && ioctl(fd.get(), TUNSETOWNER, static_cast<unsigned long>(*tap.owner)) != 0) {
    return {errno, "setting its owner"};
  }
  // Until here closing the descriptor takes the device away again.
  if (ioctl(fd.get(), TUNSETPERSIST, 1UL) != 0) return {errno, "making it persistent"};
  return {};
}

Ack set_offloads(int socket, const SetOffloads& offloads) {
  // TSO needs the checksum offload, so that comes first on the way up; on the way down the kernel takes TSO with it.
  if (Ack ack = set_feature(socket, offloads.link, ETHTOOL_STXCSUM, offloads.tx_checksum, "tx checksum"); !ack.ok()) {
    return ack;
  }
  if (Ack ack = set_feature(socket, offloads.link, ETHTOOL_STSO, offloads.tso, "tso"); !ack.ok()) return ack;
  return set_feature(socket, offloads.link, ETHTOOL_SGSO, offloads.gso, "gso");
}

Ack get_offloads(int socket, const std::string& name, Offloads* offloads) {
  const auto get = [&](std::uint32_t command, bool* on) {
    std::uint32_t value = 0;
    Ack ack = ethtool(socket, name, command, &value);
    if (ack.error_number == EOPNOTSUPP) ack = {};
    *on = value != 0;
    return ack;
  };
  if (Ack ack = get(ETHTOOL_GTXCSUM, &offloads->tx_checksum); !ack.ok()) return ack;
  if (Ack ack = get(ETHTOOL_GTSO, &offloads->tso); !ack.ok()) return ack;
  return get(ETHTOOL_GGSO, &offloads->gso);
}

}  // namespace ml2::nl
