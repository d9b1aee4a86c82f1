// OvsModel: Open vSwitch as far as the pure core sees it: rows, flows, and ovs-vswitchd giving out numbers.
//
// Where in the walk: tests of compile() and diff() apply Plans to it and gather Facts from it.
// Threading: a value.
// Failure: an operation that a real ovsdb-server or ovs-vswitchd would refuse is noted in `faults`.
// What it does not do: no packets, no text parsing of flows (both sides are canonical as compile() writes them).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "datapath/diff/plan.h"
#include "datapath/openflow/flow.h"
#include "ovsdb/vswitch.h"

namespace ml2::testing {

class OvsModel {
 public:
  OvsModel();

  // What people and nova do.
  void add_bridge(const std::string& name, const std::string& datapath_type = "");
  void add_port(const std::string& bridge, const std::string& name, const std::string& type,
                const ovsdb::StringMap& options = {}, const ovsdb::StringMap& interface_external_ids = {});
  void del_port(const std::string& name);
  void del_bridge(const std::string& name);
  ovsdb::PortRow& port(const std::string& name);
  ovsdb::InterfaceRow& interface(const std::string& name);
  ovsdb::BridgeRow& bridge(const std::string& name);
  of::FlowSet& flows(const std::string& bridge) { return flows_[bridge]; }
  // ovs-vswitchd refuses this interface (ofport -1 and `error`) from now on.
  void refuse(const std::string& interface, const std::string& error) { refused_[interface] = error; }

  // What the agent does.
  void commit(const ovsdb::Transaction& transaction);
  void commit(const std::string& bridge, const of::Bundle& bundle);
  // ovs-vswitchd carries out the rows: ofports, datapath ids, the default flow of standalone bridges.
  void settle();
  void restart();  // of ovs-vswitchd: of all flows only those of standalone bridges' default are there afterwards

  [[nodiscard]] ovsdb::Vswitch vswitch() const;
  // Valid until the next change. Bridges that ovs-vswitchd has made.
  [[nodiscard]] Actual actual() const;

  std::vector<std::string> faults;

 private:
  void set_fail_mode(ovsdb::BridgeRow& row, const std::string& mode);
  [[nodiscard]] static of::FlowSet flushed(const ovsdb::BridgeRow& row);
  void apply(const ovsdb::Operation& operation);
  void insert(const ovsdb::RowInsert& row);
  void set(const std::string& table, const Uuid& uuid, const std::string& column, const ovsdb::Datum& value);
  [[nodiscard]] ovsdb::Datum get(const std::string& table, const Uuid& uuid, const std::string& column);
  void collect_garbage();
  void fault(const std::string& text) { faults.push_back(text); }

  Uuid root_;
  std::set<Uuid> root_bridges_;
  std::int64_t next_cfg_ = 0;
  std::map<Uuid, ovsdb::BridgeRow> bridges_;
  std::map<Uuid, ovsdb::PortRow> ports_;
  std::map<Uuid, ovsdb::InterfaceRow> interfaces_;
  std::map<std::string, of::FlowSet> flows_;
  std::map<std::string, std::string> refused_;
  std::uint32_t next_uuid_ = 1;
  Uuid fresh_uuid();
  std::map<Uuid, Uuid> names_;  // of the transaction under way: its names for new rows -> their UUIDs
};

}  // namespace ml2::testing
