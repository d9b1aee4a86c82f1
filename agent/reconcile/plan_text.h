// plan_text: a Plan for people, one change a line, tables by name.
//
// Where in the walk: control commands and logs at debug level. Threading: pure. Failure: none.
// What it does not do: no machine format.
#pragma once

#include <string>

#include "datapath/diff/plan.h"
#include "datapath/model/node.h"
#include "datapath/openflow/flow.h"

namespace ml2::reconcile {

// "plan is empty" when it is.
[[nodiscard]] std::string to_text(const Plan& plan, const NodeConfig& node);
// One change to the rows.
[[nodiscard]] std::string to_text(const ovsdb::Operation& operation);
[[nodiscard]] const char* to_text(of::FlowMod::Command command);  // add, modify, delete
// One flow with its table's name: "transient priority=3 actions=NORMAL".
[[nodiscard]] std::string flow_text(const of::FlowKey& key, const of::FlowBody& body, const std::string& bridge,
                                    const NodeConfig& node);
// The table's name by the pipeline registry, or its number as text.
[[nodiscard]] std::string table_text(std::uint8_t table, const std::string& bridge, const NodeConfig& node);
// How many flows of which tables a bundle touches: "2 flows of table transient (60), 1 of table canary (23)".
[[nodiscard]] std::string tables_text(const of::Bundle& bundle, const std::string& bridge, const NodeConfig& node);

}  // namespace ml2::reconcile
