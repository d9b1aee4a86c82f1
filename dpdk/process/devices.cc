#include "dpdk/process/devices.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include <algorithm>

#include "datapath/base/log.h"
#include "datapath/base/text.h"
#include "dpdk/process/host_stack.h"
#include "dpdk/walk/offload.h"

namespace ml2::fastpath {

namespace {

constexpr std::uint16_t kDescriptors = 1024;
constexpr unsigned kMost = RTE_MAX_ETHPORTS;
constexpr std::uint64_t kSendChecksums = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
constexpr std::uint64_t kReceiveChecksums = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
// What tunnel TSO needs beside itself: the NIC writes the outer lengths and sums of every segment.
constexpr std::uint64_t kSendTunnel =
    RTE_ETH_TX_OFFLOAD_VXLAN_TNL_TSO | RTE_ETH_TX_OFFLOAD_OUTER_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;

// "net_tap0,iface=tap0" is the device net_tap0.
std::string device_name(const std::string& devargs) { return devargs.substr(0, devargs.find(',')); }

bool is_virtio(const std::string& driver) { return driver.find("virtio") != std::string::npos; }
// Drivers that would do in software, and in part only, what the walk does (net_tap cuts no IPv6), or do not look at the
// flags at all.
bool offloads_in_vain(const std::string& driver) {
  return driver == "net_tap" || driver == "net_af_packet" || driver == "net_pcap" || driver == "net_null";
}

std::uint8_t takes_of(std::uint64_t offloads) {
  std::uint8_t takes = 0;
  if ((offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0) takes |= kTakesPieces;
  if ((offloads & kSendChecksums) != kSendChecksums) return takes;
  takes |= kTakesChecksum;
  if ((offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0) takes |= kTakesTso4 | kTakesTso6;
  if ((offloads & kSendTunnel) == kSendTunnel) takes |= kTakesTunnel;
  return takes;
}

constexpr rte_eth_event_type kEvents[] = {RTE_ETH_EVENT_INTR_LSC, RTE_ETH_EVENT_QUEUE_STATE, RTE_ETH_EVENT_INTR_RMV};

int link_or_queue_changed(std::uint16_t ethdev, rte_eth_event_type event, void* argument, void*) {
  auto& followed = *static_cast<Followed*>(argument);
  if (event == RTE_ETH_EVENT_INTR_RMV) {
    followed.unplugged = true;  // tell() says it
    return 0;
  }
  const std::lock_guard<std::mutex> lock(followed.mutex);
  if (followed.vhost) {
    if (event == RTE_ETH_EVENT_INTR_LSC) {
      rte_eth_link link{};
      const bool up = rte_eth_link_get_nowait(ethdev, &link) == 0 && link.link_status != 0;
      if (!up) followed.queues.forget();
      // The machine that comes back may take less than the one before.
      store_shared(followed.shared->takes[followed.port], up ? vhost_takes(ethdev) : std::uint8_t{kTakesPieces});
    }
    const std::uint16_t queues = followed.queues.follow(ethdev);
    store_shared(followed.device->transmit_queues,
                 std::clamp<std::uint16_t>(queues, 1, followed.device->all_transmit_queues));
  }
  return 0;
}

}  // namespace

Devices::~Devices() {
  while (!opened_.empty()) let_go(opened_.begin()->first);
}

std::string Devices::count_members() {
  return fmt::format("\"devices\":{},\"max_devices\":{}", rte_eth_dev_count_total(), kMost);
}

void Devices::remove(std::uint16_t ethdev) {
  rte_eth_dev_info info{};
  rte_device* device = rte_eth_dev_info_get(ethdev, &info) == 0 ? info.device : nullptr;
  rte_eth_dev_stop(ethdev);
  rte_eth_dev_close(ethdev);
  if (device != nullptr) rte_dev_remove(device);
}

Status Devices::open(const abi::Port& port) {
  const std::string devargs = port.devargs;
  const std::string shown = text::printable(devargs);
  if (devargs.empty()) return invalid("no devargs: which DPDK device is it?");
  Opened opened;
  opened.name = device_name(devargs);
  for (const auto& [id, other] : opened_)
    if (other.name == opened.name) return conflict(fmt::format("device {} is port {}'s", shown, id));
  for (const auto& [id, other] : lost_)
    if (id != port.id && device_name(other.port.devargs) == opened.name)
      return conflict(fmt::format("device {} is port {}'s", shown, id));
  // The drivers say "cannot allocate memory" of that, or worse.
  if (rte_eth_dev_count_total() >= kMost) {
    return transient(
        fmt::format("device {} cannot be opened: this DPDK has room for {} devices (RTE_MAX_ETHPORTS), and all are "
                    "taken; leave other "
                    "ports to Open vSwitch, put machines on another host, or build DPDK with -Dmax_ethports=, and "
                    "ml2-fastpath with it",
                    shown, kMost));
  }
  if (is_vhost(devargs)) {
    if (auto ready = ready_socket(devargs); !ready) return ready;
  }
  if (port.kind == abi::PortKind::Access) keep_host_stack_off(devargs);
  // Before the driver asks for it: if it is another one by then, that is found the next time that somebody looks.
  opened.port = port;
  opened.interface = borrowed_interface(devargs);
  opened.interface_index = interfaces_.index_of(opened.interface);
  if (const int failed = rte_dev_probe(devargs.c_str()); failed != 0) {
    return transient(fmt::format("device {} cannot be opened: {}", shown, rte_strerror(-failed)));
  }
  std::uint16_t ethdev = 0;
  if (rte_eth_dev_get_port_by_name(opened.name.c_str(), &ethdev) != 0) {
    return transient(fmt::format("device {} is no network device", shown));
  }
  if (const auto started = start(port, ethdev, opened); !started) {
    for (const auto event : kEvents)
      rte_eth_dev_callback_unregister(ethdev, event, link_or_queue_changed, opened.followed.get());
    remove(ethdev);
    return transient(fmt::format("device {}: {}", shown, started.error().message));
  }
  log::info("fastpath", "port {}: {} is open, {} receive queues", port.id, shown, opened.queues);
  const Device* device = opened.device.get();
  opened_[port.id] = std::move(opened);
  store_shared(shared_.devices[port.id], device);
  dealt_ = false;
  return {};
}

// A port that stays as it is, but for its MTU.
Status Devices::change(const abi::Port& port) {
  if (const auto lost = lost_.find(port.id); lost != lost_.end()) {
    lost->second.port = port;
    return {};
  }
  const auto it = opened_.find(port.id);
  if (it == opened_.end()) return transient("its device is not open");
  if (auto set = set_mtu(it->second.device->ethdev, port.mtu); !set) return set;
  it->second.port = port;
  log::info("fastpath", "port {}: the MTU is {} now", port.id, port.mtu);
  return {};
}

void Devices::serve() {
  if (!dealt_) deal_queues();
  dealt_ = true;
}

// A device that does not take the MTU would drop long frames without a word; net_tap, for one, sends 1500 at most.
Status Devices::set_mtu(std::uint16_t ethdev, std::uint16_t mtu) {
  const int code = rte_eth_dev_set_mtu(ethdev, mtu);
  if (code == 0 || code == -ENOTSUP) return {};
  return transient(fmt::format("it does not take an MTU of {}: {}", mtu, rte_strerror(-code)));
}

Status Devices::start(const abi::Port& port, std::uint16_t ethdev, Opened& opened) {
  const auto failed = [](const char* what, int code) {
    return transient(fmt::format("{}: {}", what, rte_strerror(code < 0 ? -code : code)));
  };
  rte_eth_dev_info info{};
  if (const int code = rte_eth_dev_info_get(ethdev, &info); code != 0) return failed("no information", code);
  opened.driver = info.driver_name != nullptr ? info.driver_name : "";
  const bool vhost = opened.driver == "net_vhost";
  // A machine may use all queues of its device, and a queue that nobody polls would swallow what it sends.
  opened.queues = vhost ? info.max_rx_queues : std::clamp<unsigned>(port.queues, 1, info.max_rx_queues);
  const auto transmit = static_cast<std::uint16_t>(std::clamp<std::size_t>(workers_.size(), 1, info.max_tx_queues));
  rte_eth_conf conf{};
  if (opened.queues > 1 && info.flow_type_rss_offloads != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
  }
  // Machines may leave checksums and cutting to us. Where tunnels end, packets come whole: outer headers are checked.
  if ((vhost || is_virtio(opened.driver)) && port.tunnel == 0) {
    conf.rxmode.offloads |= info.rx_offload_capa & kReceiveChecksums;
    if ((info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0) {
      conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
      conf.rxmode.max_lro_pkt_size = info.max_lro_pkt_size;
    }
  }
  const std::uint32_t longest = port.mtu + RTE_ETHER_HDR_LEN + 2U * RTE_VLAN_HLEN;
  if (longest > RTE_MBUF_DEFAULT_DATAROOM || (conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0) {
    if (opened.driver == "net_af_packet" || opened.driver == "net_af_xdp") {
      return transient(fmt::format("an MTU of {}, and this driver takes frames of {} bytes at most", port.mtu,
                                   RTE_MBUF_DEFAULT_DATAROOM));
    }
    conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  }
  conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (!offloads_in_vain(opened.driver)) {
    conf.txmode.offloads |= info.tx_offload_capa & (kSendChecksums | RTE_ETH_TX_OFFLOAD_TCP_TSO);
    if ((info.tx_offload_capa & kSendTunnel) == kSendTunnel) conf.txmode.offloads |= kSendTunnel;
  }
  int code = rte_eth_dev_configure(ethdev, static_cast<std::uint16_t>(opened.queues), transmit, &conf);
  if (code != 0) return failed("it cannot be configured", code);
  if (vhost) {
    if (auto withheld = withhold_udp_segments(port.devargs); !withheld) return withheld;
  }
  std::uint16_t received = kDescriptors;
  std::uint16_t sent = kDescriptors;
  code = rte_eth_dev_adjust_nb_rx_tx_desc(ethdev, &received, &sent);
  if (code != 0) return failed("its queues cannot be sized", code);
  for (std::uint16_t i = 0; i < opened.queues; ++i) {
    code =
        rte_eth_rx_queue_setup(ethdev, i, received, static_cast<unsigned>(SOCKET_ID_ANY), nullptr, shared_.buffers);
    if (code != 0) return failed("a receive queue cannot be set up", code);
  }
  for (std::uint16_t i = 0; i < transmit; ++i) {
    code = rte_eth_tx_queue_setup(ethdev, i, sent, static_cast<unsigned>(SOCKET_ID_ANY), nullptr);
    if (code != 0) return failed("a transmit queue cannot be set up", code);
  }
  if (auto set = set_mtu(ethdev, port.mtu); !set) return set;
  opened.device = std::make_unique<Device>(transmit);
  opened.device->ethdev = ethdev;
  opened.device->transmit_queues = transmit;
  // A machine may disable queues at any time, and then workers meet in the same one.
  opened.device->shared_queues = workers_.size() > (vhost ? 1U : transmit);
  // What a virtual machine takes is known when it is there.
  store_shared(shared_.takes[port.id], vhost ? std::uint8_t{kTakesPieces} : takes_of(conf.txmode.offloads));
  opened.followed = std::make_unique<Followed>();
  opened.followed->shared = &shared_;
  opened.followed->device = opened.device.get();
  opened.followed->port = port.id;
  opened.followed->vhost = vhost;
  for (const auto event : kEvents)
    rte_eth_dev_callback_register(ethdev, event, link_or_queue_changed, opened.followed.get());
  code = rte_eth_dev_start(ethdev);
  if (code != 0) return failed("it does not start", code);
  // A machine that was waiting for its socket may have come before there was anybody to be told.
  if (vhost) link_or_queue_changed(ethdev, RTE_ETH_EVENT_INTR_LSC, opened.followed.get(), nullptr);
  // Machines behind it have many addresses; virtual devices that cannot are promiscuous anyway.
  rte_eth_promiscuous_enable(ethdev);
  return {};
}

void Devices::tell() {
  constexpr unsigned kLookEvery = 5;
  if (told_++ % kLookEvery == 0) follow_interfaces();
  for (auto& [id, opened] : opened_) {
    const bool up = link_of(opened).link_status != 0;
    if (up == opened.up) continue;
    opened.up = up;
    log::info("fastpath", "port {}: {} is {}, {} transmit queues", id, opened.name, opened.up ? "up" : "down",
              load_shared(opened.device->transmit_queues));
    if (opened.up && opened.followed->vhost && vhost_sends_udp_segments(opened.device->ethdev)) {
      log::warn("fastpath",
                "port {}: the machine behind {} leaves long UDP datagrams to us, which are dropped (BadOffload): it "
                "connected "
                "while the socket was opened; power it off and on, or switch UDP fragmentation offload off in it",
                id, opened.name);
    }
    if (opened.followed->unplugged) {
      log::warn("fastpath",
                "port {}: {} was unplugged; nothing passes it until ml2-fastpath is started again with it", id,
                opened.name);
    }
  }
}

// Closes what stands on an interface that is gone, and opens what has one again.
void Devices::follow_interfaces() {
  std::vector<std::uint16_t> gone;
  for (const auto& [id, opened] : opened_) {
    if (opened.interface_index == 0 || interfaces_.state(opened.interface_index) != KernelInterfaces::State::Gone)
      continue;
    gone.push_back(id);
  }
  for (const std::uint16_t id : gone) {
    const Opened& opened = opened_.at(id);
    Lost lost{.port = opened.port, .why = fmt::format("its interface {} is not there", opened.interface)};
    log::warn("fastpath",
              "port {}: {}: its interface {} was deleted; the device is opened again when there is one of that name",
              id, opened.name, opened.interface);
    let_go(id);
    lost_.emplace(id, std::move(lost));
  }
  for (auto it = lost_.begin(); it != lost_.end();) {
    auto& [id, lost] = *it;
    if (interfaces_.index_of(borrowed_interface(lost.port.devargs)) == 0) {
      ++it;
      continue;
    }
    if (const auto opened = open(lost.port); !opened) {
      if (opened.error().message != lost.why) log::warn("fastpath", "port {}: {}", id, opened.error().message);
      lost.why = opened.error().message;
      ++it;
      continue;
    }
    it = lost_.erase(it);
  }
  serve();
}

// As the driver says, and as the kernel says where the driver does not look.
rte_eth_link Devices::link_of(const Opened& opened) const {
  rte_eth_link link{};
  if (opened.followed->unplugged || rte_eth_link_get_nowait(opened.device->ethdev, &link) != 0) return {};
  if (opened.interface_index != 0 && interfaces_.state(opened.interface_index) != KernelInterfaces::State::Running)
    link.link_status = 0;
  return link;
}

std::string Devices::trouble(std::uint16_t id) const {
  if (const auto lost = lost_.find(id); lost != lost_.end()) return lost->second.why;
  const auto it = opened_.find(id);
  if (it == opened_.end()) return "it is not open";
  const Opened& opened = it->second;
  if (link_of(opened).link_status != 0) return {};
  if (opened.followed->unplugged) return "it was unplugged; plug it in and start ml2-fastpath again";
  if (opened.interface_index == 0) return "its link is down";
  return interfaces_.state(opened.interface_index) == KernelInterfaces::State::Gone
             ? fmt::format("its interface {} is not there", opened.interface)
             : fmt::format("its interface {} is down, or has no carrier", opened.interface);
}

std::string Devices::members(std::uint16_t id) const {
  const auto it = opened_.find(id);
  if (it == opened_.end()) return lost_.contains(id) ? "\"link\":\"down\"" : "\"link\":\"unknown\"";
  const Opened& opened = it->second;
  const rte_eth_link link = link_of(opened);
  const std::uint8_t takes = load_shared(shared_.takes[id]);
  std::string offloads;
  const auto add = [&](std::uint8_t bit, const char* word) {
    if ((takes & bit) != 0) offloads += fmt::format("{}{}", offloads.empty() ? "" : " ", word);
  };
  add(kTakesChecksum, "checksum");
  add(kTakesTso4, "tso4");
  add(kTakesTso6, "tso6");
  add(kTakesTunnel, "tunnel");
  std::string rows = fmt::format(
      "\"driver\":\"{}\",\"link\":\"{}\",\"queues\":{},\"tx_queues\":{},\"offloads\":\"{}\"", opened.driver,
      link.link_status != 0 ? "up" : "down", opened.queues, load_shared(opened.device->transmit_queues), offloads);
  if (link.link_status != 0 && link.link_speed != RTE_ETH_SPEED_NUM_NONE &&
      link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
    rows += fmt::format(",\"speed_mbps\":{}", link.link_speed);
  // What never comes to a worker, or is lost behind one: net_af_packet takes frames that it cannot send. Some drivers count what
  // a full queue did not take (PortOff) here, too.
  if (rte_eth_stats stats{}; rte_eth_stats_get(opened.device->ethdev, &stats) == 0) {
    rows += fmt::format(R"(,"driver_drops":{{"imissed":{},"ierrors":{},"oerrors":{},"rx_nombuf":{}}})", stats.imissed,
                        stats.ierrors, stats.oerrors, stats.rx_nombuf);
  }
  if (opened.followed->vhost) rows += fmt::format(",\"guest_mtu\":{}", vhost_guest_mtu(opened.device->ethdev));
  return rows;
}

void Devices::deal_queues() {
  using Queues = std::vector<ReceiveQueue>;
  std::vector<std::unique_ptr<Queues>> kept;
  std::vector<ReceiveQueue> homeless;
  for (const auto& [id, opened] : opened_)
    for (std::uint16_t queue = 0; queue < opened.queues; ++queue)
      homeless.push_back({opened.device->ethdev, queue, id});
  const std::size_t fair = (homeless.size() + workers_.size() - 1) / workers_.size();
  for (const auto& worker : workers_) {
    kept.push_back(std::make_unique<Queues>());
    for (const ReceiveQueue& queue : worker->queues()) {
      const auto at = std::find(homeless.begin(), homeless.end(), queue);
      if (at == homeless.end() || kept.back()->size() == fair) continue;
      kept.back()->push_back(queue);
      homeless.erase(at);
    }
  }
  std::vector<std::unique_ptr<Queues>> wanted;
  for (const auto& queues : kept) wanted.push_back(std::make_unique<Queues>(*queues));
  for (const ReceiveQueue& queue : homeless) {
    (*std::min_element(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) {
      return a->size() < b->size();
    }))->push_back(queue);
  }
  // A queue must not be polled by two workers at once, not even while it changes hands: first each worker keeps what it has
  // and shall have, and when all have seen that, each gets the rest.
  const auto install = [this](std::vector<std::unique_ptr<Queues>> lists) {
    std::vector<std::unique_ptr<const Queues>> old;
    for (std::size_t i = 0; i < workers_.size(); ++i) old.emplace_back(workers_[i]->set_queues(lists[i].release()));
    quiescent_.wait();
  };
  install(std::move(kept));
  install(std::move(wanted));
}

void Devices::close(std::uint16_t id) {
  lost_.erase(id);
  let_go(id);
}

void Devices::let_go(std::uint16_t id) {
  const auto it = opened_.find(id);
  if (it == opened_.end()) return;
  Opened opened = std::move(it->second);
  opened_.erase(it);
  store_shared(shared_.devices[id], static_cast<const Device*>(nullptr));
  store_shared(shared_.takes[id], std::uint8_t{0});
  deal_queues();
  const std::uint16_t ethdev = opened.device->ethdev;
  for (const auto event : kEvents)
    rte_eth_dev_callback_unregister(ethdev, event, link_or_queue_changed, opened.followed.get());
  remove(ethdev);
  log::info("fastpath", "port {}: {} is closed", id, opened.name);
}

}  // namespace ml2::fastpath
