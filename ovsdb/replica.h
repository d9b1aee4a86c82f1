// Replica: the Snapshot that follows one connection.
//
// Where in the walk: RemoteDatabase has one.
// Threading: the thread of the poll loop.
// Failure: open() is Invalid for a table or column that the compiled-in schema does not have. While the connection is
//   away the snapshot stays; what is sent whole when it is back is compared with it, row by row.
// What it does not do: no transactions, but that it hands their answers on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "datapath/base/change_log.h"
#include "datapath/base/result.h"
#include "ovsdb/cs_shim.h"
#include "ovsdb/database.h"
#include "ovsdb/layout.h"
#include "ovsdb/snapshot.h"

namespace ml2::ovsdb {

// What a set or map column holds after the server has said in what it differs: what is in one of the two and not in the
// other; of a map key that is in both, with another value, the new value. Of any other column that is the new value
// itself.
[[nodiscard]] Datum apply_difference(const Datum& before, const Datum& difference, bool is_collection);

class Replica {
 public:
  // Unconnected: see ml2_cs_connect().
  [[nodiscard]] static Result<std::unique_ptr<Replica>> open(const std::string& database,
                                                             const MonitoredColumns& columns,
                                                             const UnreadColumns& unread = {});

  struct Answer {
    bool refused = false;
    std::string json;
  };

  void run();
  [[nodiscard]] ml2_cs* connection() const { return cs_.get(); }
  // The types are the compiled-in schema's; what the server has is known once everything has been read.
  [[nodiscard]] const Layout& layout() const { return layout_; }
  // Everything monitored has been read on the present connection.
  [[nodiscard]] bool following() const { return following_; }
  [[nodiscard]] const Snapshot* snapshot() const { return synced_ ? &snapshot_ : nullptr; }
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  // See Database.
  [[nodiscard]] std::optional<RowChanges> changes_since(std::uint64_t sequence) const { return log_.since(sequence); }
  // The answer to the transaction in flight, once.
  [[nodiscard]] std::optional<Answer> take_answer() { return std::exchange(answer_, std::nullopt); }
  // The connection was lost since the last call.
  [[nodiscard]] bool take_lost() { return std::exchange(lost_, false); }

 private:
  struct Deleter {
    void operator()(ml2_cs* cs) const { ml2_cs_destroy(cs); }
  };
  struct Events;

  Replica(const MonitoredColumns& columns, const UnreadColumns& unread) : layout_(columns, unread) {}

  void begin(bool clear);
  bool row(std::size_t table, ml2_cs_change change, const Uuid& uuid, const ml2_cs_value* values, std::size_t n);
  void end();
  [[nodiscard]] RowPtr changed_row(const TableLayout& table, ml2_cs_change change, const Row* before,
                                   const Uuid& uuid, const ml2_cs_value* values, std::size_t n) const;
  void read_types();

  Layout layout_;
  std::unique_ptr<ml2_cs, Deleter> cs_;
  Snapshot snapshot_;
  std::optional<Snapshot> former_;  // while all is sent anew: what was there before
  bool following_ = false;
  bool synced_ = false;
  bool changed_ = false;  // in this run()
  std::uint64_t sequence_ = 0;
  ChangeLog<std::pair<std::string, Uuid>> log_;
  std::optional<Answer> answer_;
  bool lost_ = false;
};

}  // namespace ml2::ovsdb
