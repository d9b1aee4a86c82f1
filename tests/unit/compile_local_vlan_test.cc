#include <fmt/format.h>
#include <gtest/gtest.h>

#include "datapath/compile/local_vlan.h"

namespace ml2 {
namespace {

LocalVlanKey key(std::uint32_t network, std::uint32_t id = 7) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[14] = static_cast<std::uint8_t>(network >> 8U);
  bytes[15] = static_cast<std::uint8_t>(network);
  return {Uuid(bytes), id};
}
LocalVlan vlan(int number) { return *LocalVlan::make(number); }

InterfaceFact tagged(const LocalVlanKey& owner, std::int64_t tag) {
  InterfaceFact fact;
  fact.bridge = "br-int";
  fact.tag = tag;
  fact.port_other_config = {{"net_uuid", owner.network.to_string()},
                            {"segmentation_id", std::to_string(owner.segmentation_id)}};
  return fact;
}

LocalVlans allocate(const std::set<LocalVlanKey>& wanted, const Facts& facts, bool keep_all = false) {
  return allocate_local_vlans(wanted, facts, "br-int", keep_all).vlans;
}

TEST(LocalVlans, FromTheBottomInOrder) {
  EXPECT_EQ(allocate({key(2), key(1)}, {}), (LocalVlans{{key(1), vlan(1)}, {key(2), vlan(2)}}));
}

TEST(LocalVlans, OneNetworkTwoSegments) {
  EXPECT_EQ(allocate({key(1, 10), key(1, 11)}, {}), (LocalVlans{{key(1, 10), vlan(1)}, {key(1, 11), vlan(2)}}));
}

TEST(LocalVlans, StayAndAreReleased) {
  Facts facts;
  facts.local_vlans = {{key(1), vlan(5)}, {key(2), vlan(9)}};
  EXPECT_EQ(allocate({key(2)}, facts), (LocalVlans{{key(2), vlan(9)}}));
  EXPECT_EQ(allocate({key(2)}, facts, /*keep_all=*/true), facts.local_vlans);
}

TEST(LocalVlans, AFreedOneRests) {
  Facts facts;
  facts.local_vlans = {{key(1), vlan(3)}, {key(2), vlan(4)}};
  EXPECT_EQ(allocate({key(1), key(3)}, facts).at(key(3)), vlan(5));  // not 4, nor 1 before all are used once
  facts.local_vlans = {{key(1), vlan(4094)}};
  EXPECT_EQ(allocate({key(1), key(3)}, facts).at(key(3)), vlan(1));
}

TEST(LocalVlans, HintsOfTheIncumbent) {
  Facts facts;
  facts.interfaces["tap1"] = tagged(key(1), 12);
  EXPECT_EQ(allocate({key(1)}, facts).at(key(1)), vlan(12));
  facts.local_vlans = {{key(1), vlan(5)}};  // what this agent gave out goes before
  EXPECT_EQ(allocate({key(1)}, facts).at(key(1)), vlan(5));
}

TEST(LocalVlans, AHintOfAnotherNetworkIsNeverShared) {
  Facts facts;
  facts.interfaces["tap1"] = tagged(key(1), 1);
  EXPECT_EQ(allocate({key(2)}, facts).at(key(2)), vlan(2));  // VLAN 1 is still on tap1
  // Two networks on one VLAN: the first keeps it.
  facts.interfaces["tap0"] = tagged(key(2), 1);
  EXPECT_EQ(allocate({key(1), key(2)}, facts), (LocalVlans{{key(1), vlan(1)}, {key(2), vlan(2)}}));
  EXPECT_EQ(allocate({key(2)}, facts).at(key(2)), vlan(2));
  // Tags that say nothing of whose they are, and those of other bridges.
  facts.interfaces = {{"other", tagged(key(1), 2)}, {"plain", InterfaceFact{}}};
  facts.interfaces["other"].bridge = "br-ex";
  facts.interfaces["plain"].bridge = "br-int";
  facts.interfaces["plain"].tag = 1;
  EXPECT_EQ(allocate({key(3)}, facts).at(key(3)), vlan(2));
}

TEST(LocalVlans, OneSegmentWithTwoHintsTakesTheFirst) {
  Facts facts;
  facts.interfaces["tap1"] = tagged(key(1), 8);
  facts.interfaces["tap2"] = tagged(key(1), 6);
  EXPECT_EQ(allocate({key(1)}, facts).at(key(1)), vlan(8));
}

TEST(LocalVlans, Hints) {
  InterfaceFact fact = tagged(key(1, 0), 3);
  EXPECT_EQ(local_vlan_hint(fact), key(1, 0));
  fact.port_other_config["segmentation_id"] = "None";
  EXPECT_EQ(local_vlan_hint(fact), key(1, 0));
  fact.port_other_config.erase("segmentation_id");
  EXPECT_EQ(local_vlan_hint(fact), key(1, 0));
  for (const char* wrong : {"-1", "x", "4294967296", "1 "}) {
    fact.port_other_config["segmentation_id"] = wrong;
    EXPECT_EQ(local_vlan_hint(fact), std::nullopt) << wrong;
  }
  for (const std::int64_t wrong : {0, 4095, -1}) EXPECT_EQ(local_vlan_hint(tagged(key(1), wrong)), std::nullopt);
  fact = tagged(key(1), 3);
  fact.port_other_config["net_uuid"] = "net1";
  EXPECT_EQ(local_vlan_hint(fact), std::nullopt);
}

TEST(LocalVlans, Exhausted) {
  std::set<LocalVlanKey> wanted;
  for (std::uint32_t network = 1; network <= 4095; ++network) wanted.insert(key(network));
  const LocalVlanAllocation allocation = allocate_local_vlans(wanted, {}, "br-int", false);
  EXPECT_EQ(allocation.vlans.size(), 4094U);
  EXPECT_EQ(allocation.exhausted, (std::set<LocalVlanKey>{key(4095)}));
}

}  // namespace
}  // namespace ml2
