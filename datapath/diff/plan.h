// Actual and Plan: what is there, and what has to be done about it.
//
// Where in the walk: diff(Desired, Actual) -> Plan; the reconciler applies a Plan and reads Actual again.
// Threading: values.
// Failure: none.
// What it does not do: no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "datapath/fastpath/tables.h"
#include "datapath/netlink/batch.h"
#include "datapath/netlink/types.h"
#include "datapath/openflow/flow.h"
#include "ovsdb/transaction.h"
#include "ovsdb/vswitch.h"

namespace ml2 {

struct Actual {
  ovsdb::Vswitch vswitch;
  // By bridge name; a bridge whose flows have not been read (no connection yet) is absent: nothing is sent to it.
  std::map<std::string, const of::FlowSet*> flows;
  const fp::Tables* fast_path = nullptr;  // nullptr: not read (no connection); nothing is sent to it then
  const nl::Snapshot* kernel = nullptr;   // nullptr: not asked for
};

struct Plan {
  ovsdb::Transaction ovsdb;
  std::map<std::string, of::Bundle> bundles;  // by bridge name
  // What was held back until something else is done or read ("delete of port vxlan-0a000002: flows still use it").
  std::vector<std::string> held;
  // What stays as it is for the sake of what is not ours, and what the operator can do: problems; nothing waits for it.
  std::vector<std::string> stays;
  // Objects that are not as they shall be yet: cookies of flows to add, change or delete (or that a bridge which has
  // not been read shall have), names of Port rows to write. A port is wired when neither its own nor its segment's
  // cookie, nor its Port row, is here.
  std::set<std::uint64_t> pending_cookies;
  std::set<std::string> pending_ports;
  std::set<std::string> set_ports;  // of these: machines' ports that are right once `ovsdb` is carried out
  fp::Update fast_path;
  bool fast_path_unread = false;           // it is enabled, and what it has is not known
  nl::Batch links;                         // devices of the kernel to make
  std::set<fp::PortId> pending_fast_path;  // ports of the fast path that are not there yet as they shall be

  // Converged: nothing to do and nothing held back.
  [[nodiscard]] bool empty() const {
    return ovsdb.empty() && bundles.empty() && held.empty() && fast_path.empty() && !fast_path_unread &&
           links.empty();
  }
};

}  // namespace ml2
