#include "dpdk/process/worker.h"

#include <rte_ethdev.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ml2::fastpath {

Worker::Worker(Shared& shared, unsigned number)
    : shared_(shared),
      number_(number),
      counters_(std::make_unique<Counters>()),
      pending_(std::make_unique<std::array<Pending, kMaxPorts>>()),
      walk_{shared.tables, counters_.get(), this},
      queues_(new std::vector<ReceiveQueue>()) {
  copy = [](Sink* sink, const Frame& from, std::uint16_t, Frame* to) {
    return static_cast<Worker*>(sink)->copy_frame(from, to);
  };
  send = [](Sink* sink, const Frame& frame) { static_cast<Worker*>(sink)->finish(frame); };
}

const std::vector<ReceiveQueue>* Worker::set_queues(const std::vector<ReceiveQueue>* queues) {
  const auto* old = queues_;
  store_shared(queues_, queues);
  return old;
}

void Worker::run() {
  thread_id_.store(static_cast<int>(::syscall(SYS_gettid)), std::memory_order_release);
  rte_rcu_qsbr_thread_register(shared_.quiescent, number_);
  rte_rcu_qsbr_thread_online(shared_.quiescent, number_);
  while (!shared_.stop.load(std::memory_order_relaxed)) {
    poll();
    rte_rcu_qsbr_quiescent(shared_.quiescent, number_);
  }
  rte_rcu_qsbr_thread_offline(shared_.quiescent, number_);
  rte_rcu_qsbr_thread_unregister(shared_.quiescent, number_);
}

void Worker::poll() {
  for (const ReceiveQueue& queue : *load_shared(queues_)) burst(queue);
}

void Worker::burst(const ReceiveQueue& queue) {
  rte_mbuf* packets[kBurst];
  Frame frames[kBurst];
  const unsigned count = rte_eth_rx_burst(queue.ethdev, queue.queue, packets, kBurst);
  if (count == 0) return;
  for (unsigned i = 0; i < count; ++i) rte_prefetch0(rte_pktmbuf_mtod(packets[i], void*));
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i) {
    rte_mbuf* packet = packets[i];
    if (packet->nb_segs != 1 && rte_pktmbuf_linearize(packet) != 0) [[unlikely]] {
      bump(counters_->ports[queue.port].received, 1, packet->pkt_len);
      bump(counters_->ports[queue.port].drops[static_cast<std::size_t>(Drop::Scattered)], 1);
      rte_pktmbuf_free(packet);
      continue;
    }
    packets[kept] = packet;
    Frame& frame = frames[kept++];
    frame.start(rte_pktmbuf_mtod(packet, std::uint8_t*), packet->data_len, packet->data_off, packet);
    frame.has_hash = (packet->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
    frame.hash = packet->hash.rss;
  }
  if (kept == 0) [[unlikely]]
    return;
  shared_.walk(walk_, queue.port, frames, kept);

  // Mostly all go to one port, which has nothing waiting: then they are sent as they are.
  const PortIndex first = frames[0].port;
  bool all_there = first != kNoPort && waiting_count_ == 0;
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < kept; ++i) {
    all_there &= frames[i].port == first;
    bytes += frames[i].length;
  }
  if (all_there) [[likely]] {
    for (unsigned i = 0; i < kept; ++i) write_back(frames[i], packets[i]);
    transmit(first, packets, kept, bytes);
  } else {
    for (unsigned i = 0; i < kept; ++i) finish(frames[i]);
  }
  flush_all();
}

inline void Worker::write_back(const Frame& frame, rte_mbuf* packet) {
  packet->data_off = frame.headroom;  // the walk keeps it in step with `data`
  packet->data_len = static_cast<std::uint16_t>(frame.length);
  packet->pkt_len = frame.length;
  // What the receiver said about checksums and tags is no order to the sender.
  packet->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
}

// What the walk decided about a frame happens to its mbuf.
inline void Worker::finish(const Frame& frame) {
  auto* packet = static_cast<rte_mbuf*>(frame.handle);
  if (frame.port == kNoPort) [[unlikely]] {
    to_free_[to_free_count_++] = packet;
    if (to_free_count_ == to_free_.size()) {
      rte_pktmbuf_free_bulk(to_free_.data(), to_free_count_);
      to_free_count_ = 0;
    }
    return;
  }
  write_back(frame, packet);
  enqueue(frame.port, packet, frame.length);
}

inline void Worker::enqueue(PortIndex port, rte_mbuf* packet, std::uint32_t bytes) {
  Pending& pending = (*pending_)[port];
  if (!pending.waiting) {
    pending.waiting = true;
    waiting_[waiting_count_++] = port;
  }
  pending.packets[pending.count++] = packet;
  pending.bytes += bytes;
  if (pending.count == pending.packets.size()) [[unlikely]]
    flush(port);
}

void Worker::transmit(PortIndex port, rte_mbuf** packets, unsigned count, std::uint64_t bytes) {
  std::uint16_t sent = 0;
  if (const Device* device = load_shared(shared_.devices[port]); device != nullptr) [[likely]] {
    if (device->shared_queues)
      while (device->lock.test_and_set(std::memory_order_acquire)) rte_pause();
    sent = rte_eth_tx_burst(device->ethdev, static_cast<std::uint16_t>(number_ % device->transmit_queues), packets,
                            static_cast<std::uint16_t>(count));
    if (device->shared_queues) device->lock.clear(std::memory_order_release);
  }
  PortCounters& counters = counters_->ports[port];
  if (sent != count) [[unlikely]] {
    for (unsigned i = sent; i < count; ++i) bytes -= packets[i]->pkt_len;
    rte_pktmbuf_free_bulk(packets + sent, count - sent);
    bump(counters.drops[static_cast<std::size_t>(Drop::PortOff)], static_cast<std::uint64_t>(count - sent));
  }
  bump(counters.sent, sent, bytes);
}

// Sends what is pending; the port stays in waiting_ until flush_all().
void Worker::flush(PortIndex port) {
  Pending& pending = (*pending_)[port];
  if (pending.count == 0) return;
  transmit(port, pending.packets.data(), pending.count, pending.bytes);
  pending.count = 0;
  pending.bytes = 0;
}

void Worker::flush_all() {
  for (unsigned i = 0; i < waiting_count_; ++i) {
    flush(waiting_[i]);
    (*pending_)[waiting_[i]].waiting = false;
  }
  waiting_count_ = 0;
  if (to_free_count_ != 0) {
    rte_pktmbuf_free_bulk(to_free_.data(), to_free_count_);
    to_free_count_ = 0;
  }
}

bool Worker::copy_frame(const Frame& from, Frame* to) {
  rte_mbuf* packet = rte_pktmbuf_alloc(shared_.buffers);
  if (packet == nullptr || from.length > rte_pktmbuf_tailroom(packet)) {
    rte_pktmbuf_free(packet);
    return false;
  }
  to->start(rte_pktmbuf_mtod(packet, std::uint8_t*), from.length, packet->data_off, packet);
  std::memcpy(to->data, from.data, from.length);
  return true;
}

}  // namespace ml2::fastpath
