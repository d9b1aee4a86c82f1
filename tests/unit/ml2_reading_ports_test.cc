// agent/intent: which changes of one port are read alone, and that they are read rightly.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "agent/intent/ml2_reading.h"
#include "tests/unit/ml2_reading_rows.h"

namespace ml2::intent {
namespace {

// A network with a port here and one on another host, and ports that come.
class Newcomer : public ::testing::Test, protected ReadingRows {
 protected:
  Newcomer() {
    node_.host = "hv1";
    node_.local_ip = IpAddress::parse("192.0.2.1");
    node_.tunnel_types = {NetworkType::Vxlan};
    node_.l2_population = node_.arp_responder = true;
    put(rows_.networks, ovsdb::Ml2Network{.uuid = id(1), .name = "net"});
    put(rows_.segments,
        ovsdb::Ml2Segment{.uuid = id(2), .network = id(1), .network_type = "vxlan", .segmentation_id = 100});
    put(rows_.endpoints, ovsdb::Ml2Endpoint{.uuid = id(3), .tunnel_type = "vxlan", .ip_address = "192.0.2.2"});
    put(rows_.hosts,
        ovsdb::Ml2Host{
            .uuid = id(4), .name = "hv2", .started_at = 5, .tunnel_types = {"vxlan"}, .endpoints = {id(3)}});
    add_port(10, "hv1", 1, 1);
    add_port(20, "hv2", 2, 2);
    reading_ = std::make_unique<Ml2Reading>(node_);
    static_cast<void>(reading_->update(look().first, std::nullopt));
  }

  static Uuid id(std::uint8_t number) { return Uuid({number}); }
  // Its rows have the numbers from `number` on.
  void add_port(std::uint8_t number, const std::string& host, int mac, int ip) {
    put(rows_.ports, ovsdb::Ml2Port{.uuid = id(number),
                                    .network = id(1),
                                    .mac_address = fmt::format("fa:16:3e:00:00:{:02x}", mac),
                                    .status = "ACTIVE"});
    put(rows_.fixed_ips,
        ovsdb::Ml2FixedIp{
            .uuid = id(number + 1), .port = id(number), .subnet = {}, .ip_address = fmt::format("10.0.0.{}", ip)});
    bind(number + 2, number, host);
  }
  void bind(std::uint8_t number, std::uint8_t port, const std::string& host, const std::string& status = "ACTIVE") {
    put(rows_.bindings, ovsdb::Ml2Binding{.uuid = id(number),
                                          .port = id(port),
                                          .host = host,
                                          .vif_type = "ovs",
                                          .status = status,
                                          .segment = id(2)});
  }
  Ml2Reading::News expect_as_whole() {
    const auto [snapshot, changes] = look();
    Ml2Reading::News news = reading_->update(snapshot, changes);
    EXPECT_EQ(reading_->intent(), read_intent(rows(), node_));
    return news;
  }

  NodeConfig node_;
  std::unique_ptr<Ml2Reading> reading_;
};

TEST_F(Newcomer, IsReadAlone) {
  add_port(30, "hv1", 3, 3);
  expect_as_whole();
  EXPECT_EQ(reading_->intent().ports.size(), 2);
}

TEST_F(Newcomer, IsRefusedTheMacOfAnotherHostsPort) {
  add_port(30, "hv1", 2, 3);
  expect_as_whole();
  EXPECT_EQ(reading_->intent().refused.size(), 1);
}

TEST_F(Newcomer, IsRefusedTheAddressOfAPortHere) {
  add_port(30, "hv1", 3, 1);
  expect_as_whole();
  EXPECT_EQ(reading_->intent().refused.size(), 1);
}

TEST_F(Newcomer, IsRefusedTheMacOfAnEarlierOne) {
  add_port(30, "hv1", 3, 3);
  expect_as_whole();
  add_port(40, "hv1", 3, 4);
  expect_as_whole();
  EXPECT_EQ(reading_->intent().refused.size(), 1);
}

TEST_F(Newcomer, IsRefusedTheAddressOfAnEarlierOne) {
  add_port(30, "hv1", 3, 3);
  expect_as_whole();
  add_port(40, "hv1", 4, 3);
  expect_as_whole();
  EXPECT_EQ(reading_->intent().refused.size(), 1);
}

TEST_F(Newcomer, IsElsewhereToo) {
  add_port(30, "hv1", 3, 3);
  bind(33, 30, "hv2");
  expect_as_whole();
}

TEST_F(Newcomer, IsStillElsewhere) {
  add_port(30, "hv2", 3, 3);
  bind(31, 30, "hv1", "INACTIVE");
  expect_as_whole();
}

TEST_F(Newcomer, WasThereUnbound) {
  add_port(30, "", 3, 3);
  expect_as_whole();
  EXPECT_EQ(reading_->intent().ports.size(), 1);
  bind(32, 30, "hv1");
  expect_as_whole();
  EXPECT_EQ(reading_->intent().ports.size(), 2);
}

// A network with a port here, and two of another host.
class FarPortTest : public Newcomer {
 protected:
  FarPortTest() {
    add_port(30, "hv2", 3, 3);
    add_port(40, "hv3", 4, 4);
    put(rows_.endpoints, ovsdb::Ml2Endpoint{.uuid = id(5), .tunnel_type = "vxlan", .ip_address = "192.0.2.3"});
    put(rows_.hosts,
        ovsdb::Ml2Host{
            .uuid = id(6), .name = "hv3", .started_at = 5, .tunnel_types = {"vxlan"}, .endpoints = {id(5)}});
    expect_as_whole();
  }
  static Mac mac(std::uint8_t last) { return Mac({0xfa, 0x16, 0x3e, 0, 0, last}); }
  // Nothing is told but that these ports differ.
  void expect_alone(const std::set<Mac>& macs) {
    const IntentChanges changes = expect_as_whole().intent;
    EXPECT_FALSE(changes.all);
    EXPECT_TRUE(changes.ports.empty());
    EXPECT_TRUE(changes.remote.empty());
    EXPECT_EQ(changes.remote_ports.size(), macs.empty() ? 0U : 1U);
    for (const auto& [segment, told] : changes.remote_ports) EXPECT_EQ(told, macs);
  }
  void expect_with_its_network() {
    const IntentChanges changes = expect_as_whole().intent;
    EXPECT_TRUE(changes.remote_ports.empty());
  }
  const RemoteSegment& remote() { return reading_->intent().remote.begin()->second; }
};

TEST_F(FarPortTest, ComesAndGoes) {
  add_port(50, "hv2", 5, 5);
  expect_alone({mac(5)});
  EXPECT_EQ(remote().ports.size(), 4U);
  rows_.ports.erase(id(50));
  rows_.fixed_ips.erase(id(51));
  rows_.bindings.erase(id(52));
  expect_alone({mac(5)});
  EXPECT_EQ(remote().ports.size(), 3U);
}

TEST_F(FarPortTest, IsWiredAndUnwired) {
  rows_.ports.at(id(40)).status = "DOWN";
  expect_alone({mac(4)});
  EXPECT_EQ(remote().vteps, (std::set{*IpAddress::parse("192.0.2.2")})) << "its host has no other";
  rows_.ports.at(id(40)).status = "ACTIVE";
  expect_alone({mac(4)});
  EXPECT_EQ(remote().vteps.size(), 2U);
}

TEST_F(FarPortTest, MovesToAnotherHost) {
  rows_.bindings.at(id(42)).host = "hv2";
  expect_alone({mac(4)});
  EXPECT_EQ(remote().vteps.size(), 1U);
}

TEST_F(FarPortTest, HasAnotherMacAndAddress) {
  rows_.ports.at(id(40)).mac_address = "fa:16:3e:00:00:09";
  rows_.fixed_ips.at(id(41)).ip_address = "10.0.0.9";
  expect_alone({mac(4), mac(9)});
  // What it had before is free.
  add_port(50, "hv2", 4, 4);
  expect_alone({mac(4)});
}

TEST_F(FarPortTest, OfAReasonNothingDepends) {
  rows_.ports.at(id(40)).status_reason = "its tunnel is on its way";
  expect_alone({});
}

TEST_F(FarPortTest, LetsAnyMacPassAsLongAsOneDoes) {
  rows_.ports.at(id(30)).port_security_enabled = false;
  expect_alone({mac(3)});
  rows_.ports.at(id(40)).port_security_enabled = false;
  expect_alone({mac(4)});
  EXPECT_TRUE(remote().any_mac);
  rows_.ports.at(id(30)).port_security_enabled = true;
  expect_alone({mac(3)});
  EXPECT_TRUE(remote().any_mac);
  rows_.ports.at(id(40)).status = "DOWN";
  expect_alone({mac(4)});
  EXPECT_FALSE(remote().any_mac);
}

TEST_F(FarPortTest, OfANetworkWithoutAPortHereConcernsNobody) {
  put(rows_.networks, ovsdb::Ml2Network{.uuid = id(7), .name = "other"});
  put(rows_.segments,
      ovsdb::Ml2Segment{.uuid = id(8), .network = id(7), .network_type = "vxlan", .segmentation_id = 101});
  add_port(50, "hv2", 5, 5);
  rows_.ports.at(id(50)).network = id(7);
  rows_.bindings.at(id(52)).segment = id(8);
  expect_alone({});
  rows_.ports.at(id(50)).network = id(1);
  rows_.bindings.at(id(52)).segment = id(2);
  expect_with_its_network();
}

TEST_F(FarPortTest, ThatIsATwinConcernsItsNetwork) {
  rows_.ports.at(id(40)).mac_address = "fa:16:3e:00:00:03";
  expect_with_its_network();
  rows_.ports.at(id(40)).status = "DOWN";
  expect_with_its_network();
  rows_.ports.at(id(40)).mac_address = "fa:16:3e:00:00:04";
  expect_with_its_network();
  rows_.ports.at(id(40)).status = "ACTIVE";
  expect_alone({mac(4)});
}

TEST_F(FarPortTest, WithTheAddressOfAPortHereConcernsItsNetwork) {
  rows_.fixed_ips.at(id(41)).ip_address = "10.0.0.1";
  expect_with_its_network();
}

TEST_F(FarPortTest, WithAddressPairsConcernsItsNetwork) {
  put(rows_.address_pairs, ovsdb::Ml2AddressPair{.uuid = id(60), .mac_address = {}, .ip_address = "10.0.0.3"});
  rows_.ports.at(id(40)).allowed_address_pairs = {id(60)};
  expect_with_its_network();
  // Of the others it does not: what may move is known.
  rows_.ports.at(id(30)).status = "DOWN";
  expect_alone({mac(3)});
  rows_.ports.at(id(30)).status = "ACTIVE";
  expect_alone({mac(3)});
  rows_.ports.at(id(40)).allowed_address_pairs = {};
  expect_with_its_network();
}

TEST_F(FarPortTest, OfAHostWithoutAnEndpointConcernsItsNetwork) {
  rows_.bindings.at(id(42)).host = "hv4";
  put(rows_.hosts, ovsdb::Ml2Host{.uuid = id(9), .name = "hv4", .started_at = 5});
  expect_as_whole();
  EXPECT_EQ(reading_->intent().problems.size(), 1U);
  rows_.bindings.at(id(42)).host = "hv3";
  expect_with_its_network();
  EXPECT_TRUE(reading_->intent().problems.empty());
}

TEST_F(FarPortTest, ComesHere) {
  rows_.bindings.at(id(42)).host = "hv1";
  expect_with_its_network();
  EXPECT_EQ(reading_->intent().ports.size(), 2U);
}

TEST_F(FarPortTest, InACrowdConcernsItsNetwork) {
  for (int i = 0; i < 40; ++i) add_port(static_cast<std::uint8_t>(70 + 3 * i), "hv2", 70 + i, 70 + i);
  expect_with_its_network();
  EXPECT_EQ(remote().ports.size(), 43U);
}

}  // namespace
}  // namespace ml2::intent
