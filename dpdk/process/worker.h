// worker: a pinned thread that polls its receive queues, walks each burst, and sends what comes out.
//
// Where in the walk: around it: mbufs in, frames through dpdk/walk, mbufs out, in bursts of 32, run to completion.
// Threading: one thread per processor. The control thread changes what a worker sees by one store each (its queues, the
//   devices, the tables); the worker reports a quiescent state after every round, after which the old may be freed.
// Failure: what cannot be sent is dropped and counted (PortOff).
// What it does not do: no system call, no allocation outside of the buffer pool, no log line, once it runs.
#pragma once

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "dpdk/process/tap.h"
#include "dpdk/walk/walk.h"

namespace ml2::fastpath {

// A started device as workers see it.
struct Device {
  explicit Device(std::uint16_t queues) : all_transmit_queues(queues), locks(new std::atomic_flag[queues]) {}
  std::uint16_t ethdev = 0;
  const std::uint16_t all_transmit_queues;
  // Worker i uses queue i modulo this, and its lock where queues may be shared. A virtual machine that enables or disables
  // queues changes it.
  std::uint16_t transmit_queues = 1;
  bool shared_queues = false;
  const std::unique_ptr<std::atomic_flag[]> locks;
};

struct ReceiveQueue {
  std::uint16_t ethdev;
  std::uint16_t queue;
  PortIndex port;
  friend bool operator==(const ReceiveQueue&, const ReceiveQueue&) = default;
};

// What all workers share.
struct Shared {
  const Tables* tables = nullptr;
  WalkFunction walk = nullptr;
  rte_rcu_qsbr* quiescent = nullptr;
  rte_mempool* buffers = nullptr;
  std::array<const Device*, kMaxPorts> devices{};
  std::array<std::uint8_t, kMaxPorts> takes{};  // bits of Takes, by port
  const Tap* tap = nullptr;                     // somebody captures
  std::atomic<bool> stop{false};
};

class Worker : private Sink {
 public:
  Worker(Shared& shared, unsigned number);

  // Runs until shared.stop; called on the worker's own thread.
  void run();
  // One round over its queues; what run() does again and again.
  void poll();

  [[nodiscard]] unsigned number() const { return number_; }
  [[nodiscard]] const Counters& counters() const { return *counters_; }
  [[nodiscard]] int thread_id() const { return thread_id_.load(std::memory_order_acquire); }
  // For the control thread: the queues that this worker polls. The old list is the caller's to free, after a grace period.
  const std::vector<ReceiveQueue>* set_queues(const std::vector<ReceiveQueue>* queues);
  [[nodiscard]] const std::vector<ReceiveQueue>& queues() const { return *queues_; }
  // For the control thread: stations that were heard since the last call.
  struct Heard {
    std::uint64_t key = 0;  // of the FDB
    std::uint32_t origin = 0;
    std::uint32_t reserved = 0;
  };
  void take_heard(const std::function<void(const Heard&)>& take);

 private:
  struct Pending {  // what waits to be sent by one port
    unsigned count = 0;
    bool waiting = false;  // is in waiting_
    std::uint64_t bytes = 0;
    std::array<rte_mbuf*, 2 * kBurst> packets{};
  };
  void burst(const ReceiveQueue& queue);
  unsigned take_in(rte_mbuf** packets, Frame* frames, unsigned count, PortIndex port);
  void prepare(PortIndex port, rte_mbuf** packets, unsigned* count, std::uint64_t* bytes);
  void enqueue(PortIndex port, rte_mbuf* packet, std::uint32_t bytes);
  void write_back(const Frame& frame, rte_mbuf* packet);
  static void write_back_plain(const Frame& frame, rte_mbuf* packet);
  void transmit(PortIndex port, rte_mbuf** packets, unsigned count, std::uint64_t bytes);
  void flush(PortIndex port);
  void flush_all();
  bool copy_frame(const Frame& from, Frame* to);
  bool clone_frame(const Frame& from, Frame* to);
  bool allocate_frame(std::uint32_t length, std::uint16_t headroom, Frame* to);
  void finish(const Frame& frame);
  void hand_on(const Frame& frame, rte_mbuf* packet);
  [[gnu::cold]] void show_dropped(const Frame& frame, Drop reason);

  Shared& shared_;
  unsigned number_;
  std::unique_ptr<Counters> counters_;
  std::unique_ptr<std::array<Pending, kMaxPorts>> pending_;
  std::array<PortIndex, kMaxPorts> waiting_{};  // ports with something pending
  unsigned waiting_count_ = 0;
  std::array<rte_mbuf*, 2 * kBurst> to_free_{};
  unsigned to_free_count_ = 0;
  PortIndex from_ = kNoPort;  // of this burst
  bool work_ = false;         // some frame of this burst leaves with work for a device
  struct FreeRing {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
  };
  std::unique_ptr<rte_ring, FreeRing> heard_;  // this worker writes, the control thread reads
  Walk walk_;
  const std::vector<ReceiveQueue>* queues_;
  std::atomic<int> thread_id_{0};
};

}  // namespace ml2::fastpath
