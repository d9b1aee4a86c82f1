#include "dpdk/process/tap.h"

#include <fmt/format.h>
#include <rte_errno.h>

#include <algorithm>
#include <ctime>

#include "dpdk/process/devices.h"

namespace ml2::fastpath {

namespace {

constexpr unsigned kBuffers = 4095;

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);  // no system call (vDSO)
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000ULL + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

capture::Captured* Tap::take(PortIndex port, capture::Direction direction, const std::uint8_t* data,
                             std::uint32_t readable, std::uint32_t length) const {
  if (!capture::matches(filter_, tables_, port, direction, data, readable)) return nullptr;
  void* buffer = nullptr;
  if (rte_mempool_get(pool_, &buffer) != 0) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  auto* captured = static_cast<capture::Captured*>(buffer);
  captured->time_ns = now_ns();
  captured->length = length;
  captured->kept = std::min(readable, filter_.bytes);
  captured->port = port;
  captured->segment = capture::segment_of(tables_, port, data, readable);
  captured->direction = direction;
  captured->drop = capture::Captured::kNotDropped;
  std::memcpy(captured->bytes, data, captured->kept);
  return captured;
}

capture::Captured* Tap::take(PortIndex port, capture::Direction direction, const rte_mbuf* packet) const {
  return take(port, direction, rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len, packet->pkt_len);
}

// Of nothing, nothing.
void Tap::hand_over(capture::Captured* captured, Drop reason) const {
  if (captured == nullptr) return;
  captured->drop = static_cast<std::uint8_t>(reason);
  hand_over(captured);
}

void Tap::hand_over(capture::Captured* captured) const {
  if (rte_ring_mp_enqueue(ring_, captured) == 0) return;
  rte_mempool_put(pool_, captured);
  lost_.fetch_add(1, std::memory_order_relaxed);
}

void Tap::before(PortIndex port, const Frame* frames, unsigned count, capture::Captured** seen) const {
  for (unsigned i = 0; i < count; ++i) {
    const std::uint32_t readable =
        frames[i].scattered ? static_cast<const rte_mbuf*>(frames[i].handle)->data_len : frames[i].length;
    seen[i] = take(port, capture::Direction::In, frames[i].data, readable, frames[i].length);
  }
}

void Tap::after(const Frame* frames, unsigned count, capture::Captured** seen) const {
  for (unsigned i = 0; i < count; ++i) {
    if (seen[i] == nullptr) continue;
    if (frames[i].dropped) seen[i]->drop = static_cast<std::uint8_t>(frames[i].drop);
    if (filter_.dropped && !frames[i].dropped) {
      rte_mempool_put(pool_, seen[i]);
    } else {
      hand_over(seen[i]);
    }
  }
}

void Tap::leaving(PortIndex port, rte_mbuf* const* packets, unsigned count, capture::Captured** seen) const {
  for (unsigned i = 0; i < count; ++i)
    seen[i] = filter_.dropped ? nullptr : take(port, capture::Direction::Out, packets[i]);
}

void Tap::left(PortIndex port, rte_mbuf* const* packets, unsigned count, unsigned sent,
               capture::Captured** seen) const {
  for (unsigned i = 0; i < sent; ++i)
    if (seen[i] != nullptr) hand_over(seen[i]);
  for (unsigned i = sent; i < count; ++i) {
    if (filter_.dropped) seen[i] = take(port, capture::Direction::Out, packets[i]);
    hand_over(seen[i], Drop::PortOff);
  }
}

void Tap::dropped(PortIndex port, capture::Direction direction, const rte_mbuf* packet, Drop reason) const {
  hand_over(take(port, direction, packet), reason);
}

void Tap::dropped(PortIndex port, const Frame& frame, Drop reason) const {
  hand_over(take(port, capture::Direction::In, frame.data, frame.readable(), frame.length), reason);
}

Taps::~Taps() {
  stop();
  rte_ring_free(ring_);
  rte_mempool_free(pool_);
}

Status Taps::start(const capture::Filter& filter) {
  if (tap_) return conflict("capture: another one is under way");
  if (pool_ == nullptr) {
    pool_ = rte_mempool_create("captured", kBuffers, sizeof(capture::Captured), 0, 0, nullptr, nullptr, nullptr,
                               nullptr, SOCKET_ID_ANY, 0);
  }
  if (ring_ == nullptr) ring_ = rte_ring_create("captured", kBuffers + 1, SOCKET_ID_ANY, RING_F_SC_DEQ);
  if (pool_ == nullptr || ring_ == nullptr) {
    return transient(fmt::format("capture: no memory for {} frames: {}", kBuffers, rte_strerror(rte_errno)));
  }
  tap_ = std::make_unique<const Tap>(filter, *shared_.tables, pool_, ring_);
  store_shared(shared_.tap, tap_.get());
  return {};
}

void Taps::stop() {
  if (!tap_) return;
  store_shared(shared_.tap, static_cast<const Tap*>(nullptr));
  quiescent_.wait();
  drain(UINT64_MAX, [](const capture::Captured&) {});
  tap_.reset();
}

void Taps::drain(std::uint64_t limit, const std::function<void(const capture::Captured&)>& take) {
  void* captured = nullptr;
  for (; limit != 0 && ring_ != nullptr && rte_ring_sc_dequeue(ring_, &captured) == 0; --limit) {
    take(*static_cast<const capture::Captured*>(captured));
    rte_mempool_put(pool_, captured);
  }
}

}  // namespace ml2::fastpath
