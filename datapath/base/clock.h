// Clock: the seam to time.
//
// Where in the walk: given to whatever waits, backs off or stamps; the core never asks the system itself.
// Threading: both clocks are for one thread; SystemClock has no state.
// Failure: none.
// What it does not do: no timers: the loop asks for the next deadline and hands it to poll_block().
#pragma once

#include <chrono>

namespace ml2 {

using Monotonic = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  // Never steps back; for intervals.
  [[nodiscard]] virtual Monotonic now() const = 0;
  // May step; only for stamps that people or other hosts read.
  [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace ml2
