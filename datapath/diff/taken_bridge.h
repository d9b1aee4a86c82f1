// taken_bridge: a bridge that was there before us and is the operator's again when we go. What we change in its row we
// note in external_ids, and write back at the end.
//
// Where in the walk: diff_rows() notes and gives back; `--cleanup` (cleanup.h) asks what will be given back.
// Threading: pure.
// Failure: total. A row that an earlier build or the incumbent has worked on says nothing of what was there before: what
//   DesiredBridge::fail_mode_before says then is given back, and of other_config nothing.
// What it does not do: datapath_type and protocols stay as we have set them. A bridge of another datapath_type is made
//   anew with all its ports; more versions of OpenFlow do no harm.
#pragma once

#include <set>
#include <string>

#include "datapath/model/desired.h"
#include "ovsdb/transaction.h"
#include "ovsdb/vswitch.h"

namespace ml2 {

// What external_ids lacks of the note, to be written with, or before, what `bridge` changes in `row`. `worked_on`: ports
// of ours, or of the incumbent's, are on it already; what is as we want it was not the operator's then.
[[nodiscard]] ovsdb::StringMap missing_note(const ovsdb::BridgeRow& row, const DesiredBridge& bridge, bool worked_on);

// What Bridge.fail_mode is given back as; empty is Open vSwitch's default, standalone. A fail_mode that is not ours is
// somebody's choice and stays.
[[nodiscard]] std::string fail_mode_given_back(const ovsdb::BridgeRow& row, const DesiredBridge& bridge);

// For the operator: why a physical bridge that is mapped no more is not given back (Plan::stays).
[[nodiscard]] std::string stays_for_others_flows(const ovsdb::BridgeRow& row);

struct GivenBack {
  ovsdb::Columns columns;         // of the row
  ovsdb::StringMap other_config;  // to be set
  std::set<std::string> gone;     // keys of other_config
  std::set<std::string> note;     // keys of external_ids, that go
};
[[nodiscard]] GivenBack give_back(const ovsdb::BridgeRow& row, const DesiredBridge& bridge);

}  // namespace ml2
