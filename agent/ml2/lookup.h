// lookup: finds a resource by its name or its id, as people and programs give them.
//
// Where in the walk: ml2ctl and the resources turn every name that they are given into a Uuid here.
// Threading: pure functions.
// Failure: Invalid when nothing has the name, or several have it (their ids are listed).
// What it does not do: no prefixes of ids, no patterns.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "datapath/base/result.h"
#include "datapath/base/text.h"
#include "datapath/base/uuid.h"
#include "ovsdb/ml2_rows.h"

namespace ml2::plugin {

// `what` is the kind in an operator's words: "network".
template <class Row>
[[nodiscard]] Result<Uuid> find_resource(const std::map<Uuid, Row>& rows, std::string_view what,
                                         std::string_view name_or_id) {
  if (const auto uuid = Uuid::parse(name_or_id); uuid && rows.contains(*uuid)) return *uuid;
  std::vector<std::string> ids;
  std::vector<std::string> names;
  Uuid found;
  for (const auto& [uuid, row] : rows) {
    names.push_back(row.name);
    if (row.name != name_or_id || name_or_id.empty()) continue;
    found = uuid;
    ids.push_back(uuid.to_string());
  }
  if (ids.size() == 1) return found;
  if (ids.size() > 1) {
    return invalid(fmt::format("{} {}s are named {}: give one of the ids {}", ids.size(), what,
                               text::printable(name_or_id), fmt::join(ids, ", ")));
  }
  const auto near = text::nearest(name_or_id, names);
  return invalid(fmt::format("there is no {} with the name or id {}{}", what, text::printable(name_or_id),
                             near && !near->empty() ? fmt::format("; did you mean {}?", *near) : ""));
}

// The name, or the id of what has none.
template <class Row>
[[nodiscard]] std::string name_of(const std::map<Uuid, Row>& rows, const Uuid& uuid) {
  const auto found = rows.find(uuid);
  return found == rows.end() || found->second.name.empty() ? uuid.to_string() : found->second.name;
}

[[nodiscard]] std::vector<ovsdb::Ml2Segment> segments_of(const ovsdb::Ml2Rows& rows, const Uuid& network);
[[nodiscard]] std::vector<ovsdb::Ml2Subnet> subnets_of(const ovsdb::Ml2Rows& rows, const Uuid& network);
[[nodiscard]] std::vector<ovsdb::Ml2Port> ports_of(const ovsdb::Ml2Rows& rows, const Uuid& network);
// By address.
[[nodiscard]] std::vector<ovsdb::Ml2FixedIp> fixed_ips_of(const ovsdb::Ml2Rows& rows, const Uuid& port);
// The ACTIVE one first.
[[nodiscard]] std::vector<ovsdb::Ml2Binding> bindings_of(const ovsdb::Ml2Rows& rows, const Uuid& port);

}  // namespace ml2::plugin
