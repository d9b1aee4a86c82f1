// agent/intent: rows of the ML2 database to Intent, and reports back into a transaction.
#include "agent/intent/ml2_intent.h"

#include <gmock/gmock.h>

#include "agent/intent/ml2_remote.h"

namespace ml2::intent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One network with one bound port on host hv1, all in order.
struct Rows {
  ovsdb::Ml2Rows rows;
  Uuid network = Uuid::random(), segment = Uuid::random(), port = Uuid::random(), binding = Uuid::random();
  NodeConfig node{.host = "hv1", .local_ip = IpAddress::parse("192.0.2.1"), .tunnel_types = {NetworkType::Vxlan}};

  Rows() {
    rows.networks[network] = {.uuid = network, .name = "net"};
    rows.segments[segment] = {.uuid = segment, .network = network, .network_type = "vxlan", .segmentation_id = 1001};
    rows.ports[port] = {.uuid = port, .network = network, .name = "vm1", .mac_address = "fa:16:3e:00:00:01"};
    rows.bindings[binding] = {.uuid = binding, .port = port, .host = "hv1", .vif_type = "ovs", .segment = segment};
  }
  void add_host(const std::string& name, const std::string& type, const std::string& ip) {
    const Uuid host = Uuid::random();
    const Uuid endpoint = Uuid::random();
    rows.endpoints[endpoint] = {.uuid = endpoint, .tunnel_type = type, .ip_address = ip};
    rows.hosts[host] = {.uuid = host, .name = name, .endpoints = {endpoint}};
  }
  [[nodiscard]] std::string refusal() const {
    const Intent intent = read_intent(rows, node);
    EXPECT_THAT(intent.ports, IsEmpty());
    return intent.refused.contains(port) ? intent.refused.at(port) : "not refused";
  }
};

TEST(ReadIntent, TakesThePortsBoundToThisHost) {
  Rows db;
  const Uuid fixed_ip = Uuid::random();
  db.rows.fixed_ips[fixed_ip] = {.uuid = fixed_ip, .port = db.port, .ip_address = "10.0.0.5"};
  const Uuid elsewhere = Uuid::random();
  db.rows.ports[elsewhere] = {.uuid = elsewhere, .network = db.network, .mac_address = "fa:16:3e:00:00:02"};
  const Uuid binding = Uuid::random();
  db.rows.bindings[binding] = {
      .uuid = binding, .port = elsewhere, .host = "hv2", .vif_type = "ovs", .segment = db.segment};

  const Intent intent = read_intent(db.rows, db.node);
  ASSERT_THAT(intent.ports, SizeIs(1));
  const Port& port = intent.ports.at(db.port);
  EXPECT_EQ(port.name, "vm1");
  EXPECT_EQ(port.segment.type, NetworkType::Vxlan);
  EXPECT_EQ(port.segment.segmentation_id, 1001U);
  EXPECT_THAT(port.fixed_ips, ElementsAre(*IpAddress::parse("10.0.0.5")));
  EXPECT_TRUE(port.admin_state_up);
  EXPECT_TRUE(intent.complete);
  EXPECT_THAT(intent.refused, IsEmpty());
}

// A path out of the database becomes the name of a device: only the one that the ini says is taken.
TEST(ReadIntent, AVhostUserSocketIsWhereTheIniSays) {
  Rows db;
  ovsdb::Ml2Binding& binding = db.rows.bindings.at(db.binding);
  binding.vif_type = "vhostuser";
  const std::string right = "/var/run/openvswitch/vhu" + db.port.to_string().substr(0, 11);
  binding.vif_details = {{"vhostuser_socket", right}, {"vhostuser_ovs_plug", "false"}};
  EXPECT_FALSE(read_intent(db.rows, db.node).ports.at(db.port).vhost_user);
  db.node.fast_path.enabled = true;
  EXPECT_TRUE(read_intent(db.rows, db.node).ports.at(db.port).vhost_user);
  binding.vif_details["vhostuser_socket"] = right + ",iface=/etc/shadow";
  EXPECT_THAT(db.refusal(), AllOf(HasSubstr("its vhostuser_socket is"), HasSubstr(right + " was expected")));
  binding.vif_details["vhostuser_ovs_plug"] = "true";  // of Open vSwitch's own
  EXPECT_FALSE(read_intent(db.rows, db.node).ports.at(db.port).vhost_user);
}

TEST(ReadIntent, ThePortsMtuIsItsNetworks) {
  Rows db;
  const auto mtu = [&](std::int64_t of_network) {
    db.rows.networks.at(db.network).mtu = of_network;
    return read_intent(db.rows, db.node).ports.at(db.port).mtu;
  };
  EXPECT_EQ(mtu(1430), 1430);
  EXPECT_EQ(mtu(0), 0);
  EXPECT_EQ(mtu(-1), 0);
  EXPECT_EQ(mtu(65536), 0);  // no MTU: none is asked for
}

TEST(ReadIntent, AnInactiveBindingIsTheOtherEndOfAMigration) {
  Rows db;
  db.rows.bindings[db.binding].status = "INACTIVE";
  EXPECT_THAT(read_intent(db.rows, db.node).ports, IsEmpty());
}

TEST(ReadIntent, ANetworkThatIsDownTakesItsPortsDown) {
  Rows db;
  db.rows.networks[db.network].admin_state_up = false;
  EXPECT_FALSE(read_intent(db.rows, db.node).ports.at(db.port).admin_state_up);
}

TEST(ReadIntent, RefusesABadMacAndNamesIt) {
  Rows db;
  for (const char* mac : {"", "fa:16:3e", "zz:16:3e:00:00:01", "01:00:5e:00:00:01", "00:00:00:00:00:00"}) {
    db.rows.ports[db.port].mac_address = mac;
    EXPECT_THAT(db.refusal(), HasSubstr("mac_address")) << mac;
  }
  db.rows.ports[db.port].mac_address = std::string(1 << 20, '\n');
  EXPECT_LT(db.refusal().size(), 500U);
}

TEST(ReadIntent, RefusesSegmentsThatMakeNoSense) {
  Rows db;
  ovsdb::Ml2Segment& segment = db.rows.segments[db.segment];
  segment.segmentation_id = 1 << 24;
  EXPECT_THAT(db.refusal(), HasSubstr("VNI 16777216 is not in 1-16777215"));
  segment.network_type = "vlan";
  segment.segmentation_id = 5;
  EXPECT_THAT(db.refusal(), HasSubstr("physical_network"));
  segment.physical_network = "physnet1";
  segment.segmentation_id = 4095;
  EXPECT_THAT(db.refusal(), HasSubstr("VLAN 4095 is not in 1-4094"));
  segment.network_type = "token-ring";
  EXPECT_THAT(db.refusal(), HasSubstr("token-ring"));
  segment.network_type = "local";
  segment.network = Uuid::random();
  EXPECT_THAT(db.refusal(), HasSubstr("belongs to network"));
  db.rows.segments.clear();
  EXPECT_THAT(db.refusal(), HasSubstr("does not exist"));
  db.rows.bindings[db.binding].segment.reset();
  EXPECT_THAT(db.refusal(), HasSubstr("not bound"));
}

TEST(ReadIntent, RefusesAnEndlessName) {
  Rows db;
  db.rows.ports[db.port].name = std::string(1020, 'x');
  EXPECT_TRUE(read_intent(db.rows, db.node).ports.contains(db.port));
  db.rows.ports[db.port].name = std::string(1 << 20, '\xff');
  EXPECT_THAT(db.refusal(), HasSubstr("the name has 1048576 bytes"));
  EXPECT_LT(db.refusal().size(), 300U);
}

TEST(ReadIntent, APortThatIsAboutToBeBoundIsNoNews) {
  Rows db;
  db.rows.bindings[db.binding].vif_type = "unbound";
  db.rows.bindings[db.binding].segment.reset();
  const Intent intent = read_intent(db.rows, db.node);
  EXPECT_THAT(intent.ports, IsEmpty());
  EXPECT_THAT(intent.refused, IsEmpty());
}

TEST(ReadIntent, AFailedBindingSaysWhy) {
  Rows db;
  db.rows.bindings[db.binding].vif_type = "binding_failed";
  db.rows.bindings[db.binding].failure = "host hv1: physical network p9 is not mapped";
  EXPECT_EQ(db.refusal(), "host hv1: physical network p9 is not mapped");
}

TEST(ReadIntent, OneBadRowStopsItsPortAlone) {
  Rows db;
  const Uuid bad = Uuid::random();
  const Uuid binding = Uuid::random();
  db.rows.ports[bad] = {.uuid = bad, .network = db.network, .mac_address = "nonsense"};
  db.rows.bindings[binding] = {.uuid = binding, .port = bad, .host = "hv1", .vif_type = "ovs", .segment = db.segment};
  const Intent intent = read_intent(db.rows, db.node);
  EXPECT_TRUE(intent.ports.contains(db.port));
  EXPECT_TRUE(intent.refused.contains(bad));
}

TEST(ReadIntent, VtepsAreOtherHostsEndpointsOfOurTypes) {
  Rows db;
  db.add_host("hv1", "vxlan", "192.0.2.1");
  db.add_host("hv2", "vxlan", "192.0.2.2");
  db.add_host("hv3", "geneve", "192.0.2.3");
  db.add_host("hv4", "vxlan", "not an address");
  db.add_host("hv5", "vxlan", "239.1.1.1");
  const Intent intent = read_intent(db.rows, db.node);
  ASSERT_THAT(intent.vteps, SizeIs(1));
  EXPECT_EQ(intent.vteps.begin()->host, "hv2");
}

// The rows of the one network again, with a second port of it on host hv2 (vxlan endpoint 192.0.2.2).
struct TwoHosts : Rows {
  Uuid other = Uuid::random(), other_binding = Uuid::random();
  Uuid host = Uuid::random(), endpoint = Uuid::random();

  TwoHosts() {
    node.l2_population = node.arp_responder = node.nd_responder = true;
    rows.ports[other] = {.uuid = other, .network = network, .name = "vm2", .mac_address = "fa:16:3e:00:00:02"};
    rows.ports[other].status = "ACTIVE";
    rows.bindings[other_binding] = {
        .uuid = other_binding, .port = other, .host = "hv2", .vif_type = "ovs", .segment = segment};
    add_fixed_ip(other, "10.0.0.2");
    add_fixed_ip(other, "fd01::2");
    rows.endpoints[endpoint] = {.uuid = endpoint, .tunnel_type = "vxlan", .ip_address = "192.0.2.2"};
    rows.hosts[host] = {
        .uuid = host, .name = "hv2", .started_at = 5, .tunnel_types = {"vxlan"}, .endpoints = {endpoint}};
  }
  Uuid add_fixed_ip(const Uuid& of, const std::string& ip) {
    const Uuid id = Uuid::random();
    rows.fixed_ips[id] = {.uuid = id, .port = of, .ip_address = ip};
    return id;
  }
  void add_pair(const Uuid& to, const std::string& ip, std::optional<std::string> mac = {}) {
    const Uuid id = Uuid::random();
    rows.address_pairs[id] = {.uuid = id, .mac_address = std::move(mac), .ip_address = ip};
    rows.ports[to].allowed_address_pairs.insert(id);
  }
  [[nodiscard]] RemoteSegment remote() const {
    const Intent intent = read_intent(rows, node);
    EXPECT_EQ(intent.remote.size(), 1U);
    return intent.remote.empty() ? RemoteSegment() : intent.remote.begin()->second;
  }
};

TEST(ReadRemote, PortsThatOtherHostsHaveWired) {
  TwoHosts db;
  const RemoteSegment remote = db.remote();
  EXPECT_THAT(remote.vteps, ElementsAre(*IpAddress::parse("192.0.2.2")));
  ASSERT_EQ(remote.ports.size(), 1U);
  EXPECT_EQ(remote.ports[0].mac, *Mac::parse("fa:16:3e:00:00:02"));
  EXPECT_THAT(remote.ports[0].answered, ElementsAre(*IpAddress::parse("10.0.0.2"), *IpAddress::parse("fd01::2")));
  EXPECT_FALSE(remote.ports[0].router);
  EXPECT_THAT(read_intent(db.rows, db.node).problems, IsEmpty());
  db.rows.ports[db.other].status = "DOWN";
  EXPECT_EQ(db.remote(), RemoteSegment());
  db.rows.ports[db.other].status = "ACTIVE";
  db.rows.bindings[db.other_binding].status = "INACTIVE";
  EXPECT_EQ(db.remote(), RemoteSegment());
  db.node.l2_population = false;
  EXPECT_THAT(read_intent(db.rows, db.node).remote, IsEmpty());
}

TEST(ReadRemote, NothingOfNetworksWithoutAPortHere) {
  TwoHosts db;
  db.rows.bindings.erase(db.binding);
  EXPECT_THAT(read_intent(db.rows, db.node).remote, IsEmpty());
}

TEST(ReadRemote, RoutersAreKnownAsSuch) {
  TwoHosts db;
  db.rows.ports[db.other].device_owner = "network:router_interface";
  EXPECT_TRUE(db.remote().ports.at(0).router);
  EXPECT_THAT(db.remote().ports.at(0).answered, Contains(*IpAddress::parse("fe80::f816:3eff:fe00:2")));
  db.rows.ports[db.other].device_owner = "compute:nova";
  EXPECT_FALSE(db.remote().ports.at(0).router);
  const Uuid subnet = Uuid::random();
  db.rows.subnets[subnet] = {.uuid = subnet, .network = db.network, .gateway_ip = "fd01::2"};
  EXPECT_TRUE(db.remote().ports.at(0).router);
}

TEST(ReadRemote, AddressesThatMayMoveAreNotAnsweredForTheirOwner) {
  TwoHosts db;
  db.add_pair(db.port, "10.0.0.2");
  db.add_pair(db.port, "fd01::/64", "00:00:5E:00:01:0a");
  const RemoteSegment remote = db.remote();
  EXPECT_THAT(remote.ports.at(0).answered, ElementsAre(*IpAddress::parse("fd01::2")));
  EXPECT_THAT(remote.shared_macs, ElementsAre(*Mac::parse("00:00:5e:00:01:0a")));
  const Port own = read_intent(db.rows, db.node).ports.at(db.port);
  ASSERT_EQ(own.allowed_address_pairs.size(), 2U);
  EXPECT_EQ(own.allowed_address_pairs[0].mac, *Mac::parse("00:00:5e:00:01:0a"));
  EXPECT_EQ(own.allowed_address_pairs[1].mac, own.mac);
  // Its own pair for its own address changes nothing.
  TwoHosts same;
  same.add_pair(same.other, "10.0.0.2");
  EXPECT_EQ(same.remote().ports.at(0).answered.size(), 2U);
}

TEST(ReadIntent, RefusesAddressPairsThatMakeNoSense) {
  TwoHosts db;
  db.add_pair(db.port, "10.0.0.0/33");
  EXPECT_THAT(read_intent(db.rows, db.node).refused.at(db.port), HasSubstr("10.0.0.0/33"));
  TwoHosts mac;
  mac.add_pair(mac.port, "10.0.0.0/24", "01:00:5e:00:00:01");
  EXPECT_THAT(read_intent(mac.rows, mac.node).refused.at(mac.port), HasSubstr("01:00:5e:00:00:01"));
}

TEST(ReadIntent, OfTwoPortsWithOneAddressTheOneThatIsWiredKeepsIt) {
  TwoHosts db;
  db.rows.ports[db.port].mac_address = "FA:16:3E:00:00:02";
  EXPECT_THAT(read_intent(db.rows, db.node).refused.at(db.port),
              AllOf(HasSubstr("fa:16:3e:00:00:02"), HasSubstr("vm2"), HasSubstr("hv2"), HasSubstr("keeps it")));
  db.rows.ports[db.port].status = "ACTIVE";
  db.rows.ports[db.other].status = "ERROR";
  EXPECT_THAT(read_intent(db.rows, db.node).refused, IsEmpty());
  // The one that was refused stays so while the other is unplugged.
  db.rows.ports[db.port].status = "DOWN";
  EXPECT_THAT(read_intent(db.rows, db.node).refused, IsEmpty());

  TwoHosts ip;
  ip.add_fixed_ip(ip.port, "fd01:0::2");
  EXPECT_THAT(read_intent(ip.rows, ip.node).refused.at(ip.port), AllOf(HasSubstr("fd01::2"), HasSubstr("vm2")));
}

TEST(ReadIntent, SaysWhatDoesNotFitBetweenHosts) {
  TwoHosts db;
  db.rows.endpoints[db.endpoint].udp_port = 8472;  // compile() finds a port that suits both
  EXPECT_THAT(read_intent(db.rows, db.node).problems, IsEmpty());
  db.rows.endpoints[db.endpoint] = {.uuid = db.endpoint, .tunnel_type = "geneve", .ip_address = "192.0.2.2"};
  db.rows.hosts[db.host].tunnel_types = {"geneve"};
  EXPECT_THAT(read_intent(db.rows, db.node).problems,
              ElementsAre(AllOf(HasSubstr("hv2"), HasSubstr("no vxlan endpoint"), HasSubstr("geneve"))));
  db.rows.endpoints[db.endpoint] = {.uuid = db.endpoint, .tunnel_type = "vxlan", .ip_address = "192.0.2.1"};
  EXPECT_THAT(read_intent(db.rows, db.node).problems,
              ElementsAre(AllOf(HasSubstr("local_ip 192.0.2.1"), HasSubstr("host hv2"))));
}

TEST(WhyNotHere, SaysWhereThePortIsAndWhatToDo) {
  TwoHosts db;
  EXPECT_THAT(why_not_here(db.rows, index_of(db.rows, "hv1"), "hv1", db.other),
              AllOf(HasSubstr("vm2"), HasSubstr("bound to host hv2")));
  EXPECT_THAT(why_not_here(db.rows, index_of(db.rows, "hv1"), "hv1", Uuid::random()),
              HasSubstr("no port of the ML2 database"));
  EXPECT_EQ(why_not_here(db.rows, index_of(db.rows, "hv1"), "hv1", db.port), "");
  db.rows.bindings.erase(db.other_binding);
  EXPECT_THAT(why_not_here(db.rows, index_of(db.rows, "hv1"), "hv1", db.other), HasSubstr("bound to no host"));
}

const HostStamp kStamp{.version = "1", .started_at = 100, .now = 1000, .report_interval = 30};

// Carries a transaction of inserts and updates out on the rows, as far as write_back() writes any.
void carry_out(const ovsdb::Transaction& transaction, ovsdb::Ml2Rows& rows) {
  ovsdb::Snapshot snapshot;
  const auto put = [&](const char* table, const Uuid& uuid, const ovsdb::Columns& columns) {
    auto row = std::make_shared<ovsdb::Row>();
    row->uuid = uuid;
    for (const auto& [name, value] : columns) row->columns.set(name, value);
    snapshot.tables[table][uuid] = row;
  };
  for (const auto& [uuid, row] : rows.hosts) put("Host", uuid, ovsdb::to_columns(row));
  for (const auto& [uuid, row] : rows.endpoints) put("Endpoint", uuid, ovsdb::to_columns(row));
  for (const auto& [uuid, row] : rows.ports) put("Port", uuid, ovsdb::to_columns(row));
  for (const ovsdb::Operation& operation : transaction.operations) {
    if (const auto* insert = std::get_if<ovsdb::RowInsert>(&operation)) {
      put(insert->table.c_str(), insert->uuid, insert->columns);
    } else {
      const auto& update = std::get<ovsdb::RowUpdate>(operation);
      auto row = std::make_shared<ovsdb::Row>(*snapshot.tables[update.table][update.uuid]);
      for (const auto& [name, value] : update.columns) row->columns.set(name, value);
      snapshot.tables[update.table][update.uuid] = row;
    }
  }
  const ovsdb::Ml2Rows read = ovsdb::read_ml2(snapshot);
  rows.hosts = read.hosts;
  rows.endpoints = read.endpoints;
  rows.ports = read.ports;
}

// What was written, and carried out; the beat goes on in `stamp`.
ovsdb::Transaction report_to(Rows& db, const NodeReport& report, HostStamp& stamp) {
  WriteBack written = write_back(db.rows, db.rows.ports, db.node, report, stamp);
  carry_out(written.transaction, db.rows);
  stamp.beat = written.beat;
  return std::move(written.transaction);
}

TEST(NameTaken, TheNodeThatReportedFirstKeepsTheName) {
  Rows db;
  const NodeReport first{.local_ip_present = true, .switch_id = "one"};
  const NodeReport second{.local_ip_present = true, .switch_id = "two"};
  HostStamp stamp = kStamp;
  EXPECT_EQ(name_taken(db.rows, db.node, first), "");
  report_to(db, first, stamp);
  EXPECT_EQ(name_taken(db.rows, db.node, first), "");
  EXPECT_THAT(name_taken(db.rows, db.node, second),
              AllOf(HasSubstr("host hv1"), HasSubstr("192.0.2.1"), HasSubstr("[DEFAULT] host")));
  // Whether it still is there, the server says.
  const auto& [uuid, row] = *db.rows.hosts.begin();
  const ovsdb::RowBelow free = name_is_free(row, stamp);
  EXPECT_EQ(free, (ovsdb::RowBelow{"Host", uuid, "heartbeat", stamp.now - 3 * row.report_interval}));
}

TEST(WriteBack, MakesTheHostRowOnceAndThenOnlyTheHeartbeat) {
  Rows db;
  HostStamp stamp = kStamp;
  const NodeReport report{.local_ip_present = true};
  report_to(db, report, stamp);
  ASSERT_THAT(db.rows.hosts, SizeIs(1));
  const ovsdb::Ml2Host& host = db.rows.hosts.begin()->second;
  EXPECT_EQ(host.name, "hv1");
  EXPECT_EQ(host.heartbeat, 1000);
  ASSERT_THAT(db.rows.endpoints, SizeIs(1));
  EXPECT_EQ(db.rows.endpoints.begin()->second.ip_address, "192.0.2.1");

  stamp.now = 1029;
  EXPECT_TRUE(report_to(db, report, stamp).empty());
  stamp.now = 1030;
  const ovsdb::Transaction beat = report_to(db, report, stamp);
  ASSERT_THAT(beat.operations, SizeIs(1));
  EXPECT_THAT(
      std::get<ovsdb::RowUpdate>(beat.operations[0]).columns,
      ElementsAre(ovsdb::Columns::value_type{"heartbeat", ovsdb::Datum::of(ovsdb::Atom(std::int64_t{1030}))}));
}

TEST(WriteBack, TheAppliedSequenceIsWrittenWhenItIsKnown) {
  Rows db;
  HostStamp stamp = kStamp;
  NodeReport report{.local_ip_present = true};
  report_to(db, report, stamp);
  report.applied = 7;
  report_to(db, report, stamp);
  EXPECT_EQ(db.rows.hosts.begin()->second.applied, 7);
  EXPECT_TRUE(report_to(db, report, stamp).empty());
  report.applied.reset();  // a start: what the last life confirmed stays true
  stamp.beat.reset();
  report_to(db, report, stamp);
  EXPECT_EQ(db.rows.hosts.begin()->second.applied, 7);
}

TEST(WriteBack, AStartWritesTheWholeBeatWhichItDoesNotKnow) {
  Rows db;
  HostStamp stamp = kStamp;
  NodeReport report{.problems = {"a bridge is missing"}, .local_ip_present = true};
  report_to(db, report, stamp);
  // As an agent sees the row: the columns of the beat have no value.
  ovsdb::Ml2Host& host = db.rows.hosts.begin()->second;
  EXPECT_THAT(host.problems, ElementsAre("a bridge is missing"));
  report.problems.clear();
  stamp.beat.reset();
  stamp.now = 1001;
  host.problems.clear();
  host.heartbeat = 0;
  const ovsdb::Transaction start = report_to(db, report, stamp);
  ASSERT_THAT(start.operations, SizeIs(1));
  EXPECT_THAT(std::get<ovsdb::RowUpdate>(start.operations[0]).columns,
              ElementsAre(ovsdb::Columns::value_type{"heartbeat", ovsdb::Datum::of(ovsdb::Atom(std::int64_t{1001}))},
                          ovsdb::Columns::value_type{"problems", ovsdb::Datum()}));
}

TEST(WriteBack, SaysWhereVhostUserSocketsAre) {
  Rows db;
  HostStamp stamp = kStamp;
  db.node.datapath_type = "netdev";
  db.node.vhostuser_socket_dir = "/run/vhost";
  report_to(db, NodeReport{.local_ip_present = true}, stamp);
  const auto& told = db.rows.hosts.begin()->second.configurations;
  EXPECT_EQ(told.at("vhostuser_socket_dir"), "/run/vhost");
  EXPECT_EQ(told.at("datapath_type"), "netdev");
}

TEST(WriteBack, SaysWhatTheFastPathServes) {
  Rows db;
  HostStamp stamp = kStamp;
  report_to(db, NodeReport{.local_ip_present = true}, stamp);
  EXPECT_EQ(db.rows.hosts.begin()->second.configurations.at("fastpath"), "");
  db.node.fast_path.enabled = true;
  db.node.fast_path.physnet_devices = {{"physnet7", "net_null0"}};
  report_to(db, NodeReport{.local_ip_present = true}, stamp);
  const ovsdb::Ml2Host& host = db.rows.hosts.begin()->second;
  EXPECT_EQ(host.configurations.at("fastpath"), "vhostuser");
  EXPECT_EQ(host.configurations.at("vhostuser_mode"), "server");
  // Whoever binds ports asks whether the physical network is here.
  EXPECT_TRUE(host.bridge_mappings.contains("physnet7"));
}

TEST(WriteBack, AClockSetBackRenewsTheHeartbeat) {
  Rows db;
  HostStamp stamp = kStamp;
  const NodeReport report{.local_ip_present = true};
  report_to(db, report, stamp);
  stamp.now = 10;
  report_to(db, report, stamp);
  EXPECT_EQ(db.rows.hosts.begin()->second.heartbeat, 10);
}

TEST(WriteBack, AnAddressThatIsNotOnTheHostIsNotAnnounced) {
  Rows db;
  HostStamp stamp = kStamp;
  report_to(db, NodeReport{.local_ip_present = false}, stamp);
  EXPECT_THAT(db.rows.endpoints, IsEmpty());
}

TEST(WriteBack, AnEndpointOfAnotherHostIsAProblemNotAFight) {
  Rows db;
  HostStamp stamp = kStamp;
  db.add_host("hv2", "vxlan", "192.0.2.1");
  report_to(db, NodeReport{.local_ip_present = true}, stamp);
  EXPECT_THAT(db.rows.endpoints, SizeIs(1));
  for (const auto& [uuid, host] : db.rows.hosts) {
    if (host.name != "hv1") continue;
    EXPECT_THAT(host.problems, ElementsAre(HasSubstr("already the vxlan endpoint of host hv2")));
  }
}

TEST(WriteBack, AnAnnouncedAddressThatFlapsStays) {
  Rows db;
  HostStamp stamp = kStamp;
  report_to(db, NodeReport{.local_ip_present = true}, stamp);
  EXPECT_TRUE(report_to(db, NodeReport{.local_ip_present = false}, stamp).empty());
}

TEST(WriteBack, WritesStatusOfItsPortsAndNothingTwice) {
  Rows db;
  HostStamp stamp = kStamp;
  NodeReport report{.local_ip_present = true};
  report.ports[db.port] = {PortStatus::Down, "not plugged"};
  report.ports[Uuid::random()] = {PortStatus::Active, ""};  // deleted meanwhile: no row to write to
  report_to(db, report, stamp);
  EXPECT_EQ(db.rows.ports.at(db.port).status, "DOWN");
  EXPECT_EQ(db.rows.ports.at(db.port).status_reason, "not plugged");
  EXPECT_TRUE(report_to(db, report, stamp).empty());
  report.ports[db.port] = {PortStatus::Active, ""};
  report_to(db, report, stamp);
  EXPECT_EQ(db.rows.ports.at(db.port).status, "ACTIVE");
  EXPECT_EQ(db.rows.ports.at(db.port).status_reason, "");
}

}  // namespace
}  // namespace ml2::intent
