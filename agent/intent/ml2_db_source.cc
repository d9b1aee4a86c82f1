#include "agent/intent/ml2_db_source.h"

#include <algorithm>
#include <utility>

#include "agent/intent/ml2_remote.h"
#include "datapath/base/log.h"
#include "datapath/base/poll_loop.h"

namespace ml2::intent {
namespace {

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{30'000};

std::int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

void wake_at(Monotonic when, Monotonic now) {
  ml2_poll_timer(std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count() + 1);
}

}  // namespace

Ml2DbSource::Ml2DbSource(ovsdb::Database& database, const Clock& clock, Options options)
    : database_(database), clock_(clock), options_(std::move(options)), started_at_(unix_seconds(clock.wall())) {}

void Ml2DbSource::read() {
  const ovsdb::Snapshot* snapshot = database_.snapshot();
  if (snapshot == nullptr || database_.sequence() == seen_) return;
  seen_ = database_.sequence();
  rows_ = ovsdb::read_ml2(*snapshot);
  generation_ = rows_.globals.empty() ? 0 : rows_.globals.begin()->second.sequence;
  Intent intent = read_intent(rows_, options_.node);
  write_due_ = true;  // somebody may have written over a status of ours
  if (intent_ && *intent_ == intent) return;
  for (const auto& [port, reason] : intent.refused) {
    if (intent_ && intent_->refused.contains(port) && intent_->refused.at(port) == reason) continue;
    log::warn("intent", "port {}: {}; this port is left out, the others go on", port.to_string(), reason);
  }
  intent_ = std::move(intent);
  ++sequence_;
}

void Ml2DbSource::write() {
  if (!report_ || !intent_ || database_.busy()) return;
  const Monotonic now = clock_.now();
  if (now >= next_heartbeat_) write_due_ = true;
  if (!write_due_ || now < next_write_ || !database_.status().connected) return;
  const HostStamp stamp{.version = options_.version,
                        .started_at = started_at_,
                        .now = unix_seconds(clock_.wall()),
                        .report_interval = options_.report_interval.count()};
  std::string taken = name_taken(rows_, options_.node, *report_, stamp);
  if (taken != name_taken_) {
    name_taken_ = std::move(taken);
    ++sequence_;  // so that it is told
  }
  if (!name_taken_.empty()) {
    write_due_ = false;
    next_heartbeat_ = now + options_.report_interval;  // look again then
    return;
  }
  const ovsdb::Transaction transaction = write_back(rows_, options_.node, *report_, stamp);
  write_due_ = false;
  next_heartbeat_ = now + options_.report_interval;
  if (transaction.empty()) return;
  if (const Status sent = database_.commit(transaction); !sent) {
    log::warn("intent", "cannot report to the ML2 database: {}", sent.error().message);
    pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
    next_write_ = now + pause_;
    write_due_ = true;
  }
}

void Ml2DbSource::run() {
  database_.run();
  if (const auto outcome = database_.take_outcome()) {
    if (outcome->status) {
      pause_ = std::chrono::milliseconds{0};
    } else {
      // Once more from the rows as they are then. Said once per failure, and failures are a pause apart.
      pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
      next_write_ = clock_.now() + pause_;
      write_due_ = true;
      log::warn("intent", "the ML2 database did not take a report: {}; next try in {} ms",
                outcome->status.error().message, pause_.count());
    }
  }
  read();
  write();
}

void Ml2DbSource::wait() {
  database_.wait();
  if (!report_ || !intent_ || database_.busy() || !database_.status().connected) return;
  const Monotonic now = clock_.now();
  wake_at(write_due_ ? std::max(next_write_, now) : std::max(next_heartbeat_, next_write_), now);
}

void Ml2DbSource::report(NodeReport report) {
  if (report_ && *report_ == report) return;
  report_ = std::move(report);
  write_due_ = true;
  write();
}

std::string Ml2DbSource::why_not_here(const Uuid& port) const {
  return intent::why_not_here(rows_, options_.node.host, port);
}

SourceStatus Ml2DbSource::status() const {
  const ovsdb::DatabaseStatus database = database_.status();
  // Every row has every column of its server's schema; "applied" is of the newest.
  const ovsdb::Snapshot* snapshot = database_.snapshot();
  const bool old_schema = snapshot != nullptr && !snapshot->table("Host").empty() &&
                          !snapshot->table("Host").begin()->second->columns.contains("applied");
  return {.kind = "ML2 database",
          .where = database.remote,
          .connected = database.connected,
          .error = name_taken_.empty() ? database.error : name_taken_,
          .reconnects = database.reconnects,
          .old_schema = old_schema};
}

}  // namespace ml2::intent
