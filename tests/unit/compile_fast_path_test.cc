// compile/fast_path: what the fast path shall have for an intent, and which ids its records get.
#include <gmock/gmock.h>

#include "datapath/compile/compile.h"
#include "datapath/compile/fast_path_ids.h"
#include "datapath/diff/diff.h"

namespace ml2 {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const IpAddress kLocal = *IpAddress::parse("192.0.2.1");
const IpAddress kRemote = *IpAddress::parse("192.0.2.2");
const Mac kUnderlay({0x02, 0, 0, 0, 0, 1});
const Mac kNextHop({0x02, 0, 0, 0, 0, 2});

Uuid id_of(std::uint8_t number) {
  std::array<std::uint8_t, 16> bytes{number, number, number, number};
  return Uuid(bytes);
}
Segment vxlan(std::uint8_t network, std::uint32_t vni) { return {id_of(network), NetworkType::Vxlan, "", vni}; }
Segment vlan(std::uint8_t network, std::uint32_t id) { return {id_of(network), NetworkType::Vlan, "physnet1", id}; }
Segment flat(std::uint8_t network) { return {id_of(network), NetworkType::Flat, "physnet1", 0}; }

// A host with everything that the fast path needs, and a loop of compile and diff that carries the updates out.
struct Node {
  Intent intent;
  Facts facts;
  fp::Tables tables;
  Desired desired;

  Node() {
    intent.complete = true;
    intent.node.local_ip = kLocal;
    intent.node.tunnel_types = {NetworkType::Vxlan};
    FastPathConfig& config = intent.node.fast_path;
    config.enabled = true;
    config.tunnel_device = "net_up,x=1";
    config.physnet_devices = {{"physnet1", "net_prov"}};
    intent.vteps.insert(Vtep{.type = NetworkType::Vxlan, .address = kRemote, .host = "hv2"});
    facts.host_addresses = {kLocal};
    facts.fast_path.underlay = FastPathLink{kUnderlay, 1600};
    facts.fast_path.next_hops[kRemote] = {.hop = {"eth0", kRemote}, .mac = kNextHop, .resolved = true};
  }
  Port& port(std::uint8_t number, const Segment& segment) {
    Port& port = intent.ports[id_of(number)];
    port = {.id = id_of(number), .segment = segment, .mac = Mac({0xfa, 0x16, 0x3e, 0, 0, number}), .mtu = 1450};
    port.fixed_ips = {IpAddress::v4({10, 0, 0, number})};
    port.vhost_user = true;
    return port;
  }
  fp::Update step() {
    facts.fast_path.ids = known_ids(&tables, desired.fast_path.ids);
    desired = compile(intent, facts);
    Actual actual;
    actual.fast_path = &tables;
    const Plan plan = diff(desired, actual);
    fp::carry_out(plan.fast_path, tables);
    return plan.fast_path;
  }
  void restart() { desired = {}; }
  [[nodiscard]] std::string waiting(std::uint8_t number) const {
    return desired.port_states.at(id_of(number)).waiting;
  }
  [[nodiscard]] fp::PortId id(std::uint8_t number) const {
    return desired.port_states.at(id_of(number)).fast_path_port;
  }
  [[nodiscard]] fp::SegmentId segment_of(std::uint8_t number) const {
    for (const auto& [key, attachment] : tables.attachments)
      if (key.first == id(number)) return key.second;
    return 0;
  }
  [[nodiscard]] std::map<std::string, int> vlans_of_devices() const {
    std::map<std::string, int> vlans;
    for (const auto& [key, attachment] : tables.attachments)
      vlans[device_name(tables.ports.at(key.first).devargs)] = attachment.vlan;
    return vlans;
  }
};

TEST(CompileFastPath, OffItIsNotThere) {
  Node node;
  node.intent.node.fast_path.enabled = false;
  node.port(1, vxlan(101, 1000));
  EXPECT_TRUE(node.step().empty());
  EXPECT_FALSE(node.desired.fast_path.enabled);
}

TEST(CompileFastPath, AMachineBehindAVhostUserSocket) {
  Node node;
  node.port(1, vxlan(101, 1000));
  EXPECT_TRUE(node.step().full);
  EXPECT_EQ(node.waiting(1), "");
  const fp::abi::Port& port = node.tables.ports.at(node.id(1));
  EXPECT_STREQ(port.devargs,
               "net_vhost_vhu01010101-00,iface=/var/run/openvswitch/vhu01010101-00,queues=1,client=1,tso=1");
  EXPECT_EQ(port.mtu, 1450);
  EXPECT_EQ(port.spoof_check, 1);
  EXPECT_EQ(node.tables.allowed.size(), 2U);  // its address, and the link-local one of its MAC
  EXPECT_EQ(node.tables.segments.at(node.segment_of(1)).vni, 1000U);
  ASSERT_EQ(node.tables.vteps.size(), 1U);
  const fp::abi::Vtep& vtep = node.tables.vteps.begin()->second;
  EXPECT_EQ(fp::mac_of(vtep.next_hop_mac), kNextHop);
  EXPECT_EQ(fp::mac_of(vtep.source_mac), kUnderlay);
  EXPECT_EQ(vtep.udp_checksum, 0);
  const fp::abi::Port& nic = node.tables.ports.at(vtep.port);
  EXPECT_EQ(nic.tunnel, 1);
  EXPECT_EQ(nic.mtu, 1600);
  EXPECT_EQ(nic.peer, 0);
  EXPECT_TRUE(node.step().empty());
}

TEST(CompileFastPath, TheHostsEndOfTheNicIsAWire) {
  Node node;
  node.intent.node.fast_path.host_device = "net_tap_host,iface=fp-host";
  node.step();
  std::map<std::string, fp::abi::Port> ports;
  for (const auto& [id, record] : node.tables.ports) ports[device_name(record.devargs)] = record;
  EXPECT_EQ(ports.at("net_tap_host").kind, fp::abi::PortKind::Wire);
  EXPECT_EQ(ports.at("net_tap_host").peer, ports.at("net_up").id);
  EXPECT_EQ(ports.at("net_up").peer, ports.at("net_tap_host").id);
}

TEST(CompileFastPath, DscpIsGivenOrInherited) {
  Node node;
  node.intent.node.dscp = 10;
  node.step();
  EXPECT_EQ(node.tables.vteps.begin()->second.dscp, 10);
  EXPECT_EQ(node.tables.vteps.begin()->second.inherit_dscp, 0);
  node.intent.node.dscp_inherit = true;
  node.step();
  EXPECT_EQ(node.tables.vteps.begin()->second.dscp, 0);
  EXPECT_EQ(node.tables.vteps.begin()->second.inherit_dscp, 1);
}

// Its other end, which is to have local_ip, may be an interface that is made when the device is opened.
TEST(CompileFastPath, TheHostsEndIsThereBeforeTheAddressIs) {
  Node node;
  node.port(1, vxlan(101, 1000));
  node.intent.node.fast_path.host_device = "net_tap_host,iface=fp-host";
  node.facts.fast_path.underlay.reset();
  node.facts.fast_path.next_hops.clear();
  node.step();
  std::map<std::string, fp::abi::Port> ports;
  for (const auto& [id, record] : node.tables.ports) ports[device_name(record.devargs)] = record;
  ASSERT_TRUE(ports.contains("net_tap_host"));
  EXPECT_EQ(ports.at("net_tap_host").kind, fp::abi::PortKind::Wire);
  EXPECT_EQ(ports.at("net_tap_host").peer, ports.at("net_up").id);
  EXPECT_EQ(ports.at("net_up").tunnel, 1);  // a device is opened as what it is going to be
  EXPECT_EQ(fp::mac_of(ports.at("net_up").mac), Mac());
  EXPECT_EQ(ports.at("net_up").mtu, 1500);
  const std::string reason =
      "local_ip 192.0.2.1 is not an address of this host: give it to the kernel's end of tunnel_host_device "
      "net_tap_host,iface=fp-host";
  EXPECT_EQ(node.waiting(1), reason);
  EXPECT_THAT(node.desired.waiting, Contains(Pair("fast path tunnels", reason)));
  EXPECT_THAT(node.tables.vteps, IsEmpty());
  // The address comes: nothing is opened again.
  node.facts.fast_path.underlay = FastPathLink{kUnderlay, 1600};
  node.facts.fast_path.next_hops[kRemote] = {.hop = {"fp-host", kRemote}, .mac = kNextHop, .resolved = true};
  const fp::Update update = node.step();
  EXPECT_THAT(update.remove.ports, IsEmpty());
  EXPECT_EQ(node.waiting(1), "");
  EXPECT_EQ(node.tables.vteps.size(), 1U);
  const fp::abi::Port& nic = node.tables.ports.at(ports.at("net_up").id);
  EXPECT_STREQ(nic.devargs, ports.at("net_up").devargs);
  EXPECT_EQ(fp::mac_of(nic.mac), kUnderlay);
  EXPECT_EQ(nic.mtu, 1600);
}

TEST(CompileFastPath, ProviderNetworksAreVlansOfTheirNic) {
  Node node;
  node.port(1, vlan(101, 100));
  node.step();
  EXPECT_THAT(node.vlans_of_devices(), Contains(Pair("net_prov", 100)));
  EXPECT_EQ(node.tables.segments.at(node.segment_of(1)).vni, 0U);
  EXPECT_EQ(node.tables.segments.at(node.segment_of(1)).learn_age, 300);
  EXPECT_THAT(node.tables.floods, IsEmpty());
  node.port(1, flat(102));
  node.step();
  EXPECT_THAT(node.vlans_of_devices(), Contains(Pair("net_prov", 0)));
  EXPECT_EQ(node.tables.segments.size(), 1U);
}

TEST(CompileFastPath, AFreshAgentFindsNothingToSendWhateverTheHistory) {
  Node node;
  for (std::uint8_t i = 1; i < 60; ++i) {
    node.port(i, vxlan(static_cast<std::uint8_t>(100 + i % 9), 1000U + i % 9));
    node.step();
    if (i % 3 == 0) node.intent.ports.erase(id_of(static_cast<std::uint8_t>(i - 1)));
  }
  node.step();
  node.restart();
  EXPECT_TRUE(node.step().empty());
}

TEST(CompileFastPath, ANumberIsNotUsedAgainInTheStepInWhichItsHolderGoes) {
  FastPathIds known;
  FastPathIds given;
  for (std::uint16_t id = 1; id < 4095; ++id) known.ports.give("net_" + std::to_string(id), id);
  FastPathIdAllocation allocation(known, given);
  EXPECT_EQ(allocation.port("net_new"), 4095);  // the only one that nobody has or had
  EXPECT_EQ(allocation.port("net_other"), std::nullopt);
  EXPECT_EQ(allocation.port("net_7"), 7);
  EXPECT_EQ(allocation.port("net_new"), 4095);
  EXPECT_EQ(given.ports.by_key().size(), 2U);
}

TEST(CompileFastPath, WhatCannotBeServedWaitsWithItsReason) {
  Node node;
  node.port(1, {id_of(101), NetworkType::Local, "", 0});
  node.intent.node.tunnel_types = {NetworkType::Vxlan, NetworkType::Geneve};
  node.port(2, {id_of(102), NetworkType::Geneve, "", 7});
  node.port(3, vxlan(103, 1000));
  node.port(4, vxlan(104, 1000));  // another network with the same VNI
  node.port(5, vxlan(105, 1005)).vhost_user = false;
  node.port(6, vxlan(105, 1005)).device_owner = "network:dhcp";
  node.step();
  EXPECT_EQ(node.waiting(1), "");
  EXPECT_THAT(node.waiting(2), HasSubstr("the fast path carries no geneve"));
  EXPECT_EQ(node.waiting(3), "");
  EXPECT_THAT(node.waiting(4), HasSubstr("uses the same vxlan segment on this host"));
  EXPECT_THAT(node.waiting(5), HasSubstr("no interface with external_ids:iface-id"));
  EXPECT_THAT(node.waiting(6), HasSubstr("no interface with external_ids:iface-id"));
  EXPECT_EQ(node.id(6), 0);
  node.intent.node.fast_path.all_ports = true;
  node.step();
  EXPECT_THAT(node.waiting(5), HasSubstr("no device tap05050505-00 for the fast path"));
  node.facts.fast_path.links["tap05050505-00"] = {};
  node.step();
  EXPECT_EQ(node.waiting(5), "");
  // Without the address there is no tunnel, and its ports say why.
  node.facts.fast_path.underlay.reset();
  node.step();
  EXPECT_THAT(node.waiting(3), HasSubstr("local_ip 192.0.2.1 is not an address of this host"));
}

// The fast path listens on one UDP port, its own.
TEST(CompileFastPath, AHostWithAnotherUdpPortIsNamed) {
  Node node;
  node.port(1, vxlan(101, 1000));
  node.intent.vteps = {Vtep{.type = NetworkType::Vxlan, .address = kRemote, .udp_port = 8472, .host = "hv2"}};
  node.step();
  EXPECT_TRUE(node.tables.vteps.empty());
  EXPECT_THAT(node.desired.waiting.at("vtep " + kRemote.to_string()),
              HasSubstr("host hv2 has vxlan_udp_port 8472, and this host 4789; no tunnel to it"));
  EXPECT_EQ(node.waiting(1), "");  // the ports here reach each other
  node.intent.node.vxlan_udp_port = 8472;
  node.step();
  ASSERT_EQ(node.tables.vteps.size(), 1U);
  EXPECT_EQ(node.tables.vteps.begin()->second.udp_port, 8472);
}

TEST(CompileFastPath, PopulationSaysWhereEverythingIs) {
  Node node;
  NodeConfig& config = node.intent.node;
  config.l2_population = config.arp_responder = config.drop_unknown_unicast = true;
  const Segment segment = vxlan(101, 1000);
  node.port(1, segment);
  RemoteSegment& remote = node.intent.remote[segment];
  remote.vteps = {kRemote};
  const Mac far({0xfa, 0x16, 0x3e, 0, 1, 1}), shared({0xfa, 0x16, 0x3e, 0, 1, 2});
  remote.ports = {
      {.mac = far, .vtep = kRemote, .answered = {*IpAddress::parse("10.0.0.9"), *IpAddress::parse("fd00::9")}},
      {.mac = shared, .vtep = kRemote}};
  node.step();
  const fp::SegmentId id = node.segment_of(1);
  EXPECT_EQ(node.tables.fdb.at({id, far}).vtep, node.tables.vteps.begin()->first);
  EXPECT_EQ(node.tables.neighbours.size(), 1U);  // ARP alone: nd_responder is off
  EXPECT_EQ(node.tables.segments.at(id).answer_neighbours, 1);
  EXPECT_EQ(node.tables.segments.at(id).drop_unknown, 1);
  EXPECT_EQ(node.tables.segments.at(id).learn_age, 0);
  EXPECT_EQ(node.tables.floods.size(), 1U);
  // A MAC that several may have is heard of, not written down; then unknown ones are no mistake.
  remote.shared_macs = {shared};
  node.step();
  EXPECT_FALSE(node.tables.fdb.contains({id, shared}));
  EXPECT_EQ(node.tables.segments.at(id).drop_unknown, 0);
  // The VTEP goes with the last network that needs it.
  node.intent.remote.clear();
  node.step();
  EXPECT_THAT(node.tables.vteps, IsEmpty());
}

TEST(CompileFastPath, AllowedAddressPairsAreAllowed) {
  Node node;
  Port& port = node.port(1, vxlan(101, 1000));
  const Mac other({0xfa, 0x16, 0x3e, 0, 2, 2});
  port.allowed_address_pairs = {{.mac = other, .network = *IpNetwork::parse("10.9.0.0/16")}};
  node.step();
  std::set<std::string> allowed;
  for (const auto& [key, record] : node.tables.allowed) {
    allowed.insert(fp::mac_of(record.mac).to_string() + " " +
                   fp::address_of(record.address, record.ipv6 != 0).to_string() + "/" +
                   std::to_string(record.prefix));
  }
  EXPECT_THAT(allowed, ElementsAre("fa:16:3e:00:00:01 10.0.0.1/32", "fa:16:3e:00:00:01 fe80::f816:3eff:fe00:1/128",
                                   "fa:16:3e:00:02:02 10.0.0.1/32", "fa:16:3e:00:02:02 10.9.0.0/16",
                                   "fa:16:3e:00:02:02 fe80::f816:3eff:fe00:202/128"));
  port.port_security_enabled = false;
  node.step();
  EXPECT_THAT(node.tables.allowed, IsEmpty());
  EXPECT_EQ(node.tables.ports.at(node.id(1)).spoof_check, 0);
}

TEST(CompileFastPath, NothingIsDeletedWhileTheIntentIsIncomplete) {
  Node node;
  node.port(1, vxlan(101, 1000));
  node.step();
  const std::size_t before = node.tables.size();
  node.intent.ports.clear();
  node.intent.complete = false;
  node.step();
  EXPECT_EQ(node.tables.size(), before);
  node.intent.complete = true;
  node.step();
  EXPECT_EQ(node.tables.ports.size(), 2U);  // the NICs
  EXPECT_THAT(node.tables.segments, IsEmpty());
}

// While Open vSwitch still has a tunnel of its own, the patch would close a loop.
TEST(CompileFastPath, ThePatchWaitsForOpenVswitchsTunnelsToGo) {
  Node node;
  const Segment segment = vxlan(101, 1000);
  node.port(1, segment);
  node.port(2, segment).vhost_user = false;
  node.facts.bridges = {{"br-int", "00000000000000aa"}, {"br-tun", "00000000000000ab"}};
  node.facts.interfaces["tap2"] = {
      .port = "tap2", .bridge = "br-int", .ofport = OfPort::make(1), .iface_id = id_of(2).to_string()};
  node.facts.interfaces["vxlan-c0000202"] = {
      .port = "vxlan-c0000202", .owned = true, .bridge = "br-tun", .type = "vxlan", .ofport = OfPort::make(2)};
  node.facts.fast_path.links = {{kFastPathPatch, {}}, {kFastPathPatchPeer, {kUnderlay, 1500}}};
  node.facts.interfaces[kFastPathPatch] = {
      .port = kFastPathPatch, .owned = true, .bridge = "br-int", .ofport = OfPort::make(3)};
  node.step();
  EXPECT_THAT(node.waiting(2), HasSubstr("tunnel port vxlan-c0000202 of Open vSwitch is still there"));
  EXPECT_EQ(node.vlans_of_devices().count("net_af_packet_fastpath-int"), 0U);
  EXPECT_FALSE(node.desired.ports.contains("vxlan-c0000202"));  // it goes
  node.facts.interfaces.erase("vxlan-c0000202");
  node.step();
  EXPECT_EQ(node.waiting(2), "");
  const int vlan = node.desired.port_states.at(id_of(2)).local_vlan->value();
  EXPECT_THAT(node.vlans_of_devices(), Contains(Pair("net_af_packet_fastpath-int", vlan)));
  EXPECT_TRUE(node.desired.ports.contains(kFastPathPatch));
}

}  // namespace
}  // namespace ml2
