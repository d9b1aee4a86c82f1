// tap: the workers' end of a capture: copies of what matches, handed to the control thread.
//
// Where in the walk: around it, in the worker, only while somebody captures; else a load and two tests per burst, in and out.
// Threading: start(), stop(), drain(): the control thread. Workers see a Tap whole or not at all; stop() waits until none has
//   it any more.
// Failure: no memory for the buffers: start() says so. No free buffer: the frame is counted as lost to the capture.
// What it does not do: no rows and no files.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <atomic>

#include "dpdk/process/capture.h"

namespace ml2::fastpath {

class QuiescentStates;
struct Shared;

// What workers see.
class Tap {
 public:
  Tap(const capture::Filter& wanted, const Tables& all, rte_mempool* buffers, rte_ring* ring)
      : filter_(wanted), tables_(all), pool_(buffers), ring_(ring) {}
  // Of received frames: a copy of each that matches, null of others; before the walk changes them.
  void before(PortIndex port, const Frame* frames, unsigned count, capture::Captured** seen) const;
  // And what became of them.
  void after(const Frame* frames, unsigned count, capture::Captured** seen) const;
  // Frames that are handed to a device, which may take them apart: a copy of each that matches, null of others.
  void leaving(PortIndex port, rte_mbuf* const* packets, unsigned count, capture::Captured** seen) const;
  // The device took `sent` of them; the others are still ours, and dropped.
  void left(PortIndex port, rte_mbuf* const* packets, unsigned count, unsigned sent, capture::Captured** seen) const;
  // What is dropped elsewhere than in a burst that the walk has had: before it, behind it, and copies.
  void dropped(PortIndex port, capture::Direction direction, const rte_mbuf* packet, Drop reason) const;
  void dropped(PortIndex port, const Frame& frame, Drop reason) const;
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] capture::Captured* take(PortIndex port, capture::Direction direction, const rte_mbuf* packet) const;
  [[nodiscard]] capture::Captured* take(PortIndex port, capture::Direction direction, const std::uint8_t* data,
                                        std::uint32_t readable, std::uint32_t length) const;
  void hand_over(capture::Captured* captured) const;
  void hand_over(capture::Captured* captured, Drop reason) const;

  const capture::Filter filter_;
  const Tables& tables_;
  rte_mempool* pool_;
  rte_ring* ring_;
  mutable std::atomic<std::uint64_t> lost_{0};
};

class Taps final : public capture::Source {
 public:
  Taps(Shared& shared, QuiescentStates& quiescent) : shared_(shared), quiescent_(quiescent) {}
  ~Taps() override;
  [[nodiscard]] Status start(const capture::Filter& filter) override;
  void stop() override;
  void drain(std::uint64_t limit, const std::function<void(const capture::Captured&)>& take) override;
  [[nodiscard]] std::uint64_t lost() const override { return tap_ ? tap_->lost() : 0; }

 private:
  Shared& shared_;
  QuiescentStates& quiescent_;
  rte_mempool* pool_ = nullptr;  // made when first needed, and kept
  rte_ring* ring_ = nullptr;
  std::unique_ptr<const Tap> tap_;
};

}  // namespace ml2::fastpath
