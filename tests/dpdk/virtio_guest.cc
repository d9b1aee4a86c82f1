// virtio_guest: a virtual machine for tests, without QEMU: the Linux kernel's network stack behind a vhost-user socket.
//
//     kernel tap (with checksum and TSO left to us) <-> this program <-> virtio-user <-> vhost-user socket <-> ml2-fastpath
//
// What it is: a tap interface with IFF_VNET_HDR, whose headers say the same as a virtio machine's, and DPDK's own virtio
//   driver on the socket. So real TCP with long frames and unmade checksums goes into and comes out of the fast path.
// Where in the walk: tests/system/test_fastpath_vhost.py starts it.
// Threading: one thread; it sleeps when nothing comes.
// Failure: a sentence and exit 1.
// What it does not do: nothing but copying; it is no measure of speed.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_net.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr unsigned kBurst = 32;
volatile std::sig_atomic_t ended = 0;

// virtio 1.1 section 5.1.6 (linux/virtio_net.h is not for C++), in the machine's byte order.
struct NetHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t hdr_len = 0;
  std::uint16_t gso_size = 0;
  std::uint16_t csum_start = 0;
  std::uint16_t csum_offset = 0;
};
static_assert(sizeof(NetHeader) == 10);
constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoNone = 0;
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;

int fail(const char* what, const char* why) {
  std::fprintf(stderr, "virtio_guest: %s: %s\n", what, why);
  return 1;
}

int open_tap(const char* name) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  ifreq request{};
  std::snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  int length = sizeof(NetHeader);
  if (fd < 0 || ::ioctl(fd, TUNSETIFF, &request) != 0 || ::ioctl(fd, TUNSETVNETHDRSZ, &length) != 0) return -1;
  return fd;
}

// What the kernel left undone, as orders to the driver.
void give_orders(const NetHeader& header, rte_mbuf* packet) {
  rte_net_hdr_lens lengths{};
  const std::uint32_t type = rte_net_get_ptype(packet, &lengths, RTE_PTYPE_ALL_MASK);
  packet->l2_len = lengths.l2_len & 0x7fU;
  packet->l3_len = lengths.l3_len & 0x1ffU;
  packet->l4_len = lengths.l4_len;
  if ((header.flags & kNeedsChecksum) == 0) return;
  packet->ol_flags |=
      (type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
  packet->ol_flags |= RTE_ETH_IS_IPV4_HDR(type) != 0 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
  if (header.gso_type == kGsoNone) return;
  packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
  packet->tso_segsz = header.gso_size;
}

// What the fast path left undone, as the kernel hears it.
NetHeader header_of(const rte_mbuf* packet) {
  NetHeader header{};
  if ((packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_NONE) return header;
  rte_net_hdr_lens lengths{};
  const std::uint32_t type = rte_net_get_ptype(packet, &lengths, RTE_PTYPE_ALL_MASK);
  const bool tcp = (type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_TCP;
  header.flags = kNeedsChecksum;
  header.csum_start = static_cast<std::uint16_t>(lengths.l2_len + lengths.l3_len);
  header.csum_offset = tcp ? 16 : 6;
  if ((packet->ol_flags & RTE_MBUF_F_RX_LRO) == 0) return header;
  header.gso_type = RTE_ETH_IS_IPV4_HDR(type) != 0 ? kGsoTcp4 : kGsoTcp6;
  header.gso_size = packet->tso_segsz;
  header.hdr_len = static_cast<std::uint16_t>(header.csum_start + lengths.l4_len);
  return header;
}

rte_mbuf* chain_of(rte_mempool* pool, const char* bytes, std::size_t length) {
  rte_mbuf* first = rte_pktmbuf_alloc(pool);
  rte_mbuf* last = first;
  while (first != nullptr) {
    const std::size_t now = std::min<std::size_t>(length, rte_pktmbuf_tailroom(last));
    std::memcpy(rte_pktmbuf_mtod(last, char*), bytes, now);
    last->data_len = static_cast<std::uint16_t>(now);
    bytes += now;
    length -= now;
    if (last != first) {
      ++first->nb_segs;
    }
    first->pkt_len += static_cast<std::uint32_t>(now);
    if (length == 0) return first;
    last->next = rte_pktmbuf_alloc(pool);
    if (last->next == nullptr) break;
    last = last->next;
  }
  rte_pktmbuf_free(first);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(
        stderr,
        "Usage: virtio_guest SOCKET TAP QUEUES OFFLOADS [server]\n"
        "  OFFLOADS  1: the kernel leaves checksums and segments to the device, and takes frames as such; 0: not\n"
        "  server    the socket is made here (as QEMU does for a client)\n");
    return 2;
  }
  const auto queues = static_cast<std::uint16_t>(std::stoi(argv[3]));
  const bool offloads = std::stoi(argv[4]) != 0;
  std::string device = std::string("--vdev=net_virtio_user0,path=") + argv[1] + ",queues=" + argv[3] +
                       ",queue_size=1024,mac=" + (argc > 6 ? argv[6] : "02:00:00:00:00:99");
  if (argc > 5 && std::strcmp(argv[5], "server") == 0) {
    device += ",server=1";
    ::unlink(argv[1]);  // of a guest that was killed; QEMU takes it away too
  }
  std::string name = "virtio_guest";
  std::string words[] = {name,       "--no-huge", "--no-shconf",         "--no-telemetry",
                         "--no-pci", "-m128",     "--log-level=warning", device};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  const int tap = open_tap(argv[2]);
  if (tap < 0) return fail(argv[2], std::strerror(errno));
  const auto end = [](int) { ended = 1; };
  std::signal(SIGTERM, end);
  std::signal(SIGINT, end);
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0)
    return fail("DPDK", rte_strerror(rte_errno));
  rte_mempool* pool = rte_pktmbuf_pool_create("frames", 8191, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) return fail("buffers", rte_strerror(rte_errno));
  rte_eth_dev_info info{};
  rte_eth_conf conf{};
  if (rte_eth_dev_info_get(0, &info) != 0) return fail("device", "no information");
  conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (offloads) {
    conf.rxmode.offloads |= info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
                                                    RTE_ETH_RX_OFFLOAD_TCP_LRO);
    conf.txmode.offloads |= info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
                                                    RTE_ETH_TX_OFFLOAD_TCP_TSO);
    conf.rxmode.max_lro_pkt_size = info.max_lro_pkt_size;
    const bool tso = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;
    if (::ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | (tso ? TUN_F_TSO4 | TUN_F_TSO6 : 0U)) != 0)
      return fail("TUNSETOFFLOAD", std::strerror(errno));
  }
  int code = rte_eth_dev_configure(0, queues, queues, &conf);
  for (std::uint16_t i = 0; i < queues && code == 0; ++i) {
    code = rte_eth_rx_queue_setup(0, i, 1024, static_cast<unsigned>(SOCKET_ID_ANY), nullptr, pool);
    if (code == 0) code = rte_eth_tx_queue_setup(0, i, 1024, static_cast<unsigned>(SOCKET_ID_ANY), nullptr);
  }
  if (code == 0) code = rte_eth_dev_start(0);
  if (code != 0) return fail("device", rte_strerror(-code));
  std::printf("ready, offloads %#llx\n", static_cast<unsigned long long>(conf.txmode.offloads));
  std::fflush(stdout);

  std::vector<char> buffer(sizeof(NetHeader) + 70000);
  std::uint16_t next = 0;
  unsigned asleep = 0;
  while (ended == 0) {
    bool idle = true;
    for (std::uint16_t queue = 0; queue < queues; ++queue) {
      rte_mbuf* packets[kBurst];
      const std::uint16_t count = rte_eth_rx_burst(0, queue, packets, kBurst);
      for (std::uint16_t i = 0; i < count; ++i) {
        idle = false;
        const NetHeader header = offloads ? header_of(packets[i]) : NetHeader{};
        std::memcpy(buffer.data(), &header, sizeof(header));
        std::size_t length = sizeof(header);
        for (const rte_mbuf* part = packets[i]; part != nullptr; part = part->next) {
          std::memcpy(buffer.data() + length, rte_pktmbuf_mtod(part, const char*), part->data_len);
          length += part->data_len;
        }
        if (::write(tap, buffer.data(), length) < 0 && errno != EAGAIN && errno != EIO)
          std::fprintf(stderr, "virtio_guest: tap: %s\n", std::strerror(errno));
        rte_pktmbuf_free(packets[i]);
      }
    }
    for (unsigned i = 0; i < kBurst; ++i) {
      const ssize_t size = ::read(tap, buffer.data(), buffer.size());
      if (size <= static_cast<ssize_t>(sizeof(NetHeader))) break;
      idle = false;
      NetHeader header;
      std::memcpy(&header, buffer.data(), sizeof(header));
      rte_mbuf* packet =
          chain_of(pool, buffer.data() + sizeof(header), static_cast<std::size_t>(size) - sizeof(header));
      if (packet == nullptr) continue;
      give_orders(header, packet);
      // Each queue in turn, so that all of them are used; the kernel behind the other end does not mind the order.
      const auto queue = static_cast<std::uint16_t>(next++ % queues);
      if (rte_eth_tx_prepare(0, queue, &packet, 1) != 1 || rte_eth_tx_burst(0, queue, &packet, 1) != 1)
        rte_pktmbuf_free(packet);
    }
    if (idle) {
      ::usleep(100);
      // As a server, DPDK's driver takes its peer back when it is asked for its link.
      rte_eth_link link{};
      if (++asleep % 1000 == 0) (void)rte_eth_link_get_nowait(0, &link);
    }
  }
  rte_eth_dev_stop(0);
  rte_eth_dev_close(0);
  return 0;
}
