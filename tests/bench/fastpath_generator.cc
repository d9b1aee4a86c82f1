// net_ml2gen: a DPDK device that makes the bench's load as it is asked for, for any DPDK program: -d fastpath_generator.so
// --vdev=net_ml2gen0,frame=FILE,macs=N.
//
//   frame=FILE  one frame as bytes: Ethernet, IPv4, UDP, perhaps with a tag, of at most 64 bytes; or that in VXLAN over IPv4,
//               of at most 128
//   macs=N      the last three bytes of its (inner) destination address take N values, 0 to N - 1; default 1
//   vteps=N     in VXLAN: as many outer source addresses, from the frame's own upwards; a power of two up to 64; default 1
//
// Each received frame is a fresh buffer of the queue's pool: a copy of FILE in which those values, and what depends on them, are
// written: the (inner) UDP source port, the outer one, the outer header's checksum. All of it comes from the number of the
// frame, and the frame from the first cache; so the load is in the caches as a NIC's is that writes into them (DDIO), the number
// of destinations changes nothing about its cost, and whoever forwards it pays for his tables only. The order is that of a
// bijection of 24 bits: no station's turn can be foreseen, all of N come within 2^24 frames, and as often as each other
// (to one time).
// Without `frame` nothing is received. What is sent into it is counted and freed.
// Threading: a queue is one thread's. Failure: a device that says why on stderr and is not there.
// What it does not do: no offloads, no RSS hash, no second family: it is a load, not a NIC.
#include <rte_dev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "tests/bench/fastpath_driver.h"

namespace ml2::bench {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kLongest = 2 * kLine;
constexpr std::size_t kEthernet = 14;
constexpr std::size_t kTag = 4;
constexpr std::size_t kIpv4 = 20;
constexpr std::size_t kOuter = kEthernet + kIpv4 + 8 + 8;
constexpr unsigned kMaxVteps = 64;
constexpr unsigned kMaxQueues = 16;
constexpr unsigned kMaxBurst = 64;
constexpr std::uint32_t kTurn = 1U << 24U;

std::uint16_t read16(const std::uint8_t* from) { return static_cast<std::uint16_t>(from[0] << 8U | from[1]); }

void write16(std::uint8_t* to, std::uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(to, &value, sizeof(value));
}

struct Load {
  alignas(kLine) std::uint8_t frame[kLongest] = {};
  std::uint16_t length = 0;  // 0: nothing is received
  std::size_t inner = 0;     // where the inner Ethernet header is
  std::size_t udp = 0;       // and the inner UDP header
  std::uint32_t macs = 1;
  std::uint32_t vteps = 1;
  // Bytes 24 to 31 of the outer frame, by VTEP: checksum, source, the first half of the destination.
  alignas(kLine) std::uint64_t outer[kMaxVteps] = {};
};

constexpr std::size_t kOuterChecksum = kEthernet + 10;
constexpr std::size_t kOuterSource = kEthernet + 12;
constexpr std::size_t kOuterUdp = kEthernet + kIpv4;

std::uint16_t ipv4_checksum(const std::uint8_t* header) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < kIpv4; i += 2)
    if (i != kOuterChecksum - kEthernet) sum += read16(header + i);
  sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~(sum + (sum >> 16U)));
}

bool is_udp(const std::uint8_t* frame, std::size_t length, std::size_t ip) {
  return length >= ip + kIpv4 + 8 && read16(frame + ip - 2) == 0x0800 && frame[ip] == 0x45 && frame[ip + 9] == 17;
}

// What is wrong with it, or nothing.
const char* understand(Load& load) {
  constexpr std::uint16_t kVxlanPort = 4789;
  const bool vxlan = is_udp(load.frame, load.length, kEthernet) && read16(load.frame + kOuterUdp + 2) == kVxlanPort;
  load.inner = vxlan ? kOuter : 0;
  std::size_t ip = load.inner + kEthernet;
  if (load.length > ip && read16(load.frame + ip - 2) == 0x8100) ip += kTag;
  if (!is_udp(load.frame, load.length, ip)) return "frame: neither IPv4 and UDP nor that in VXLAN";
  load.udp = ip + kIpv4;
  if (!vxlan && load.length > kLine) return "frame: of more than 64 bytes";
  if (load.macs == 0 || load.macs > kTurn) return "macs: 1 to 2^24";
  if (load.vteps == 0 || load.vteps > kMaxVteps || (load.vteps & (load.vteps - 1)) != 0)
    return "vteps: a power of two up to 64";
  if (load.frame[kOuterSource + 3] + load.vteps > 256) return "vteps: more than the address has room for";
  for (std::uint32_t i = 0; i < load.vteps; ++i) {
    std::uint8_t header[kOuterUdp];
    std::memcpy(header, load.frame, sizeof(header));
    header[kOuterSource + 3] = static_cast<std::uint8_t>(header[kOuterSource + 3] + i);
    write16(header + kOuterChecksum, ipv4_checksum(header + kEthernet));
    std::memcpy(&load.outer[i], header + kOuterChecksum, sizeof(load.outer[i]));
  }
  return nullptr;
}

struct alignas(kLine) Queue {
  const Load* load = nullptr;
  rte_mempool* pool = nullptr;
  std::uint64_t rearmed = 0;  // data offset, references, segments and port, as a buffer has them in one word
  std::uint32_t next = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

struct Device {
  Load load;
  Queue received[kMaxQueues];
  Queue sent[kMaxQueues];
};

// Which station's turn it is. A multiplication by an odd number and a shift to the right change each number into another.
inline std::uint32_t station(std::uint32_t number, std::uint32_t macs) {
  constexpr std::uint32_t kMask = kTurn - 1;
  std::uint32_t mixed = number * 0x9e3779b1U & kMask;
  mixed ^= mixed >> 12U;
  mixed = mixed * 0x85ebca6bU & kMask;
  mixed ^= mixed >> 12U;
  return static_cast<std::uint32_t>(std::uint64_t{mixed} * macs >> 24U);
}

template <bool kVxlan>
inline void make(const Load& load, std::uint8_t* data, std::uint32_t which) {
  std::memcpy(data, load.frame, kVxlan ? kLongest : kLine);
  std::uint8_t* const inner = data + (kVxlan ? kOuter : 0);
  std::uint64_t head = 0;
  std::memcpy(&head, load.frame + (kVxlan ? kOuter : 0), sizeof(head));
  head = (head & 0xffff000000ffffffULL) | static_cast<std::uint64_t>(__builtin_bswap32(which)) >> 8U << 24U;
  std::memcpy(inner, &head, sizeof(head));
  write16(data + load.udp, static_cast<std::uint16_t>(1024 + (which & 0x7fffU)));
  if constexpr (kVxlan) {
    std::memcpy(data + kOuterChecksum, &load.outer[which & (load.vteps - 1)], sizeof(std::uint64_t));
    write16(data + kOuterUdp, static_cast<std::uint16_t>(49152 + (which & 0x3fffU)));
  }
}

template <bool kVxlan>
std::uint16_t receive(void* from, rte_mbuf** packets, std::uint16_t wanted) {
  Queue& queue = *static_cast<Queue*>(from);
  const Load& load = *queue.load;
  const unsigned count = std::min<unsigned>(wanted, kMaxBurst);
  if (rte_mempool_get_bulk(queue.pool, reinterpret_cast<void**>(packets), count) != 0) return 0;
  std::uint32_t stations[kMaxBurst];
  const std::uint32_t first = queue.next;
  const std::uint32_t macs = load.macs;
  const unsigned whole = (count + 15) & ~15U;
  for (unsigned i = 0; i < whole; ++i) stations[i] = station(first + i, macs);
  queue.next = first + count;
  const std::uint64_t rearmed = queue.rearmed;
  const std::uint32_t length = load.length;
  for (unsigned i = 0; i < count; ++i) {
    rte_mbuf* packet = packets[i];
    // All that a receiving driver says; the pool's buffers have no next one.
    std::memcpy(&packet->rearm_data, &rearmed, sizeof(rearmed));
    packet->ol_flags = 0;
    const std::uint32_t said[4] = {0, length, length, 0};  // type, length, of this piece (and no tag), no hash
    std::memcpy(&packet->rx_descriptor_fields1, said, sizeof(said));
    make<kVxlan>(load, static_cast<std::uint8_t*>(packet->buf_addr) + RTE_PKTMBUF_HEADROOM, stations[i]);
  }
  queue.packets += count;
  queue.bytes += std::uint64_t{count} * length;
  return static_cast<std::uint16_t>(count);
}

std::uint16_t receive_nothing(void*, rte_mbuf**, std::uint16_t) { return 0; }

std::uint16_t transmit(void* to, rte_mbuf** packets, std::uint16_t count) {
  Queue& queue = *static_cast<Queue*>(to);
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) bytes += packets[i]->pkt_len;
  rte_pktmbuf_free_bulk(packets, count);
  queue.packets += count;
  queue.bytes += bytes;
  return count;
}

Device& device_of(Ethdev* ethdev) { return *static_cast<Device*>(ethdev->of_process); }

int nothing(Ethdev*) { return 0; }

int set_link(Ethdev* ethdev, bool up) {
  rte_eth_link& link = ethdev->data->link;
  link = {};
  link.link_speed = RTE_ETH_SPEED_NUM_100G;
  link.link_duplex = RTE_ETH_LINK_FULL_DUPLEX;
  link.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN;
  return 0;
}

int information(Ethdev*, rte_eth_dev_info* info) {
  info->max_mac_addrs = 1;
  info->max_rx_pktlen = UINT32_MAX;
  info->max_rx_queues = kMaxQueues;
  info->max_tx_queues = kMaxQueues;
  info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  return 0;
}

int receive_queue_setup(Ethdev* ethdev, std::uint16_t number, std::uint16_t, unsigned, const rte_eth_rxconf*,
                        rte_mempool* pool) {
  Device& device = device_of(ethdev);
  if (rte_pktmbuf_data_room_size(pool) < RTE_PKTMBUF_HEADROOM + kLongest) return -ENOMEM;
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name(ethdev->data->name, &port) != 0) return -ENODEV;
  Queue& queue = device.received[number];
  queue = {};
  queue.load = &device.load;
  queue.pool = pool;
  queue.rearmed = std::uint64_t{RTE_PKTMBUF_HEADROOM} | std::uint64_t{1} << 16U | std::uint64_t{1} << 32U |
                  std::uint64_t{port} << 48U;
  ethdev->data->receive_queues[number] = &queue;
  return 0;
}

int transmit_queue_setup(Ethdev* ethdev, std::uint16_t number, std::uint16_t, unsigned, const rte_eth_txconf*) {
  Queue& queue = device_of(ethdev).sent[number];
  queue = {};
  ethdev->data->transmit_queues[number] = &queue;
  return 0;
}

// Other threads read what a queue's own counts: a word each, perhaps one burst old.
int stats_get(Ethdev* ethdev, rte_eth_stats* stats) {
  const auto read = [](const std::uint64_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); };
  const Device& device = device_of(ethdev);
  for (unsigned i = 0; i < kMaxQueues; ++i) {
    stats->ipackets += read(device.received[i].packets);
    stats->ibytes += read(device.received[i].bytes);
    stats->opackets += read(device.sent[i].packets);
    stats->obytes += read(device.sent[i].bytes);
  }
  return 0;
}

int close(Ethdev* ethdev) {
  delete static_cast<Device*>(ethdev->of_process);
  ethdev->of_process = nullptr;
  return 0;
}

const EthdevCalls kCalls = [] {
  EthdevCalls calls{};
  calls.configure = nothing;
  calls.start = [](Ethdev* ethdev) { return set_link(ethdev, true); };
  calls.stop = [](Ethdev* ethdev) { return set_link(ethdev, false); };
  calls.close = close;
  calls.link_update = [](Ethdev*, int) { return 0; };
  for (auto* set : {calls.promiscuous, calls.all_multicast}) set[0] = set[1] = nothing;
  calls.mtu_set = [](Ethdev*, std::uint16_t) { return 0; };
  calls.stats_get = stats_get;
  calls.stats_reset = nothing;
  calls.information = information;
  calls.receive_queue_setup = receive_queue_setup;
  calls.transmit_queue_setup = transmit_queue_setup;
  return calls;
}();

bool number_of(std::string_view text, std::uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// What is wrong, or nothing.
const char* read_frame(const std::string& path, Load& load) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return "frame: the file cannot be read";
  std::uint8_t bytes[kLongest + 1];
  const std::size_t length = std::fread(bytes, 1, sizeof(bytes), file.get());
  if (length == 0 || length > kLongest) return "frame: 1 to 128 bytes";
  std::memcpy(load.frame, bytes, length);
  load.length = static_cast<std::uint16_t>(length);
  return nullptr;
}

const char* read_arguments(std::string_view text, Load& load) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = word.substr(std::min(word.size(), equals + 1));
    if (name == "frame") {
      if (const char* wrong = read_frame(std::string(value), load); wrong != nullptr) return wrong;
    } else if (name != "macs" && name != "vteps") {
      return "arguments are frame=FILE, macs=N, vteps=N";
    } else if (!number_of(value, name == "macs" ? load.macs : load.vteps)) {
      return "macs, vteps: a number";
    }
  }
  return load.length == 0 ? nullptr : understand(load);
}

// The layouts of fastpath_driver.h are this DPDK's, when its public functions find what was put there.
bool reads_back(const char* name, const rte_ether_addr& mac) {
  std::uint16_t port = 0;
  rte_ether_addr read{};
  rte_eth_link link{};
  return rte_eth_dev_get_port_by_name(name, &port) == 0 && rte_eth_macaddr_get(port, &read) == 0 &&
         rte_is_same_ether_addr(&read, &mac) != 0 && rte_eth_link_get_nowait(port, &link) == 0 &&
         link.link_speed == RTE_ETH_SPEED_NUM_100G;
}

int probe(VirtualDevice* bus_device) {
  rte_device* device = bus_device->device();
  const char* name = rte_dev_name(device);
  const rte_devargs* arguments = rte_dev_devargs(device);
  auto made = std::make_unique<Device>();
  const char* wrong =
      read_arguments(arguments != nullptr && arguments->args != nullptr ? arguments->args : "", made->load);
  if (wrong != nullptr) {
    std::fprintf(stderr, "%s: %s\n", name, wrong);
    return -EINVAL;
  }
  Ethdev* ethdev = rte_eth_dev_allocate(name);
  if (ethdev == nullptr) return -ENOMEM;
  auto* mac = static_cast<rte_ether_addr*>(rte_zmalloc("net_ml2gen", sizeof(rte_ether_addr), 0));
  if (mac == nullptr) {
    rte_eth_dev_release_port(ethdev);
    return -ENOMEM;
  }
  rte_eth_random_addr(mac->addr_bytes);
  const rte_ether_addr own = *mac;
  ethdev->data->macs = mac;
  const Load& load = made->load;
  ethdev->receive = load.length == 0 ? receive_nothing : load.inner == 0 ? receive<false> : receive<true>;
  ethdev->transmit = transmit;
  ethdev->calls = &kCalls;
  ethdev->device = device;
  ethdev->of_process = made.release();
  set_link(ethdev, false);
  rte_eth_dev_probing_finish(ethdev);
  if (reads_back(name, own)) return 0;
  std::fprintf(stderr, "%s: this DPDK's devices look other than 22.11's\n", name);
  close(ethdev);
  rte_eth_dev_release_port(ethdev);
  return -ENOTSUP;
}

int remove(VirtualDevice* bus_device) {
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name(rte_dev_name(bus_device->device()), &port) != 0) return 0;  // closed already
  return rte_eth_dev_close(port);
}

VirtualDriver driver{{}, {}, "net_ml2gen", nullptr, probe, remove, {}, 0};

[[gnu::constructor]] void register_driver() { rte_vdev_register(&driver); }

}  // namespace
}  // namespace ml2::bench
