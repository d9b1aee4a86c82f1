// Ml2Reading: the rows of the ML2 database and the Intent that they make, followed at the price of what changes there.
//
// Where in the walk: Ml2DbSource has one. A row concerns one network, whose part of the intent is made anew; only another
//   host that comes, goes or has other endpoints concerns all of them. A port that comes to this node, and one of another
//   host (there are thousands of these), is read alone where it changes nothing for the network's others: no MAC and no
//   address twice, no address pairs.
// Threading: one owner.
// Failure: where the changes are not known, all is read anew. After update() intent() always equals read_intent().
// What it does not do: no connection; nothing is written.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/intent/ml2_index.h"
#include "agent/intent/ml2_intent.h"
#include "agent/intent/ml2_port_rows.h"
#include "datapath/model/intent.h"
#include "ovsdb/database.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::intent {

class Ml2Reading {
 public:
  explicit Ml2Reading(NodeConfig node) : node_(std::move(node)) {}

  struct News {
    IntentChanges intent;
    std::set<Uuid> ports;  // Port rows that have changed; of interest is whether a status of ours was written over
    bool hosts = false;    // this host's own row or endpoints have changed, or another host has
    bool all = false;      // any row
  };
  // `changes`: the rows that may differ from the last call's; nullopt: any.
  News update(const ovsdb::Snapshot& snapshot, const std::optional<ovsdb::RowChanges>& changes);

  // But for those of ports: Port, Binding, Fixed_IP and Address_Pair are empty, and so are security groups, of which
  // the intent has but the UUIDs.
  [[nodiscard]] const ovsdb::Ml2Rows& rows() const { return rows_; }
  // A port's row into `rows`, if it is there.
  void read_port(const Uuid& port, std::map<Uuid, ovsdb::Ml2Port>& rows) const;
  // Whether a port's row is there and says DOWN.
  [[nodiscard]] bool is_down(const Uuid& port) const;
  // IntentSource::why_not_here().
  [[nodiscard]] std::string why_not_here(const Uuid& port) const;
  // This host's own row; nullptr: not there, or not known.
  [[nodiscard]] const ovsdb::Ml2Host* own_host() const;
  [[nodiscard]] const Intent& intent() const { return intent_; }  // all zero until the first update()

 private:
  // Which entries of intent_ are of one network.
  struct Part {
    std::set<Uuid> ports;  // in ports or refused
    std::set<Segment> remote;
    std::set<std::string> problems;
    // See NetworkIntent.
    std::map<Uuid, Segment> segments;
    Shared shared;
    std::map<Segment, std::size_t> any_mac;
    bool has_twins = false;
    std::vector<Mac> macs;
    std::vector<IpAddress> addresses;
  };
  using Networks = std::set<Uuid>;
  // A port that is bound to other hosts only.
  struct Far {
    Uuid network;
    FarPort port;  // what it adds to the network's part of the intent
  };
  // What has to be read anew: these networks; ports that were bound nowhere, whichever network they are in; and ports of
  // other hosts, with what they were before.
  struct Dirty {
    Networks networks;
    std::set<Uuid> newcomers;
    std::map<Uuid, Far> far;
  };

  News read_all(const ovsdb::Snapshot& snapshot);
  [[nodiscard]] std::set<Uuid> newcomers(const ovsdb::Snapshot& snapshot, const ovsdb::RowChanges& changes) const;
  bool read_row(const ovsdb::Snapshot& snapshot, const std::string& table, const Uuid& uuid, Dirty& dirty,
                News& news);
  bool read_host_row(const ovsdb::Snapshot& snapshot, const std::string& table, const Uuid& uuid, News& news);
  [[nodiscard]] bool is_report_of_ours(const ovsdb::Snapshot& snapshot, const Uuid& port) const;
  void dirty_of(const std::string& table, const Uuid& uuid, bool before, Dirty& dirty) const;
  void dirty_port(const Uuid& port, bool before, Dirty& dirty) const;
  void read_dirty(Dirty dirty, IntentChanges& changes);
  [[nodiscard]] bool read_newcomer(const Uuid& port, const Uuid& network, IntentChanges& changes);
  [[nodiscard]] std::optional<Uuid> network_of(const Uuid& port) const;
  [[nodiscard]] std::optional<Far> read_far(const Uuid& port) const;
  [[nodiscard]] bool replace_far(const Uuid& port, const Far& before, IntentChanges& changes);
  void replace_wired(Part& part, const FarPort& before, const FarPort& now, IntentChanges& changes);
  [[nodiscard]] bool concerns_nobody_else(const Part& part, const NetworkIntent& newcomer) const;
  void read_networks(const Networks& networks, IntentChanges& changes);
  void withdraw(const Uuid& network, const NetworkIntent& now, IntentChanges& changes);
  void install(const Uuid& network, NetworkIntent now, IntentChanges& changes);
  void clear_port_rows();
  void drop_problem(const std::string& sentence, IntentChanges& changes);

  NodeConfig node_;
  ovsdb::Ml2Rows rows_;  // see rows(); those of ports while a network is read
  Ml2PortRows port_rows_;
  Ml2Index index_;
  Uuid own_host_;  // zero: not known
  Intent intent_;
  std::unordered_map<Uuid, Part> parts_;         // by network; those that have one
  std::map<std::string, std::size_t> problems_;  // of networks: in how many of them
};

}  // namespace ml2::intent
