// vhost: what only vhost-user ports have: a socket that a virtual machine's virtio device is on the other end of.
//
// What it is: the socket of a port's devargs made ready (server mode), and what the machine has agreed to: link, queues,
//   offloads. "net_vhost3,iface=/run/openvswitch/vhu0123,queues=2,tso=1": we are the server; with client=1 QEMU is.
// Where in the walk: beside it: Devices asks when it opens a port and whenever DPDK tells of a change.
// Threading: ready_socket() on the control thread; the rest on DPDK's vhost thread too.
// Failure: a socket path that something else uses is a sentence; a machine that is away has no offloads and no queues.
//   net_vhost opens the socket within rte_eth_dev_configure(), before anybody can say what it is to offer: a machine that asks
//   in the few microseconds until withhold_udp_segments() may agree to what the walk does not do, which is a warning.
// What it does not do: no reconnecting of its own: in client mode DPDK tries again until the socket is there.
#pragma once

#include <cstdint>
#include <string>

#include "datapath/base/result.h"

namespace ml2::fastpath {

[[nodiscard]] bool is_vhost(const std::string& devargs);
// The value of `key` in "name,key=value,...", empty when it is not there.
[[nodiscard]] std::string device_argument(const std::string& devargs, const std::string& key);
// In server mode: takes away a socket that nobody serves any more (ours, of a process that was killed).
[[nodiscard]] Status ready_socket(const std::string& devargs);

// DPDK's vhost offers UDP datagrams that are longer than a packet (UFO), which the walk drops (finish.h); a machine that is
// not offered it cuts them itself. To be called right after rte_eth_dev_configure(), which begins to offer. ECN of long TCP
// frames stays offered: finish.h cuts those as RFC 3168 says.
[[nodiscard]] Status withhold_udp_segments(const std::string& devargs);
// The machine asked before that, and sends them.
[[nodiscard]] bool vhost_sends_udp_segments(std::uint16_t ethdev);

// What the machine behind it takes of frames from us, as bits of Takes (dpdk/walk/offload.h).
[[nodiscard]] std::uint8_t vhost_takes(std::uint16_t ethdev);
// The MTU that the machine was told (VIRTIO_NET_F_MTU); 0: none.
[[nodiscard]] std::uint16_t vhost_guest_mtu(std::uint16_t ethdev);

// Which of the machine's receive queues it has enabled: it may have fewer than the device, and may change that.
class VhostQueues {
 public:
  // Takes in what DPDK has to tell; returns how many queues, from the first on, may be sent to.
  std::uint16_t follow(std::uint16_t ethdev);
  // The machine is gone; it tells of its queues again when it comes back.
  void forget() { enabled_ = 0; }

 private:
  std::uint64_t enabled_ = 0;  // bit i: queue i
};

}  // namespace ml2::fastpath
