// Type drivers and TypeManager: which provider attributes each takes, pools, MTUs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/ml2/type_manager.h"

namespace ml2::plugin {
namespace {

using testing::HasSubstr;

const Random kFirst = [](std::uint64_t) { return 0U; };
const Random kLast = [](std::uint64_t bound) { return bound - 1; };

PluginOptions options() {
  PluginOptions options;
  options.project_network_types = {"vlan", "vxlan"};
  options.flat_networks = {"external"};
  options.network_vlan_ranges = {{"external", {{100, 101}}}, {"storage", {}}};
  options.tunnel_id_ranges = {{1, 10}};
  options.vxlan_vni_ranges = {{1, 3}, {7, 7}};
  options.geneve_vni_ranges = {{1, 2}};
  return options;
}

ovsdb::Ml2Rows rows_with(const std::vector<SegmentKey>& keys) {
  ovsdb::Ml2Rows rows;
  ovsdb::Ml2Network network;
  network.uuid = Uuid::random();
  network.name = "old";
  rows.networks[network.uuid] = network;
  for (const SegmentKey& key : keys) {
    ovsdb::Ml2Segment segment;
    segment.uuid = Uuid::random();
    segment.network = network.uuid;
    segment.network_type = key.network_type;
    segment.physical_network = key.physical_network;
    segment.segmentation_id = key.segmentation_id;
    rows.segments[segment.uuid] = segment;
  }
  return rows;
}

class Types : public testing::Test {
 protected:
  TypeManager manager = *TypeManager::make(options());

  std::string refusal(const SegmentRequest& request, const ovsdb::Ml2Rows& rows = {}) {
    const auto keys = manager.reserve({request}, rows, kFirst);
    return keys ? "allowed" : keys.error().message;
  }
  std::vector<SegmentKey> reserve(const SegmentRequest& request, const ovsdb::Ml2Rows& rows = {}) {
    auto keys = manager.reserve({request}, rows, kFirst);
    EXPECT_TRUE(keys) << keys.error().message;
    return keys ? *keys : std::vector<SegmentKey>{};
  }
};

TEST_F(Types, EachTypeTakesItsAttributesAlone) {
  EXPECT_THAT(refusal({"local", "external", {}}), HasSubstr("no provider:physical_network"));
  EXPECT_THAT(refusal({"local", {}, 5}), HasSubstr("no provider:segmentation_id"));
  EXPECT_THAT(refusal({"flat", {}, {}}), HasSubstr("needs provider:physical_network"));
  EXPECT_THAT(refusal({"flat", "external", 5}), HasSubstr("no provider:segmentation_id"));
  EXPECT_THAT(refusal({"flat", "nosuch", {}}),
              HasSubstr("nosuch is not in flat_networks of [ml2_type_flat] (external)"));
  EXPECT_THAT(refusal({"vlan", "nosuch", {}}), HasSubstr("nosuch is not in network_vlan_ranges"));
  EXPECT_THAT(refusal({"vlan", {}, 5}), HasSubstr("needs provider:physical_network"));
  EXPECT_THAT(refusal({"vlan", "external", 0}), HasSubstr("1 to 4094"));
  EXPECT_THAT(refusal({"vlan", "external", 4095}), HasSubstr("1 to 4094"));
  EXPECT_THAT(refusal({"vlan", "storage", {}}), HasSubstr("has no range"));
  EXPECT_THAT(refusal({"vxlan", "external", {}}), HasSubstr("no provider:physical_network"));
  EXPECT_THAT(refusal({"vxlan", {}, 0}), HasSubstr("1 to 16777215"));
  EXPECT_THAT(refusal({"vxlan", {}, 16777216}), HasSubstr("1 to 16777215"));
  EXPECT_THAT(refusal({"gre", {}, 4294967296}), HasSubstr("1 to 4294967295"));
  EXPECT_THAT(refusal({{}, "external", 5}), HasSubstr("need provider:network_type"));
  EXPECT_THAT(refusal({"vxlam", {}, {}}), HasSubstr("did you mean vxlan?"));
}

TEST_F(Types, ExplicitIdsMayLieOutsideTheRanges) {
  EXPECT_EQ(reserve({"vlan", "external", 4000}).front(), (SegmentKey{"vlan", "external", 4000}));
  EXPECT_EQ(reserve({"vlan", "storage", 7}).front(), (SegmentKey{"vlan", "storage", 7}));
  EXPECT_EQ(reserve({"vxlan", {}, 16777215}).front(), (SegmentKey{"vxlan", "", 16777215}));
  EXPECT_EQ(reserve({"gre", {}, 4294967295}).front(), (SegmentKey{"gre", "", 4294967295}));
  EXPECT_EQ(reserve({"flat", "external", {}}).front(), (SegmentKey{"flat", "external", 0}));
}

TEST_F(Types, WhatIsTakenIsNamedWithItsNetwork) {
  const auto rows = rows_with({{"vlan", "external", 100}, {"flat", "external", 0}, {"vxlan", "", 9}});
  EXPECT_EQ(refusal({"vlan", "external", 100}, rows),
            "VlanIdInUse: VLAN 100 on physical network external is in use by network old");
  EXPECT_EQ(refusal({"flat", "external", {}}, rows),
            "FlatNetworkInUse: physical network external already carries the flat network old");
  EXPECT_EQ(refusal({"vxlan", {}, 9}, rows), "TunnelIdInUse: VNI 9 of vxlan is in use by network old");
  EXPECT_EQ(refusal({"geneve", {}, 9}, rows), "allowed") << "each type has its own numbers";
}

TEST_F(Types, AFreeIdIsDrawnFromAllRanges) {
  EXPECT_EQ(reserve({"vxlan", {}, {}}, rows_with({{"vxlan", "", 1}, {"vxlan", "", 2}})).front().segmentation_id, 3);
  const auto last = manager.reserve({{"vxlan", {}, {}}}, {}, kLast);
  EXPECT_EQ(last->front().segmentation_id, 7);
  EXPECT_EQ(reserve({"vxlan", {}, {}}, rows_with({{"vxlan", "", 1}, {"vxlan", "", 2}, {"vxlan", "", 3}}))
                .front()
                .segmentation_id,
            7);
}

TEST_F(Types, AnExhaustedPoolNamesRangeAndOption) {
  const auto rows = rows_with({{"vxlan", "", 1}, {"vxlan", "", 2}, {"vxlan", "", 3}, {"vxlan", "", 7}});
  EXPECT_EQ(refusal({"vxlan", {}, {}}, rows), "vni_ranges 1:3, 7:7 of [ml2_type_vxlan] is used up");
  const auto vlans = rows_with({{"vlan", "external", 100}, {"vlan", "external", 101}});
  EXPECT_EQ(refusal({"vlan", "external", {}}, vlans),
            "network_vlan_ranges external:100:101 of [ml2_type_vlan] is used up");
}

TEST_F(Types, AProjectNetworkTakesTheFirstTypeWithAFreeSegment) {
  EXPECT_EQ(*manager.allocate(false, {}, kFirst), (SegmentKey{"vlan", "external", 100}));
  const auto vlans_gone = rows_with({{"vlan", "external", 100}, {"vlan", "external", 101}});
  EXPECT_EQ(*manager.allocate(false, vlans_gone, kFirst), (SegmentKey{"vxlan", "", 1}));
  const auto all_gone = rows_with({{"vlan", "external", 100},
                                   {"vlan", "external", 101},
                                   {"vxlan", "", 1},
                                   {"vxlan", "", 2},
                                   {"vxlan", "", 3},
                                   {"vxlan", "", 7}});
  const auto none = manager.allocate(false, all_gone, kFirst);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("NoNetworkAvailable"));
  EXPECT_THAT(none.error().message, HasSubstr("vni_ranges 1:3, 7:7"));
}

TEST_F(Types, AnExternalNetworkTakesExternalNetworkType) {
  PluginOptions with = options();
  with.external_network_type = "geneve";
  const TypeManager other = *TypeManager::make(with);
  EXPECT_EQ(other.allocate(true, {}, kFirst)->network_type, "geneve");
  EXPECT_EQ(other.allocate(false, {}, kFirst)->network_type, "vlan");
}

TEST_F(Types, SegmentsOfOneNetworkDoNotMeet) {
  const auto twice = manager.reserve({{"vxlan", {}, 5}, {"vxlan", {}, 5}}, {}, kFirst);
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message, HasSubstr("another segment of this network"));
  const auto both = manager.reserve({{"vxlan", {}, {}}, {"vxlan", {}, {}}}, {}, kFirst);
  ASSERT_TRUE(both);
  EXPECT_EQ((*both)[0].segmentation_id, 1);
  EXPECT_EQ((*both)[1].segmentation_id, 2);
}

TEST_F(Types, OnlyASingleVlanSegmentChangesItsId) {
  ovsdb::Ml2Segment vlan;
  vlan.network_type = "vlan";
  vlan.physical_network = "external";
  vlan.segmentation_id = 100;
  EXPECT_EQ(manager.change_segmentation_id({vlan}, 200, {}, kFirst)->segmentation_id, 200);
  EXPECT_FALSE(manager.change_segmentation_id({vlan}, 5000, {}, kFirst));
  EXPECT_FALSE(manager.change_segmentation_id({vlan, vlan}, 200, {}, kFirst));
  ovsdb::Ml2Segment vxlan;
  vxlan.network_type = "vxlan";
  EXPECT_FALSE(manager.change_segmentation_id({vxlan}, 200, {}, kFirst));
}

TEST_F(Types, TheMtuIsTheUnderlaysLessTheHeaders) {
  const auto mtu = [](const PluginOptions& with, const SegmentKey& key) {
    return TypeManager::make(with)->mtu({key});
  };
  PluginOptions with = options();
  EXPECT_EQ(mtu(with, {"local", "", 1}), 1500);
  EXPECT_EQ(mtu(with, {"flat", "external", 0}), 1500);
  EXPECT_EQ(mtu(with, {"vlan", "external", 1}), 1500);
  EXPECT_EQ(mtu(with, {"vxlan", "", 1}), 1450);
  EXPECT_EQ(mtu(with, {"gre", "", 1}), 1458);
  EXPECT_EQ(mtu(with, {"geneve", "", 1}), 1450);
  with.overlay_ip_version = 6;
  EXPECT_EQ(mtu(with, {"vxlan", "", 1}), 1430);
  with.overlay_ip_version = 4;
  with.global_physnet_mtu = 9000;
  with.path_mtu = 8000;
  with.physical_network_mtus = {{"external", 4000}};
  with.geneve_max_header_size = 50;
  EXPECT_EQ(mtu(with, {"vxlan", "", 1}), 7950);
  EXPECT_EQ(mtu(with, {"geneve", "", 1}), 7930);
  EXPECT_EQ(mtu(with, {"vlan", "external", 1}), 4000);
  EXPECT_EQ(mtu(with, {"vlan", "storage", 1}), 9000);
  EXPECT_EQ(TypeManager::make(with)->mtu({{"vlan", "external", 1}, {"vxlan", "", 1}}), 4000);
}

TEST(TypeManagerMake, RefusesNamesThatNoDriverHas) {
  PluginOptions with;
  with.type_drivers = {"vxlam"};
  EXPECT_THAT(TypeManager::make(with).error().message, HasSubstr("did you mean vxlan?"));
  with.type_drivers = {"flat", "vlan"};
  with.project_network_types = {"vxlan"};
  EXPECT_THAT(TypeManager::make(with).error().message, HasSubstr("vxlan is not among type_drivers (flat, vlan)"));
  with.project_network_types = {};
  with.external_network_type = "gre";
  EXPECT_THAT(TypeManager::make(with).error().message, HasSubstr("external_network_type"));
}

}  // namespace
}  // namespace ml2::plugin
