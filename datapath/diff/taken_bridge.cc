#include "datapath/diff/taken_bridge.h"

#include <fmt/format.h>

#include <string_view>

#include "datapath/diff/parts.h"

namespace ml2 {
namespace {

using ovsdb::BridgeRow;
using ovsdb::Datum;
using ovsdb::StringMap;

constexpr std::string_view kWas = "ml2-was-";  // and what it was; empty: nothing
constexpr const char* kFailMode = "fail-mode";

std::string was(std::string_view what) { return std::string(kWas).append(what); }

}  // namespace

StringMap missing_note(const BridgeRow& row, const DesiredBridge& bridge, bool worked_on) {
  StringMap note;
  if (value_of(row.external_ids, kTakenKey) != bridge.part) note.emplace(kTakenKey, bridge.part);
  const auto add = [&](const std::string& what, const std::string& there, const std::string& wanted,
                       const std::string& unknown) {
    if (row.external_ids.contains(was(what))) return;
    note.emplace(was(what), worked_on && there == wanted ? unknown : there);
  };
  add(kFailMode, row.fail_mode, bridge.fail_mode, bridge.fail_mode_before);
  for (const auto& [key, value] : bridge.other_config) add(key, value_of(row.other_config, key), value, {});
  return note;
}

std::string fail_mode_given_back(const BridgeRow& row, const DesiredBridge& bridge) {
  if (row.fail_mode != bridge.fail_mode) return row.fail_mode;
  const auto noted = row.external_ids.find(was(kFailMode));
  return noted == row.external_ids.end() ? bridge.fail_mode_before : noted->second;
}

// No number of flows: a sentence that changes with them would be a new problem each time.
std::string stays_for_others_flows(const BridgeRow& row) {
  return fmt::format(
      "bridge {0} is in bridge_mappings no more and keeps fail_mode={1}: there are flows on it that are not ours, "
      "and "
      "ovs-vswitchd deletes them when fail_mode changes; delete them (ovs-ofctl dump-flows {0} shows them) and it is "
      "given back, or, to keep it as it is: ovs-vsctl remove Bridge {0} external_ids {2}",
      row.name, row.fail_mode, kTakenKey);
}

GivenBack give_back(const BridgeRow& row, const DesiredBridge& bridge) {
  GivenBack result;
  const std::string mode = fail_mode_given_back(row, bridge);
  if (mode != row.fail_mode) result.columns.emplace_back("fail_mode", mode.empty() ? Datum::none() : Datum::of(mode));
  StringMap before;
  for (const auto& [key, value] : bridge.other_config) before.emplace(key, "");
  for (const auto& [key, value] : row.external_ids) {
    if (key == kTakenKey) result.note.insert(key);
    if (!key.starts_with(kWas)) continue;
    result.note.insert(key);
    const std::string what = key.substr(kWas.size());
    if (what != kFailMode) before.insert_or_assign(what, value);
  }
  for (const auto& [key, value] : before) {
    const auto there = row.other_config.find(key);
    if (value.empty() && there != row.other_config.end()) result.gone.insert(key);
    if (!value.empty() && (there == row.other_config.end() || there->second != value)) {
      result.other_config.emplace(key, value);
    }
  }
  return result;
}

}  // namespace ml2
