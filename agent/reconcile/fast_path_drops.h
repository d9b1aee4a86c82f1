// FastPathDrops: which ports of the fast path send what anti-spoofing drops, while they do.
//
// Where in the walk: beside SpoofDrops, which is for ports on Open vSwitch; what it says of a port goes the same way: row,
//   status.
// How: the seam has the fast path's counters, as it has heard them last (every few seconds). A port whose counter has grown is
//   said to spoof until a minute has passed in which it has not grown, as long as Open vSwitch's flows remember.
// Threading: the thread of the poll loop only.
// Failure: a fast path that is away drops nothing; what was said of it ends after its minute. One that was started again counts
//   from zero. A restarted agent knows of no earlier frames: what it hears first is where it begins.
// What it does not do: it asks nothing itself.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/reconcile/spoof_sentences.h"
#include "datapath/base/clock.h"
#include "datapath/base/uuid.h"
#include "datapath/fastpath/fast_path.h"

namespace ml2::reconcile {

class FastPathDrops {
 public:
  static constexpr std::chrono::seconds kQuiet{60};

  // `clock` outlives it.
  explicit FastPathDrops(const Clock& clock) : clock_(clock) {}

  // `counters`: nullptr without a fast path. Answers the ports of which something else is to be said now.
  [[nodiscard]] std::set<fp::PortId> run(const fp::SpoofCounters* counters);
  void wait() const;
  // The number is another port's from now on.
  void forget(fp::PortId port) { spoofers_.erase(port); }
  // What is said of the port; empty: nothing is dropped.
  [[nodiscard]] std::string sentence(fp::PortId number, const Uuid& port) const;
  // Frames of it dropped since the first that is spoken of; 0: none is.
  [[nodiscard]] std::uint64_t frames(fp::PortId number) const;

 private:
  struct Spoofing {
    WallTime since{};
    Monotonic last{};  // when the counter was heard to have grown
  };
  struct Spoofer {
    std::array<std::optional<Spoofing>, kSpoofedKinds> kinds;
    std::uint64_t frames = 0;
  };

  void read(const fp::SpoofCounters& counters, std::set<fp::PortId>& news);

  const Clock& clock_;
  fp::SpoofCounters heard_;  // the last
  std::map<fp::PortId, Spoofer> spoofers_;
};

}  // namespace ml2::reconcile
