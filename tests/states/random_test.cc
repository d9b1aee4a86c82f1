// Random walks: changes of every kind, one after the other and several at once, lost transactions and bundles, a slow
// ovs-vswitchd, devices and records of the fast path; after each step what was reached by changes alone equals what is computed from nothing (Follower).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "tests/states/fast_path_model.h"
#include "tests/states/follower.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

class Walk {
 public:
  explicit Walk(unsigned seed, bool fast_path = false) : random_(seed), state_(base_state()), fast_path_(random_) {
    NodeConfig& node = state_.intent.node;
    node.anti_spoofing = true;
    node.l2_population = chance(80);
    node.arp_responder = node.l2_population && chance(80);
    node.nd_responder = node.arp_responder && chance(50);
    node.drop_unknown_unicast = node.l2_population && chance(50);
    node.explicitly_egress_direct = chance(30);
    ovs_.add_bridge("br-ex");
    if (!fast_path) return;
    FastPathConfig& config = node.fast_path;
    config.enabled = true;
    config.all_ports = chance(70);
    if (chance(90)) config.tunnel_device = "net_up,x=1";
    if (chance(50)) config.physnet_devices = {{"physnet1", "net_prov"}};
    if (config.physnet_devices.empty()) return;
    node.bridge_mappings.clear();
  }

  // Everything settles, so that what follows is small changes to a node at work.
  void settle() {
    for (int i = 0; i < 8; ++i) step(/*lossy=*/false);
  }
  void step(bool lossy) {
    const ovsdb::Vswitch vswitch = ovs_.vswitch();
    Facts facts = gather_facts(vswitch, state_.addresses, memory_);
    Actual actual = ovs_.actual();
    if (state_.intent.node.fast_path.enabled) {
      fast_path_.have_addresses(state_.addresses);
      actual.kernel = &fast_path_.kernel();
      actual.fast_path = fast_path_.tables();
      facts.fast_path = gather_fast_path_facts(state_.intent, *actual.kernel, actual.fast_path, fast_path_memory_);
    }
    const Desired desired = compile(state_.intent, facts);
    memory_ = desired.local_vlans;
    fast_path_memory_ = desired.fast_path.ids;
    const Plan plan = diff(desired, actual);
    follower_.follow(state_.intent, vswitch, state_.addresses, actual.flows,
                     {.kernel = actual.kernel, .tables = actual.fast_path}, desired, plan);
    if (actual.kernel != nullptr) fast_path_.commit(plan, lossy);
    if (!lossy || chance(80)) ovs_.commit(plan.ovsdb);
    for (const auto& [bridge, bundle] : plan.bundles) {
      if (!lossy || chance(80)) ovs_.commit(bridge, bundle);
    }
    if (!lossy || chance(70)) ovs_.settle();
  }
  void change() {
    static constexpr int kEveryday = 14;
    static constexpr int kAll = 24;
    const int kind = pick(chance(92) ? kEveryday : kAll);
    switch (kind) {
      case 0:
      case 1: add_port(); break;
      case 2: state_.intent.ports.erase(any_port()); break;
      case 3:
      case 4: plug(any_port()); break;
      case 5: unplug(); break;
      case 6: with_port([&](Port& port) { port.admin_state_up = !port.admin_state_up; }); break;
      case 7: with_port([&](Port& port) { port.segment = segment(); }); break;
      case 8:
        with_port([&](Port& port) {
          port.fixed_ips = {IpAddress::v4({10, 9, 0, static_cast<std::uint8_t>(pick(250))})};
          port.port_security_enabled = chance(80);
        });
        break;
      case 9:
      case 10: remote(); break;
      case 11: flow_by_hand(); break;
      case 12: chance(50) ? learned_flow() : spoofing(); break;
      case 13: row_by_hand(); break;
      case 14: refuse(); break;
      case 15: vtep(); break;
      case 16: state_.intent.complete = !state_.intent.complete || chance(70); break;
      case 17: toggle(state_.addresses, ip("10.0.0.1")); break;
      case 18: state_.intent.node.explicitly_egress_direct = chance(50); break;
      case 19: plug(uuid_of(900 + static_cast<std::uint32_t>(pick(3)))); break;  // nobody's
      case 20: nonsense(); break;
      case 21: ovs_.flows(chance(50) ? "br-int" : "br-tun").clear(); break;
      case 22: bridge(); break;
      default: restart_vswitchd_port(); break;
    }
    if (state_.intent.node.fast_path.enabled && chance(60)) fast_path_.change(state_.intent);
  }
  [[nodiscard]] const Follower& follower() const { return follower_; }
  void add_port() {
    const auto number = static_cast<std::uint32_t>(1 + pick(40));
    State made;
    made.port(number, segment(), false);
    Port port = made.intent.ports.begin()->second;
    port.id = id_of(number);
    port.mtu = chance(50) ? 1450 : 0;
    port.vhost_user = state_.intent.node.fast_path.enabled && chance(40);
    if (state_.intent.node.fast_path.enabled && chance(10)) port.device_owner = "network:dhcp";
    state_.intent.ports.insert_or_assign(port.id, port);
  }
  void plug(const Uuid& id) {
    const std::string name = fmt::format("tap{}", next_interface_++ % 60);
    if (ovs_.vswitch().interfaces.contains(name) || !ovs_.vswitch().bridges.contains("br-int")) return;
    ovs_.add_port("br-int", name, chance(80) ? "" : "dpdkvhostuserclient", {}, {{"iface-id", id.to_string()}});
  }
  Uuid any_port() {
    if (state_.intent.ports.empty()) return uuid_of(1);
    auto at = state_.intent.ports.begin();
    std::advance(at, pick(static_cast<int>(state_.intent.ports.size())));
    return at->first;
  }

 private:
  // Devices have names by the beginning of an id; those of a few ports have the same.
  static Uuid id_of(std::uint32_t number) {
    std::array<std::uint8_t, 16> bytes = uuid_of(number).bytes();
    bytes[0] = static_cast<std::uint8_t>(number % 38);
    return Uuid(bytes);
  }
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  bool chance(int percent) { return pick(100) < percent; }

  Segment segment() {
    const auto network = static_cast<std::uint32_t>(101 + pick(6));
    switch (network % 6) {
      case 0: return vlan(network, "physnet1", 100 + network % 3);
      case 1: return flat(network, "physnet1");
      case 2: return chance(95) ? local(network) : vlan(network, "physnet9", 7);
      default: return vxlan(network, chance(97) ? network : 5);  // now and then two networks of one VNI
    }
  }
  template <class Change>
  void with_port(Change change) {
    const auto port = state_.intent.ports.find(any_port());
    if (port != state_.intent.ports.end()) change(port->second);
  }
  std::string any_tap() {
    std::vector<std::string> names;
    for (const auto& [name, row] : ovs_.vswitch().interfaces) {
      if (name.starts_with("tap")) names.push_back(name);
    }
    return names.empty() ? std::string() : names[static_cast<std::size_t>(pick(static_cast<int>(names.size())))];
  }
  void unplug() {
    if (const std::string name = any_tap(); !name.empty()) ovs_.del_port(name);
  }
  IpAddress far() { return IpAddress::v4({10, 0, 1, static_cast<std::uint8_t>(pick(4))}); }
  void remote() {
    if (!state_.intent.node.l2_population || state_.intent.ports.empty()) return;
    const Port& here = state_.intent.ports.at(any_port());
    const Segment where = here.segment;
    if (where.type != NetworkType::Vxlan) return;
    RemoteSegment& remote = state_.intent.remote[where];
    if (chance(12)) {
      state_.intent.remote.erase(where);
      return;
    }
    if (chance(15) && !remote.ports.empty()) {
      remote.ports.erase(remote.ports.begin() + pick(static_cast<int>(remote.ports.size())));
      return;
    }
    const IpAddress vtep = far();
    state_.intent.vteps.insert(Vtep{NetworkType::Vxlan, vtep, 0, fmt::format("host-{}", vtep.to_string())});
    remote.vteps.insert(vtep);
    const auto put = [&remote](const RemotePort& port) {
      std::erase_if(remote.ports, [&](const RemotePort& other) { return other.mac == port.mac; });
      remote.ports.push_back(port);
    };
    const auto number = static_cast<std::uint8_t>(pick(20));
    RemotePort port{.mac = Mac({0xfa, 0x16, 0x3e, 9, 9, number}), .vtep = vtep};
    if (chance(20)) port.mac = here.mac;  // it is on its way from host to host
    port.answered = {IpAddress::v4({10, 9, 1, chance(5) ? static_cast<std::uint8_t>(pick(20)) : number})};
    put(port);
    if (chance(5)) {
      // So many that they are divided anew.
      for (std::uint8_t i = 0; i < 120; ++i) {
        put({.mac = Mac({0xfa, 0x16, 0x3e, 9, 10, i}), .vtep = vtep, .answered = {IpAddress::v4({10, 9, 2, i})}});
      }
    }
    std::sort(remote.ports.begin(), remote.ports.end(), [](const auto& a, const auto& b) { return a.mac < b.mac; });
    if (chance(10)) toggle(remote.shared_macs, Mac({0xfa, 0x16, 0x3e, 9, 9, chance(50) ? number : std::uint8_t{99}}));
    if (chance(10)) remote.any_mac = !remote.any_mac;
  }
  void vtep() { toggle(state_.intent.vteps, Vtep{NetworkType::Vxlan, far(), 0, "host-x"}); }
  template <class T>
  void toggle(std::set<T>& set, const T& value) {
    if (!set.insert(value).second) set.erase(value);
  }
  void flow_by_hand() {
    of::FlowSet& flows = ovs_.flows(chance(50) ? "br-int" : "br-tun");
    if (flows.empty()) return;
    auto at = flows.begin();
    std::advance(at, pick(static_cast<int>(flows.size())));
    if (chance(40)) {
      flows.erase(at);
    } else if (chance(50)) {
      at->second.actions = "drop";
    } else {
      flows[{0, static_cast<std::uint16_t>(pick(4)), fmt::format("tcp,tp_dst={}", pick(3))}] = {
          .actions = "drop", .cookie = chance(50) ? 0x77ULL : 0x123456789abcdefULL};
    }
  }
  void learned_flow() {
    const of::FlowKey key{
        20, static_cast<std::uint16_t>(chance(50) ? 1 : 3),
        fmt::format("vlan_tci=0x{:04x}/0x0fff,dl_dst=fa:16:3e:09:09:{:02x}", 1 + pick(6), pick(20))};
    ovs_.flows("br-tun")[key] = {
        .actions = fmt::format("load:0->NXM_OF_VLAN_TCI[],load:{:#x}->NXM_NX_TUN_ID[],output:{}", 101 + pick(6),
                               1 + pick(5)),
        .cookie = cookie_of_learned(),
        .hard_timeout = 300};
  }
  // As the switch makes it of a frame that a drop flow drops: for a port that is there, or that has gone.
  void spoofing() {
    const of::FlowSet flows = ovs_.flows("br-int");
    for (const auto& [key, body] : flows) {
      if (key.priority != 1 || (key.table != 24 && key.table != 25) || chance(50)) continue;
      ovs_.flows("br-int")[{26, key.table, key.match}] = {
          .actions = "drop", .cookie = body.cookie + (chance(20) ? 1U : 0U), .idle_timeout = 60};
    }
  }
  void row_by_hand() {
    const std::string name = any_tap();
    if (name.empty()) return;
    ovsdb::PortRow& row = ovs_.port(name);
    switch (pick(4)) {
      case 0: row.tag.reset(); break;
      case 1: row.other_config.clear(); break;
      case 2: row.vlan_mode = "access"; break;
      default: ovs_.interface(name).external_ids["attached-mac"] = "fa:16:3e:00:00:01"; break;
    }
  }
  void refuse() {
    const Uuid id = any_port();
    if (state_.intent.refused.erase(id) == 0) state_.intent.refused[id] = "its row makes no sense";
    if (chance(50)) state_.intent.ports.erase(id);
  }
  void nonsense() {
    if (const std::string name = any_tap(); !name.empty()) ovs_.interface(name).external_ids["iface-id"] = "nonsense";
  }
  void bridge() {
    if (ovs_.vswitch().bridges.contains("br-ex")) {
      ovs_.del_bridge("br-ex");
    } else {
      ovs_.add_bridge("br-ex");
    }
  }
  void restart_vswitchd_port() {
    if (const std::string name = any_tap(); !name.empty()) ovs_.interface(name).ofport.reset();
  }

  std::mt19937 random_;
  int next_interface_ = 0;
  State state_;
  OvsModel ovs_;
  LocalVlans memory_;
  FastPathModel fast_path_;
  FastPathIds fast_path_memory_;
  Follower follower_;
};

void walk_at_random(unsigned seed, bool fast_path) {
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Walk walk(seed, fast_path);
  walk.settle();
  std::mt19937 random(seed);
  for (int i = 0; i < 150; ++i) {
    SCOPED_TRACE(fmt::format("step {}", i));
    for (unsigned changes = random() % 4; changes > 0; --changes) walk.change();
    walk.step(random() % 3 == 0);
    if (::testing::Test::HasFailure()) return;
  }
}

class RandomWalks : public ::testing::TestWithParam<unsigned> {};

TEST_P(RandomWalks, ByChangesIsAsFromNothing) { walk_at_random(GetParam(), false); }
TEST_P(RandomWalks, WithTheFastPathToo) { walk_at_random(GetParam(), true); }

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWalks, ::testing::Range(1U, 25U));

// What this is all for: a port more on a node at work is no reason to compile everything.
TEST(ByChanges, APortMoreCompilesNothingElse) {
  Walk walk(1);
  for (int i = 0; i < 10; ++i) walk.add_port();
  walk.settle();
  for (int i = 0; i < 10; ++i) walk.plug(walk.any_port());
  walk.settle();
  const std::uint64_t before = walk.follower().from_nothing();
  for (int i = 0; i < 10; ++i) {
    walk.add_port();
    walk.plug(walk.any_port());
    walk.step(false);
  }
  walk.settle();
  EXPECT_LE(walk.follower().from_nothing(), before + 1);  // when ovs-vswitchd has carried out the first rows
}

TEST(ByChanges, NorDoesOneOnTheFastPath) {
  Walk walk(3, /*fast_path=*/true);
  for (int i = 0; i < 10; ++i) walk.add_port();
  walk.settle();
  const std::uint64_t before = walk.follower().from_nothing();
  for (int i = 0; i < 10; ++i) {
    walk.add_port();
    walk.step(false);
  }
  walk.settle();
  EXPECT_LE(walk.follower().from_nothing(), before + 1);
}

}  // namespace
}  // namespace ml2::testing
