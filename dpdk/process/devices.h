// devices: the ethdevs behind ports: opened by their devargs, started, given to the workers, followed, and closed again.
//
// Where in the walk: Program asks for them while it applies a batch; workers poll and send through what is published here.
// Threading: the control thread; DPDK's own threads tell Followed of a link or a queue that changed. close() waits until no
//   worker can still hold the device (microseconds).
// Failure: a device that does not open is a sentence with DPDK's reason; nothing of it stays behind. One whose kernel interface was
//   deleted is closed, and opened again by itself as soon as there is another of that name: the port stays what it is, and what is
//   sent to it meanwhile is counted as dropped.
// What it does not do: no kernel devices of its own: a net_tap device makes its interface, and the operator names it.
#pragma once

#include <rte_ethdev.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dpdk/process/kernel_interface.h"
#include "dpdk/process/vhost.h"
#include "dpdk/process/worker.h"
#include "dpdk/tables/program.h"

namespace ml2::fastpath {

// rte_rcu_qsbr as the tables see it.
class QuiescentStates final : public GracePeriod {
 public:
  explicit QuiescentStates(rte_rcu_qsbr* states) : states_(states) {}
  [[nodiscard]] std::uint64_t start() override { return rte_rcu_qsbr_start(states_); }
  [[nodiscard]] bool passed(std::uint64_t token) override { return rte_rcu_qsbr_check(states_, token, false) == 1; }
  void wait() { rte_rcu_qsbr_synchronize(states_, RTE_QSBR_THRID_INVALID); }

 private:
  rte_rcu_qsbr* states_;
};

// What changes of a device while it is open. DPDK calls back on threads of its own.
struct Followed {
  Shared* shared = nullptr;
  Device* device = nullptr;
  PortIndex port = 0;
  bool vhost = false;
  std::atomic<bool> unplugged{false};  // the NIC itself is gone
  std::mutex mutex;
  VhostQueues queues;
};

class Devices final : public PortDevices {
 public:
  struct Opened {
    std::unique_ptr<Device> device;
    std::string name;  // DPDK's
    std::string driver;
    unsigned queues = 1;
    std::unique_ptr<Followed> followed;
    bool up = false;        // as the log says
    abi::Port port;         // as it was opened, or changed
    std::string interface;  // of the kernel, that the device borrows; empty: none
    unsigned interface_index = 0;
  };
  // A port of which the kernel interface is gone, and the device closed.
  struct Lost {
    abi::Port port;
    std::string why;  // it is not open again
  };

  Devices(Shared& shared, QuiescentStates& quiescent, std::vector<std::unique_ptr<Worker>>& workers)
      : shared_(shared), quiescent_(quiescent), workers_(workers) {}
  ~Devices() override;

  [[nodiscard]] Status open(const abi::Port& port) override;
  [[nodiscard]] Status change(const abi::Port& port) override;
  void serve() override;
  void close(std::uint16_t id) override;
  // Logs what changed of links; call a few times a second: some drivers (virtio-user as a server) look to their other end
  // only when they are asked. About once a second it looks to borrowed interfaces, too.
  void tell();
  // Why nothing passes the device, as a sentence; empty: its link is up.
  [[nodiscard]] std::string trouble(std::uint16_t id) const;
  // What `ports` shows of a device, as members of a JSON object.
  [[nodiscard]] std::string members(std::uint16_t id) const;
  // And `show` of all: how many there are, and how many this DPDK has room for.
  [[nodiscard]] static std::string count_members();
  [[nodiscard]] const std::map<std::uint16_t, Opened>& opened() const { return opened_; }

 private:
  [[nodiscard]] Status start(const abi::Port& port, std::uint16_t ethdev, Opened& opened);
  [[nodiscard]] static Status set_mtu(std::uint16_t ethdev, std::uint16_t mtu);
  // Deals receive queues out to the workers: a queue stays where it is, a new one goes to the worker with the fewest.
  void deal_queues();
  static void remove(std::uint16_t ethdev);
  void follow_interfaces();
  void let_go(std::uint16_t id);
  [[nodiscard]] rte_eth_link link_of(const Opened& opened) const;

  Shared& shared_;
  QuiescentStates& quiescent_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  KernelInterfaces interfaces_;
  std::map<std::uint16_t, Opened> opened_;
  std::map<std::uint16_t, Lost> lost_;
  unsigned told_ = 0;  // times
  bool dealt_ = true;  // all open queues are with a worker
};

}  // namespace ml2::fastpath
