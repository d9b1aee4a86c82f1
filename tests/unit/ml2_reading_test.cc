// agent/intent: Ml2Reading by changes equals read_intent() of the whole, over random walks through the database.
#include "agent/intent/ml2_reading.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

namespace ml2::intent {
namespace {

class Database {
 public:
  template <class T>
  void put(std::map<Uuid, T>& rows, T row) {
    rows.insert_or_assign(row.uuid, std::move(row));
  }
  // All rows as a snapshot, and which of them differ from the last one's.
  std::pair<ovsdb::Snapshot, ovsdb::RowChanges> look() {
    ovsdb::Snapshot next;
    const auto all = [&](const auto& rows) {
      for (const auto& [uuid, row] : rows) {
        auto made = std::make_shared<ovsdb::Row>();
        made->uuid = uuid;
        for (auto& [column, datum] : ovsdb::to_columns(row)) made->columns.set(column, datum);
        next.tables[ovsdb::table_of<std::decay_t<decltype(row)>>()].emplace(uuid, std::move(made));
      }
    };
    all(rows_.networks);
    all(rows_.segments);
    all(rows_.subnets);
    all(rows_.ports);
    all(rows_.fixed_ips);
    all(rows_.address_pairs);
    all(rows_.bindings);
    all(rows_.hosts);
    all(rows_.endpoints);
    ovsdb::RowChanges changes;
    for (const auto* one : {&next, &shown_}) {
      const ovsdb::Snapshot& other = one == &next ? shown_ : next;
      for (const auto& [table, rows] : one->tables) {
        for (const auto& [uuid, row] : rows) {
          const ovsdb::Row* there = other.row(table, uuid);
          if (there == nullptr || !(*there == *row)) changes.emplace(table, uuid);
        }
      }
    }
    shown_ = next;
    return {std::move(next), std::move(changes)};
  }
  [[nodiscard]] const ovsdb::Ml2Rows& rows() const { return rows_; }

 protected:
  ovsdb::Ml2Rows rows_;

 private:
  ovsdb::Snapshot shown_;
};

// Changes to a database whose references hold.
class Walk : public Database {
 public:
  // With few addresses most networks have twins; with many a port that comes seldom meets another's.
  explicit Walk(unsigned seed) : random_(seed), addresses_(seed % 2 == 0 ? 30 : 120) {
    for (int i = 0; i < 4; ++i) {
      ovsdb::Ml2Network network{.uuid = id(), .name = fmt::format("net{}", i), .mtu = 1450};
      ovsdb::Ml2Segment segment{.uuid = id(),
                                .network = network.uuid,
                                .network_type = i == 3 ? "vlan" : "vxlan",
                                .physical_network = i == 3 ? "physnet1" : "",
                                .segmentation_id = 100 + i};
      ovsdb::Ml2Subnet subnet{.uuid = id(), .network = network.uuid, .gateway_ip = "10.0.0.1"};
      put(rows_.networks, network);
      put(rows_.segments, segment);
      if (i == 0) {
        segment.uuid = id();
        segment.segmentation_id = 99;
        put(rows_.segments, segment);
      }
      put(rows_.subnets, subnet);
    }
    for (int i = 1; i <= 4; ++i) {
      ovsdb::Ml2Endpoint endpoint{.uuid = id(), .tunnel_type = "vxlan", .ip_address = fmt::format("192.0.2.{}", i)};
      put(rows_.endpoints, endpoint);
      put(rows_.hosts, ovsdb::Ml2Host{.uuid = id(),
                                      .name = fmt::format("hv{}", i),
                                      .started_at = 5,
                                      .tunnel_types = {"vxlan"},
                                      .endpoints = {endpoint.uuid}});
    }
  }

  void change() {
    switch (pick(14)) {
      case 0:
      case 1:
      case 2: add_port(); break;
      case 3: remove_port(); break;
      case 4: edit(rows_.ports, [&](auto& row) { row.status = pick(3) == 0 ? "DOWN" : "ACTIVE"; }); break;
      case 5: edit(rows_.ports, [&](auto& row) { row.mac_address = mac(); }); break;
      case 6: edit(rows_.ports, [&](auto& row) { row.network = any(rows_.networks); }); break;
      case 7: edit(rows_.bindings, [&](auto& row) { row.host = fmt::format("hv{}", 1 + pick(5)); }); break;
      case 8:
        edit(rows_.bindings, [&](auto& row) {
          row.status = pick(4) == 0 ? "INACTIVE" : "ACTIVE";
          row.vif_type = pick(6) == 0 ? "binding_failed" : "ovs";
          row.segment = pick(5) == 0 ? std::nullopt : std::optional(any(rows_.segments));
        });
        break;
      case 9: edit(rows_.fixed_ips, [&](auto& row) { row.ip_address = pick(9) == 0 ? "nonsense" : ip(); }); break;
      case 10: edit(rows_.networks, [&](auto& row) { row.admin_state_up = pick(2) == 0; }); break;
      case 11:
        edit(rows_.hosts, [&](auto& row) {
          row.started_at = pick(5);
          if (pick(6) == 0) row.endpoints.clear();
        });
        break;
      case 12: pair(); break;
      default: edit(rows_.segments, [&](auto& row) { row.segmentation_id = 100 + pick(8); }); break;
    }
  }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  Uuid id() {
    std::array<std::uint8_t, 16> bytes{};
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(pick(256));
    return Uuid(bytes);
  }
  std::string mac() { return pick(12) == 0 ? "nonsense" : fmt::format("fa:16:3e:00:00:{:02x}", pick(addresses_)); }
  std::string ip() { return fmt::format("10.0.0.{}", 1 + pick(addresses_)); }
  template <class T>
  Uuid any(const std::map<Uuid, T>& rows) {
    auto at = rows.begin();
    std::advance(at, pick(static_cast<int>(rows.size())));
    return at->first;
  }
  template <class T, class Change>
  void edit(std::map<Uuid, T>& rows, Change change) {
    if (!rows.empty()) change(rows.at(any(rows)));
  }
  void add_port() {
    const Uuid segment = any(rows_.segments);
    ovsdb::Ml2Port port{.uuid = id(), .network = rows_.segments.at(segment).network, .mac_address = mac()};
    port.status = pick(2) == 0 ? "ACTIVE" : "DOWN";
    port.port_security_enabled = pick(5) != 0;
    for (const auto& [uuid, subnet] : rows_.subnets) {
      if (subnet.network == port.network) {
        put(rows_.fixed_ips, ovsdb::Ml2FixedIp{.uuid = id(), .port = port.uuid, .subnet = uuid, .ip_address = ip()});
      }
    }
    const auto bind = [&](const std::string& host) {
      put(rows_.bindings, ovsdb::Ml2Binding{.uuid = id(),
                                            .port = port.uuid,
                                            .host = host,
                                            .vif_type = "ovs",
                                            .status = "ACTIVE",
                                            .segment = segment});
    };
    bind(pick(5) == 0 ? "" : fmt::format("hv{}", 1 + pick(3)));
    if (pick(8) == 0) bind("hv2");  // it migrates
    if (pick(8) == 0) port.allowed_address_pairs.insert(new_pair());
    put(rows_.ports, port);
  }
  void remove_port() {
    if (rows_.ports.empty()) return;
    const Uuid port = any(rows_.ports);
    rows_.ports.erase(port);
    std::erase_if(rows_.fixed_ips, [&](const auto& row) { return row.second.port == port; });
    std::erase_if(rows_.bindings, [&](const auto& row) { return row.second.port == port; });
  }
  Uuid new_pair() {
    const ovsdb::Ml2AddressPair pair{.uuid = id(), .mac_address = mac(), .ip_address = "10.0.0.99"};
    put(rows_.address_pairs, pair);
    return pair.uuid;
  }
  void pair() {
    if (!rows_.ports.empty()) rows_.ports.at(any(rows_.ports)).allowed_address_pairs.insert(new_pair());
  }

  std::mt19937 random_;
  int addresses_;
};

class ReadingWalks : public ::testing::TestWithParam<unsigned> {};

TEST_P(ReadingWalks, ByChangesIsAsFromNothing) {
  SCOPED_TRACE(fmt::format("seed {}", GetParam()));
  NodeConfig node;
  node.host = "hv1";
  node.local_ip = IpAddress::parse("192.0.2.1");
  node.tunnel_types = {NetworkType::Vxlan};
  node.l2_population = GetParam() % 4 != 0;
  node.arp_responder = node.nd_responder = node.l2_population;
  Walk walk(GetParam());
  Ml2Reading reading(node);
  static_cast<void>(reading.update(walk.look().first, std::nullopt));
  for (int step = 0; step < 100; ++step) {
    SCOPED_TRACE(fmt::format("step {}", step));
    for (int i = 0; i < 1 + step % 3; ++i) walk.change();
    const Intent before = reading.intent();
    const auto [snapshot, rows] = walk.look();
    const Ml2Reading::News news = reading.update(snapshot, rows);
    const Intent whole = read_intent(walk.rows(), node);
    ovsdb::Ml2Rows few = walk.rows();
    few.ports.clear();
    few.bindings.clear();
    few.fixed_ips.clear();
    few.address_pairs.clear();
    ASSERT_EQ(reading.rows(), few);
    std::map<Uuid, ovsdb::Ml2Port> ports;
    for (const auto& [port, row] : walk.rows().ports) reading.read_port(port, ports);
    ASSERT_EQ(ports, walk.rows().ports);
    ASSERT_EQ(reading.intent().ports, whole.ports);
    ASSERT_EQ(reading.intent().refused, whole.refused);
    ASSERT_EQ(reading.intent().remote, whole.remote);
    ASSERT_EQ(reading.intent().problems, whole.problems);
    ASSERT_EQ(reading.intent(), whole);
    if (news.intent.all) continue;
    const IntentChanges changes = changes_between(before, whole);
    ASSERT_TRUE(std::ranges::includes(news.intent.ports, changes.ports));
    ASSERT_TRUE(std::ranges::includes(news.intent.remote, changes.remote));
    for (const auto& [segment, macs] : changes.remote_ports) {
      if (news.intent.remote.contains(segment)) continue;
      ASSERT_TRUE(news.intent.remote_ports.contains(segment));
      ASSERT_TRUE(std::ranges::includes(news.intent.remote_ports.at(segment), macs));
    }
    ASSERT_TRUE(news.intent.problems || !changes.problems);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReadingWalks, ::testing::Range(1U, 11U));

// A network with a port here and one on another host, and ports that come.
class Newcomer : public ::testing::Test, protected Database {
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

TEST(Ml2Reading, AStartOfAnotherHostsAgentConcernsNobody) {
  NodeConfig node;
  node.host = "hv1";
  ovsdb::Snapshot snapshot;
  const auto host = [&](std::int64_t started_at) {
    auto row = std::make_shared<ovsdb::Row>();
    row->uuid = Uuid({1});
    row->columns.set("name", ovsdb::Datum::of("hv2"));
    row->columns.set("started_at", ovsdb::Datum::of(ovsdb::Atom(started_at)));
    snapshot.tables["Host"][row->uuid] = row;
  };
  host(100);
  Ml2Reading reading(node);
  static_cast<void>(reading.update(snapshot, std::nullopt));
  host(130);
  const Ml2Reading::News news = reading.update(snapshot, ovsdb::RowChanges{{"Host", Uuid({1})}});
  EXPECT_TRUE(news.intent.empty());
  EXPECT_FALSE(news.hosts);
  EXPECT_EQ(reading.rows().hosts.begin()->second.started_at, 130);
}

}  // namespace
}  // namespace ml2::intent
