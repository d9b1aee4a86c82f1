// Journal: what happened on this node: the last 1,000 events with their cause, since when each port is as it is, and
// how long things took.
//
// Where in the walk: the reconciler writes it; `ml2ctl events` and `explain` and the metrics read it.
// Threading: the thread of the poll loop only.
// Failure: none. After kMaxEvents the oldest is forgotten.
// What it does not do: nothing survives a restart, nothing is decided by what stands here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/intent/intent_source.h"
#include "datapath/base/clock.h"
#include "datapath/base/histogram.h"
#include "datapath/base/uuid.h"
#include "datapath/model/desired.h"

namespace ml2::reconcile {

struct Event {
  enum class Kind {
    Sync,        // everything has been read
    Connection,  // to a switch or a database, made or lost
    Rows,        // a transaction was sent
    Flows,       // a bundle was sent
    Records,     // an update was sent to the fast path
    Confirmed,   // one of these was carried out
    Failed,      // one of these was not
    Repair,      // somebody else had changed what is ours
    Port,        // a port of the intent is another way
    Problem,     // came
    Solved,      // went
  };
  std::uint64_t id = 0;  // 1 is the first since the agent started
  WallTime time{};
  Kind kind = Kind::Sync;
  std::string cause;     // what had woken the agent: "ML2 database", "flows of br-int"; of no Connection
  std::string subject;   // "br-int", "Open_vSwitch database", a port's id
  std::string text;      // one sentence
  std::size_t size = 0;  // changes to rows or flows
};
[[nodiscard]] std::string_view to_string(Event::Kind kind);

// How long a port has been the way it is.
struct PortHistory {
  intent::PortReport report;
  std::optional<WallTime> since;  // of `report`; absent: since before the agent started, and nobody knows when
  bool has_interface = false;
  std::optional<Monotonic> plugged;       // its interface was first seen, and it was not ACTIVE since; else absent
  std::optional<double> seconds_to_wire;  // from plugged to the first ACTIVE after it
};

class Journal {
 public:
  static constexpr std::size_t kMaxEvents = 1000;

  explicit Journal(const Clock& clock) : clock_(clock) {}

  // What the events that follow are due to.
  void woken_by(std::string cause) { cause_ = std::move(cause); }
  void add(Event::Kind kind, std::string subject, std::string text, std::size_t size = 0);
  // How a port stands now; nullptr: it is none of this node's any more. `wired_since`: what its interface says of an
  // ACTIVE one, from before the agent started.
  void port(const Uuid& id, const intent::PortReport* report, const PortState* state,
            std::optional<WallTime> wired_since = std::nullopt);
  void step_took(double seconds) { steps_.observe(seconds); }

  [[nodiscard]] const std::deque<Event>& events() const { return events_; }
  [[nodiscard]] std::uint64_t last_id() const { return last_id_; }
  // When something was last changed on this node; absent: not since the agent started.
  [[nodiscard]] std::optional<WallTime> last_change() const { return last_change_; }
  [[nodiscard]] const std::map<Uuid, PortHistory>& port_histories() const { return ports_; }
  [[nodiscard]] std::uint64_t repairs() const { return repairs_; }  // objects that others had changed

  using Steps = Histogram<10>;
  using Wirings = Histogram<10>;
  [[nodiscard]] const Steps& steps() const { return steps_; }        // seconds
  [[nodiscard]] const Wirings& wirings() const { return wirings_; }  // seconds from plug to ACTIVE

 private:
  const Clock& clock_;
  std::string cause_;
  std::deque<Event> events_;
  std::uint64_t last_id_ = 0;
  std::optional<WallTime> last_change_;
  std::map<Uuid, PortHistory> ports_;
  std::uint64_t repairs_ = 0;
  Steps steps_{{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3}};
  Wirings wirings_{{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}};
};

}  // namespace ml2::reconcile
