#include "dpdk/process/host_stack.h"

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "datapath/base/log.h"
#include "datapath/base/text.h"
#include "datapath/base/unique_fd.h"

namespace ml2::fastpath {
namespace {

// Of "net_af_packet_tap0,iface=tap0,qpairs=1": tap0; empty: none, or none that could be a file's name.
std::string interface_of(const std::string& devargs) {
  for (const std::string& word : text::split(devargs, ',')) {
    constexpr std::string_view kKey = "iface=";
    if (!word.starts_with(kKey)) continue;
    const std::string name = word.substr(kKey.size());
    const bool usable = !name.empty() && name.size() < IF_NAMESIZE && name.find('/') == std::string::npos &&
                        name.find_first_not_of('.') != std::string::npos;
    return usable ? name : std::string();
  }
  return {};
}

}  // namespace

void keep_host_stack_off(const std::string& devargs) {
  if (!devargs.starts_with("net_af_packet") && !devargs.starts_with("net_af_xdp")) return;
  const std::string name = interface_of(devargs);
  if (name.empty()) return;
  // A "." in a name is a "." here, too: a path, not a sysctl's key.
  const std::string path = "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6";
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return;  // a kernel without IPv6, or no such device: opening it says so
  if (!file || ::write(file.get(), "1", 1) != 1) {
    log::warn("fastpath", "{}: the host keeps its IPv6 on this machine's device: {}", text::printable(path),
              std::strerror(errno));
  }
}

}  // namespace ml2::fastpath
