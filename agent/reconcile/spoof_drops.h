// SpoofDrops: which ports send what anti-spoofing drops, while they do.
//
// Where in the walk: the reconciler runs it at each pass over the switch of the integration bridge; what it says of a port
//   goes into the port's report: row, status, explain.
// How: the drop flows of all ports have one cookie (compile/flows_antispoof.cc). Once in kEvery the switch is asked for the
//   sum of their packets, one small message whatever their number; only when it has changed are they read one by one.
//   Open vSwitch tells no one that a counter grows, and an agent that has nothing to do shall sleep: so that is seldom, and
//   at once when somebody looks (`status`, `explain`).
// Threading: the thread of the poll loop only.
// Failure: a switch that is away or gives no answer is asked again; what it had counted before stands.
// What it does not do: nothing is said of what was dropped before the agent's first look: it may be long ago.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/base/clock.h"
#include "datapath/base/uuid.h"
#include "datapath/model/desired.h"
#include "datapath/openflow/switch.h"

namespace ml2::reconcile {

class SpoofDrops {
 public:
  static constexpr std::chrono::milliseconds kEvery{20'000};
  static constexpr std::chrono::milliseconds kAnswer{5000};   // no answer within: ask again
  static constexpr std::chrono::milliseconds kQuiet{60'000};  // nothing dropped for so long: it is over

  // `clock` outlives it.
  explicit SpoofDrops(const Clock& clock) : clock_(clock) {}

  // The match of the port's drop flows; empty, which is none of theirs, when it has no OpenFlow port.
  [[nodiscard]] static std::string match_of(const PortState& state);

  // `of_switch`: nullptr when there is none, or no port that is checked. Answers the matches ("in_port=5") of the ports of which
  // something else is to be said now.
  [[nodiscard]] std::set<std::string> run(of::Switch* of_switch);
  void wait() const;
  // The next run() asks, whatever the time.
  void look() { next_ = {}; }
  // What is said of the port with this match: what is dropped, since when, what to do; empty: nothing is dropped.
  [[nodiscard]] std::string sentence(const std::string& match, const Uuid& port) const;
  // Frames dropped since then; 0: nothing is.
  [[nodiscard]] std::uint64_t frames(const std::string& match) const;

 private:
  struct Count {
    std::uint64_t packets = 0;  // of the flow
    std::uint64_t before = 0;   // of these: before it began
    WallTime since{};
    Monotonic last{};  // time of the reading that found more of them
    bool rising = false;
  };
  struct Request {
    std::uint32_t number = 0;
    Monotonic asked{};
    bool one_by_one = false;
  };

  void take_answer(of::Switch& of_switch, std::set<std::string>& news);
  void read(const std::map<of::FlowKey, of::FlowCounters>& counters, std::set<std::string>& news);

  const Clock& clock_;
  bool active_ = false;  // at the last run()
  Monotonic next_{};
  std::optional<Request> request_;
  std::optional<std::uint64_t> sum_;  // at the last reading one by one
  bool read_once_ = false;
  std::map<of::FlowKey, Count> counts_;
  std::size_t rising_ = 0;  // how many of them are
};

}  // namespace ml2::reconcile
