// Histogram: how many of what was measured lay under each bound; what Prometheus calls a classic histogram.
//
// Where in the walk: the reconciler measures, agent/control/metrics shows.
// Threading: a value.
// Failure: none.
// What it does not do: no quantiles: who reads it computes them from the bounds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ml2 {

// Bounds are upper bounds in increasing order, in the unit of what is measured; above the last counts too.
template <std::size_t N>
class Histogram {
 public:
  constexpr explicit Histogram(const std::array<double, N>& bounds) : bounds_(bounds) {}

  void observe(double value) {
    std::size_t bucket = 0;
    while (bucket < N && value > bounds_[bucket]) ++bucket;
    ++counts_[bucket];
    ++count_;
    sum_ += value;
  }

  [[nodiscard]] const std::array<double, N>& bounds() const { return bounds_; }
  // Of one bucket alone, not cumulative; counts()[N] is of what lay above all bounds.
  [[nodiscard]] const std::array<std::uint64_t, N + 1>& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double sum() const { return sum_; }

 private:
  std::array<double, N> bounds_;
  std::array<std::uint64_t, N + 1> counts_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

}  // namespace ml2
