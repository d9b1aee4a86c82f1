// Ml2PortRows: the rows of the ML2 database that come with every port, of whatever host: packed as the snapshot has them.
//
// Where in the walk: Ml2Reading keeps them: what a row that changes was before, and what a network's part of the intent is
//   made of. A node sees ten times more ports of others than it has: its own are typed while their network is read, of
//   the others' rows is read in place what concerns this node.
// Threading: one owner.
// Failure: a row that is not there is left out.
// What it does not do: rows of networks, subnets, segments and hosts, which are few.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/intent/ml2_index.h"
#include "agent/intent/ml2_remote.h"
#include "datapath/base/uuid.h"
#include "ovsdb/ml2_rows.h"
#include "ovsdb/row.h"
#include "ovsdb/snapshot.h"

namespace ml2::intent {

class Ml2PortRows {
 public:
  using Packed = std::unordered_map<Uuid, ovsdb::RowPtr>;

  // Everything anew; the rows are added to `index`, which has none of them.
  void read_all(const ovsdb::Snapshot& snapshot, Ml2Index& index);
  // One row anew, in `index` as well. False: `table` is none of these.
  bool read(const ovsdb::Snapshot& snapshot, std::string_view table, const Uuid& uuid, Ml2Index& index);

  [[nodiscard]] const Packed& ports() const { return ports_; }
  [[nodiscard]] const Packed& bindings() const { return bindings_; }
  [[nodiscard]] const Packed& fixed_ips() const { return fixed_ips_; }
  // Whether a port counts in its network: it is bound, here or elsewhere.
  [[nodiscard]] bool is_bound(const Uuid& port, const Ml2Index& index) const;
  // Typed: one port with all that refers to it and that it refers to, into `rows`.
  void type(const Uuid& port, const Ml2Index& index, ovsdb::Ml2Rows& rows) const;
  // A port that is bound, wherever, and its binding. Valid until read().
  struct Bound {
    Uuid port;
    const ovsdb::Row* binding = nullptr;
  };
  // A port that counts in its network; nullopt: it does not. `here`: whether it has a binding on `host`, of whatever kind.
  [[nodiscard]] std::optional<Bound> bound(const Uuid& port, const std::string& host, const Ml2Index& index,
                                           bool& here) const;
  // type() of those of the network's ports that have a binding on `host`; answers which of all are bound, sorted.
  std::vector<Bound> type_own(const Uuid& network, const std::string& host, const Ml2Index& index,
                              ovsdb::Ml2Rows& rows) const;
  // These ports' rows; their address pairs typed into `rows`. Valid until read().
  [[nodiscard]] BoundPorts read_bound(const std::vector<Bound>& bound, const Ml2Index& index,
                                      ovsdb::Ml2Rows& rows) const;

 private:
  template <class T>
  bool read_one(const ovsdb::Snapshot& snapshot, std::string_view table, const Uuid& uuid, Packed& rows,
                Ml2Index& index);

  Packed ports_, bindings_, fixed_ips_, address_pairs_;
};

}  // namespace ml2::intent
