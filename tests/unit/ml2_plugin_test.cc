// The plugin on a database in memory: networks, subnets, ports; addresses; what is refused; lost races.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/ml2/concerned.h"
#include "agent/ml2/lookup.h"
#include "agent/ml2/plugin.h"
#include "agent/ml2/view.h"
#include "tests/fakes/fake_database.h"

namespace ml2::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kSchema = ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema";

class PluginTest : public testing::Test {
 protected:
  PluginTest() {
    PluginOptions options;
    options.project_network_types = {"vxlan"};
    options.vxlan_vni_ranges = {{1, 2}};
    options.network_vlan_ranges = {{"physnet1", {{100, 101}}}};
    // Repeatable, and never the same number twice in a row.
    const Random random = [n = std::uint64_t{0}](std::uint64_t bound) mutable { return n++ % bound; };
    plugin = *Plugin::make(options, database, clock, random, std::chrono::seconds(5));
  }

  ovsdb::Ml2Rows rows() { return *plugin->rows(); }

  Uuid network(const std::string& name = "blue") {
    NetworkRequest request;
    request.name = name;
    const auto id = plugin->create_network(request);
    EXPECT_TRUE(id) << id.error().message;
    return id ? *id : Uuid();
  }
  Result<Uuid> try_subnet(const Uuid& network_id, const std::string& cidr, const std::string& name = "s") {
    SubnetRequest request;
    request.network = network_id;
    request.name = name;
    request.cidr = cidr;
    return plugin->create_subnet(request);
  }
  Uuid subnet(const Uuid& network_id, const std::string& cidr, const std::string& name = "s") {
    const auto id = try_subnet(network_id, cidr, name);
    EXPECT_TRUE(id) << id.error().message;
    return id ? *id : Uuid();
  }
  Uuid port(PortRequest request) {
    const auto id = plugin->create_port(request);
    EXPECT_TRUE(id) << id.error().message;
    return id ? *id : Uuid();
  }
  std::string refusal(const PortRequest& request) {
    const auto id = plugin->create_port(request);
    return id ? "allowed" : id.error().message;
  }
  std::vector<std::string> addresses(const Uuid& port_id) {
    std::vector<std::string> texts;
    for (const auto& fixed_ip : fixed_ips_of(rows(), port_id)) texts.push_back(fixed_ip.ip_address);
    return texts;
  }

  SystemClock clock;
  ovsdb::FakeDatabase database{kSchema};
  std::unique_ptr<Plugin> plugin;
};

FixedIpRequest ip(const std::string& address) { return {std::nullopt, address}; }
FixedIpRequest from(const std::string& subnet) { return {subnet, std::nullopt}; }

PortRequest on(const Uuid& network, const std::string& name = "p") {
  PortRequest request;
  request.network = network;
  request.name = name;
  return request;
}

TEST_F(PluginTest, ANetworkComesWithItsSegmentAndMtu) {
  const Uuid id = network();
  const auto now = rows();
  EXPECT_EQ(now.networks.at(id).mtu, 1450);
  const auto segments = segments_of(now, id);
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_EQ(segments[0].network_type, "vxlan");
  network("green");
  NetworkRequest third;
  third.name = "red";
  const auto refused = plugin->create_network(third);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("vni_ranges 1:2 of [ml2_type_vxlan] is used up"));
}

TEST_F(PluginTest, AnMtuMustFitTheSegment) {
  NetworkRequest request;
  request.mtu = 1451;
  EXPECT_THAT(plugin->create_network(request).error().message, HasSubstr("at most 1450"));
  request.mtu = 67;
  EXPECT_THAT(plugin->create_network(request).error().message, HasSubstr("at least 68"));
  request.mtu = 1400;
  const auto id = plugin->create_network(request);
  ASSERT_TRUE(id);
  EXPECT_EQ(rows().networks.at(*id).mtu, 1400);
  NetworkUpdate update;
  update.mtu = 0;
  ASSERT_TRUE(plugin->update_network(*id, update));
  EXPECT_EQ(rows().networks.at(*id).mtu, 1450);
}

TEST_F(PluginTest, ALostRaceForAVniIsRunAgain) {
  // While our transaction is in flight, somebody else takes the id that we chose.
  const Uuid other = database.insert("Network", ovsdb::to_columns(ovsdb::Ml2Network{}), Uuid::random());
  database.run();
  int computed = 0;
  Committer committer(database, std::chrono::seconds(5));
  const auto done = committer.commit([&](const ovsdb::Ml2Rows& now, unsigned) -> Result<ovsdb::Transaction> {
    const auto id = draw_free_id({{1, 2}}, "vxlan", "", SegmentsInUse(now), [](std::uint64_t) { return 0U; });
    ovsdb::Ml2Segment segment;
    segment.uuid = Uuid::random();
    segment.network = other;
    segment.network_type = "vxlan";
    segment.segmentation_id = *id;
    if (++computed == 1) {
      ovsdb::Ml2Segment theirs = segment;
      theirs.uuid = Uuid::random();
      database.insert("Segment", ovsdb::to_columns(theirs), theirs.uuid);
    }
    ovsdb::Transaction transaction;
    transaction.operations.emplace_back(ovsdb::insert_row(segment));
    return transaction;
  });
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_EQ(computed, 2);
  std::set<std::int64_t> ids;
  for (const auto& [uuid, segment] : rows().segments) ids.insert(segment.segmentation_id);
  EXPECT_THAT(ids, ElementsAre(1, 2));
}

TEST_F(PluginTest, TheDatabaseRefusalThatIsNoRaceEndsIt) {
  database.fail_next_commit(Error{ErrorKind::Invalid, "the server says no"});
  NetworkRequest request;
  const auto id = plugin->create_network(request);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().message, "the server says no");
  database.fail_next_commit(Error{ErrorKind::Transient, "later"});
  EXPECT_TRUE(plugin->create_network(request));
}

TEST_F(PluginTest, ASubnetHasGatewayAndPools) {
  const Uuid blue = network();
  const auto now_with = [&](const Uuid& id) { return rows().subnets.at(id); };
  const auto v4 = now_with(subnet(blue, "10.0.0.7/24"));
  EXPECT_EQ(v4.cidr, "10.0.0.0/24");
  EXPECT_EQ(v4.gateway_ip, "10.0.0.1");
  EXPECT_THAT(v4.allocation_pools, ElementsAre("10.0.0.2-10.0.0.254"));
  const auto v6 = now_with(subnet(blue, "fd00::/64"));
  EXPECT_EQ(v6.ip_version, 6);
  EXPECT_EQ(v6.gateway_ip, "fd00::1");
  EXPECT_THAT(v6.allocation_pools, ElementsAre("fd00::2-fd00::ffff:ffff:ffff:ffff"));
  SubnetRequest request;
  request.network = blue;
  request.cidr = "10.1.0.0/28";
  request.gateway = {GatewayChoice::Kind::Address, "10.1.0.5"};
  EXPECT_THAT(now_with(*plugin->create_subnet(request)).allocation_pools,
              ElementsAre("10.1.0.1-10.1.0.4", "10.1.0.6-10.1.0.14"));
  request.cidr = "10.2.0.0/31";
  request.gateway = {GatewayChoice::Kind::None, ""};
  const auto point_to_point = now_with(*plugin->create_subnet(request));
  EXPECT_THAT(point_to_point.allocation_pools, ElementsAre("10.2.0.0-10.2.0.1"));
  EXPECT_FALSE(point_to_point.gateway_ip);
}

TEST_F(PluginTest, WrongSubnetsAreRefusedInWords) {
  const Uuid blue = network();
  subnet(blue, "10.0.0.0/24", "first");
  EXPECT_THAT(try_subnet(blue, "10.0.0.128/25").error().message, HasSubstr("overlaps subnet first"));
  EXPECT_THAT(try_subnet(blue, "10.0.0.0/33").error().message, HasSubstr("10.0.0.0/33 is no prefix"));
  EXPECT_THAT(try_subnet(blue, "10.9.0.1").error().message, HasSubstr("is no prefix"));
  EXPECT_THAT(try_subnet(blue, "224.0.0.0/24").error().message, HasSubstr("cannot be a subnet's"));
  SubnetRequest request;
  request.network = blue;
  request.cidr = "10.1.0.0/24";
  request.allocation_pools = {{"10.1.0.10", "10.2.0.20"}};
  EXPECT_THAT(plugin->create_subnet(request).error().message, HasSubstr("OutOfBoundsAllocationPool"));
  request.allocation_pools = {{"10.1.0.1", "10.1.0.20"}};
  EXPECT_THAT(plugin->create_subnet(request).error().message, HasSubstr("GatewayConflictWithAllocationPools"));
  request.allocation_pools = {{"10.1.0.10", "10.1.0.20"}, {"10.1.0.20", "10.1.0.30"}};
  EXPECT_THAT(plugin->create_subnet(request).error().message, HasSubstr("OverlappingAllocationPools"));
  request.allocation_pools.clear();
  request.ip_version = 6;
  EXPECT_THAT(plugin->create_subnet(request).error().message, HasSubstr("not of ip_version 6"));
  EXPECT_TRUE(try_subnet(network("green"), "10.0.0.0/24")) << "another network may have the same prefix";
}

TEST_F(PluginTest, APortGetsMacAndOneAddressOfEachVersion) {
  const Uuid blue = network();
  subnet(blue, "10.0.0.0/24");
  subnet(blue, "10.0.1.0/24");
  subnet(blue, "fd00::/64");
  const Uuid first = port(on(blue, "p1"));
  EXPECT_THAT(addresses(first), ElementsAre("10.0.0.2", "fd00::2"));
  EXPECT_THAT(addresses(port(on(blue, "p2"))), ElementsAre("10.0.0.3", "fd00::3"));
  const auto now = rows();
  EXPECT_THAT(now.ports.at(first).mac_address, testing::StartsWith("fa:16:3e:"));
  EXPECT_EQ(now.ports.at(first).status, "DOWN");
  EXPECT_EQ(now.ports.at(first).status_reason, "not bound to a host");
  EXPECT_EQ(bindings_of(now, first).front().vif_type, "unbound");
}

TEST_F(PluginTest, FixedIpsAreTakenAsAskedFor) {
  const Uuid blue = network();
  subnet(blue, "10.0.0.0/24", "s1");
  subnet(blue, "10.0.1.0/24", "s2");
  PortRequest request = on(blue, "one");
  request.fixed_ips = std::vector{from("s2"), ip("10.0.0.80")};
  EXPECT_THAT(addresses(port(request)), ElementsAre("10.0.0.80", "10.0.1.2"));
  request.fixed_ips = std::vector{ip("10.0.0.80")};
  EXPECT_THAT(refusal(request),
              HasSubstr("IpAddressInUse: 10.0.0.80 of subnet s1 (10.0.0.0/24) is in use by port one"));
  request.fixed_ips = std::vector{FixedIpRequest{"s2", "10.0.0.81"}};
  EXPECT_THAT(refusal(request), HasSubstr("InvalidIpForSubnet: 10.0.0.81 is not in subnet s2"));
  request.fixed_ips = std::vector{ip("10.0.0.255")};
  EXPECT_THAT(refusal(request), HasSubstr("broadcast address"));
  request.fixed_ips = std::vector{ip("192.0.2.1")};
  EXPECT_THAT(refusal(request), HasSubstr("is in no subnet of network blue"));
  request.fixed_ips = std::vector{from("nosuch")};
  EXPECT_THAT(refusal(request), HasSubstr("nosuch"));
  request.fixed_ips = std::vector<FixedIpRequest>{};
  EXPECT_THAT(addresses(port(request)), ElementsAre());
}

TEST_F(PluginTest, AnEmptyPoolIsAnError) {
  const Uuid blue = network();
  subnet(blue, "10.0.0.0/30", "small");
  port(on(blue));
  EXPECT_THAT(refusal(on(blue)), HasSubstr("no free address is left in the allocation pools (10.0.0.2-10.0.0.2)"));
}

TEST_F(PluginTest, WrongMacsAreRefused) {
  const Uuid blue = network();
  PortRequest request = on(blue, "first");
  request.mac_address = "FA:16:3E:00:00:01";
  const Uuid id = port(request);
  EXPECT_EQ(rows().ports.at(id).mac_address, "fa:16:3e:00:00:01");
  EXPECT_THAT(refusal(request),
              HasSubstr("MacAddressInUse: fa:16:3e:00:00:01 is in use on network blue by port first"));
  request.mac_address = "fa:16:3e:zz:00:01";
  EXPECT_THAT(refusal(request), HasSubstr("is no MAC address"));
  request.mac_address = "01:00:5e:00:00:01";
  EXPECT_THAT(refusal(request), HasSubstr("multicast"));
  request.network = network("green");
  request.mac_address = "fa:16:3e:00:00:01";
  EXPECT_TRUE(plugin->create_port(request)) << "networks do not see each other";
}

TEST_F(PluginTest, PortSecurityComesFromTheNetwork) {
  NetworkRequest open;
  open.name = "open";
  open.port_security_enabled = false;
  const Uuid id = *plugin->create_network(open);
  const Uuid without = port(on(id));
  EXPECT_FALSE(rows().ports.at(without).port_security_enabled);
  PortRequest request = on(id);
  request.allowed_address_pairs = {{{}, "10.0.0.0/24"}};
  EXPECT_THAT(refusal(request), HasSubstr("no allowed address pairs"));
  request.port_security_enabled = true;
  const Uuid with = port(request);
  const auto now = rows();
  ASSERT_EQ(now.ports.at(with).allowed_address_pairs.size(), 1U);
  EXPECT_EQ(now.address_pairs.at(*now.ports.at(with).allowed_address_pairs.begin()).ip_address, "10.0.0.0/24");
}

TEST_F(PluginTest, ANetworkInUseStays) {
  const Uuid blue = network();
  subnet(blue, "10.0.0.0/24");
  const Uuid id = port(on(blue, "web"));
  const auto refused = plugin->delete_network(blue);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "NetworkInUse: network blue still has 1 port (web): delete it first");
  EXPECT_THAT(plugin->delete_subnet(rows().subnets.begin()->first).error().message,
              HasSubstr("10.0.0.2 by port web"));
  ASSERT_TRUE(plugin->delete_port(id));
  ASSERT_TRUE(plugin->delete_network(blue));
  EXPECT_EQ(rows(), ovsdb::Ml2Rows{}) << "segments, subnets, addresses and bindings go with it";
}

TEST_F(PluginTest, APortThatComesWhileItsNetworkGoesKeepsIt) {
  const Uuid blue = network();
  // The port is committed by somebody else after we have read the rows.
  ovsdb::Ml2Port late;
  late.uuid = Uuid::random();
  late.network = blue;
  late.name = "late";
  late.mac_address = "fa:16:3e:00:00:09";
  ASSERT_TRUE(plugin->rows());
  database.insert("Port", ovsdb::to_columns(late), late.uuid);
  const auto refused = plugin->delete_network(blue);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("NetworkInUse"));
  EXPECT_EQ(rows().networks.size(), 1U);
}

TEST_F(PluginTest, APortUpdateChangesWhatItSays) {
  const Uuid blue = network();
  subnet(blue, "10.0.0.0/24");
  const Uuid id = port(on(blue));
  PortUpdate update;
  update.name = "renamed";
  update.admin_state_up = false;
  update.add_fixed_ips = std::vector{ip("10.0.0.9")};
  ASSERT_TRUE(plugin->update_port(id, update));
  EXPECT_THAT(addresses(id), ElementsAre("10.0.0.2", "10.0.0.9"));
  EXPECT_EQ(rows().ports.at(id).name, "renamed");
  EXPECT_FALSE(rows().ports.at(id).admin_state_up);
  PortUpdate replace;
  replace.fixed_ips = std::vector{ip("10.0.0.9")};
  ASSERT_TRUE(plugin->update_port(id, replace));
  EXPECT_THAT(addresses(id), ElementsAre("10.0.0.9"));
}

TEST_F(PluginTest, OnlyAVlanNetworkChangesItsId) {
  const Uuid vxlan = network();
  NetworkUpdate update;
  update.segmentation_id = 7;
  EXPECT_THAT(plugin->update_network(vxlan, update).error().message, HasSubstr("single vlan segment"));
  NetworkRequest request;
  request.provider = {"vlan", "physnet1", {}};
  const Uuid vlan = *plugin->create_network(request);
  ASSERT_TRUE(plugin->update_network(vlan, update));
  EXPECT_EQ(segments_of(rows(), vlan).front().segmentation_id, 7);
  request.provider = {"vlan", "physnet1", 7};
  EXPECT_THAT(plugin->create_network(request).error().message, HasSubstr("VlanIdInUse"));
}

TEST_F(PluginTest, NamesAndIdsAreFound) {
  const Uuid blue = network("blue");
  network("green");
  const auto now = rows();
  EXPECT_EQ(*find_resource(now.networks, "network", "blue"), blue);
  EXPECT_EQ(*find_resource(now.networks, "network", blue.to_string()), blue);
  EXPECT_THAT(find_resource(now.networks, "network", "gren").error().message, HasSubstr("did you mean green?"));
  NetworkUpdate same_name;
  same_name.name = "green";
  ASSERT_TRUE(plugin->update_network(blue, same_name));
  const auto ambiguous = find_resource(rows().networks, "network", "green");
  ASSERT_FALSE(ambiguous);
  EXPECT_THAT(ambiguous.error().message, HasSubstr("2 networks are named green"));
  EXPECT_THAT(ambiguous.error().message, HasSubstr(blue.to_string()));
}

TEST_F(PluginTest, SecurityGroupsAreMadeUsedAndGuarded) {
  const Uuid blue = network();
  const Uuid web = *plugin->create_security_group({"web", "", "", true});
  EXPECT_EQ(rows().security_groups.at(web).rules.size(), 2U) << "egress of both versions, as in Neutron";
  SecurityGroupRuleRequest rule;
  rule.security_group = web;
  rule.protocol = "tcp";
  rule.port_range_min = 80;
  rule.port_range_max = 79;
  EXPECT_THAT(plugin->create_security_group_rule(rule).error().message, HasSubstr("SecurityGroupInvalidPortRange"));
  rule.port_range_max = 443;
  const auto made = plugin->create_security_group_rule(rule);
  ASSERT_TRUE(made);
  EXPECT_THAT(plugin->create_security_group_rule(rule).error().message, HasSubstr("SecurityGroupRuleExists"));
  PortRequest request = on(blue, "web1");
  request.security_groups = {"web"};
  const Uuid id = port(request);
  EXPECT_THAT(plugin->delete_security_group(web).error().message, HasSubstr("SecurityGroupInUse"));
  ASSERT_TRUE(plugin->delete_port(id));
  ASSERT_TRUE(plugin->delete_security_group_rule(*made));
  ASSERT_TRUE(plugin->delete_security_group(web));
  EXPECT_TRUE(rows().security_group_rules.empty());
}

TEST_F(PluginTest, AHostIsPreparedOnceAndForgottenWhileItsAgentIsAway) {
  const auto id = plugin->create_host("hv3", false);
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_FALSE(rows().hosts.at(*id).admin_state_up);
  const auto again = plugin->create_host("hv3", true);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::Conflict);
  EXPECT_FALSE(plugin->create_host("", true));
  EXPECT_TRUE(plugin->set_host_admin_state(*id, true));
  EXPECT_TRUE(rows().hosts.at(*id).admin_state_up);
  EXPECT_TRUE(plugin->delete_host(*id));
  EXPECT_FALSE(rows().hosts.contains(*id));
}

TEST_F(PluginTest, TheViewHasNeutronsNames) {
  const Uuid blue = network();
  subnet(blue, "10.0.0.0/24");
  const Uuid id = port(on(blue));
  const auto now = rows();
  const ViewInputs in{now, plugin->extensions(), 75, plugin->now()};
  const auto shown_network = view(in, now.networks.at(blue));
  EXPECT_EQ(shown_network["provider:network_type"], "vxlan");
  EXPECT_TRUE(shown_network["provider:physical_network"].is_null());
  EXPECT_EQ(shown_network["subnets"].size(), 1U);
  EXPECT_EQ(shown_network["port_security_enabled"], true);
  const auto shown_port = view(in, now.ports.at(id));
  EXPECT_EQ(shown_port["binding:host_id"], "");
  EXPECT_EQ(shown_port["binding:vif_type"], "unbound");
  EXPECT_EQ(shown_port["fixed_ips"][0]["ip_address"], "10.0.0.2");
  EXPECT_EQ(shown_port["network_id"], blue.to_string());
}

TEST_F(PluginTest, TheHostsThatAChangeConcerns) {
  const Uuid blue = network("blue");
  const Uuid red = network("red");
  subnet(blue, "10.0.0.0/24", "b");
  PortRequest request;
  request.network = blue;
  request.name = "p1";
  request.host = "hv1";
  const auto nothing = rows();
  const Uuid p1 = port(request);
  EXPECT_THAT(hosts_concerned(nothing, rows()), ElementsAre("hv1"));
  request.name = "p2";
  request.host = "hv2";
  request.network = red;
  const Uuid p2 = port(request);
  auto before = rows();
  EXPECT_TRUE(hosts_concerned(before, before).empty());

  PortUpdate moved;
  moved.host = "hv3";
  ASSERT_TRUE(plugin->update_port(p2, moved));
  EXPECT_THAT(hosts_concerned(before, rows()), ElementsAre("hv2", "hv3"));
  before = rows();
  subnet(blue, "10.1.0.0/24", "c");
  EXPECT_THAT(hosts_concerned(before, rows()), ElementsAre("hv1"));
  before = rows();
  ASSERT_TRUE(plugin->delete_port(p1));
  EXPECT_THAT(hosts_concerned(before, rows()), ElementsAre("hv1"));
}

}  // namespace
}  // namespace ml2::plugin
