// Rows of the Open_vSwitch database: one transaction.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "datapath/base/sha1.h"
#include "datapath/diff/parts.h"
#include "datapath/diff/taken_bridge.h"
#include "datapath/openflow/cookie.h"

namespace ml2 {
namespace {

using ovsdb::BridgeRow;
using ovsdb::Columns;
using ovsdb::Datum;
using ovsdb::InterfaceRow;
using ovsdb::PortRow;
using ovsdb::StringMap;

constexpr std::array<std::string_view, 5> kVlanKeys{"net_uuid", "network_type", "physical_network", "segmentation_id",
                                                    "tag"};
constexpr std::array<std::string_view, 4> kTunnelTypes{"geneve", "gre", "ip6gre", "vxlan"};

// The name of a new row within the transaction: the same for equal input, as diff() is pure.
Uuid row_name(std::string_view table, std::string_view name) {
  const Sha1 digest = sha1(fmt::format("{} {}", table, name));
  std::array<std::uint8_t, 16> bytes{};
  std::copy_n(digest.begin(), bytes.size(), bytes.begin());
  return Uuid(bytes);
}

// What of `wanted` is missing or different in `there`.
StringMap missing_from(const StringMap& there, const StringMap& wanted) {
  StringMap result;
  for (const auto& [key, value] : wanted) {
    const auto found = there.find(key);
    if (found == there.end() || found->second != value) result.emplace(key, value);
  }
  return result;
}

bool is_tunnel_type(const std::string& type) {
  return std::find(kTunnelTypes.begin(), kTunnelTypes.end(), type) != kTunnelTypes.end();
}

// "tap1, tap2, tap3 and 7 more"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  const std::size_t shown = std::min(names.size(), kShown);
  std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

class RowDiff {
 public:
  RowDiff(const Sides& sides, const Suspects* suspects, Plan& plan, std::set<std::string>* unsettled)
      : desired_(sides.desired),
        flows_(sides.flows),
        vswitch_(sides.vswitch),
        suspects_(suspects),
        plan_(plan),
        unsettled_(unsettled) {}

  void run() {
    if (!vswitch_.root) {
      plan_.held.emplace_back("the Open_vSwitch table has no row yet: run ovs-vsctl init (ovs-ctl start does)");
      for (const auto& [name, vif] : desired_.vifs) pending(name);
      return;
    }
    for (const auto& [name, bridge] : desired_.bridges) {
      const auto row = vswitch_.bridges.find(name);
      if (row != vswitch_.bridges.end()) {
        if (!bridge.leave) repair_bridge(row->second, bridge);
      } else if (bridge.create) {
        create_bridge(name);
      }
    }
    each(desired_.ports, [&](const std::string& name, const DesiredPort& port) { diff_port(name, port); });
    each(vswitch_.ports, [&](const std::string&, const PortRow& row) { delete_port(row); });
    each(desired_.vifs, [&](const std::string& name, const DesiredVif& vif) {
      const auto row = vswitch_.ports.find(name);
      if (row != vswitch_.ports.end()) diff_vif(row->second, vif);
    });
    for (const auto& [name, bridge] : desired_.bridges) {
      const auto row = vswitch_.bridges.find(name);
      if (bridge.leave && row != vswitch_.bridges.end()) leave_bridge(row->second, bridge);
    }
    finish();
  }

 private:
  // Calls visit(name, value) for all of `map`, or for the suspects in it; in the order of names.
  template <class T, class Visit>
  void each(const std::map<std::string, T>& map, Visit visit) {
    if (suspects_ == nullptr) {
      for (const auto& [name, value] : map) visit(name, value);
      return;
    }
    for (const std::string& name : suspects_->ports) {
      if (const auto found = map.find(name); found != map.end()) visit(name, found->second);
    }
  }
  // A port that is not as it shall be: what waits for it.
  void pending(const std::string& name) {
    plan_.pending_ports.insert(name);
    unsettled(name);
  }
  // One that has to be looked at again.
  void unsettled(const std::string& name) {
    if (unsettled_ != nullptr) unsettled_->insert(name);
  }

  struct PortChanges {
    std::set<Uuid> insert;
    std::set<Uuid> erase;
  };

  void insert(std::string table, const Uuid& uuid, Columns columns) {
    operations().push_back(ovsdb::RowInsert{std::move(table), uuid, std::move(columns)});
  }
  void update(std::string table, const Uuid& uuid, Columns columns) {
    if (!columns.empty()) operations().push_back(ovsdb::RowUpdate{std::move(table), uuid, std::move(columns)});
  }
  void mutate(std::string table, const Uuid& uuid, std::string column, Datum insert, Datum erase) {
    if (insert.empty() && erase.empty()) return;
    operations().push_back(
        ovsdb::RowMutate{std::move(table), uuid, std::move(column), std::move(insert), std::move(erase)});
  }
  std::vector<ovsdb::Operation>& operations() { return plan_.ovsdb.operations; }

  void conflict(const std::string& text) { plan_.held.push_back("conflict: " + text); }
  void held(const std::string& text) { plan_.held.push_back(text); }

  // --- bridges ---

  void create_bridge(const std::string& name) {
    if (vswitch_.ports.contains(name) || vswitch_.interfaces.contains(name)) {
      conflict(fmt::format("bridge {} cannot be made: a port of that name is on another bridge", name));
      return;
    }
    created_.insert(name);
    insert_port(name, name, "internal", {}, {}, {});
    changed_.push_back(name);
  }

  // Once all ports of the new bridge are known.
  void insert_bridge(const std::string& name) {
    const DesiredBridge& bridge = desired_.bridges.at(name);
    Columns columns{{"name", Datum::of(name)},
                    {"datapath_type", Datum::of(bridge.datapath_type)},
                    {"fail_mode", Datum::of(bridge.fail_mode)},
                    {"protocols", Datum::strings(bridge.protocols)},
                    {"other_config", Datum::map(bridge.other_config)},
                    {"external_ids", Datum::map({{kOwnerKey, kOwnerValue}})},
                    {"ports", Datum::uuids(port_changes_[name].insert)}};
    if (bridge.mcast_snooping_enable) {
      columns.emplace_back("mcast_snooping_enable", Datum::of(ovsdb::Atom(*bridge.mcast_snooping_enable)));
    }
    insert("Bridge", row_name("Bridge", name), std::move(columns));
  }

  void repair_bridge(const BridgeRow& row, const DesiredBridge& bridge) {
    const std::size_t before = operations().size();
    Columns columns;
    // "" is "system" (ovs-vswitchd.conf.db(5)).
    const std::string type = row.datapath_type.empty() ? "system" : row.datapath_type;
    if (type != bridge.datapath_type) columns.emplace_back("datapath_type", Datum::of(bridge.datapath_type));
    if (row.fail_mode != bridge.fail_mode) columns.emplace_back("fail_mode", Datum::of(bridge.fail_mode));
    if (bridge.mcast_snooping_enable && row.mcast_snooping_enable != *bridge.mcast_snooping_enable) {
      columns.emplace_back("mcast_snooping_enable", Datum::of(ovsdb::Atom(*bridge.mcast_snooping_enable)));
    }
    update("Bridge", row.uuid, std::move(columns));
    if (!row.protocols.empty()) {  // empty: all versions
      std::set<std::string> protocols = bridge.protocols;
      std::erase_if(protocols, [&](const std::string& version) { return row.protocols.contains(version); });
      mutate("Bridge", row.uuid, "protocols", Datum::strings(protocols), Datum::none());
    }
    mutate("Bridge", row.uuid, "other_config", Datum::map(missing_from(row.other_config, bridge.other_config)),
           Datum::none());
    if (value_of(row.external_ids, kOwnerKey) != kOwnerValue) note_bridge(row, bridge);
    if (operations().size() != before) changed_.push_back(row.name);
  }

  void note_bridge(const BridgeRow& row, const DesiredBridge& bridge) {
    const bool worked_on =
        std::any_of(vswitch_.port_bridge.begin(), vswitch_.port_bridge.end(), [&](const auto& port) {
          return port.second == row.name && (desired_.ports.contains(port.first) || is_ours(port.first));
        });
    mutate("Bridge", row.uuid, "external_ids", Datum::map(missing_note(row, bridge, worked_on)), Datum::none());
  }

  [[nodiscard]] bool is_ours(const std::string& port) const {
    return value_of(vswitch_.ports.at(port).external_ids, kOwnerKey) == kOwnerValue;
  }

  // The operator's again. ovs-vswitchd deletes all flows of a bridge without a controller when its fail_mode changes
  // (connmgr_set_fail_mode() in ofproto/connmgr.c), and puts its default flow there in the same moment: as long as
  // others' flows are on it fail_mode stays, and the note by which it is given back later.
  void leave_bridge(const BridgeRow& row, const DesiredBridge& bridge) {
    for (const auto& [port, on] : vswitch_.port_bridge) {
      if (on != row.name || !is_ours(port)) continue;
      if (!port_changes_[row.name].erase.contains(vswitch_.ports.at(port).uuid)) return;  // why: said there
    }
    bool others = bridge.keep_fail_mode;
    if (bridge.part == kPhysicalPart) {
      const auto there = flows_.find(row.name);
      const of::FlowSet* flows = there == flows_.end() ? nullptr : there->second;
      const auto wanted = desired_.flows.find(row.name);
      const bool waits = wanted != desired_.flows.end() && wanted->second.contains(of::FlowKey{});
      if (flows == nullptr || (waits && !flows->contains(of::FlowKey{}))) {
        held(fmt::format("fail_mode of bridge {}: not given back until its default flow is in", row.name));
        return;
      }
      others = others || std::any_of(flows->begin(), flows->end(), [](const auto& flow) {
                 return flow.first != of::FlowKey{} && !of::is_ours(flow.second.cookie);
               });
    }
    const std::size_t before = operations().size();
    if (others && fail_mode_given_back(row, bridge) != row.fail_mode) {
      note_bridge(row, bridge);
      if (!bridge.keep_fail_mode) plan_.stays.push_back(stays_for_others_flows(row));  // --cleanup says it itself
    } else {
      GivenBack back = give_back(row, bridge);
      update("Bridge", row.uuid, std::move(back.columns));
      mutate("Bridge", row.uuid, "other_config", Datum::map(back.other_config), Datum::strings(back.gone));
      mutate("Bridge", row.uuid, "external_ids", Datum::none(), Datum::strings(back.note));
    }
    if (operations().size() != before) given_back_.push_back(row.name);
  }

  // --- patch and tunnel ports ---

  void insert_port(const std::string& name, const std::string& bridge, const std::string& type,
                   const StringMap& options, const StringMap& other_config, const StringMap& external_ids) {
    const Uuid interface = row_name("Interface", name);
    const Uuid port = row_name("Port", name);
    Columns columns{{"name", Datum::of(name)}, {"type", Datum::of(type)}};
    if (!options.empty()) columns.emplace_back("options", Datum::map(options));
    insert("Interface", interface, std::move(columns));
    columns = {{"name", Datum::of(name)}, {"interfaces", Datum::uuids({interface})}};
    if (!other_config.empty()) columns.emplace_back("other_config", Datum::map(other_config));
    if (!external_ids.empty()) columns.emplace_back("external_ids", Datum::map(external_ids));
    insert("Port", port, std::move(columns));
    port_changes_[bridge].insert.insert(port);
  }

  [[nodiscard]] bool flows_are_in(const DesiredPort& port) const {
    if (port.hold_peer) return false;
    return std::all_of(port.peer_after.begin(), port.peer_after.end(),
                       [&](const auto& needed) { return is_in(needed.first, needed.second); });
  }

  // Whether the switch has this flow as it shall be.
  [[nodiscard]] bool is_in(const std::string& bridge, const of::FlowKey& key) const {
    const auto there = flows_.find(bridge);
    const auto wanted = desired_.flows.find(bridge);
    if (there == flows_.end() || there->second == nullptr || wanted == desired_.flows.end()) return false;
    const auto there_flow = there->second->find(key);
    const auto wanted_flow = wanted->second.find(key);
    return there_flow != there->second->end() && wanted_flow != wanted->second.end() &&
           there_flow->second.actions == wanted_flow->second.actions;
  }

  // Interface.options: the peer, or the key, only when that is safe. A pair that is joined already stays joined, and a
  // tunnel port that is open stays open: traffic is on it.
  StringMap options_of(const std::string& name, const DesiredPort& port, const InterfaceRow* row) {
    StringMap options = port.options;
    if (port.takes_over && !(port.opened_after && is_in(port.bridge, *port.opened_after)) &&
        !(row != nullptr && value_of(row->options, "in_key") == options.at("in_key"))) {
      held(fmt::format("port {}: waits for its flow before it takes frames", name));
      unsettled(name);
      options["in_key"] = kNoKey;
      return options;
    }
    const auto peer = options.find("peer");
    if (peer == options.end() || flows_are_in(port)) return options;
    if (row != nullptr && value_of(row->options, "peer") == peer->second) return options;
    held(fmt::format("peer of {}: waits for the drop flows of both sides", name));
    unsettled(name);
    peer->second = kNoPeer;
    return options;
  }

  void diff_port(const std::string& name, const DesiredPort& port) {
    const StringMap mark{{kOwnerKey, kOwnerValue}};
    const auto row = vswitch_.ports.find(name);
    if (row == vswitch_.ports.end()) {
      unsettled(name);
      if (!created_.contains(port.bridge) && !vswitch_.bridges.contains(port.bridge))
        return;  // a conflict; said there
      if (vswitch_.interfaces.contains(name)) {
        conflict(fmt::format("interface {} belongs to port {}; expected a {} port of its own on {}", name,
                             value_of(vswitch_.interface_port, name), port.type, port.bridge));
        return;
      }
      insert_port(name, port.bridge, port.type, options_of(name, port, nullptr), port.other_config, mark);
      added_.push_back(name);
      pending(name);
      return;
    }
    const InterfaceRow* interface = own_interface(row->second);
    const std::string& bridge = vswitch_.port_bridge.contains(name) ? vswitch_.port_bridge.at(name) : kNowhere;
    const bool ours = value_of(row->second.external_ids, kOwnerKey) == kOwnerValue;
    if (interface == nullptr || (!ours && (bridge != port.bridge || interface->type != port.type))) {
      unsettled(name);
      conflict(fmt::format("port {} is on bridge {} with type \"{}\" and is not ours; expected type {} on {}", name,
                           bridge, interface == nullptr ? "bond" : interface->type, port.type, port.bridge));
      return;
    }
    if (bridge != port.bridge) {  // ours, from an earlier configuration: made anew in the next step
      remove_port(row->second, bridge);
      return;
    }
    const std::size_t before = operations().size();
    Columns columns;
    if (interface->type != port.type) columns.emplace_back("type", Datum::of(port.type));
    const StringMap options = options_of(name, port, interface);
    if (interface->options != options) columns.emplace_back("options", Datum::map(options));
    update("Interface", interface->uuid, std::move(columns));
    mutate("Port", row->second.uuid, "other_config",
           Datum::map(missing_from(row->second.other_config, port.other_config)), Datum::none());
    mutate("Port", row->second.uuid, "external_ids", Datum::map(missing_from(row->second.external_ids, mark)),
           Datum::none());
    if (operations().size() == before) return;
    changed_.push_back(name);
    pending(name);
  }

  // The port's Interface where it is the one of the same name; nullptr for bonds.
  [[nodiscard]] const InterfaceRow* own_interface(const PortRow& port) const {
    const auto found = vswitch_.interfaces.find(port.name);
    if (found == vswitch_.interfaces.end() || port.interfaces != std::set<Uuid>{found->second.uuid}) return nullptr;
    return &found->second;
  }

  void delete_port(const PortRow& row) {
    if (desired_.ports.contains(row.name)) return;
    const InterfaceRow* interface = own_interface(row);
    const auto bridge = vswitch_.port_bridge.find(row.name);
    if (interface == nullptr || bridge == vswitch_.port_bridge.end()) return;
    if (is_left_over(row, *interface, bridge->second)) remove_port(row, bridge->second);
  }

  [[nodiscard]] bool is_left_over(const PortRow& row, const InterfaceRow& interface,
                                  const std::string& bridge) const {
    const bool ours = value_of(row.external_ids, kOwnerKey) == kOwnerValue;
    // Without a type: the patch to the fast path, which is a device of the kernel.
    if (interface.type == "patch" || (interface.type.empty() && row.name == kFastPathPatch)) return ours;
    if (!is_tunnel_type(interface.type)) return false;
    const bool tunnels_stay = !desired_.tunnel_bridge.empty() && desired_.local_ip.empty();
    if (tunnels_stay) return false;
    if (ours) return true;
    if (bridge != desired_.tunnel_bridge || value_of(interface.options, "local_ip") != desired_.local_ip)
      return false;
    const std::string_view type = interface.type == "ip6gre" ? "gre" : std::string_view(interface.type);
    const std::string_view view(row.name);
    if (!view.starts_with(type) || view.size() < type.size() + 2 || view[type.size()] != '-') return false;
    const std::string_view hash = view.substr(type.size() + 1);
    return std::all_of(hash.begin(), hash.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
  }

  // Make before break: not while a flow that will go still names the port. Flows that stay do no harm: without the port
  // nothing comes from it, and compile() lets them go then.
  void remove_port(const PortRow& row, const std::string& bridge) {
    unsettled(row.name);
    if (!desired_.complete) {
      held(fmt::format("delete of port {}: not until the intent is complete", row.name));
      return;
    }
    const InterfaceRow* interface = own_interface(row);
    const auto wanted = desired_.flows.find(bridge);
    if (interface != nullptr && interface->ofport && wanted != desired_.flows.end()) {
      const auto there = flows_.find(bridge);
      if (there == flows_.end() || there->second == nullptr) {
        held(fmt::format("delete of port {}: the flows of {} have not been read yet", row.name, bridge));
        return;
      }
      const auto incumbent = incumbent_cookie(wanted->second, *there->second);
      const bool used = std::any_of(there->second->begin(), there->second->end(), [&](const auto& flow) {
        const auto stays = wanted->second.find(flow.first);
        return is_removable(flow.second.cookie, incumbent) &&
               refers_to(flow.first, flow.second, *interface->ofport) &&
               (stays == wanted->second.end() || stays->second != flow.second);
      });
      if (used) {
        held(fmt::format("delete of port {}: flows of {} still use it", row.name, bridge));
        return;
      }
    }
    port_changes_[bridge].erase.insert(row.uuid);  // Port and Interface rows go with the last reference
    deleted_.push_back(row.name);
  }

  // --- VM ports ---

  // The port stays where it is until what it sends is checked.
  bool waits_for_flow(const PortRow& row, const DesiredVif& vif) {
    if (vif.hold_tag) {  // its number is what it waits for; compile() has said so
      pending(row.name);
      return true;
    }
    if (!vif.tag_after) return false;
    const auto& [bridge, key] = *vif.tag_after;
    const auto flows = desired_.flows.find(bridge);
    const auto there = flows_.find(bridge);
    if (flows != desired_.flows.end() && there != flows_.end() && there->second != nullptr) {
      const auto wanted = flows->second.find(key);
      const auto flow = there->second->find(key);
      const bool known = wanted != flows->second.end() && flow != there->second->end();
      if (known && flow->second.actions == wanted->second.actions) return false;
    }
    held(fmt::format("VLAN of port {}: not until its anti-spoofing flows are in", row.name));
    pending(row.name);
    return true;
  }

  void diff_vif(const PortRow& row, const DesiredVif& vif) {
    if (row.tag != vif.tag && waits_for_flow(row, vif)) return;
    const std::size_t before = operations().size();
    const std::string mode = vif.dead ? "trunk" : "";
    const std::set<std::int64_t> trunks = vif.dead ? std::set<std::int64_t>{kDeadVlan} : std::set<std::int64_t>{};
    Columns columns;
    if (vif.released) {
      if (row.tag) columns.emplace_back("tag", Datum::none());
    } else if (row.tag != vif.tag) {
      columns.emplace_back("tag", Datum::of(ovsdb::Atom(vif.tag)));
    }
    if (row.vlan_mode != mode) columns.emplace_back("vlan_mode", mode.empty() ? Datum::none() : Datum::of(mode));
    if (row.trunks != trunks) {
      columns.emplace_back("trunks", Datum::set(std::vector<ovsdb::Atom>(trunks.begin(), trunks.end())));
    }
    update("Port", row.uuid, std::move(columns));
    std::set<std::string> stale;  // of the five: what the VLAN that it had left there
    for (const std::string_view key : kVlanKeys) {
      const std::string text(key);
      if (row.other_config.contains(text) && !vif.other_config.contains(text)) stale.insert(text);
    }
    mutate("Port", row.uuid, "other_config", Datum::map(missing_from(row.other_config, vif.other_config)),
           Datum::strings(stale));
    const auto interface = vswitch_.interfaces.find(vif.interface);
    if (interface != vswitch_.interfaces.end() && interface->second.mtu_request != vif.mtu_request) {
      update("Interface", interface->second.uuid, {{"mtu_request", Datum::of(ovsdb::Atom(vif.mtu_request))}});
    }
    if (operations().size() == before) return;
    wired_.push_back(row.name);
    pending(row.name);
    plan_.set_ports.insert(row.name);
  }

  // --- the end ---

  void finish() {
    for (const std::string& name : created_) insert_bridge(name);
    for (const auto& [name, changes] : port_changes_) {
      const auto row = vswitch_.bridges.find(name);
      if (row == vswitch_.bridges.end()) continue;
      mutate("Bridge", row->second.uuid, "ports", Datum::uuids(changes.insert), Datum::uuids(changes.erase));
    }
    std::set<Uuid> bridges;
    for (const std::string& name : created_) bridges.insert(row_name("Bridge", name));
    mutate("Open_vSwitch", *vswitch_.root, "bridges", Datum::uuids(bridges), Datum::none());
    if (operations().empty()) return;
    // ovs-vswitchd sets cur_cfg to it once it has carried this out.
    update("Open_vSwitch", *vswitch_.root, {{"next_cfg", Datum::of(ovsdb::Atom(vswitch_.next_cfg + 1))}});

    std::vector<std::string> parts;
    const auto say = [&](const char* what, const std::vector<std::string>& names) {
      if (!names.empty()) parts.push_back(fmt::format("{} {}", what, some_of(names)));
    };
    say("add", added_);
    say("delete", deleted_);
    say("set", changed_);
    say("set VLAN of", wired_);
    say("give back", given_back_);
    plan_.ovsdb.comment = fmt::format("ml2-agent: {}", fmt::join(parts, "; "));
  }

  inline static const std::string kNowhere = "(none)";

  const Desired& desired_;
  const std::map<std::string, const of::FlowSet*>& flows_;
  const ovsdb::Vswitch& vswitch_;
  const Suspects* suspects_;
  Plan& plan_;
  std::set<std::string>* unsettled_;
  std::set<std::string> created_;                    // bridges
  std::map<std::string, PortChanges> port_changes_;  // by bridge
  std::vector<std::string> added_, deleted_, changed_, wired_, given_back_;
};

}  // namespace

void diff_rows(const Sides& sides, const Suspects* suspects, Plan& plan, std::set<std::string>* unsettled) {
  RowDiff(sides, suspects, plan, unsettled).run();
}

}  // namespace ml2
