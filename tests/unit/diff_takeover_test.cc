// Takeover in place: a host as neutron-openvswitch-agent left it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datapath/openflow/cookie.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

// Its cookies, one per bridge.
const std::map<std::string, std::uint64_t> kCookies{
    {"br-int", 0x24c70b78847e2170}, {"br-tun", 0x6fee78fa3231e704}, {"br-ex", 0x537a88de42f88ab7}};

State state() {
  State result = base_state().named("taken over");
  result.port(1, vxlan(101, 1270)).port(2, vlan(102, "physnet1", 100)).vtep(NetworkType::Vxlan, "10.0.0.2");
  return result;
}

class Takeover : public ::testing::Test {
 protected:
  // Our own result without our marks, with its cookies and with flows that only it has.
  void SetUp() override {
    world.become(state());
    expected = world.text();
    before = world.ovs.vswitch();
    for (const auto& [name, port] : before.ports) world.ovs.port(name).external_ids.clear();
    for (const auto& [bridge, cookie] : kCookies) {
      for (auto& [key, body] : world.ovs.flows(bridge)) body.cookie = cookie;
    }
    world.ovs.flows("br-int")[{24, 2, "arp,in_port=3,arp_spa=192.168.1.42"}] =
        of::FlowBody{.actions = "goto_table:25", .cookie = kCookies.at("br-int")};
    world.ovs.flows("br-tun")[{20, 2, "dl_vlan=1,dl_dst=fa:16:3e:5e:83:ae"}] =
        of::FlowBody{.actions = "pop_vlan,set_field:0x4f6->tun_id,output:2", .cookie = kCookies.at("br-tun")};
    for (const auto& [bridge, cookie] : kCookies) {
      world.ovs.flows(bridge)[{0, 77, "in_port=77"}] = of::FlowBody{.actions = "drop", .cookie = 0xabcdef0123456789};
    }
    world.restart();
  }
  void drop_foreign() {
    for (const auto& [bridge, cookie] : kCookies) {
      EXPECT_EQ(world.ovs.flows(bridge).erase({0, 77, "in_port=77"}), 1U)
          << "a foreign flow of " << bridge << " is gone";
    }
  }
  World world;
  std::string expected;
  ovsdb::Vswitch before;
};

TEST_F(Takeover, InPlace) {
  world.converge();  // World checks that no flow and no port goes in between
  drop_foreign();
  EXPECT_EQ(world.text(), expected);
  const ovsdb::Vswitch after = world.ovs.vswitch();
  for (const auto& [name, port] : before.ports) EXPECT_EQ(after.ports.at(name), port) << name;
  for (const auto& [name, interface] : before.interfaces) EXPECT_EQ(after.interfaces.at(name), interface) << name;
}

TEST_F(Takeover, NotBeforeTheIntentIsComplete) {
  State early = state();
  early.intent.complete = false;
  world.become(early);
  EXPECT_TRUE(world.ovs.flows("br-int").contains({24, 2, "arp,in_port=3,arp_spa=192.168.1.42"}));
  world.become(state());
  drop_foreign();
  EXPECT_EQ(world.text(), expected);
}

TEST_F(Takeover, OtherVlansThanOursAreKept) {
  // It gave out its VLANs in another order.
  for (const auto& [tap, tag] : std::map<std::string, std::int64_t>{{"tap1", 40}, {"tap2", 41}}) {
    world.ovs.port(tap).tag = tag;
    world.ovs.port(tap).other_config["tag"] = std::to_string(tag);
  }
  world.converge();
  drop_foreign();
  EXPECT_EQ(world.text(), expected);
  EXPECT_EQ(world.ovs.port("tap1").tag, 40);
  EXPECT_EQ(world.ovs.port("tap2").tag, 41);
}

}  // namespace
}  // namespace ml2::testing
