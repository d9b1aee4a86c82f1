// Switch: the seam to one OpenFlow bridge: its flows out, an atomic bundle in.
//
// Where in the walk: the agent holds one per bridge it programs (br-int, br-tun, physical bridges). RconnSwitch is
//   the real one (rconn on the bridge's .mgmt socket), tests/fakes/FakeSwitch the other; one contract suite holds
//   both.
// Threading: the thread of the poll loop only.
// Failure: a lost connection is not an error: flows() is nullptr until the next connection has been read whole. That
//   is also how a restart of ovs-vswitchd is seen: a new connection, and its flows are read again.
//   An ovs-vswitchd that does not answer (it hangs, or is busy with thousands of ports) is said by status().silent, and
//   nothing else is done about it: the connection stays, and what was sent is carried out when it goes on.
// What it does not do: no policy, no retry: the caller computes the bundle anew from what was read.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/base/result.h"
#include "datapath/openflow/flow.h"

namespace ml2::of {

// When ovs-vswitchd is asked whether it lives, and when it counts as silent.
struct Liveness {
  std::chrono::milliseconds quiet{10'000};  // nothing has come for this long: it is asked; 0: never
  // What is owed for this long is missed, be it the answer to that question or to what we wanted done.
  std::chrono::milliseconds answers_within{5'000};

  friend bool operator==(const Liveness&, const Liveness&) = default;
};

struct SwitchStatus {
  bool connected = false;
  std::string target;  // the socket
  std::string error;   // why not connected; empty otherwise
  // How long ovs-vswitchd has owed an answer; 0 when it answers within Liveness::answers_within, or is not connected.
  std::chrono::milliseconds silent{0};
  std::uint64_t connections = 0;  // connections made so far
  std::uint64_t bundles = 0;      // bundles committed
  std::uint64_t flow_mods = 0;    // flow mods in them
  std::uint64_t failures = 0;     // bundles refused or lost
};

// What a flow has done since it was added.
struct FlowCounters {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::chrono::milliseconds age{0};

  friend bool operator==(const FlowCounters&, const FlowCounters&) = default;
};

class Switch {
 public:
  virtual ~Switch() = default;

  // Makes progress; never blocks.
  virtual void run() = 0;
  // Registers with the poll loop what would make run() worth calling.
  virtual void wait() = 0;

  // All flows in the switch, canonical (codec.h), kept up to date by the switch's own flow monitor: our bundles,
  // learned flows, timeouts and other people's ovs-ofctl alike. nullptr until they have been read once on this
  // connection. Stays valid and unchanged until the next run().
  [[nodiscard]] virtual const FlowSet* flows() const = 0;
  // Grows whenever flows() changes.
  [[nodiscard]] virtual std::uint64_t sequence() const = 0;
  // The flows in which flows() may differ from what it was at number `sequence`; nullopt: nobody knows, look at all.
  [[nodiscard]] virtual std::optional<std::set<FlowKey>> changes_since(std::uint64_t sequence) const = 0;

  // Sends `bundle`. Fails as Transient when one is in flight or flows() is nullptr (nothing was sent then), as
  // Invalid when a flow's text does not parse (nothing was sent; the message names the flow).
  virtual Status commit(const Bundle& bundle) = 0;
  // A bundle is in flight: sent, and neither refused nor confirmed by the barrier after it.
  [[nodiscard]] virtual bool busy() const = 0;
  // The outcome of the last bundle, once; flows() already holds the change. Invalid: the switch refused it, the
  // message has its error and the flow. Transient: the connection was lost; nobody knows whether it was carried out.
  [[nodiscard]] virtual std::optional<Status> take_outcome() = 0;

  // Asks for the counters, which flows() leaves out, of the flows with this cookie (nullopt: of all), and answers the
  // number by which to take them. Transient when flows() is nullptr. Several may be open, kMostRequests at most: of more,
  // the oldest are forgotten.
  static constexpr std::size_t kMostRequests = 8;
  virtual Result<std::uint32_t> request_counters(std::optional<std::uint64_t> cookie) = 0;
  // The answer, once; nullopt until it is here whole (never, when the connection was lost or the switch refused it: ask
  // again).
  [[nodiscard]] virtual std::optional<std::map<FlowKey, FlowCounters>> take_counters(std::uint32_t request) = 0;

  [[nodiscard]] virtual SwitchStatus status() const = 0;
};

}  // namespace ml2::of
