#include "datapath/openflow/rconn_switch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"
#include "datapath/base/text.h"

namespace ml2::of {
namespace {

constexpr const char* kLog = "openflow";
constexpr std::uint32_t kMonitor = 1;     // our only flow monitor's id on a connection
constexpr std::size_t kMaxQueued = 500;   // messages given to the socket's queue at a time
constexpr int kWireVersion = 5;           // OpenFlow 1.4
constexpr std::size_t kMaxPerRun = 1000;  // messages read in one run(), so that other bridges get their turn
// The bridges of one ovs-vswitchd are asked in one pass: one that would be asked this soon is asked already. At most a
// fifth of the quiet: an answer must not bring the next question.
constexpr long long kTogether = 1000;  // ms

}  // namespace

RconnSwitch::RconnSwitch(std::string bridge, std::string socket, Liveness liveness)
    : bridge_(std::move(bridge)),
      socket_(std::move(socket)),
      liveness_(liveness),
      connection_("unix:" + socket_, bridge_),
      epoch_(connection_.epoch()) {}

std::uint32_t RconnSwitch::send(Message message) {
  const std::uint32_t id = transaction_id(message);
  if (asked_ == 0) asked_ = ml2_time_msec();
  connection_.send(std::move(message));
  return id;
}

void RconnSwitch::run() {
  more_to_read_ = false;
  connection_.run();
  for (std::size_t read = 0;; ++read) {
    if (connection_.epoch() != epoch_) {
      epoch_ = connection_.epoch();
      if (have_flows_) log::warn(kLog, "{}: the connection to ovs-vswitchd is lost", bridge_);
      lose_connection();
      if (connection_.connected()) begin_connection();
    }
    if (read == kMaxPerRun) {
      more_to_read_ = true;
      break;
    }
    const Message message = connection_.receive();
    if (message == nullptr) {
      if (connection_.epoch() == epoch_) break;
      continue;  // found lost while reading
    }
    heard_ = ml2_time_msec();
    asked_ = 0;
    handle(message);
  }
  send_more();
  finish_bundle();
  ask_when_quiet();
}

bool RconnSwitch::usable() const { return connection_.connected() && connection_.version() == kWireVersion; }

// A switch that hangs keeps its end of a UNIX socket open: only a question tells. ovs-vswitchd answers the messages of a
// connection in their order and from one thread, so that anything that comes is a sign of life.
void RconnSwitch::ask_when_quiet() {
  const long long quiet = liveness_.quiet.count();
  if (!usable() || asked_ != 0 || quiet == 0) return;
  if (ml2_time_msec() >= heard_ + quiet - std::min(kTogether, quiet / 5)) send(make_echo_request());
}

void RconnSwitch::wait() {
  connection_.wait();
  if (more_to_read_) ml2_poll_immediate();
  if (!usable()) return;
  const long long now = ml2_time_msec();
  if (asked_ == 0) {
    if (liveness_.quiet.count() != 0) ml2_poll_timer(heard_ + liveness_.quiet.count() - now);
  } else if (now < asked_ + liveness_.answers_within.count()) {
    ml2_poll_timer(asked_ + liveness_.answers_within.count() - now);
  }
}

void RconnSwitch::begin_connection() {
  heard_ = ml2_time_msec();
  if (connection_.version() != kWireVersion) {
    refusal_ = fmt::format(
        "{} does not allow OpenFlow 1.4 (only 1.{} and older): add OpenFlow14 to the protocols column "
        "of its Bridge row (ovs-vsctl add Bridge {} protocols OpenFlow14)",
        bridge_, connection_.version() - 1, bridge_);
    log::err(kLog, "{}", refusal_);
    return;  // when the column changes, ovs-vswitchd breaks the connection off
  }
  ++totals_.connections;
  log::info(kLog, "{}: connected to ovs-vswitchd, reading its flows", bridge_);
  monitor_id_ = send(make_flow_monitor(kMonitor));
}

void RconnSwitch::lose_connection() {
  if (have_flows_) log_.add_all(++sequence_);
  have_flows_ = false;
  paused_ = false;
  told_unreadable_ = false;
  flows_.clear();
  held_.clear();
  refusal_.clear();
  counting_.clear();
  asked_ = 0;
  if (in_flight_) {
    in_flight_.reset();
    ++totals_.failures;
    outcome_ =
        transient(fmt::format("{}: the connection was lost while a bundle was under way; whether it was carried out "
                              "shows after reconnecting",
                              bridge_));
  }
}

const FlowSet* RconnSwitch::flows() const { return have_flows_ ? &flows_ : nullptr; }

void RconnSwitch::handle(const Message& message) {
  if (connection_.version() != kWireVersion) return;
  Result<Reply> decoded = decode(message);
  if (!decoded) {
    log::warn(kLog, "{}: {}; connecting again", bridge_, decoded.error().message);
    connection_.reconnect();
    return;
  }
  Reply& reply = *decoded;
  if (reply.unreadable > 0 && !told_unreadable_) {
    told_unreadable_ = true;
    log::warn(kLog, "{}: {} flows cannot be decoded ({}) and are left alone", bridge_, reply.unreadable,
              reply.unreadable_reason);
  }
  switch (reply.kind) {
    case Reply::Kind::EchoRequest: connection_.send(make_echo_reply(message)); break;
    case Reply::Kind::FlowUpdates: handle_updates(std::move(reply)); break;
    case Reply::Kind::Error: handle_error(reply); break;
    case Reply::Kind::FlowStats:
      if (const auto found = counting_.find(reply.transaction_id); found != counting_.end()) {
        found->second.counters.insert(reply.counters.begin(), reply.counters.end());
        found->second.whole = !reply.more;
      }
      break;
    case Reply::Kind::BundleCommitted:
      if (in_flight_ && in_flight_->commit_id == reply.transaction_id) in_flight_->committed = true;
      break;
    case Reply::Kind::Barrier:
      if (in_flight_ && in_flight_->barrier_id == reply.transaction_id) in_flight_->barrier = true;
      finish_bundle();
      break;
    case Reply::Kind::BundleOpened:
    case Reply::Kind::Other: break;
  }
}

// Parts of the first reply have the request's transaction id; later updates have 0. An update is never older than
// the first reply, although it can overtake its parts: it is held until they are all here.
void RconnSwitch::handle_updates(Reply reply) {
  const bool first_reply = !have_flows_ && reply.transaction_id == monitor_id_;
  if (first_reply) {
    for (FlowUpdate& update : reply.updates) apply(std::move(update));
    if (reply.more) return;
    have_flows_ = true;
    for (FlowUpdate& update : held_) apply(std::move(update));
    held_.clear();
    log_.add_all(++sequence_);
    return;
  }
  if (!have_flows_) {
    for (FlowUpdate& update : reply.updates) held_.push_back(std::move(update));
    return;
  }
  for (FlowUpdate& update : reply.updates) apply(std::move(update));
  if (!reply.updates.empty()) ++sequence_;
}

void RconnSwitch::apply(FlowUpdate update) {
  switch (update.event) {
    case FlowUpdate::Event::Present:
      note(update.key);
      flows_.insert_or_assign(std::move(update.key), std::move(update.body));
      break;
    case FlowUpdate::Event::Absent:
      note(update.key);
      flows_.erase(update.key);
      break;
    case FlowUpdate::Event::Own: apply_own(); break;
    case FlowUpdate::Event::Paused: paused_ = true; break;
    case FlowUpdate::Event::Resumed: paused_ = false; break;
  }
}

// The first reply is told as a whole.
void RconnSwitch::note(const FlowKey& key) {
  if (have_flows_) log_.add(sequence_ + 1, key);
}

void RconnSwitch::apply_own() {
  if (!in_flight_ || in_flight_->commit_id == 0) {
    log::warn(kLog, "{}: the switch reports a change of ours that was not sent; connecting again", bridge_);
    connection_.reconnect();
    return;
  }
  for (const FlowMod& mod : in_flight_->mods) {
    note(mod.key);
    switch (mod.command) {
      case FlowMod::Command::Add: flows_.insert_or_assign(mod.key, mod.body); break;
      case FlowMod::Command::Delete: flows_.erase(mod.key); break;
      case FlowMod::Command::Modify:
        if (const auto at = flows_.find(mod.key); at != flows_.end()) at->second.actions = mod.body.actions;
        break;
    }
  }
}

void RconnSwitch::handle_error(const Reply& reply) {
  if (reply.transaction_id == monitor_id_) {
    refusal_ = fmt::format(
        "{} refuses to have its flows monitored over OpenFlow 1.4 (Open vSwitch 3.0 or later is "
        "needed): {}",
        bridge_, reply.error);
    log::err(kLog, "{}", refusal_);
    return;
  }
  if (counting_.erase(reply.transaction_id) > 0) {
    log::warn(kLog, "{} refuses to tell its flows' counters: {}", bridge_, reply.error);
    return;
  }
  if (!in_flight_ || in_flight_->error) return;  // the first error is the reason, the others follow from it
  InFlight& bundle = *in_flight_;
  if (const auto at = bundle.mod_of.find(reply.transaction_id); at != bundle.mod_of.end()) {
    const FlowMod& mod = bundle.mods[at->second];
    bundle.error =
        Error{ErrorKind::Invalid,
              fmt::format("{} refused flow \"{}\": {}; none of the {} changes sent with it was made", bridge_,
                          text::printable(to_text(mod.key, mod.body)), reply.error, bundle.mods.size())};
  } else if (reply.transaction_id == bundle.open_id || reply.transaction_id == bundle.commit_id) {
    bundle.error = Error{ErrorKind::Transient, fmt::format("{} refused a bundle of {} changes: {}", bridge_,
                                                           bundle.mods.size(), reply.error)};
  }
}

Status RconnSwitch::commit(const Bundle& bundle) {
  if (in_flight_) return transient(fmt::format("{}: a bundle is under way", bridge_));
  if (!have_flows_) return transient(fmt::format("{}: its flows have not been read yet", bridge_));
  InFlight next;
  for (const FlowMod& mod : bundle.mods) {
    Result<EncodedFlowMod> encoded = encode(mod);
    if (!encoded) {
      return tl::unexpected(Error{encoded.error().kind, fmt::format("{}: {}", bridge_, encoded.error().message)});
    }
    next.mod_of.emplace(transaction_id(encoded->message), next.mods.size());
    next.mods.push_back(std::move(encoded->canonical));
    next.unsent.push_back(std::move(encoded->message));
  }
  next.bundle_id = ++last_bundle_id_;
  outcome_.reset();
  in_flight_ = std::move(next);
  in_flight_->open_id = send(make_bundle_open(in_flight_->bundle_id));
  send_more();
  return {};
}

// Keeps the queue filled up to its limit; after the last flow mod comes the commit, and a barrier behind it. Once a
// flow was refused there is nothing to commit.
void RconnSwitch::send_more() {
  if (!in_flight_ || in_flight_->barrier_id != 0) return;
  InFlight& bundle = *in_flight_;
  if (bundle.error) {
    bundle.unsent.clear();
    send(make_bundle_discard(bundle.bundle_id));
    bundle.barrier_id = send(make_barrier());
    return;
  }
  while (!bundle.unsent.empty() && connection_.queued() < kMaxQueued) {
    connection_.send(make_bundle_add(bundle.bundle_id, bundle.unsent.front()));
    bundle.unsent.pop_front();
  }
  if (!bundle.unsent.empty()) return;
  bundle.commit_id = send(make_bundle_commit(bundle.bundle_id));
  bundle.barrier_id = send(make_barrier());
}

void RconnSwitch::finish_bundle() {
  if (!in_flight_ || !in_flight_->barrier || paused_) return;
  InFlight& bundle = *in_flight_;
  if (!bundle.error && !bundle.committed) {
    bundle.error = Error{ErrorKind::Transient, fmt::format("{} did not answer to a bundle", bridge_)};
  }
  if (bundle.error) {
    ++totals_.failures;
    outcome_ = tl::unexpected(std::move(*bundle.error));
  } else {
    ++totals_.bundles;
    totals_.flow_mods += bundle.mods.size();
    outcome_ = Status();
  }
  in_flight_.reset();
}

std::optional<Status> RconnSwitch::take_outcome() { return std::exchange(outcome_, std::nullopt); }

Result<std::uint32_t> RconnSwitch::request_counters(std::optional<std::uint64_t> cookie) {
  if (!have_flows_) return transient(fmt::format("{}: its flows have not been read yet", bridge_));
  if (counting_.size() >= kMostRequests) counting_.erase(counting_.begin());
  const std::uint32_t id = send(make_flow_stats_request(cookie));
  counting_.try_emplace(id);
  return id;
}

std::optional<std::map<FlowKey, FlowCounters>> RconnSwitch::take_counters(std::uint32_t request) {
  const auto found = counting_.find(request);
  if (found == counting_.end() || !found->second.whole) return std::nullopt;
  auto counters = std::move(found->second.counters);
  counting_.erase(found);
  return counters;
}

SwitchStatus RconnSwitch::status() const {
  SwitchStatus status = totals_;
  status.target = socket_;
  status.connected = connection_.connected() && refusal_.empty();
  status.error = refusal_;
  if (usable() && asked_ != 0) {
    const std::chrono::milliseconds silent(ml2_time_msec() - asked_);
    if (silent >= liveness_.answers_within) status.silent = silent;
  }
  if (connection_.connected()) return status;
  const int error = connection_.last_error();
  if (error == ENOENT || error == ECONNREFUSED) {
    status.error =
        fmt::format("{}: nothing listens on {}: ovs-vswitchd is not running or has no such bridge", bridge_, socket_);
  } else if (error == ETIMEDOUT) {  // of a UNIX socket: it was not accepted, or the first message not answered
    status.error = fmt::format("{}: ovs-vswitchd does not answer on {}: it hangs or is busy", bridge_, socket_);
  } else if (error > 0) {
    status.error = fmt::format("{}: {}", bridge_, std::strerror(error));
  } else {
    status.error = fmt::format("{}: not connected", bridge_);
  }
  return status;
}

}  // namespace ml2::of
