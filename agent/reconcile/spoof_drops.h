// SpoofDrops: which ports send what anti-spoofing drops, while they do.
//
// Where in the walk: the reconciler runs it at each pass over the switch of the integration bridge; what it says of a port
//   goes into the port's report: row, status, explain.
// How: the first frame of a port that a drop flow drops makes the switch learn a flow in table Spoofing
//   (compile/flows_antispoof.cc), which goes when nothing more of the kind has come for a minute. So the switch tells, at
//   once and by the flow monitor that is there anyway, when it begins and when it is over, and an agent that has nothing to
//   do sleeps. Since when, and how many frames, the switch is asked: for the flows of that port, by their cookie, when
//   the flow comes and when somebody looks (`status`, `explain`).
// Threading: the thread of the poll loop only.
// Failure: a switch that is away, or gives no answer, is asked again; what was said before stands meanwhile.
// What it does not do: no counting of its own: the numbers are the switch's, and a restarted agent says the same.
#pragma once

#include <array>
#include <chrono>
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
  static constexpr std::chrono::milliseconds kAnswer{5000};  // no answer within: ask again

  // `clock` outlives it.
  explicit SpoofDrops(const Clock& clock) : clock_(clock) {}

  // The match of the port's drop flows; empty, which is none of theirs, when it has no OpenFlow port.
  [[nodiscard]] static std::string match_of(const PortState& state);

  // `of_switch`: nullptr when there is none. Answers the matches ("in_port=5") of the ports of which something else is to be
  // said now.
  [[nodiscard]] std::set<std::string> run(of::Switch* of_switch);
  void wait() const;
  // The next run() asks how many frames there are by now.
  void look();
  // What is said of the port with this match: what is dropped, since when, what to do; empty: nothing is dropped.
  [[nodiscard]] std::string sentence(const std::string& match, const Uuid& port) const;
  // Frames of it dropped so far, as long as any are; 0: none is.
  [[nodiscard]] std::uint64_t frames(const std::string& match) const;

 private:
  struct Spoofer {
    std::uint64_t cookie = 0;
    std::array<bool, 2> learned{};                   // by what drops: ArpSpoof, MacSpoof
    std::array<std::optional<WallTime>, 2> since{};  // as the switch has answered
    std::uint64_t frames = 0;
  };
  struct Request {
    std::uint32_t number = 0;
    Monotonic asked{};
    std::string match;
  };

  void read(const of::FlowSet& flows, std::set<std::string>& news);
  void take_answer(of::Switch& of_switch, std::set<std::string>& news);

  const Clock& clock_;
  std::optional<std::uint64_t> seen_;        // the switch's sequence that was read
  std::map<std::string, Spoofer> spoofers_;  // by match
  std::set<std::string> to_ask_;             // of these
  std::optional<Request> request_;
};

}  // namespace ml2::reconcile
