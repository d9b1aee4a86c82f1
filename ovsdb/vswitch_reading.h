// VswitchReading: a Vswitch that follows its database at the price of what changes there.
//
// Where in the walk: the reconciler has one; what it says of the changes goes on to Facts, compile/ and diff/.
// Threading: one owner.
// Failure: where the changes are not known, or do not read as a change to what was there (a row that is renamed, two
//   rows of one name), all is read anew. After update() value() always equals read_vswitch() of the same snapshot.
// What it does not do: no decision on what is ours.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ovsdb/database.h"
#include "ovsdb/snapshot.h"
#include "ovsdb/vswitch.h"

namespace ml2::ovsdb {

class VswitchReading {
 public:
  [[nodiscard]] const Vswitch& value() const { return value_; }
  // `rows`: those that may differ from the last call's; nullopt: any.
  VswitchChanges update(const Snapshot& snapshot, const std::optional<RowChanges>& rows);

 private:
  using Names = std::unordered_map<Uuid, std::string>;

  VswitchChanges read_all(const Snapshot& snapshot);
  bool read_some(const Snapshot& snapshot, const RowChanges& rows, VswitchChanges& changes);
  void follow_root(const Snapshot& snapshot, VswitchChanges& changes);
  bool read_interfaces(const Table& table, const std::vector<Uuid>& rows, VswitchChanges& changes);
  bool read_ports(const Snapshot& snapshot, const std::vector<Uuid>& rows, VswitchChanges& changes);
  bool read_bridges(const Snapshot& snapshot, const std::vector<Uuid>& rows, VswitchChanges& changes);
  void note_port(const std::string& name, VswitchChanges& changes) const;

  Vswitch value_;
  Names bridges_, ports_, interfaces_;  // by the rows' UUIDs
  RowPtr root_row_;                     // as these were read last
  std::unordered_map<Uuid, RowPtr> bridge_rows_;
};

}  // namespace ml2::ovsdb
