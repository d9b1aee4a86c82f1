#include "datapath/diff/cleanup.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "datapath/diff/parts.h"
#include "datapath/diff/taken_bridge.h"
#include "datapath/model/desired.h"
#include "datapath/openflow/cookie.h"

namespace ml2 {
namespace {

using Command = of::FlowMod::Command;

bool has_mark(const ovsdb::StringMap& external_ids) { return value_of(external_ids, kOwnerKey) == kOwnerValue; }

// A physical bridge without any flow would cut off whatever the operator has on it: the default flow stays, as Open
// vSwitch itself would have put it there (cookie 0).
bool keeps_default(const NodeConfig& node, const std::string& bridge, const of::FlowKey& key,
                   const of::FlowBody& body) {
  return bridge != node.integration_bridge && bridge != node.tunnel_bridge && key == of::FlowKey{} &&
         body.actions == "NORMAL";
}

class ToNothing {
 public:
  ToNothing(const NodeConfig& node, const Actual& actual) : node_(node), actual_(actual) {}

  Cleanup run() {
    for (const std::string& name : cleanup_bridges(node_, actual_.vswitch)) read_flows(name);
    const auto integration = result_.plan.bundles.find(node_.integration_bridge);
    if (integration != result_.plan.bundles.end()) {
      std::erase_if(result_.plan.bundles, [&](const auto& entry) { return entry.first != node_.integration_bridge; });
    }
    rows();
    bridges();
    return std::move(result_);
  }

 private:
  void read_flows(const std::string& name) {
    const auto there = actual_.flows.find(name);
    if (there == actual_.flows.end() || there->second == nullptr) {
      result_.plan.held.push_back(fmt::format("{}: its flows have not been read yet", name));
      return;
    }
    of::FlowSet& ours = ours_[name];
    of::Bundle bundle;
    for (const auto& [key, body] : *there->second) {
      if (!of::is_ours(body.cookie)) {
        if (keeps_default(node_, name, key, body)) {
          defaults_[name].emplace(key, body);
        } else {
          ++foreign_[name];
        }
        continue;
      }
      ours.emplace(key, body);
      if (keeps_default(node_, name, key, body)) {
        bundle.mods.push_back({Command::Add, key, of::FlowBody{.actions = body.actions}});
        result_.stays.push_back(
            fmt::format("bridge {} is the operator's: it goes on as a plain switch (actions=NORMAL)", name));
      } else {
        bundle.mods.push_back({Command::Delete, key, {}});
      }
    }
    if (ours.empty()) return;
    result_.ours.push_back(fmt::format("{} flows of {}", ours.size(), name));
    result_.plan.bundles.emplace(name, std::move(bundle));
  }

  // Ports by diff_rows()'s own rules, among flows of ours alone: no other flow is removed, none holds a port back.
  void rows() {
    Desired nothing;
    nothing.complete = true;
    std::map<std::string, const of::FlowSet*> among_ours;
    for (const auto& [name, flows] : ours_) {
      nothing.flows.emplace(name, of::FlowSet{});
      if (const auto kept = defaults_.find(name); kept != defaults_.end())
        kept->second.insert(flows.begin(), flows.end());
      among_ours.emplace(name, defaults_.contains(name) ? &defaults_.at(name) : &flows);
    }
    for (const auto& [name, row] : actual_.vswitch.bridges) give_back(row, nothing);
    for (const auto& [name, row] : actual_.vswitch.ports) {
      const auto bridge = actual_.vswitch.port_bridge.find(name);
      if (bridge == actual_.vswitch.port_bridge.end()) continue;
      if (has_mark(row.external_ids)) {
        result_.ours.push_back(fmt::format("port {} on {}", name, bridge->second));
      } else if (bridge->second == node_.integration_bridge && is_wired(row)) {
        vif(row, nothing);
      }
    }
    diff_rows({.desired = nothing, .vswitch = actual_.vswitch, .flows = among_ours}, nullptr, result_.plan);
  }

  // The rows of bridges that were there before us, in the step that takes our last ports off them.
  void give_back(const ovsdb::BridgeRow& row, Desired& nothing) {
    if (has_mark(row.external_ids)) return;
    std::size_t strangers = 0;
    bool has_ours = false;
    for (const auto& [port, bridge] : actual_.vswitch.port_bridge) {
      if (bridge != row.name || port == row.name) continue;
      const bool ours = has_mark(actual_.vswitch.ports.at(port).external_ids);
      has_ours = has_ours || ours;
      if (!ours) ++strangers;
    }
    DesiredBridge bridge{.part = value_of(row.external_ids, kTakenKey), .leave = true};
    if (bridge.part.empty()) {  // by an earlier build, if at all
      const bool mapped = std::any_of(node_.bridge_mappings.begin(), node_.bridge_mappings.end(),
                                      [&](const auto& mapping) { return mapping.second == row.name; });
      if (!mapped || !has_ours) return;
      bridge.part = kPhysicalPart;
    }
    bridge.other_config.emplace("mac-table-size", std::to_string(node_.bridge_mac_table_size));
    const bool physical = bridge.part == kPhysicalPart;
    if (!physical) bridge.fail_mode_before = bridge.fail_mode;
    const std::string mode = fail_mode_given_back(row, bridge);
    if (mode != row.fail_mode) {
      const auto flows = foreign_.find(row.name);
      if (flows != foreign_.end()) {
        stays_secure(row, fmt::format("{} flows on it are not ours, and ovs-vswitchd deletes them when it changes",
                                      flows->second));
        bridge.keep_fail_mode = true;
      } else if (!physical && strangers != 0) {
        stays_secure(row, fmt::format("{} ports on it are not ours, and would be one network", strangers));
        bridge.keep_fail_mode = true;
      }
    }
    if (!bridge.keep_fail_mode) {
      result_.ours.push_back(fmt::format("what was set on bridge {}: its fail_mode goes back to {}", row.name,
                                         mode.empty() ? "the default (standalone)" : mode));
    }
    const auto flows = ours_.find(row.name);
    if (flows != ours_.end() && flows->second.empty()) nothing.bridges.emplace(row.name, std::move(bridge));
  }

  void stays_secure(const ovsdb::BridgeRow& row, const std::string& why) {
    result_.stays.push_back(
        fmt::format("fail_mode={} of bridge {}: {}; until then it forwards nothing after a restart of ovs-vswitchd. "
                    "Take them away and run --cleanup again, or: ovs-vsctl set-fail-mode {} standalone",
                    row.fail_mode, row.name, why, row.name));
  }

  static bool is_wired(const ovsdb::PortRow& row) {
    const bool dead = row.tag == kDeadVlan && row.trunks == std::set<std::int64_t>{kDeadVlan};
    return dead || (row.tag && row.other_config.contains("net_uuid"));
  }

  void vif(const ovsdb::PortRow& row, Desired& nothing) {
    // The same keys are the incumbent's: where its flows are, its ports are.
    const auto flows = actual_.flows.find(node_.integration_bridge);
    if (flows == actual_.flows.end() || flows->second == nullptr || incumbent_cookie({}, *flows->second)) {
      result_.stays.push_back(fmt::format("VLAN {} of port {}: the flows of {} are not ours", *row.tag, row.name,
                                          node_.integration_bridge));
      return;
    }
    result_.ours.push_back(fmt::format("VLAN {} of port {}", *row.tag, row.name));
    DesiredVif released;
    released.released = true;
    nothing.vifs.emplace(row.name, released);
  }

  void bridges() {
    for (const std::string& name : {node_.integration_bridge, node_.tunnel_bridge}) {
      const auto row = actual_.vswitch.bridges.find(name);
      if (row == actual_.vswitch.bridges.end()) continue;
      if (!has_mark(row->second.external_ids)) {
        result_.stays.push_back(fmt::format("bridge {}: ml2-agent did not make it", name));
        continue;
      }
      std::vector<std::string> others;
      bool has_ours = false;
      for (const auto& [port, bridge] : actual_.vswitch.port_bridge) {
        if (bridge != name || port == name) continue;
        const bool ours = has_mark(actual_.vswitch.ports.at(port).external_ids);
        has_ours = has_ours || ours;
        if (!ours) others.push_back(port);
      }
      if (!others.empty()) {
        result_.stays.push_back(fmt::format("bridge {}: {} ports on it are not ours ({}{})", name, others.size(),
                                            others.front(), others.size() > 1 ? ", ..." : ""));
        continue;
      }
      if (const auto flows = foreign_.find(name); flows != foreign_.end()) {
        result_.stays.push_back(fmt::format("bridge {}: {} flows on it are not ours", name, flows->second));
        continue;
      }
      result_.ours.push_back("bridge " + name);
      const auto flows = ours_.find(name);
      if (has_ours || flows == ours_.end() || !flows->second.empty() || !actual_.vswitch.root) continue;  // last
      ovsdb::Transaction& transaction = result_.plan.ovsdb;
      if (transaction.empty()) transaction.comment = "ml2-agent --cleanup: delete bridges";
      transaction.operations.emplace_back(ovsdb::RowMutate{"Open_vSwitch", *actual_.vswitch.root, "bridges",
                                                           ovsdb::Datum::none(),
                                                           ovsdb::Datum::uuids({row->second.uuid})});
    }
  }

  const NodeConfig& node_;
  const Actual& actual_;
  Cleanup result_;
  std::map<std::string, of::FlowSet> ours_;      // by bridge; only bridges that were read
  std::map<std::string, std::size_t> foreign_;   // flows, by bridge
  std::map<std::string, of::FlowSet> defaults_;  // those of Open vSwitch's own default, with ours; by bridge
};

}  // namespace

std::set<std::string> cleanup_bridges(const NodeConfig& node, const ovsdb::Vswitch& vswitch) {
  std::set<std::string> names{node.integration_bridge, node.tunnel_bridge};
  for (const auto& [physical_network, bridge] : node.bridge_mappings) names.insert(bridge);
  for (const auto& [port, bridge] : vswitch.port_bridge) {
    if (has_mark(vswitch.ports.at(port).external_ids)) names.insert(bridge);
  }
  for (const auto& [name, row] : vswitch.bridges) {
    if (row.external_ids.contains(kTakenKey)) names.insert(name);
  }
  std::erase_if(names, [&](const std::string& name) {
    const auto row = vswitch.bridges.find(name);
    return row == vswitch.bridges.end() || row->second.datapath_id.empty();
  });
  return names;
}

Cleanup diff_to_nothing(const NodeConfig& node, const Actual& actual) { return ToNothing(node, actual).run(); }

}  // namespace ml2
