// view: the resources as Neutron's API shows them.
//
// Where in the walk: ml2ctl (and ml2-server) print these objects.
// Threading: pure functions.
// Failure: none; a reference to what is gone is left out.
// What it does not do: no tables (agent/ctl/output.h).
// Source: neutron-lib api/definitions; names such as provider:network_type and binding:host_id are the API's.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "agent/ml2/extension_manager.h"
#include "agent/ml2/options.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::plugin {

// What the objects are made from.
struct ViewInputs {
  const ovsdb::Ml2Rows& rows;
  const ExtensionManager& extensions;
  std::int64_t agent_down_time = 75;  // seconds
  std::int64_t now = 0;               // seconds since 1970
};

[[nodiscard]] nlohmann::json view(const ViewInputs& in, const ovsdb::Ml2Network& network);
[[nodiscard]] nlohmann::json view(const ViewInputs& in, const ovsdb::Ml2Subnet& subnet);
// status is UNKNOWN while the agent of the port's host is not alive: what it last said may no longer be so.
[[nodiscard]] nlohmann::json view(const ViewInputs& in, const ovsdb::Ml2Port& port);
[[nodiscard]] nlohmann::json view(const ViewInputs& in, const ovsdb::Ml2Host& host);
[[nodiscard]] nlohmann::json view(const ViewInputs& in, const ovsdb::Ml2SecurityGroup& group);
[[nodiscard]] nlohmann::json view(const ViewInputs& in, const ovsdb::Ml2SecurityGroupRule& rule);

}  // namespace ml2::plugin
