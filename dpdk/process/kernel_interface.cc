#include "dpdk/process/kernel_interface.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "datapath/base/text.h"

namespace ml2::fastpath {

std::string borrowed_interface(const std::string& devargs) {
  if (!devargs.starts_with("net_af_packet") && !devargs.starts_with("net_af_xdp")) return {};
  constexpr std::string_view kKey = "iface=";
  for (const std::string& word : text::split(devargs, ',')) {
    if (!word.starts_with(kKey)) continue;
    const std::string name = word.substr(kKey.size());
    return name.size() < IF_NAMESIZE ? name : std::string();
  }
  return {};
}

KernelInterfaces::KernelInterfaces() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

KernelInterfaces::State KernelInterfaces::state(unsigned index) const {
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(index);
  if (::ioctl(socket_.get(), SIOCGIFNAME, &request) != 0) return errno == ENODEV ? State::Gone : State::Running;
  // The name stays where it is; the flags take the number's place.
  if (::ioctl(socket_.get(), SIOCGIFFLAGS, &request) != 0) return errno == ENODEV ? State::Gone : State::Running;
  return (request.ifr_flags & IFF_RUNNING) != 0 ? State::Running : State::Down;
}

unsigned KernelInterfaces::index_of(const std::string& name) const {
  ifreq request{};
  if (name.empty() || name.size() >= sizeof(request.ifr_name)) return 0;
  std::memcpy(request.ifr_name, name.c_str(), name.size() + 1);
  return ::ioctl(socket_.get(), SIOCGIFINDEX, &request) == 0 ? static_cast<unsigned>(request.ifr_ifindex) : 0;
}

}  // namespace ml2::fastpath
