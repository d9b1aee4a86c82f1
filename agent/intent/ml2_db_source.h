// Ml2DbSource: intent from the ML2 database, and the node's reports into it.
//
// Where in the walk: the source when [DEFAULT] transport_url is not set.
// Threading: the thread of the poll loop only.
// Failure: while the database is away the last intent stands, reports are kept and written when it is back. A
//   transaction that fails is computed anew from the rows then there, with a growing pause (at most 30 s).
//   Of another node under this node's name the rows say that it was there, not whether it still is: the server is asked, in
//   the transaction that takes the name over, once every report interval.
//   A port on its way to ACTIVE has several reasons for being DOWN within milliseconds. The database is everybody's: a new
//   reason alone is written when the port is still DOWN a second later; a new status at once.
// What it does not do: no allocation and no binding (agent/ml2, by ml2ctl and ml2-server): it writes the row of its
//   own host and the status of ports bound to it, nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "agent/intent/intent_source.h"
#include "agent/intent/ml2_intent.h"
#include "agent/intent/ml2_reading.h"
#include "datapath/base/change_log.h"
#include "datapath/base/clock.h"
#include "ovsdb/database.h"

namespace ml2::intent {

class Ml2DbSource final : public IntentSource {
 public:
  struct Options {
    NodeConfig node;
    std::string version;
    std::chrono::seconds report_interval{30};
  };
  // `database` and `clock` outlive the source.
  Ml2DbSource(ovsdb::Database& database, const Clock& clock, Options options);

  void run() override;
  void wait() override;
  [[nodiscard]] const Intent* intent() const override { return read_ ? &reading_.intent() : nullptr; }
  [[nodiscard]] std::uint64_t sequence() const override { return sequence_; }
  [[nodiscard]] std::int64_t generation() const override { return generation_; }
  [[nodiscard]] IntentChanges changes_since(std::uint64_t sequence) const override;
  void report(const NodeReport* node, const std::map<Uuid, PortReport>& ports,
              const std::set<Uuid>* changed) override;
  [[nodiscard]] SourceStatus status() const override;
  [[nodiscard]] std::string why_not_here(const Uuid& port) const override;

 private:
  void read();
  void take_outcome();
  void write();
  void write_all_soon();
  void write_soon(const std::set<Uuid>& ports, bool host);
  [[nodiscard]] std::set<Uuid> put_off_reasons(const std::set<Uuid>& ports);
  void take_put_off(Monotonic now);

  ovsdb::Database& database_;
  const Clock& clock_;
  Options options_;
  std::int64_t started_at_;  // seconds since 1970
  Ml2Reading reading_;
  bool read_ = false;  // once
  std::uint64_t sequence_ = 0;
  ChangeLog<Uuid> port_log_;  // of sequence_
  ChangeLog<Segment> remote_log_;
  ChangeLog<std::pair<Segment, Mac>> remote_port_log_;
  std::string write_error_;             // what the last report failed with; empty when it was taken
  std::string name_taken_;              // why nothing is written; empty otherwise
  std::optional<std::string> claim_;    // what name_taken_ will be if the transaction in flight is overtaken
  std::optional<HostBeat> beat_;        // as the own row has it; nullopt: not known
  std::optional<HostBeat> beat_if_ok_;  // once the transaction in flight is carried out
  std::int64_t generation_ = 0;
  std::uint64_t seen_ = 0;  // the database's sequence that reading_ was read at
  std::optional<NodeReport> report_;
  bool write_due_ = false;
  bool host_due_ = true;                     // the host's own row may differ from report_
  std::optional<std::set<Uuid>> ports_due_;  // ports whose rows may differ from report_; nullopt: any
  std::map<Uuid, Monotonic> put_off_;        // ports of which only the reason differs: when it is written
  Monotonic next_write_{};                   // not before: after a failure
  Monotonic next_heartbeat_{};
  std::chrono::milliseconds pause_{0};
};

}  // namespace ml2::intent
