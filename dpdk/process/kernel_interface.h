// kernel_interface: the interface of the host that an AF_PACKET or AF_XDP device stands on, and whether it is still the same one.
//
// These drivers bind to an interface's number once. When the interface is deleted they go on as if nothing had happened: their
// link is "up", they take every frame that is sent, and an interface of the same name that is made later has another number,
// of which they know nothing. So somebody has to look.
//
// Where in the walk: Devices keeps one for each such device, and looks now and then and when somebody asks.
// Threading: the control thread.
// Failure: where the kernel cannot be asked, the interface counts as there and running.
// What it does not do: no interfaces that a device makes itself (net_tap): these go with it, and it has a link state of its own.
#pragma once

#include <string>

#include "datapath/base/unique_fd.h"

namespace ml2::fastpath {

// Whose interface a device with these devargs borrows: "net_af_packet_tap0,iface=tap0" borrows tap0; empty: nobody's.
[[nodiscard]] std::string borrowed_interface(const std::string& devargs);

class KernelInterfaces {
 public:
  KernelInterfaces();

  enum class State { Running, Down, Gone };
  // Of the interface of this number, whatever its name is now. Moved to another namespace it is gone.
  [[nodiscard]] State state(unsigned index) const;
  // 0: there is none of that name.
  [[nodiscard]] unsigned index_of(const std::string& name) const;

 private:
  UniqueFd socket_;
};

}  // namespace ml2::fastpath
