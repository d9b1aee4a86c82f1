// fastpath_driver: what a driver of DPDK 22.11 and the ethdev library know of each other, as far as the bench's generator needs it.
//
// libdpdk-dev has the headers for applications only, not those for drivers, but its libraries have the symbols. A driver is
// bound to one version of DPDK in any case; here too: the version is asserted, and the driver reads back by DPDK's public
// functions what it wrote by these layouts before it says that it is there (fastpath_generator.cc).
// Where in the walk: benches; nothing that is installed.
// Threading: layouts and declarations. Failure: none.
// What it does not do: no member is named that is not used; what lies between is counted.
#pragma once

#include <rte_ethdev.h>
#include <rte_version.h>

#include <cstddef>
#include <cstdint>

namespace ml2::bench {

static_assert(RTE_VERSION >= RTE_VERSION_NUM(22, 11, 0, 0) && RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0),
              "these layouts are DPDK 22.11's");

template <class T>
struct Links {  // a member of one of DPDK's lists
  T* next;
  T** previous;
};

// The start of what both sides share of a device; the rest is ethdev's alone.
struct EthdevData {
  char name[RTE_ETH_NAME_MAX_LEN];
  void** receive_queues;
  void** transmit_queues;
  std::uint16_t receive_queue_count;
  std::uint16_t transmit_queue_count;
  rte_eth_dev_sriov virtual_functions;
  void* of_driver;  // given to rte_free() when the device goes
  rte_eth_link link;
  rte_eth_conf conf;
  std::uint16_t mtu;
  std::uint32_t smallest_buffer;
  std::uint64_t no_buffer;
  rte_ether_addr* macs;  // as of_driver
};

struct Ethdev;
using Nothing = void (*)();

// What ethdev calls, by its place in the table; a null pointer is "not supported".
struct EthdevCalls {
  int (*configure)(Ethdev*);
  int (*start)(Ethdev*);
  int (*stop)(Ethdev*);
  Nothing until_close[2];
  int (*close)(Ethdev*);
  Nothing until_link[1];
  int (*link_update)(Ethdev*, int wait);
  Nothing until_promiscuous[1];
  int (*promiscuous[2])(Ethdev*);    // on, off
  int (*all_multicast[2])(Ethdev*);  // on, off
  Nothing until_mtu[4];
  int (*mtu_set)(Ethdev*, std::uint16_t);
  int (*stats_get)(Ethdev*, rte_eth_stats*);
  int (*stats_reset)(Ethdev*);
  Nothing until_information[4];
  int (*information)(Ethdev*, rte_eth_dev_info*);
  Nothing until_receive[16];
  int (*receive_queue_setup)(Ethdev*, std::uint16_t queue, std::uint16_t descriptors, unsigned socket,
                             const rte_eth_rxconf*, rte_mempool*);
  Nothing until_transmit[3];
  int (*transmit_queue_setup)(Ethdev*, std::uint16_t queue, std::uint16_t descriptors, unsigned socket,
                              const rte_eth_txconf*);
  Nothing rest[96];
};
static_assert(offsetof(EthdevCalls, mtu_set) == 17 * sizeof(Nothing) &&
              offsetof(EthdevCalls, information) == 24 * sizeof(Nothing) &&
              offsetof(EthdevCalls, transmit_queue_setup) == 45 * sizeof(Nothing));

// The start of a process's own part of a device.
struct Ethdev {
  eth_rx_burst_t receive;
  eth_tx_burst_t transmit;
  Nothing until_data[4];
  EthdevData* data;
  void* of_process;  // the driver's
  const EthdevCalls* calls;
  rte_device* device;
};

struct VirtualDevice;

struct VirtualDriver {
  Links<VirtualDriver> links;
  Links<void> driver_links;
  const char* name;
  const char* alias;
  int (*probe)(VirtualDevice*);
  int (*remove)(VirtualDevice*);
  Nothing dma[2];
  std::uint32_t flags;
};

// A device of the vdev bus; what is behind the links is opaque to applications, and to us.
struct VirtualDevice {
  Links<VirtualDevice> links;
  [[nodiscard]] rte_device* device() { return reinterpret_cast<rte_device*>(this + 1); }
};

extern "C" {
Ethdev* rte_eth_dev_allocate(const char* name);
Ethdev* rte_eth_dev_allocated(const char* name);
void rte_eth_dev_probing_finish(Ethdev* device);
int rte_eth_dev_release_port(Ethdev* device);
void rte_vdev_register(VirtualDriver* driver);
}

}  // namespace ml2::bench
