// RconnSwitch: the Switch seam on a real bridge of ovs-vswitchd, over the bridge's .mgmt socket.
//
// Where in the walk: main.cc makes one per bridge; the reconciler sees the Switch seam only.
// How: OpenFlow 1.4. On each new connection an OpenFlow 1.4 flow monitor over all tables is asked for: its first
//   reply is all flows, and from then on the switch tells each change (Open vSwitch 3.0 and later; an older one
//   refuses, and status() says so). What our own bundle did is told as one abbreviated item; the bundle's flows in
//   canonical form are then put into flows() at that very place in the stream. When the switch has more to tell than
//   we read it pauses and later tells the rest: an outcome waits for that.
//   When nothing has come for a while an echo request goes out: see ask_when_quiet().
// Threading: the thread of the poll loop only. Several RconnSwitches share one loop.
// Failure: see Switch. A flow of someone else that cannot be decoded is left out of flows() and logged once per
//   connection. A reply that makes no sense breaks the connection off, and all is read again.
// What it does not do: no groups, meters, PACKET_IN.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "datapath/base/change_log.h"
#include "datapath/openflow/messages.h"
#include "datapath/openflow/rconn_shim.h"
#include "datapath/openflow/switch.h"

namespace ml2::of {

class RconnSwitch final : public Switch {
 public:
  // `bridge` is for messages to people; `socket` is the path of its .mgmt socket, "/run/openvswitch/br-int.mgmt".
  RconnSwitch(std::string bridge, std::string socket, Liveness liveness);

  void run() override;
  void wait() override;
  [[nodiscard]] const FlowSet* flows() const override;
  [[nodiscard]] std::uint64_t sequence() const override { return sequence_; }
  [[nodiscard]] std::optional<std::set<FlowKey>> changes_since(std::uint64_t sequence) const override {
    return log_.since(sequence);
  }
  Status commit(const Bundle& bundle) override;
  [[nodiscard]] bool busy() const override { return in_flight_.has_value(); }
  [[nodiscard]] std::optional<Status> take_outcome() override;
  Result<std::uint32_t> request_counters(std::optional<std::uint64_t> cookie) override;
  [[nodiscard]] std::optional<std::map<FlowKey, FlowCounters>> take_counters(std::uint32_t request) override;
  [[nodiscard]] SwitchStatus status() const override;

 private:
  struct InFlight {
    std::uint32_t bundle_id = 0;
    std::vector<FlowMod> mods;                              // canonical
    std::unordered_map<std::uint32_t, std::size_t> mod_of;  // transaction id -> index in mods
    std::deque<Message> unsent;                             // flow mods still to be put into the bundle
    std::uint32_t open_id = 0;                              // transaction ids of the other messages; 0: not sent
    std::uint32_t commit_id = 0;
    std::uint32_t barrier_id = 0;
    bool committed = false;  // the switch said so
    bool barrier = false;    // everything before it has been told
    std::optional<Error> error;
  };

  struct Counting {
    std::map<FlowKey, FlowCounters> counters;
    bool whole = false;
  };

  void begin_connection();
  void lose_connection();
  void handle(const Message& message);
  void handle_updates(Reply reply);
  void handle_error(const Reply& reply);
  void apply(FlowUpdate update);
  void apply_own();
  void note(const FlowKey& key);
  void send_more();
  void finish_bundle();
  std::uint32_t send(Message message);
  void ask_when_quiet();
  [[nodiscard]] bool usable() const;

  std::string bridge_;
  std::string socket_;
  Liveness liveness_;
  RconnShim connection_;
  unsigned epoch_;

  long long heard_ = 0;  // ms of the loop's clock: the last message, or the connection
  long long asked_ = 0;  // ms: the first question since then; 0: none

  std::uint32_t monitor_id_ = 0;  // transaction id of the monitor's request
  bool have_flows_ = false;       // the first reply has been read whole
  bool paused_ = false;
  std::vector<FlowUpdate> held_;  // changes that came between the parts of the first reply
  FlowSet flows_;
  std::uint64_t sequence_ = 0;
  ChangeLog<FlowKey> log_;
  bool told_unreadable_ = false;  // logged on this connection
  bool more_to_read_ = false;

  std::uint32_t last_bundle_id_ = 0;
  std::optional<InFlight> in_flight_;
  std::optional<Status> outcome_;

  std::map<std::uint32_t, Counting> counting_;  // by the request's transaction id

  std::string refusal_;  // why a connected switch is of no use; empty otherwise
  SwitchStatus totals_;
};

}  // namespace ml2::of
