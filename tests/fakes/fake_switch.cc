#include "tests/fakes/fake_switch.h"

#include <fmt/format.h>

#include <utility>

#include "datapath/base/check.h"
#include "datapath/base/delta.h"
#include "datapath/base/poll_loop.h"
#include "datapath/openflow/codec.h"

namespace ml2::of {
namespace {

constexpr std::uint8_t kInternalTable = 254;  // Open vSwitch's own: read-only
constexpr std::uint64_t kPacketBytes = 64;

// What a real switch finds wrong only when it looks at its own state.
std::optional<std::string> switch_refuses(const FlowMod& mod) {
  if (mod.command == FlowMod::Command::Delete) return std::nullopt;
  if (mod.key.table >= kInternalTable) return "OFPBRC_EPERM (permissions error)";
  if (mod.body.actions.view().find("group:") != std::string_view::npos)
    return "OFPBAC_BAD_OUT_GROUP (invalid group id)";
  return std::nullopt;
}

}  // namespace

FakeSwitch::FakeSwitch(std::string bridge) : bridge_(std::move(bridge)) {}

void FakeSwitch::run() {
  const bool lost = std::exchange(lost_, false);
  if (connected_ && (lost || !reachable_)) {
    lose_connection();
    return;
  }
  if (!reachable_ || silent_.count() > 0) return;
  if (!connected_) {  // connecting takes a run() of its own
    connected_ = true;
    ++totals_.connections;
    changed_ = true;
    return;
  }
  if (in_flight_) {
    const Bundle bundle = *std::exchange(in_flight_, std::nullopt);
    std::optional<Error> error = std::exchange(refusal_, std::nullopt);
    for (const FlowMod& mod : bundle.mods) {
      if (error) break;
      if (const auto why = switch_refuses(mod)) {
        error = Error{ErrorKind::Invalid,
                      fmt::format("{} refused flow \"{}\": {}", bridge_, to_text(mod.key, mod.body), *why)};
      }
    }
    if (error) {
      ++totals_.failures;
      outcome_ = tl::unexpected(std::move(*error));
    } else {
      carry_out(bundle);
      if (std::exchange(lose_outcome_, false)) {
        in_flight_ = bundle;
        lose_connection();
        return;
      }
      ++totals_.bundles;
      totals_.flow_mods += bundle.mods.size();
      outcome_ = Status();
    }
  }
  if (changed_) {
    show();
    changed_ = false;
  }
  for (const auto& asked : std::exchange(asked_, {})) {
    std::map<FlowKey, FlowCounters>& counted = counted_[asked.first];
    counted = table_counters_;
    std::erase_if(counted,
                  [&](const auto& entry) { return asked.second && table_.at(entry.first).cookie != *asked.second; });
  }
}

void FakeSwitch::wait() {
  if (reachable_ != connected_ || lost_ || in_flight_ || changed_ || !asked_.empty()) ml2_poll_immediate();
}

void FakeSwitch::show() {
  ++sequence_;
  if (flows_) {
    const Delta<FlowKey, FlowBody> changes = delta(table_, *flows_);
    for (const auto* list : {&changes.add, &changes.change, &changes.remove}) {
      for (const auto& [key, body] : *list) log_.add(sequence_, key);
    }
  } else {
    log_.add_all(sequence_);
  }
  flows_ = table_;
}

const FlowSet* FakeSwitch::flows() const { return flows_ ? &*flows_ : nullptr; }

Status FakeSwitch::commit(const Bundle& bundle) {
  if (in_flight_) return transient(fmt::format("{}: a bundle is under way", bridge_));
  if (!flows_) return transient(fmt::format("{}: its flows have not been read yet", bridge_));
  Bundle next;
  for (const FlowMod& mod : bundle.mods) {
    auto encoded = encode(mod);
    if (!encoded) return forward_error(encoded);
    next.mods.push_back(std::move(encoded->canonical));
  }
  outcome_.reset();
  sent_.push_back(next);
  in_flight_ = std::move(next);
  return {};
}

std::optional<Status> FakeSwitch::take_outcome() { return std::exchange(outcome_, std::nullopt); }

Result<std::uint32_t> FakeSwitch::request_counters(std::optional<std::uint64_t> cookie) {
  if (!flows_) return transient(fmt::format("{}: its flows have not been read yet", bridge_));
  if (asked_.size() + counted_.size() >= kMostRequests) {
    if (counted_.empty()) {
      asked_.erase(asked_.begin());
    } else {
      counted_.erase(counted_.begin());
    }
  }
  asked_[++last_request_] = cookie;
  return last_request_;
}

std::optional<std::map<FlowKey, FlowCounters>> FakeSwitch::take_counters(std::uint32_t request) {
  const auto found = counted_.find(request);
  if (found == counted_.end()) return std::nullopt;
  auto counters = std::move(found->second);
  counted_.erase(found);
  return counters;
}

SwitchStatus FakeSwitch::status() const {
  SwitchStatus status = totals_;
  status.target = bridge_;
  status.connected = connected_;
  if (connected_) status.silent = silent_;
  if (!connected_) status.error = fmt::format("{}: not connected", bridge_);
  return status;
}

void FakeSwitch::carry_out(const Bundle& bundle) {
  for (const FlowMod& mod : bundle.mods) {
    switch (mod.command) {
      case FlowMod::Command::Add:
        table_.insert_or_assign(mod.key, mod.body);
        table_counters_.try_emplace(mod.key);
        break;
      case FlowMod::Command::Modify:
        if (const auto at = table_.find(mod.key); at != table_.end()) at->second.actions = mod.body.actions;
        break;
      case FlowMod::Command::Delete:
        table_.erase(mod.key);
        table_counters_.erase(mod.key);
        break;
    }
  }
  changed_ = true;
}

void FakeSwitch::lose_connection() {
  connected_ = false;
  silent_ = std::chrono::milliseconds(0);
  if (flows_) log_.add_all(++sequence_);
  flows_.reset();
  asked_.clear();
  counted_.clear();
  if (std::exchange(in_flight_, std::nullopt)) {
    ++totals_.failures;
    outcome_ = transient(fmt::format("{}: the connection was lost while a bundle was under way", bridge_));
  }
}

void FakeSwitch::disconnect() { reachable_ = false; }
void FakeSwitch::reconnect() { reachable_ = true; }

void FakeSwitch::restart() {
  table_.clear();
  table_counters_.clear();
  lost_ = true;
}

void FakeSwitch::refuse_next_bundle(Error error) { refusal_ = std::move(error); }
void FakeSwitch::lose_next_outcome() { lose_outcome_ = true; }

void FakeSwitch::put(const FlowKey& key, const FlowBody& body) {
  auto flow = canonical(key, body);
  ML2_CHECK(flow.has_value(), flow.error().message.c_str());
  carry_out({{{.command = FlowMod::Command::Add, .key = flow->first, .body = flow->second}}});
}

void FakeSwitch::remove(const FlowKey& key) {
  auto flow = canonical(key, {.actions = "drop"});
  ML2_CHECK(flow.has_value(), flow.error().message.c_str());
  carry_out({{{.command = FlowMod::Command::Delete, .key = flow->first, .body = {}}}});
}

void FakeSwitch::count(const FlowKey& key, std::uint64_t packets, std::chrono::milliseconds age) {
  auto flow = canonical(key, {.actions = "drop"});
  ML2_CHECK(flow.has_value(), flow.error().message.c_str());
  const auto at = table_counters_.find(flow->first);
  ML2_CHECK(at != table_counters_.end(), "only a flow that is there can be hit");
  at->second.packets += packets;
  at->second.bytes += packets * kPacketBytes;
  at->second.age = age;
}

}  // namespace ml2::of
