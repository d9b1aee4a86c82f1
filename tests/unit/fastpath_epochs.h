// fastpath_epochs: a grace period for tests with two readers, as rte_rcu_qsbr has it in the process.
//
// Where in the walk: the race tests' workers. Threading: start() and passed() on the writer's, quiescent() on each reader's.
// Failure: none. What it does not do: no reader joins or leaves.
#pragma once

#include <algorithm>
#include <atomic>

#include "dpdk/tables/shared.h"

namespace ml2::fastpath {

class Epochs final : public GracePeriod {
 public:
  std::uint64_t start() override { return now_.fetch_add(1) + 1; }
  bool passed(std::uint64_t token) override { return std::min(seen_[0].load(), seen_[1].load()) >= token; }
  // Reader `who` holds nothing.
  void quiescent(std::size_t who) { seen_[who].store(now_.load()); }

 private:
  std::atomic<std::uint64_t> now_{0};
  std::atomic<std::uint64_t> seen_[2]{};
};

}  // namespace ml2::fastpath
