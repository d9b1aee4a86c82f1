#include "dpdk/process/host_stack.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "datapath/base/log.h"
#include "datapath/base/text.h"
#include "datapath/base/unique_fd.h"
#include "dpdk/process/kernel_interface.h"

namespace ml2::fastpath {
namespace {

// What of the host's stack the device is kept from; `otherwise`: what happens where that cannot be written.
struct Setting {
  const char* family;
  const char* key;
  const char* value;
  const char* otherwise;
};
// Of ip-sysctl.rst of the kernel. rp_filter 1, or 2 where all devices' says so, refuses whatever comes in by a device without
// an address: ARP requests, what is for the host, and what it would route. The other two of IPv4 hold where somebody takes that
// back for all devices, as net.ipv4.ip_forward does with forwarding when it is written. arp_ignore 8: no answer for any of
// the host's addresses.
constexpr Setting kSettings[] = {
    {"ipv6", "disable_ipv6", "1", "the host keeps its IPv6 on this machine's device"},
    {"ipv4", "rp_filter", "1", "the host takes this machine's IPv4 packets"},
    {"ipv4", "arp_ignore", "8", "the host may answer this machine's ARP for its own addresses"},
    {"ipv4", "forwarding", "0", "the host may route this machine's IPv4 packets"},
};

void write_setting(const std::string& path, const Setting& setting) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return;  // a kernel without IPv6, or no such device: opening it says so
  if (!file || ::write(file.get(), setting.value, 1) != 1) {
    log::warn("fastpath", "{} cannot be set to {}, so {}: {}", text::printable(path), setting.value,
              setting.otherwise, std::strerror(errno));
  }
}

}  // namespace

void keep_host_stack_off(const std::string& devargs) {
  const std::string name = borrowed_interface(devargs);
  // It becomes a part of a path.
  if (name.find('/') != std::string::npos || name.find_first_not_of('.') == std::string::npos) return;
  // A "." in a name is a "." here, too: a path, not a sysctl's key.
  for (const Setting& setting : kSettings)
    write_setting(std::string("/proc/sys/net/") + setting.family + "/conf/" + name + "/" + setting.key, setting);
}

}  // namespace ml2::fastpath
