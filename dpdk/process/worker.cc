#include "dpdk/process/worker.h"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ring_elem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dpdk/process/mbuf_work.h"

namespace ml2::fastpath {

// Stations that may wait for the control thread: what it takes every few milliseconds, so some 100,000 a second. Above that
// they are learned later.
static constexpr unsigned kHeard = 1024;

Worker::Worker(Shared& shared, unsigned number)
    : shared_(shared),
      number_(number),
      counters_(std::make_unique<Counters>()),
      pending_(std::make_unique<std::array<Pending, kMaxPorts>>()),
      heard_(rte_ring_create_elem(fmt::format("heard{}", number).c_str(), sizeof(Heard), kHeard, SOCKET_ID_ANY,
                                  RING_F_SP_ENQ | RING_F_SC_DEQ)),
      walk_{shared.tables, counters_.get(), this, shared.takes.data()},
      queues_(new std::vector<ReceiveQueue>()) {
  copy = [](Sink* sink, const Frame& from, std::uint16_t, Frame* to) {
    return static_cast<Worker*>(sink)->copy_frame(from, to);
  };
  allocate = [](Sink* sink, std::uint32_t length, std::uint16_t headroom, Frame* to) {
    return static_cast<Worker*>(sink)->allocate_frame(length, headroom, to);
  };
  send = [](Sink* sink, const Frame& frame) { static_cast<Worker*>(sink)->finish(frame); };
  piece = [](Sink*, const Frame& frame, std::uint32_t offset, std::uint32_t* bytes) {
    return piece_of(static_cast<const rte_mbuf*>(frame.handle), frame, offset, bytes);
  };
  missing = [](Sink* sink, const Frame& from) { static_cast<Worker*>(sink)->show_dropped(from, Drop::NoBuffer); };
  learn = [](Sink* sink, std::uint64_t key, std::uint32_t origin, bool news) {
    rte_ring* ring = static_cast<Worker*>(sink)->heard_.get();
    // The second half is for news.
    if (ring == nullptr || (!news && rte_ring_count(ring) > kHeard / 2)) return false;
    Heard heard{key, origin};
    return rte_ring_sp_enqueue_elem(ring, &heard, sizeof(heard)) == 0;
  };
  now_ms = [](Sink*) { return rte_get_timer_cycles() / (rte_get_timer_hz() / 1000); };
}

const std::vector<ReceiveQueue>* Worker::set_queues(const std::vector<ReceiveQueue>* queues) {
  const auto* old = queues_;
  store_shared(queues_, queues);
  return old;
}

void Worker::take_heard(const std::function<void(const Heard&)>& take) {
  Heard heard;
  while (heard_ && rte_ring_sc_dequeue_elem(heard_.get(), &heard, sizeof(heard)) == 0) take(heard);
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
  std::uint64_t odd = 0;
  for (unsigned i = 0; i < count; ++i) {
    const rte_mbuf* packet = packets[i];
    const std::uint16_t offset = packet->data_off;
    auto* data = static_cast<std::uint8_t*>(packet->buf_addr) + offset;
    rte_prefetch0(data);
    const std::uint64_t flags = packet->ol_flags;
    odd |= (packet->nb_segs ^ 1U) | (flags & kReceivedWork);
    frames[i].start(data, packet->data_len, offset, packets[i], packet->hash.rss,
                    (flags & RTE_MBUF_F_RX_RSS_HASH) != 0);
  }
  unsigned kept = count;
  if (odd != 0) [[unlikely]]
    kept = take_in(packets, frames, count, queue.port);
  if (kept == 0) [[unlikely]]
    return;
  const Tap* tap = load_shared(shared_.tap);
  capture::Captured* seen[kBurst];
  if (tap != nullptr) [[unlikely]]
    tap->before(queue.port, frames, kept, seen);
  from_ = queue.port;
  shared_.walk(walk_, queue.port, frames, kept);
  if (tap != nullptr) [[unlikely]]
    tap->after(frames, kept, seen);

  // Mostly all go to one port, which has nothing waiting: then they are sent as they are.
  const PortIndex first = frames[0].port;
  unsigned elsewhere = waiting_count_ + (first == kNoPort ? 1U : 0U);
  std::uint64_t bytes = 0;
  odd = 0;
  for (unsigned i = 0; i < kept; ++i) {
    const Frame& frame = frames[i];
    elsewhere |= static_cast<unsigned>(frame.port ^ first);
    bytes += frame.length;
    if (frame.has_work()) [[unlikely]] {
      odd |= std::uint64_t{1} << i;
    } else {
      write_back_plain(frame, packets[i]);
    }
  }
  for (; odd != 0; odd &= odd - 1) write_back(frames[__builtin_ctzll(odd)], packets[__builtin_ctzll(odd)]);
  if (elsewhere == 0) [[likely]] {
    transmit(first, packets, kept, bytes);
  } else {
    for (unsigned i = 0; i < kept; ++i) hand_on(frames[i], packets[i]);
  }
  flush_all();
}

// A burst in which some mbuf brings work, or is in pieces. What cannot be taken is counted and freed; the number of the others.
unsigned Worker::take_in(rte_mbuf** packets, Frame* frames, unsigned count, PortIndex port) {
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i) {
    rte_mbuf* packet = packets[i];
    const bool odd = packet->nb_segs != 1 || (packet->ol_flags & kReceivedWork) != 0;
    if (!odd) {
      frames[kept] = frames[i];
    } else if (!frame_of_work(packet, frames[kept])) {
      bump(counters_->ports[port].received, 1, packet->pkt_len);
      bump(counters_->ports[port].drops[static_cast<std::size_t>(Drop::Scattered)], 1);
      if (const Tap* tap = load_shared(shared_.tap); tap != nullptr)
        tap->dropped(port, capture::Direction::In, packet, Drop::Scattered);
      rte_pktmbuf_free(packet);
      continue;
    }
    packets[kept++] = packet;
  }
  return kept;
}

inline void Worker::write_back_plain(const Frame& frame, rte_mbuf* packet) {
  packet->data_off = frame.headroom;  // the walk keeps it in step with `data`
  packet->data_len = static_cast<std::uint16_t>(frame.length);
  packet->pkt_len = frame.length;
  // What the receiver said about checksums and tags is no order to the sender.
  if (packet->ol_flags != 0) packet->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
}

inline void Worker::write_back(const Frame& frame, rte_mbuf* packet) {
  if (frame.has_work()) [[unlikely]] {
    if (frame.port == kNoPort) return;  // dropped: what it says of itself may not be true
    work_ = true;
    return write_back_work(frame, packet);
  }
  write_back_plain(frame, packet);
}

void Worker::show_dropped(const Frame& frame, Drop reason) {
  if (const Tap* tap = load_shared(shared_.tap); tap != nullptr) tap->dropped(from_, frame, reason);
}

// What the walk decided about a copy or a segment happens to its mbuf.
inline void Worker::finish(const Frame& frame) {
  auto* packet = static_cast<rte_mbuf*>(frame.handle);
  if (frame.dropped) [[unlikely]]
    show_dropped(frame, frame.drop);
  write_back(frame, packet);
  hand_on(frame, packet);
}

inline void Worker::hand_on(const Frame& frame, rte_mbuf* packet) {
  if (frame.port == kNoPort) [[unlikely]] {
    to_free_[to_free_count_++] = packet;
    if (to_free_count_ == to_free_.size()) {
      rte_pktmbuf_free_bulk(to_free_.data(), to_free_count_);
      to_free_count_ = 0;
    }
    return;
  }
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

// Some drivers want pseudo-header sums and the like in frames that ask for something; what they refuse is dropped.
void Worker::prepare(PortIndex port, rte_mbuf** packets, unsigned* count, std::uint64_t* bytes) {
  const Device* device = load_shared(shared_.devices[port]);
  if (device == nullptr) return;
  unsigned kept = 0;
  for (unsigned i = 0; i < *count; ++i) {
    const std::uint64_t asked = packets[i]->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG);
    if (asked == 0 || rte_eth_tx_prepare(device->ethdev, 0, &packets[i], 1) == 1) {
      packets[kept++] = packets[i];
      continue;
    }
    *bytes -= packets[i]->pkt_len;
    if (const Tap* tap = load_shared(shared_.tap); tap != nullptr)
      tap->dropped(port, capture::Direction::Out, packets[i], Drop::BadOffload);
    rte_pktmbuf_free(packets[i]);
    bump(counters_->ports[port].drops[static_cast<std::size_t>(Drop::BadOffload)], 1);
  }
  *count = kept;
}

void Worker::transmit(PortIndex port, rte_mbuf** packets, unsigned count, std::uint64_t bytes) {
  std::uint16_t sent = 0;
  if (work_) [[unlikely]]
    prepare(port, packets, &count, &bytes);
  const Tap* tap = load_shared(shared_.tap);
  capture::Captured* seen[std::tuple_size_v<decltype(Pending::packets)>];
  if (tap != nullptr) [[unlikely]]
    tap->leaving(port, packets, count, seen);
  if (const Device* device = load_shared(shared_.devices[port]); device != nullptr) [[likely]] {
    const auto queue = static_cast<std::uint16_t>(number_ % load_shared(device->transmit_queues));
    if (device->shared_queues)
      while (device->locks[queue].test_and_set(std::memory_order_acquire)) rte_pause();
    sent = rte_eth_tx_burst(device->ethdev, queue, packets, static_cast<std::uint16_t>(count));
    if (device->shared_queues) device->locks[queue].clear(std::memory_order_release);
  }
  if (tap != nullptr) [[unlikely]]
    tap->left(port, packets, count, sent, seen);
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
  work_ = false;
  if (to_free_count_ != 0) {
    rte_pktmbuf_free_bulk(to_free_.data(), to_free_count_);
    to_free_count_ = 0;
  }
}

// A long frame: its headers are copied, for each receiver changes them, and the rest is shared. Its buffers are as they came
// until it is written back.
bool Worker::clone_frame(const Frame& from, Frame* to) {
  auto* original = static_cast<rte_mbuf*>(from.handle);
  const auto before = static_cast<std::uint16_t>(from.data - rte_pktmbuf_mtod(original, const std::uint8_t*));
  const std::uint32_t copied = from.readable();
  if (!allocate_frame(copied, 0, to)) return false;
  std::memcpy(to->data, from.data, copied);
  if (copied == from.length) return true;
  rte_mbuf* rest = rte_pktmbuf_clone(original, shared_.buffers);
  auto* head = static_cast<rte_mbuf*>(to->handle);
  if (rest == nullptr || rte_pktmbuf_adj(rest, static_cast<std::uint16_t>(before + copied)) == nullptr) {
    rte_pktmbuf_free(rest);
    rte_pktmbuf_free(head);
    return false;
  }
  head->next = rest;
  head->nb_segs = static_cast<std::uint16_t>(rest->nb_segs + 1);
  head->pkt_len = from.length;
  to->length = from.length;
  to->scattered = true;
  return true;
}

bool Worker::copy_frame(const Frame& from, Frame* to) {
  if (from.scattered) return clone_frame(from, to);
  if (!allocate_frame(from.length, 0, to)) return false;
  std::memcpy(to->data, from.data, from.length);
  return true;
}

// Buffers have RTE_PKTMBUF_HEADROOM before them, which is more than a walk needs.
bool Worker::allocate_frame(std::uint32_t length, std::uint16_t headroom, Frame* to) {
  static_assert(RTE_PKTMBUF_HEADROOM >= vxlan::kSlack);
  rte_mbuf* packet = rte_pktmbuf_alloc(shared_.buffers);
  if (packet == nullptr || length > rte_pktmbuf_tailroom(packet) || headroom > packet->data_off) {
    rte_pktmbuf_free(packet);
    return false;
  }
  packet->data_len = static_cast<std::uint16_t>(length);
  packet->pkt_len = length;
  to->start(rte_pktmbuf_mtod(packet, std::uint8_t*), length, packet->data_off, packet);
  return true;
}

}  // namespace ml2::fastpath
