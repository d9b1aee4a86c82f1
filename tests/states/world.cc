#include "tests/states/world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "datapath/openflow/cookie.h"

namespace ml2::testing {
namespace {

// The longest way: a port per peer takes over from a flow-based one. It is made, has its flow, is opened, is sent through, the
// other is sent through no more, and goes.
constexpr int kMaxRounds = 6;

Segment segment(std::uint32_t network, NetworkType type, const char* physical_network, std::uint32_t id) {
  return Segment{uuid_of(network), type, physical_network, id};
}

}  // namespace

Uuid uuid_of(std::uint32_t number) {
  std::array<std::uint8_t, 16> bytes{};
  for (unsigned i = 0; i < 4; ++i) bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return Uuid(bytes);
}
IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
Mac mac(const char* text) { return Mac::parse(text).value(); }

Segment vxlan(std::uint32_t network, std::uint32_t vni) { return segment(network, NetworkType::Vxlan, "", vni); }
Segment geneve(std::uint32_t network, std::uint32_t vni) { return segment(network, NetworkType::Geneve, "", vni); }
Segment gre(std::uint32_t network, std::uint32_t key) { return segment(network, NetworkType::Gre, "", key); }
Segment vlan(std::uint32_t network, const char* physical_network, std::uint32_t id) {
  return segment(network, NetworkType::Vlan, physical_network, id);
}
Segment flat(std::uint32_t network, const char* physical_network) {
  return segment(network, NetworkType::Flat, physical_network, 0);
}
Segment local(std::uint32_t network) { return segment(network, NetworkType::Local, "", 0); }

std::string tap_of(std::uint32_t port) { return fmt::format("tap{}", port); }

State State::named(std::string new_name) const {
  State copy = *this;
  copy.name = std::move(new_name);
  return copy;
}

State& State::port(std::uint32_t number, const Segment& segment, bool plug) {
  Port port;
  port.id = uuid_of(number);
  port.name = fmt::format("vm{}", number);
  port.segment = segment;
  port.mac = Mac({0xfa, 0x16, 0x3e, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
  intent.ports.insert_or_assign(port.id, port);
  if (plug) plugged[tap_of(number)] = port.id;
  return *this;
}

State& State::without_port(std::uint32_t number) {
  intent.ports.erase(uuid_of(number));
  plugged.erase(tap_of(number));
  return *this;
}

State& State::vtep(NetworkType type, const char* address) {
  intent.vteps.insert(Vtep{type, ip(address), 0, fmt::format("host-{}", address)});
  return *this;
}

State& State::without_vtep(NetworkType type, const char* address) {
  intent.vteps.erase(Vtep{type, ip(address), 0, fmt::format("host-{}", address)});
  return *this;
}

State base_state() {
  State state;
  state.name = "base";
  NodeConfig& node = state.intent.node;
  node.host = "hv1";
  node.datapath_type = "netdev";
  node.bridge_mappings = {{"physnet1", "br-ex"}};
  node.local_ip = ip("10.0.0.1");
  node.tunnel_types = {NetworkType::Vxlan};
  node.anti_spoofing = false;  // a list of its own
  state.intent.complete = true;
  state.bridges = {"br-ex"};
  state.addresses = {ip("10.0.0.1"), ip("127.0.0.1")};
  return state;
}

void World::become(const State& state, bool reverse) {
  SCOPED_TRACE("state " + state.name);
  state_ = state;
  for (const std::string& bridge : state.bridges) {
    if (!ovs.vswitch().bridges.contains(bridge)) ovs.add_bridge(bridge);
  }
  // A bridge that the operator takes away: at once if it is mapped, else when the agent has let go of it.
  std::set<std::string> let_go;
  const NodeConfig& node = state.intent.node;
  const ovsdb::Vswitch there = ovs.vswitch();
  for (const auto& [name, row] : there.bridges) {
    if (name == node.integration_bridge || name == node.tunnel_bridge || state.bridges.contains(name)) continue;
    const bool mapped = std::any_of(node.bridge_mappings.begin(), node.bridge_mappings.end(),
                                    [&bridge = name](const auto& mapping) { return mapping.second == bridge; });
    if (!mapped) let_go.insert(name);
  }
  for (const auto& [name, row] : there.bridges) {
    const bool kept = name == node.integration_bridge || name == node.tunnel_bridge || state.bridges.contains(name);
    if (!kept && !let_go.contains(name)) ovs.del_bridge(name);
  }
  if (!ovs.vswitch().bridges.contains(node.integration_bridge)) converge();
  // Unplug, plug; "ovs-vswitchd has not given numbers yet" is the first round's state.
  const ovsdb::Vswitch rows = ovs.vswitch();
  for (const auto& [name, row] : rows.interfaces) {
    const auto iface_id = row.external_ids.find("iface-id");
    if (iface_id == row.external_ids.end()) continue;
    const auto wanted = state.plugged.find(name);
    if (wanted == state.plugged.end() || wanted->second.to_string() != iface_id->second) ovs.del_port(name);
  }
  std::vector<std::pair<std::string, Uuid>> plugs(state.plugged.begin(), state.plugged.end());
  if (reverse) std::reverse(plugs.begin(), plugs.end());
  for (const auto& [name, id] : plugs) {
    if (ovs.vswitch().interfaces.contains(name)) continue;
    ovs.add_port(node.integration_bridge, name, "", {}, {{"iface-id", id.to_string()}});
    if (reverse) ovs.settle();
  }
  converge();
  for (const std::string& name : let_go) ovs.del_bridge(name);
  if (!let_go.empty()) converge();
}

Desired World::compiled() const {
  return compile(state_.intent, gather_facts(ovs.vswitch(), state_.addresses, memory_));
}

Plan World::planned() const { return diff(compiled(), ovs.actual()); }

bool World::round() {
  const Facts facts = gather_facts(ovs.vswitch(), state_.addresses, memory_);
  desired = compile(state_.intent, facts);
  memory_ = desired.local_vlans;
  const Actual actual = ovs.actual();
  const Plan plan = diff(desired, actual);
  follower->follow(state_.intent, actual.vswitch, state_.addresses, actual.flows, {}, desired, plan);
  if (plan.ovsdb.empty() && plan.bundles.empty()) {
    const ovsdb::Vswitch before = ovs.vswitch();
    ovs.settle();
    if (ovs.vswitch() != before) return true;
    // Bridges that do not exist yet, or deletes that a complete intent would allow: nothing more to be done now.
    if (state_.intent.complete) {
      EXPECT_TRUE(plan.held.empty()) << "held for ever: " << plan.held.front();
    }
    return false;
  }
  check_plan(plan);
  if (!(rounds_ == 0 && loss == Loss::FirstTransaction)) ovs.commit(plan.ovsdb);
  if (watch) {
    ovs.settle();
    watch(ovs);
  }
  for (const auto& [bridge, bundle] : plan.bundles) {
    if (!(rounds_ == 0 && loss == Loss::FirstBundles)) ovs.commit(bridge, bundle);
  }
  ovs.settle();
  EXPECT_TRUE(ovs.faults.empty()) << ovs.faults.front();
  check_isolation();
  if (watch) watch(ovs);
  ++rounds_;
  return true;
}

// A fixpoint in a few rounds, and nothing that is the same before and after is ever away in between.
void World::converge() {
  std::vector<Shot> shots{shot()};
  rounds_ = 0;
  const int limit = loss == Loss::None ? kMaxRounds : kMaxRounds + 1;
  while (round()) {
    shots.push_back(shot());
    if (rounds_ > limit) {
      const Plan plan = planned();
      FAIL() << "no fixpoint after " << rounds_ << " rounds; next: " << plan.ovsdb.comment << ", "
             << plan.bundles.size() << " bundles, " << (plan.held.empty() ? "" : plan.held.front());
    }
  }
  for (const auto& [bridge, flows] : shots.front().flows) {
    for (const auto& [key, body] : flows) {
      const auto& last = shots.back().flows[bridge];
      const auto found = last.find(key);
      if (found == last.end() || found->second != body) continue;
      for (std::size_t i = 1; i < shots.size(); ++i) {
        const auto& between = shots[i].flows[bridge];
        const auto there = between.find(key);
        EXPECT_TRUE(there != between.end() && there->second == body)
            << "round " << i << " lost a flow of " << bridge << ": " << to_text(key, body);
      }
    }
  }
  for (const auto& [name, row] : shots.front().rows.ports) {
    if (!shots.back().rows.ports.contains(name)) continue;
    for (std::size_t i = 1; i < shots.size(); ++i) {
      EXPECT_TRUE(shots[i].rows.ports.contains(name)) << "round " << i << " lost port " << name;
    }
  }
}

World::Shot World::shot() const {
  Shot result;
  const Actual actual = ovs.actual();
  for (const auto& [bridge, flows] : actual.flows) result.flows.emplace(bridge, *flows);
  result.rows = actual.vswitch;
  return result;
}

void World::check_plan(const Plan& plan) const {
  for (const auto& [bridge, bundle] : plan.bundles) {
    bool deleting = false;
    for (const of::FlowMod& mod : bundle.mods) {
      const bool is_delete = mod.command == of::FlowMod::Command::Delete;
      EXPECT_TRUE(is_delete || !deleting) << "an addition after a deletion";
      deleting = is_delete;
      EXPECT_TRUE(!is_delete || state_.intent.complete) << "deletes while the intent is not complete";
    }
  }
  for (const ovsdb::Operation& operation : plan.ovsdb.operations) {
    const auto* mutate = std::get_if<ovsdb::RowMutate>(&operation);
    if (mutate == nullptr || mutate->column != "ports") continue;
    EXPECT_TRUE(mutate->erase.empty() || state_.intent.complete) << "a port goes while the intent is not complete";
  }
}

// At no moment do ports of two networks have one VLAN, or two bridges meet before the drop flows are in.
void World::check_isolation() const {
  const Actual actual = ovs.actual();
  std::map<std::int64_t, std::string> networks;
  for (const auto& [name, row] : actual.vswitch.ports) {
    if (!row.tag || *row.tag == kDeadVlan) continue;
    const auto network = row.other_config.find("net_uuid");
    if (network == row.other_config.end()) continue;
    const auto [known, first] = networks.emplace(*row.tag, network->second);
    EXPECT_TRUE(first || known->second == network->second) << name << " shares VLAN " << *row.tag;
  }
  for (const auto& [name, vif] : desired.vifs) {
    const auto row = actual.vswitch.ports.find(name);
    if (!vif.tag_after || row == actual.vswitch.ports.end() || row->second.tag != vif.tag) continue;
    const of::FlowSet& flows = *actual.flows.at(vif.tag_after->first);
    EXPECT_TRUE(flows.contains(vif.tag_after->second)) << name << " is in a network and what it sends is not checked";
  }
  for (const auto& [name, row] : actual.vswitch.interfaces) {
    const auto peer = row.options.find("peer");
    if (row.type != "patch" || peer == row.options.end() || peer->second == kNoPeer) continue;
    if (!name.starts_with("int-") && !name.starts_with("phy-")) continue;
    // Only two that name each other are joined (ofport_update_peer() in ofproto/ofproto-dpif.c).
    const auto other = actual.vswitch.interfaces.find(peer->second);
    if (other == actual.vswitch.interfaces.end() || !other->second.options.contains("peer")) continue;
    if (other->second.options.at("peer") != name) continue;
    const of::FlowSet& flows = *actual.flows.at(actual.vswitch.port_bridge.at(name));
    const auto drop = flows.find({0, 2, fmt::format("in_port={}", row.ofport.value_or(0))});
    EXPECT_TRUE(drop != flows.end() && drop->second.actions == "drop") << name << " is joined without its drop flow";
  }
}

}  // namespace ml2::testing
