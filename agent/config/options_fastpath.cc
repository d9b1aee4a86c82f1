// [fastpath]: ml2-fastpath, the DPDK process that serves ports beside Open vSwitch, or instead of it. The options that are
// `process` are its own: it reads this section of the same file, and has each of them on its command line.
#include "agent/config/options.h"

namespace ml2::config {

std::vector<Option> fast_path_options() {
  using enum OptionType;
  constexpr auto kGroup = "fastpath";
  return {
      {.group = kGroup,
       .name = "enabled",
       .type = Bool,
       .fallback = "false",
       .meaning = "Program ml2-fastpath on this host"},
      {.group = kGroup,
       .name = "socket",
       .fallback = "/run/ml2-fastpath/control",
       .meaning = "The control socket of ml2-fastpath",
       .process = true},
      {.group = kGroup,
       .name = "cores",
       .type = List,
       .fallback = "1",
       .meaning = "Processors of ml2-fastpath's workers, one each, polled all the time, as in 2,3. Where it is set, "
                  "the agent says when the ml2-fastpath that runs has others",
       .check = Check::Processors,
       .process = true},
      {.group = kGroup,
       .name = "control_core",
       .type = Int,
       .fallback = "-1",
       .meaning = "Processor for everything else that ml2-fastpath does; -1: any",
       .min = -1,
       .max = 127,
       .process = true},
      {.group = kGroup,
       .name = "mbufs",
       .type = Int,
       .fallback = "65535",
       .meaning = "Packet buffers of ml2-fastpath, of 2 KB each",
       .min = 1023,
       .max = 16777215,
       .process = true},
      {.group = kGroup,
       .name = "memory",
       .type = Int,
       .fallback = "0",
       .meaning = "Memory that DPDK takes at start, in MB; 0: what it needs, as it needs it (with no_huge: what the "
                  "buffers need)",
       .min = 0,
       .max = 1048576,
       .process = true},
      {.group = kGroup,
       .name = "no_huge",
       .type = Bool,
       .fallback = "false",
       .meaning = "Ordinary pages instead of huge pages: slower, for trying out; PCI NICs need huge pages",
       .process = true},
      {.group = kGroup,
       .name = "pci",
       .type = List,
       .fallback = "",
       .meaning = "NICs that ml2-fastpath may use, by PCI address as in 0000:01:00.0, besides those that "
                  "tunnel_device, tunnel_host_device and physnet_devices name",
       .check = Check::PciAddresses,
       .process = true},
      {.group = kGroup,
       .name = "driver",
       .type = List,
       .fallback = "",
       .meaning = "Drivers of DPDK that are not among its own, to be loaded by ml2-fastpath: paths of shared objects "
                  "made for this DPDK, which nobody but root or ml2-fastpath's user may write to",
       .process = true},
      {.group = kGroup,
       .name = "isa",
       .fallback = "best",
       .meaning = "Instruction set of the packet walk; best: of those that the processor has",
       .choices = {"best", "scalar", "avx2", "avx512"},
       .process = true},
      {.group = kGroup,
       .name = "ports",
       .fallback = "vhostuser",
       .meaning =
           "Which ports it serves, of those that are not plugged into the integration bridge: vhostuser: those bound "
           "with vif_type vhostuser, and normal ports are bound so here; all: besides, every port whose kernel "
           "device (tap and the first 11 characters of the port's id) is on this host, and normal ports are bound "
           "with vif_type tap here. Debian's DPDK has room for 32 devices, NICs included (RTE_MAX_ETHPORTS): the "
           "ports beyond stay DOWN, and status says so",
       .choices = {"vhostuser", "all"}},
      {.group = kGroup,
       .name = "vhostuser_mode",
       .fallback = "server",
       .meaning = "The hypervisor's end of a vhost-user socket (vhu and the first 11 characters of the port's id, in "
                  "vhostuser_socket_dir): server: it makes the socket, and the fast path connects, again and again; "
                  "client: the fast path makes the socket",
       .choices = {"server", "client"}},
      {.group = kGroup,
       .name = "tunnel_device",
       .fallback = "",
       .meaning = "DPDK device that carries VXLAN, as devargs: 0000:01:00.0, or net_af_packet_up,iface=eth1. While "
                  "it is set, "
                  "Open vSwitch has no VXLAN tunnels here; its ports of vxlan networks reach other hosts through the "
                  "fast path. Empty: Open vSwitch carries VXLAN"},
      {.group = kGroup,
       .name = "tunnel_host_device",
       .fallback = "",
       .meaning =
           "DPDK device by which this host goes on to use tunnel_device: what is not the fast path's goes there and "
           "back; its other end in the kernel has local_ip. net_tap_host,iface=fp-host,mac=MAC, or "
           "net_virtio_user_host,path=/dev/vhost-net,iface=fp-host,mac=MAC. The interface comes and goes with "
           "ml2-fastpath, so "
           "the host's network configuration has to give it local_ip whenever it appears; with net_tap it may be "
           "made before "
           "(ip tuntap add dev fp-host mode tap multi_queue), and then it and its address stay. MAC: of yours, "
           "always the same. Not needed while the kernel has the NIC too "
           "(net_af_packet)"},
      {.group = kGroup,
       .name = "tunnel_vlan",
       .type = Int,
       .fallback = "0",
       .meaning = "VLAN of the underlay on tunnel_device; 0: untagged",
       .min = 0,
       .max = 4094},
      {.group = kGroup,
       .name = "physnet_devices",
       .type = Multi,
       .fallback = "",
       .meaning =
           "A physical network and the DPDK device that leads to it, as physical network:devargs. Such a physical "
           "network is not in bridge_mappings. It may be the device of tunnel_device"},
      {.group = kGroup,
       .name = "kernel_driver",
       .fallback = "net_af_packet",
       .meaning = "DPDK driver for devices of the kernel: taps, and the patch to the integration bridge",
       .choices = {"net_af_packet", "net_af_xdp"}},
      {.group = kGroup,
       .name = "queues",
       .type = Int,
       .fallback = "1",
       .meaning = "Receive queues of each port; ml2-fastpath deals them out to its workers",
       .min = 1,
       .max = 16},
  };
}

}  // namespace ml2::config
