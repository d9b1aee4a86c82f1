#include "agent/intent/ml2_db_source.h"

#include <algorithm>
#include <utility>

#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"

namespace ml2::intent {
namespace {

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{30'000};
constexpr std::chrono::milliseconds kReasonStands{1000};

std::int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

void wake_at(Monotonic when, Monotonic now) {
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count() + 1);
}

}  // namespace

Ml2DbSource::Ml2DbSource(ovsdb::Database& database, const Clock& clock, Options options)
    : database_(database),
      clock_(clock),
      options_(std::move(options)),
      started_at_(unix_seconds(clock.wall())),
      reading_(options_.node) {}

void Ml2DbSource::read() {
  const ovsdb::Snapshot* snapshot = database_.snapshot();
  if (snapshot == nullptr || database_.sequence() == seen_) return;
  const auto rows = read_ ? database_.changes_since(seen_) : std::nullopt;
  seen_ = database_.sequence();
  std::map<Uuid, std::string> refused;
  if (!rows) refused = reading_.intent().refused;
  const Ml2Reading::News news = reading_.update(*snapshot, rows);
  const auto& globals = reading_.rows().globals;
  generation_ = globals.empty() ? 0 : globals.begin()->second.sequence;
  // Somebody may have written over a status of ours.
  if (!rows) beat_.reset();  // it may be another database, or an older copy
  if (news.all) write_all_soon();
  if (news.hosts || !news.ports.empty()) write_soon(news.ports, news.hosts);
  if (std::exchange(read_, true) && news.intent.empty()) return;
  const Intent& intent = reading_.intent();
  const auto tell = [&](const Uuid& port) {
    const auto now = intent.refused.find(port);
    if (now == intent.refused.end()) return;
    const auto before = refused.find(port);
    if (before != refused.end() && before->second == now->second) return;
    log::warn("intent", "port {}: {}", port.to_string(), now->second);
  };
  for (const Uuid& port : news.intent.ports) tell(port);
  ++sequence_;
  if (news.intent.all) {
    port_log_.add_all(sequence_);
    remote_log_.add_all(sequence_);
    remote_port_log_.add_all(sequence_);
    return;
  }
  for (const Uuid& port : news.intent.ports) port_log_.add(sequence_, port);
  for (const Segment& segment : news.intent.remote) remote_log_.add(sequence_, segment);
  for (const auto& [segment, macs] : news.intent.remote_ports) {
    for (const Mac& mac : macs) remote_port_log_.add(sequence_, {segment, mac});
  }
}

IntentChanges Ml2DbSource::changes_since(std::uint64_t sequence) const {
  auto ports = port_log_.since(sequence);
  auto remote = remote_log_.since(sequence);
  const auto remote_ports = remote_port_log_.since(sequence);
  if (!ports || !remote || !remote_ports) return {.all = true};
  IntentChanges changes{.ports = *std::move(ports), .remote = *std::move(remote), .problems = sequence != sequence_};
  for (const auto& [segment, mac] : *remote_ports) {
    if (!changes.remote.contains(segment)) changes.remote_ports[segment].insert(mac);
  }
  return changes;
}

void Ml2DbSource::write_all_soon() {
  write_due_ = host_due_ = true;
  ports_due_.reset();
}

// `ports`: those that may differ from their rows; `host`: the host's own row may.
void Ml2DbSource::write_soon(const std::set<Uuid>& ports, bool host) {
  write_due_ = true;
  host_due_ = host_due_ || host;
  if (ports_due_) ports_due_->insert(ports.begin(), ports.end());
}

// The others of `ports`, which are to be written at once.
std::set<Uuid> Ml2DbSource::put_off_reasons(const std::set<Uuid>& ports) {
  std::set<Uuid> at_once;
  for (const Uuid& port : ports) {
    const auto report = report_->ports.find(port);
    const bool stays_down =
        report != report_->ports.end() && report->second.status == PortStatus::Down && reading_.is_down(port);
    if (stays_down) {
      put_off_.emplace(port, clock_.now() + kReasonStands);
    } else {
      put_off_.erase(port);
      at_once.insert(port);
    }
  }
  return at_once;
}

void Ml2DbSource::take_put_off(Monotonic now) {
  std::set<Uuid> due;
  std::erase_if(put_off_, [&](const auto& entry) {
    if (now < entry.second) return false;
    due.insert(entry.first);
    return true;
  });
  if (!due.empty()) write_soon(due, false);
}

void Ml2DbSource::write() {
  if (!report_ || !read_ || database_.busy()) return;
  const Monotonic now = clock_.now();
  take_put_off(now);
  if (now >= next_heartbeat_) write_due_ = host_due_ = true;
  if (!write_due_ || now < next_write_ || !database_.status().connected) return;
  const HostStamp stamp{.version = options_.version,
                        .started_at = started_at_,
                        .now = unix_seconds(clock_.wall()),
                        .report_interval = options_.report_interval.count(),
                        .beat = beat_};
  const ovsdb::Ml2Host* own = reading_.own_host();
  std::string taken = own == nullptr ? "" : name_taken(reading_.rows(), options_.node, *report_, own);
  if (taken.empty()) {
    // Whoever had the name has left: nothing that was reported meanwhile has been written.
    if (!std::exchange(name_taken_, {}).empty()) {
      host_due_ = true;
      ports_due_.reset();
    }
  } else if (!name_taken_.empty() && now < next_heartbeat_) {
    write_due_ = false;  // it was there a while ago: it is looked for again then
    return;
  } else {
    host_due_ = true;
    ports_due_.reset();
  }
  std::map<Uuid, ovsdb::Ml2Port> ports;
  if (ports_due_) {
    for (const Uuid& port : *ports_due_) reading_.read_port(port, ports);
  } else {
    for (const auto& [port, said] : report_->ports) reading_.read_port(port, ports);
    put_off_.clear();
  }
  WriteBack written = write_back(reading_.rows(), ports, options_.node, *report_, stamp, own, host_due_);
  ovsdb::Transaction& transaction = written.transaction;
  claim_.reset();
  if (!taken.empty()) {
    transaction.operations.emplace_back(name_is_free(*own, stamp));
    claim_ = std::move(taken);
  }
  beat_if_ok_ = std::move(written.beat);
  ports_due_.emplace();  // whether it was carried out, its outcome says
  write_due_ = false;
  if (std::exchange(host_due_, false)) next_heartbeat_ = now + options_.report_interval;
  if (transaction.empty()) return;
  if (const Status sent = database_.commit(transaction); !sent) {
    log::warn("intent", "cannot report to the ML2 database: {}", sent.error().message);
    pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
    next_write_ = now + pause_;
    write_all_soon();
  }
}

void Ml2DbSource::take_outcome() {
  const auto outcome = database_.take_outcome();
  if (!outcome) return;
  if (outcome->status) {
    write_error_.clear();
    pause_ = std::chrono::milliseconds{0};
    beat_ = std::move(beat_if_ok_);
    if (claim_) name_taken_.clear();
    return;
  }
  if (claim_ && outcome->overtaken) {
    name_taken_ = *claim_;
    return;
  }
  // Once more from the rows as they are then. Said once per failure, and failures are a pause apart.
  beat_.reset();
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  next_write_ = clock_.now() + pause_;
  write_all_soon();
  const std::string& error = outcome->status.error().message;
  if (!outcome->overtaken) write_error_ = "the ML2 database does not take this node's reports: " + error;
  log::warn("intent", "the ML2 database did not take a report: {}; next try in {} ms", error, pause_.count());
}

void Ml2DbSource::run() {
  database_.run();
  take_outcome();
  read();
  write();
}

void Ml2DbSource::wait() {
  database_.wait();
  if (!report_ || !read_ || database_.busy() || !database_.status().connected) return;
  const Monotonic now = clock_.now();
  Monotonic when = write_due_ ? now : next_heartbeat_;
  for (const auto& [port, due] : put_off_) when = std::min(when, due);
  wake_at(std::max({when, next_write_, now}), now);
}

void Ml2DbSource::report(const NodeReport* node, const std::map<Uuid, PortReport>& ports,
                         const std::set<Uuid>* changed) {
  const bool all = changed == nullptr || !report_;
  if (!report_) report_.emplace();
  if (node != nullptr) {
    std::map<Uuid, PortReport> mine = std::exchange(report_->ports, {});
    *report_ = *node;
    report_->ports = std::move(mine);
  }
  follow(report_->ports, ports, all ? nullptr : changed);
  if (all) {
    write_all_soon();
  } else {
    const std::set<Uuid> at_once = put_off_reasons(*changed);
    if (node == nullptr && at_once.empty()) return;
    write_soon(at_once, node != nullptr);
  }
  write();
}

std::string Ml2DbSource::why_not_here(const Uuid& port) const { return reading_.why_not_here(port); }

SourceStatus Ml2DbSource::status() const {
  const ovsdb::DatabaseStatus database = database_.status();
  const std::string& own = name_taken_.empty() ? write_error_ : name_taken_;
  return {.kind = "ML2 database",
          .where = database.remote,
          .connected = database.connected,
          .error = !database.connected || own.empty() ? database.error : own,
          .reconnects = database.reconnects,
          .old_schema = database.old_schema};
}

}  // namespace ml2::intent
