// BackOff: the pause before something that failed is tried again.
//
// Where in the walk: one for the OVSDB transaction and one for each bridge's bundles.
// Threading: a value. Failure: none.
// What it does not do: no timer: due() is asked in each pass, until() goes into the loop's wait.
#pragma once

#include <algorithm>
#include <chrono>

#include "datapath/base/clock.h"

namespace ml2::reconcile {

class BackOff {
 public:
  static constexpr std::chrono::milliseconds kFirst{50};
  static constexpr std::chrono::milliseconds kLongest{10'000};

  void succeeded() { pause_ = std::chrono::milliseconds{0}; }
  void failed(Monotonic now) {
    pause_ = std::clamp(pause_ * 2, kFirst, kLongest);
    until_ = now + pause_;
  }
  [[nodiscard]] bool due(Monotonic now) const { return pause_.count() == 0 || now >= until_; }
  [[nodiscard]] Monotonic until() const { return until_; }
  [[nodiscard]] std::chrono::milliseconds pause() const { return pause_; }

 private:
  std::chrono::milliseconds pause_{0};
  Monotonic until_{};
};

}  // namespace ml2::reconcile
