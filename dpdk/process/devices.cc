#include "dpdk/process/devices.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include <algorithm>

#include "datapath/base/log.h"
#include "datapath/base/text.h"

namespace ml2::fastpath {

namespace {

constexpr std::uint16_t kDescriptors = 1024;

// "net_tap0,iface=tap0" is the device net_tap0.
std::string device_name(const std::string& devargs) { return devargs.substr(0, devargs.find(',')); }

}  // namespace

Devices::~Devices() {
  while (!opened_.empty()) close(opened_.begin()->first);
}

Status Devices::open(const abi::Port& port) {
  const std::string devargs = port.devargs;
  const std::string shown = text::printable(devargs);
  if (devargs.empty()) return invalid("no devargs: which DPDK device is it?");
  Opened opened;
  opened.name = device_name(devargs);
  for (const auto& [id, other] : opened_)
    if (other.name == opened.name) return conflict(fmt::format("device {} is port {}'s", shown, id));
  if (const int failed = rte_dev_probe(devargs.c_str()); failed != 0) {
    return transient(fmt::format("device {} cannot be opened: {}", shown, rte_strerror(-failed)));
  }
  std::uint16_t ethdev = 0;
  if (rte_eth_dev_get_port_by_name(opened.name.c_str(), &ethdev) != 0) {
    return transient(fmt::format("device {} is no network device", shown));
  }
  auto started = start(port, ethdev, opened);
  if (!started) {
    rte_eth_dev_stop(ethdev);
    rte_eth_dev_close(ethdev);
    rte_eal_hotplug_remove("vdev", opened.name.c_str());
    return transient(fmt::format("device {}: {}", shown, started.error().message));
  }
  log::info("fastpath", "port {}: {} is open, {} receive queues", port.id, shown, opened.queues);
  const Device* device = opened.device.get();
  opened_[port.id] = std::move(opened);
  store_shared(shared_.devices[port.id], device);
  dealt_ = false;
  return {};
}

void Devices::serve() {
  if (!dealt_) deal_queues();
  dealt_ = true;
}

Result<Device*> Devices::start(const abi::Port& port, std::uint16_t ethdev, Opened& opened) {
  const auto failed = [](const char* what, int code) {
    return transient(fmt::format("{}: {}", what, rte_strerror(code < 0 ? -code : code)));
  };
  rte_eth_dev_info info{};
  if (const int code = rte_eth_dev_info_get(ethdev, &info); code != 0) return failed("no information", code);
  opened.queues = std::clamp<unsigned>(port.queues, 1, info.max_rx_queues);
  const auto transmit = static_cast<std::uint16_t>(std::clamp<std::size_t>(workers_.size(), 1, info.max_tx_queues));
  rte_eth_conf conf{};
  if (opened.queues > 1 && info.flow_type_rss_offloads != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
  }
  int code = rte_eth_dev_configure(ethdev, static_cast<std::uint16_t>(opened.queues), transmit, &conf);
  if (code != 0) return failed("it cannot be configured", code);
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
  // A device that does not take the MTU would drop long frames without a word; net_tap, for one, sends 1500 at most.
  code = rte_eth_dev_set_mtu(ethdev, port.mtu);
  if (code != 0 && code != -ENOTSUP)
    return failed(fmt::format("it does not take an MTU of {}", port.mtu).c_str(), code);
  code = rte_eth_dev_start(ethdev);
  if (code != 0) return failed("it does not start", code);
  // Machines behind it have many addresses; virtual devices that cannot are promiscuous anyway.
  rte_eth_promiscuous_enable(ethdev);
  opened.device = std::make_unique<Device>();
  opened.device->ethdev = ethdev;
  opened.device->transmit_queues = transmit;
  opened.device->shared_queues = transmit < workers_.size();
  return opened.device.get();
}

void Devices::deal_queues() {
  std::vector<std::unique_ptr<std::vector<ReceiveQueue>>> lists;
  for (std::size_t i = 0; i < workers_.size(); ++i) lists.push_back(std::make_unique<std::vector<ReceiveQueue>>());
  std::size_t next = 0;
  for (const auto& [id, opened] : opened_) {
    for (std::uint16_t queue = 0; queue < opened.queues; ++queue)
      lists[next++ % lists.size()]->push_back({opened.device->ethdev, queue, id});
  }
  // A queue must not be polled by two workers at once, not even while it changes hands: first each worker keeps what it has
  // and shall have, and when all have seen that, each gets the rest.
  const auto install = [this](std::vector<std::unique_ptr<std::vector<ReceiveQueue>>> wanted) {
    std::vector<std::unique_ptr<const std::vector<ReceiveQueue>>> old;
    for (std::size_t i = 0; i < workers_.size(); ++i) old.emplace_back(workers_[i]->set_queues(wanted[i].release()));
    quiescent_.wait();
  };
  std::vector<std::unique_ptr<std::vector<ReceiveQueue>>> kept;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    kept.push_back(std::make_unique<std::vector<ReceiveQueue>>());
    for (const ReceiveQueue& queue : workers_[i]->queues())
      if (std::find(lists[i]->begin(), lists[i]->end(), queue) != lists[i]->end()) kept.back()->push_back(queue);
  }
  install(std::move(kept));
  install(std::move(lists));
}

void Devices::close(std::uint16_t id) {
  const auto it = opened_.find(id);
  if (it == opened_.end()) return;
  Opened opened = std::move(it->second);
  opened_.erase(it);
  store_shared(shared_.devices[id], static_cast<const Device*>(nullptr));
  deal_queues();
  rte_eth_dev_stop(opened.device->ethdev);
  rte_eth_dev_close(opened.device->ethdev);
  rte_eal_hotplug_remove("vdev", opened.name.c_str());
  log::info("fastpath", "port {}: {} is closed", id, opened.name);
}

}  // namespace ml2::fastpath
