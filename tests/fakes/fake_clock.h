// FakeClock: time that moves when the test says so.
//
// Where in the walk: in place of SystemClock. Threading: one thread. Failure: none.
// What it does not do: it wakes nobody.
#pragma once

#include "datapath/base/clock.h"

namespace ml2 {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const override { return now_; }
  [[nodiscard]] WallTime wall() const override { return wall_; }

  void advance(std::chrono::milliseconds by) {
    now_ += by;
    wall_ += by;
  }
  // As ntpd or an operator steps the wall clock.
  void step_wall(std::chrono::seconds by) { wall_ += by; }

 private:
  Monotonic now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::seconds(1'700'000'000)};
};

}  // namespace ml2
