// agent/intent: Ml2Reading by changes equals read_intent() of the whole, over random walks through the database.
#include "agent/intent/ml2_reading.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "tests/unit/ml2_reading_rows.h"

namespace ml2::intent {
namespace {

// Changes to a database whose references hold.
class Walk : public ReadingRows {
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
