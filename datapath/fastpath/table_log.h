// TableLog: which records have changed since a reader last looked: a ChangeLog for each kind.
//
// Where in the walk: whoever holds Tables that others follow (the FastPath seam) keeps one beside its sequence number.
// Threading: one owner.
// Failure: as ChangeLog: a reader that is too far behind is told so.
// What it does not do: no records: those are read from the tables as they are now.
#pragma once

#include <cstdint>
#include <optional>

#include "datapath/base/change_log.h"
#include "datapath/fastpath/tables.h"

namespace ml2::fp {

class TableLog {
 public:
  // Records with these keys differ between the tables of number `sequence` and those before.
  void add(std::uint64_t sequence, const RecordKeys& keys) {
    for_each_kind(
        [sequence](abi::Kind, auto& log, const auto& changed) {
          for (const auto& key : changed) log.add(sequence, key);
        },
        logs_, keys);
  }
  // Those that may differ between the tables of number `sequence` and the present ones; nullopt: any.
  [[nodiscard]] std::optional<RecordKeys> since(std::uint64_t sequence) const {
    RecordKeys keys;
    bool known = true;
    for_each_kind(
        [&](abi::Kind, const auto& log, auto& changed) {
          auto entries = known ? log.since(sequence) : std::nullopt;
          known = entries.has_value();
          if (known) changed = *std::move(entries);
        },
        logs_, keys);
    return known ? std::optional(std::move(keys)) : std::nullopt;
  }

 private:
  KeysOf<ChangeLog> logs_;
};

}  // namespace ml2::fp
