// shared: how one writer and many readers share the fast path's tables without locks.
//
// What it is: loads and stores of words that both sides touch, and GracePeriod with Retired: nothing that a reader may still
//   hold is freed or used for something else before every reader has been seen outside of it.
// Where in the walk: below dpdk/tables (the writer) and dpdk/walk (the readers).
// Threading: the writer is one thread. A reader reports a quiescent state between bursts; in the process that is
//   rte_rcu_qsbr, in tests a counter.
// Failure: none.
// What it does not do: it does not wait: what was retired is reclaimed on a later call, once its time has come.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

#include "datapath/tunnel/wire.h"

namespace ml2::fastpath {

// Plain words accessed atomically (not std::atomic, so that tables are plain memory from mmap): a reader's load is an
// acquire and a writer's store a release, which cost nothing on amd64.
template <class T>
ML2_INLINE T load_shared(const T& word) {
  T value;
  __atomic_load(&word, &value, __ATOMIC_ACQUIRE);
  return value;
}
template <class T>
ML2_INLINE void store_shared(T& word, T value) {
  __atomic_store(&word, &value, __ATOMIC_RELEASE);
}
// A counter with one writer and any number of readers: no locked instruction.
ML2_INLINE void bump(std::uint64_t& counter, std::uint64_t by) {
  __atomic_store_n(&counter, __atomic_load_n(&counter, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

class GracePeriod {
 public:
  virtual ~GracePeriod() = default;
  // A token for "now": to be asked about later.
  [[nodiscard]] virtual std::uint64_t start() = 0;
  // True once every reader has been quiescent since `token` was given.
  [[nodiscard]] virtual bool passed(std::uint64_t token) = 0;
};

// What waits for its grace period, oldest first.
class Retired {
 public:
  explicit Retired(GracePeriod& grace) : grace_(grace) {}
  ~Retired() {
    for (auto& [token, reclaim] : waiting_) reclaim();
  }
  Retired(const Retired&) = delete;
  Retired& operator=(const Retired&) = delete;

  void add(std::function<void()> reclaim) { waiting_.emplace_back(grace_.start(), std::move(reclaim)); }
  template <class T>
  void free(const T* object) {
    if (object != nullptr) add([object] { delete object; });
  }
  // Runs what may be run; returns how many.
  std::size_t run() {
    std::size_t done = 0;
    while (!waiting_.empty() && grace_.passed(waiting_.front().first)) {
      auto reclaim = std::move(waiting_.front().second);
      waiting_.pop_front();
      reclaim();
      ++done;
    }
    return done;
  }
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }

 private:
  GracePeriod& grace_;
  std::deque<std::pair<std::uint64_t, std::function<void()>>> waiting_;
};

}  // namespace ml2::fastpath
