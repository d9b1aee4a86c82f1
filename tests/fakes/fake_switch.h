// FakeSwitch: the Switch seam on a flow table in memory.
//
// Where in the walk: tests of the reconciler, which need no ovs-vswitchd. tests/contract/switch_contract_test.cc
//   holds it to what the real one does.
// How: the table stands for the switch and survives disconnect(); flows() is what the connection has shown of it so
//   far. What the test does to the table and what commit() sends becomes visible in the next run(), as over a socket.
// Threading: the thread of the poll loop only.
// Failure: by order of the test, see the fault menu.
// What it does not do: no packets, no clock (expire a flow with remove()), no groups: a flow that names one is
//   refused, as a switch without groups does.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "datapath/base/change_log.h"
#include "datapath/openflow/switch.h"

namespace ml2::of {

class FakeSwitch final : public Switch {
 public:
  explicit FakeSwitch(std::string bridge = "br-fake");

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

  // Fault menu.
  void disconnect();                     // until reconnect(); flows stay in the switch
  void reconnect();                      // flows() is there again after the next run()
  void restart();                        // of ovs-vswitchd: connection lost and made anew, all flows gone
  void refuse_next_bundle(Error error);  // nothing of it is carried out; its outcome is `error`
  // Nothing is carried out, told or answered until answer(), or until the connection is lost; it has lasted this long.
  void hang(std::chrono::milliseconds silent = Liveness().answers_within) { silent_ = silent; }
  void answer() { silent_ = std::chrono::milliseconds(0); }
  void lose_next_outcome();  // it is carried out, but the connection is lost before that is said

  // What someone with ovs-ofctl, the learn action or a timeout does. Text as in FlowSet; aborts on text that OVS
  // refuses (a mistake of the test).
  void put(const FlowKey& key, const FlowBody& body);
  void remove(const FlowKey& key);
  // `packets` of 64 bytes have hit the flow, which was made `age` ago.
  void count(const FlowKey& key, std::uint64_t packets, std::chrono::milliseconds age = {});

  // The switch's own table, whatever the connection does.
  [[nodiscard]] const FlowSet& table() const { return table_; }
  // Every bundle that commit() took, canonical, in order.
  [[nodiscard]] const std::vector<Bundle>& sent() const { return sent_; }

 private:
  void carry_out(const Bundle& bundle);
  void lose_connection();
  void show();

  std::string bridge_;
  FlowSet table_;
  std::map<FlowKey, FlowCounters> table_counters_;

  bool reachable_ = true;
  bool connected_ = false;
  std::chrono::milliseconds silent_{0};
  bool lost_ = false;     // the connection breaks in the next run()
  bool changed_ = false;  // table_ since flows_ was copied
  std::optional<FlowSet> flows_;
  std::uint64_t sequence_ = 0;
  ChangeLog<FlowKey> log_;

  std::optional<Bundle> in_flight_;
  std::optional<Status> outcome_;
  std::optional<Error> refusal_;
  bool lose_outcome_ = false;
  std::vector<Bundle> sent_;

  std::uint32_t last_request_ = 0;
  std::map<std::uint32_t, std::optional<std::uint64_t>> asked_;       // request -> cookie
  std::map<std::uint32_t, std::map<FlowKey, FlowCounters>> counted_;  // answers
  SwitchStatus totals_;
};

}  // namespace ml2::of
