// What the state lists (tests/states) do not come to: odd interfaces, conflicts, options of bridges and tunnels.
#include "datapath/compile/compile.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datapath/compile/compiler.h"
#include "datapath/openflow/cookie.h"

namespace ml2 {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Uuid uuid(std::uint8_t number) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[15] = number;
  return Uuid(bytes);
}

Intent intent() {
  Intent result;
  result.node.tunnel_types = {NetworkType::Vxlan};
  result.node.local_ip = IpAddress::parse("192.0.2.1");
  result.complete = true;
  return result;
}

Facts facts() {
  Facts result;
  result.host_addresses = {*IpAddress::parse("192.0.2.1")};
  result.bridges = {{"br-int", "1"}, {"br-tun", "2"}};
  const auto patch = [&](const char* name, const char* bridge, int ofport) {
    InterfaceFact fact;
    fact.port = name;
    fact.bridge = bridge;
    fact.type = "patch";
    fact.ofport = OfPort::make(ofport);
    result.interfaces[name] = fact;
  };
  patch("patch-tun", "br-int", 1);
  patch("patch-int", "br-tun", 1);
  return result;
}

Port& add_port(Intent& to, std::uint8_t id, std::uint8_t network, std::uint32_t vni) {
  Port port;
  port.id = uuid(id);
  port.mac = Mac({0xfa, 0x16, 0x3e, 0, 0, id});
  port.segment = Segment{uuid(network), NetworkType::Vxlan, "", vni};
  return to.ports.insert_or_assign(port.id, port).first->second;
}

InterfaceFact& plug(Facts& to, const std::string& name, std::uint8_t id, std::optional<int> ofport) {
  InterfaceFact fact;
  fact.port = name;
  fact.bridge = "br-int";
  if (ofport) fact.ofport = OfPort::make(*ofport);
  fact.iface_id = uuid(id).to_string();
  return to.interfaces.insert_or_assign(name, fact).first->second;
}

bool drops(const Desired& desired, int ofport) {
  return desired.flows.at("br-int").contains({0, 2, fmt::format("in_port={}", ofport)});
}

TEST(Compile, NothingIsStillATotalFunction) {
  const Desired desired = compile({}, {});
  EXPECT_EQ(desired.bridges.size(), 1U);  // br-int
  EXPECT_FALSE(desired.complete);
  EXPECT_EQ(desired.flows.at("br-int").size(), 9U);
  EXPECT_FALSE(desired.flows.contains("br-tun"));
}

TEST(Compile, EveryFlowCarriesTheMark) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5);
  plug(f, "tap1", 1, 3);
  plug(f, "tap2", 2, 4);
  for (const auto& [bridge, flows] : compile(i, f).flows) {
    for (const auto& [key, body] : flows) EXPECT_TRUE(of::is_ours(body.cookie)) << to_text(key, body);
  }
}

TEST(Compile, PortWithoutNumberWaits) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5);
  plug(f, "tap1", 1, std::nullopt);
  const Desired desired = compile(i, f);
  const PortState& state = desired.port_states.at(uuid(1));
  EXPECT_EQ(state.waiting, "ovs-vswitchd has not assigned an OpenFlow port to tap1 yet");
  EXPECT_EQ(state.interface, "tap1");
  EXPECT_EQ(desired.vifs.at("tap1").tag, 1);
  f.interfaces["tap1"].error = "could not open network device tap1 (No such device)";
  EXPECT_EQ(compile(i, f).port_states.at(uuid(1)).waiting,
            "ovs-vswitchd could not add tap1: could not open network device tap1 (No such device)");
}

TEST(Compile, DeadPortWithoutNumberHasNoFlow) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5).admin_state_up = false;
  plug(f, "tap1", 1, std::nullopt);
  const std::size_t flows = compile(i, f).flows.at("br-int").size();
  f.interfaces["tap1"].ofport = OfPort::make(3);
  const Desired desired = compile(i, f);
  EXPECT_EQ(desired.flows.at("br-int").size(), flows + 1);
  EXPECT_TRUE(drops(desired, 3));
  EXPECT_EQ(desired.flows.at("br-int").at({0, 2, "in_port=3"}).cookie, cookie_of_port(uuid(1)));
  EXPECT_TRUE(desired.vifs.at("tap1").dead);
  EXPECT_THAT(desired.local_vlans, IsEmpty());
}

TEST(Compile, TwoInterfacesOfOnePort) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5);
  plug(f, "tap1", 1, 3);
  InterfaceFact& second = plug(f, "tap2", 1, 4);
  Desired desired = compile(i, f);
  EXPECT_EQ(desired.port_states.at(uuid(1)).interface, "tap1");
  EXPECT_TRUE(desired.vifs.at("tap2").dead);
  EXPECT_TRUE(drops(desired, 4));
  EXPECT_THAT(desired.port_states.at(uuid(1)).warning, HasSubstr("tap2 has the same external_ids:iface-id"));
  // The one that is wired already stays.
  second.tag = 7;
  second.port_other_config = {{"net_uuid", uuid(101).to_string()}, {"segmentation_id", "5"}};
  desired = compile(i, f);
  EXPECT_EQ(desired.port_states.at(uuid(1)).interface, "tap2");
  EXPECT_EQ(desired.vifs.at("tap2").tag, 7);
  EXPECT_TRUE(desired.vifs.at("tap1").dead);
  EXPECT_FALSE(drops(desired, 4));
}

TEST(Compile, AnotherMacIsWiredWithAWarning) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5);
  plug(f, "tap1", 1, 3).attached_mac = "FA:16:3E:00:00:01";
  EXPECT_EQ(compile(i, f).port_states.at(uuid(1)).warning, "");
  f.interfaces["tap1"].attached_mac = "fa:16:3e:00:00:99";
  const Desired desired = compile(i, f);
  EXPECT_EQ(desired.vifs.at("tap1").tag, 1);
  EXPECT_EQ(desired.port_states.at(uuid(1)).waiting, "");
  EXPECT_THAT(desired.port_states.at(uuid(1)).warning,
              HasSubstr("external_ids:attached-mac of tap1 is fa:16:3e:00:00:99, but mac_address of the port is "
                        "fa:16:3e:00:00:01"));
}

TEST(Compile, AMachineThatOpenVswitchCannotServeIsNotWired) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5);
  plug(f, "vhu1", 1, 3).type = "dpdkvhostuserclient";
  EXPECT_EQ(compile(i, f).port_states.at(uuid(1)).waiting, "");
  f.interfaces["vhu1"].unserved = true;
  EXPECT_THAT(compile(i, f).port_states.at(uuid(1)).waiting, HasSubstr("ovs-vswitchd cannot serve it"));
}

TEST(Compile, UnknownInterfacesDieOnlyWhenTheIntentIsComplete) {
  Intent i = intent();
  Facts f = facts();
  plug(f, "tap1", 1, 3);
  plug(f, "tap2", 2, 4);
  i.refused[uuid(2)] = "no";
  i.complete = false;
  Desired desired = compile(i, f);
  EXPECT_FALSE(desired.vifs.contains("tap1"));
  EXPECT_TRUE(desired.vifs.at("tap2").dead);
  i.complete = true;
  EXPECT_TRUE(compile(i, f).vifs.at("tap1").dead);
}

TEST(Compile, AForeignIfaceIdIsLeftAlone) {
  Facts f = facts();
  plug(f, "tap1", 1, 3).iface_id = "vm-\x1b[2J";
  const Desired desired = compile(intent(), f);
  EXPECT_THAT(desired.vifs, IsEmpty());
  EXPECT_THAT(desired.waiting.at("interface tap1"),
              HasSubstr("external_ids:iface-id vm-\\x1b[2J is no port's UUID; left alone"));
}

TEST(Compile, InterfacesOfOtherBridgesAreNoPortsOfOurs) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5);
  plug(f, "tap1", 1, 3).bridge = "br-tun";
  EXPECT_THAT(compile(i, f).vifs, IsEmpty());
  EXPECT_EQ(compile(i, f).port_states.at(uuid(1)).interface, "");
}

TEST(Compile, BadMacsAreRefused) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5).mac = Mac({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  add_port(i, 2, 101, 5).mac = Mac();
  plug(f, "tap1", 1, 3);
  const Desired desired = compile(i, f);
  EXPECT_THAT(desired.port_states.at(uuid(1)).waiting,
              HasSubstr("mac_address ff:ff:ff:ff:ff:ff cannot be a port's own"));
  EXPECT_TRUE(desired.port_states.at(uuid(1)).refused);
  EXPECT_TRUE(desired.port_states.at(uuid(2)).refused);
  EXPECT_TRUE(desired.vifs.at("tap1").dead);
}

TEST(Compile, TwoNetworksWithOneVni) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 102, 5);
  add_port(i, 2, 101, 5);
  plug(f, "tap1", 1, 3);
  plug(f, "tap2", 2, 4);
  Desired desired = compile(i, f);
  EXPECT_EQ(desired.port_states.at(uuid(1)).waiting, "");
  EXPECT_THAT(desired.port_states.at(uuid(2)).waiting,
              HasSubstr(fmt::format("network {} uses the same vxlan segment on this host", uuid(102).to_string())));
  EXPECT_TRUE(desired.vifs.at("tap2").dead);
  // The one that was there first stays, whatever the order of ids.
  f.local_vlans = {{LocalVlanKey{uuid(101), 5}, *LocalVlan::make(9)}};
  desired = compile(i, f);
  EXPECT_EQ(desired.port_states.at(uuid(2)).waiting, "");
  EXPECT_TRUE(desired.vifs.at("tap1").dead);
}

TEST(Compile, TwoSegmentsOfOneNetworkWithOneId) {
  Intent i = intent();
  i.node.bridge_mappings = {{"p", "br-ex"}};
  Facts f = facts();
  f.bridges["br-ex"] = "3";
  add_port(i, 1, 101, 5);
  add_port(i, 2, 101, 5).segment = Segment{uuid(101), NetworkType::Vlan, "p", 5};
  plug(f, "tap1", 1, 3);
  plug(f, "tap2", 2, 4);
  const Desired desired = compile(i, f);
  EXPECT_EQ(desired.port_states.at(uuid(1)).waiting, "");
  EXPECT_THAT(desired.port_states.at(uuid(2)).waiting, HasSubstr("has another segment with segmentation_id 5"));
}

TEST(Compile, NoLocalIp) {
  Intent i = intent();
  i.vteps = {Vtep{NetworkType::Vxlan, *IpAddress::parse("192.0.2.2"), 0, "hv2"}};
  i.node.local_ip.reset();
  Desired desired = compile(i, facts());
  EXPECT_THAT(desired.waiting.at("tunnels"), HasSubstr("[ovs] local_ip is not set"));
  EXPECT_FALSE(desired.ports.contains("vxlan-c0000202"));
  EXPECT_EQ(desired.local_ip, "");
  EXPECT_EQ(desired.tunnel_bridge, "br-tun");
}

TEST(Compile, VtepTroubles) {
  Intent i = intent();
  Facts f = facts();
  i.vteps = {Vtep{NetworkType::Vxlan, *IpAddress::parse("192.0.2.2"), 0, "hv2"},
             Vtep{NetworkType::Vxlan, *IpAddress::parse("192.0.2.2"), 0, "hv2-by-another-name"},
             Vtep{NetworkType::Geneve, *IpAddress::parse("192.0.2.2"), 0, "hv2"}};
  Desired desired = compile(i, f);
  EXPECT_EQ(desired.ports.size(), 3U);  // the patch pair and one tunnel
  EXPECT_EQ(desired.waiting.at("vtep vxlan 192.0.2.2"),
            "ovs-vswitchd has not assigned an OpenFlow port to vxlan-c0000202 yet");
  InterfaceFact& tunnel = plug(f, "vxlan-c0000202", 0, std::nullopt);
  tunnel.iface_id.clear();
  tunnel.bridge = "br-tun";
  tunnel.type = "vxlan";
  tunnel.error = "File exists";
  EXPECT_EQ(compile(i, f).waiting.at("vtep vxlan 192.0.2.2"),
            "ovs-vswitchd could not add vxlan-c0000202: File exists");
  f.iface_types = {"patch", "internal"};
  desired = compile(i, f);
  EXPECT_THAT(desired.waiting.at("vtep vxlan 192.0.2.2"), HasSubstr("has no interface type vxlan"));
  EXPECT_EQ(desired.ports.size(), 2U);
}

TEST(Compile, TunnelOptions) {
  Intent i = intent();
  i.vteps = {Vtep{NetworkType::Vxlan, *IpAddress::parse("192.0.2.2"), 0, "hv2"}};
  const auto options = [&] { return compile(i, facts()).ports.at("vxlan-c0000202").options; };
  const std::map<std::string, std::string> plain{{"df_default", "true"},    {"egress_pkt_mark", "0"},
                                                 {"in_key", "flow"},        {"out_key", "flow"},
                                                 {"local_ip", "192.0.2.1"}, {"remote_ip", "192.0.2.2"}};
  EXPECT_EQ(options(), plain);
  i.node.dscp = 0;  // the incumbent writes no tos then
  EXPECT_EQ(options(), plain);
  i.node.dscp = 10;
  EXPECT_EQ(options().at("tos"), "40");
  i.node.dscp_inherit = true;
  EXPECT_EQ(options().at("tos"), "inherit");
  i.node.dont_fragment = false;
  EXPECT_EQ(options().at("df_default"), "false");
}

TEST(Compile, FlowBasedTunnels) {
  Intent i = intent();
  i.node.tunnel_mode = TunnelMode::FlowBased;
  i.node.vxlan_udp_port = 8472;
  i.vteps = {Vtep{NetworkType::Vxlan, *IpAddress::parse("192.0.2.2"), 8472, "hv2"},
             Vtep{NetworkType::Vxlan, *IpAddress::parse("192.0.2.3"), 4789, "hv3"}};
  Facts f = facts();
  Desired desired = compile(i, f);
  const std::map<std::string, std::string> usual{{"df_default", "true"},    {"egress_pkt_mark", "0"},
                                                 {"in_key", "flow"},        {"out_key", "flow"},
                                                 {"local_ip", "192.0.2.1"}, {"remote_ip", "flow"}};
  EXPECT_EQ(desired.ports.at("vxlan-flow").options, usual);  // both ends choose the lower UDP port
  EXPECT_EQ(desired.ports.at("vxlan-udp8472").options.at("dst_port"), "8472");
  EXPECT_EQ(desired.waiting.at("port vxlan-flow"),
            "ovs-vswitchd has not assigned an OpenFlow port to vxlan-flow yet");
  EXPECT_EQ(desired.ports.size(), 4U);  // the patch pair and these two
  f.iface_types = {"patch", "internal"};
  desired = compile(i, f);
  EXPECT_THAT(desired.waiting.at("port vxlan-udp8472"),
              HasSubstr("this ovs-vswitchd has no interface type vxlan; no vxlan tunnels"));
  EXPECT_EQ(desired.ports.size(), 2U);
}

TEST(Compile, AFloodTooLongForOneFlowGoesOnInTheNext) {
  Intent i = intent();
  i.node.tunnel_mode = TunnelMode::FlowBased;
  for (int number = 0; number < 2500; ++number) {
    const std::string address = fmt::format("198.18.{}.{}", number / 250, 1 + number % 250);
    i.vteps.insert(Vtep{NetworkType::Vxlan, *IpAddress::parse(address), 0, "host-" + address});
  }
  Facts f = facts();
  InterfaceFact& tunnel = plug(f, "vxlan-flow", 0, 2);
  tunnel.iface_id.clear();
  tunnel.bridge = "br-tun";
  tunnel.type = "vxlan";
  add_port(i, 1, 101, 5);
  plug(f, "tap1", 1, 3);
  const Desired desired = compile(i, f);
  const of::FlowSet& flows = desired.flows.at("br-tun");
  const auto copies = [&](const of::FlowKey& key) {
    const std::string_view actions = flows.at(key).actions;
    int count = 0;
    for (auto at = actions.find("output:2"); at != std::string::npos; at = actions.find("output:2", at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(copies({22, 1, "dl_vlan=1"}), 1000);
  EXPECT_THAT(flows.at({22, 1, "dl_vlan=1"}).actions.view(),
              ::testing::EndsWith(",set_field:0x1001->reg5,resubmit(,22)"));
  EXPECT_EQ(copies({22, 1, "reg5=0x1001"}), 1000);
  EXPECT_EQ(copies({22, 1, "reg5=0x2001"}), 500);
  EXPECT_THAT(flows.at({22, 1, "reg5=0x2001"}).actions.view(), ::testing::EndsWith("198.18.9.250->tun_dst,output:2"));
}

TEST(Compile, UdpPortOfAPair) {
  Intent i = intent();
  const auto dst_port = [&](std::uint16_t own, std::uint16_t theirs) {
    i.node.vxlan_udp_port = own;
    i.vteps = {Vtep{NetworkType::Vxlan, *IpAddress::parse("192.0.2.2"), theirs, "hv2"}};
    const Desired desired = compile(i, facts());
    const auto& options = desired.ports.at("vxlan-c0000202").options;
    return options.contains("dst_port") ? options.at("dst_port") : "default";
  };
  EXPECT_EQ(dst_port(4789, 0), "default");
  EXPECT_EQ(dst_port(4789, 8472), "default");
  EXPECT_EQ(dst_port(8472, 4789), "default");
  EXPECT_EQ(dst_port(8472, 0), "8472");
  EXPECT_EQ(dst_port(8472, 9000), "8472");
}

TEST(Compile, TwoBridgesWithOneDatapathId) {
  Intent i = intent();
  i.node.bridge_mappings = {{"a", "br-a"}, {"b", "br-b"}, {"c", "br-c"}};
  Facts f = facts();
  f.bridges["br-a"] = "0000aabbccddeeff";
  f.bridges["br-b"] = "0000aabbccddeeff";
  f.bridges["br-c"] = "";  // not made yet
  const Desired desired = compile(i, f);
  EXPECT_FALSE(desired.bridges.at("br-a").other_config.contains("datapath-id"));
  EXPECT_EQ(desired.bridges.at("br-b").other_config.at("datapath-id"), "0003aabbccddeeff");
  EXPECT_FALSE(desired.bridges.at("br-c").other_config.contains("datapath-id"));
}

TEST(Compile, MtuIsAskedForWhereOpenVswitchMakesTheDevice) {
  Intent i = intent();
  Facts f = facts();
  add_port(i, 1, 101, 5).mtu = 1430;
  InterfaceFact& interface = plug(f, "vhu1", 1, 3);
  EXPECT_EQ(compile(i, f).vifs.at("vhu1").interface, "");  // a tap: who plugs it sets its MTU
  interface.type = "dpdkvhostuserclient";
  EXPECT_EQ(compile(i, f).vifs.at("vhu1").interface, "vhu1");
  EXPECT_EQ(compile(i, f).vifs.at("vhu1").mtu_request, 1430);
  EXPECT_EQ(compile(i, f).port_states.at(uuid(1)).waiting, "");
}

TEST(Compile, IgmpSnooping) {
  Intent i = intent();
  i.node.igmp_snooping_enable = true;
  Desired desired = compile(i, facts());
  EXPECT_EQ(desired.bridges.at("br-int").mcast_snooping_enable, true);
  EXPECT_EQ(desired.bridges.at("br-int").other_config.at("mcast-snooping-disable-flood-unregistered"), "true");
  EXPECT_EQ(desired.ports.at("patch-tun").other_config.at("mcast-snooping-flood-reports"), "True");
  EXPECT_EQ(desired.ports.at("patch-tun").other_config.at("mcast-snooping-flood"), "False");
  EXPECT_THAT(desired.ports.at("patch-int").other_config, IsEmpty());
}

TEST(Compile, PatchPortsWaitForTheirNumbers) {
  Intent i = intent();
  i.node.bridge_mappings = {{"p", "br-ex"}};
  Facts f = facts();
  f.bridges["br-ex"] = "3";
  add_port(i, 1, 101, 5).segment = Segment{uuid(101), NetworkType::Vlan, "p", 5};
  plug(f, "tap1", 1, 3);
  const Desired desired = compile(i, f);
  EXPECT_TRUE(desired.ports.at("int-br-ex").hold_peer);
  EXPECT_TRUE(desired.ports.at("phy-br-ex").hold_peer);
  EXPECT_EQ(desired.port_states.at(uuid(1)).waiting,
            "ovs-vswitchd has not assigned OpenFlow ports to int-br-ex and phy-br-ex yet");
  EXPECT_EQ(desired.vifs.at("tap1").tag, 1);
}

// How often everything is made anew when ovs-vswitchd has rows to carry out, and has carried them out.
std::uint64_t from_nothing_by_settling(Facts f) {
  const Intent i = intent();
  Compiler compiler([](const of::FlowKey& key, const of::FlowBody& body) { return std::pair(key, body); });
  IntentChanges first;
  first.all = true;
  compiler.update(i, first, f, {});
  const std::uint64_t before = compiler.from_nothing();
  FactsChanges changes;
  changes.settled = true;
  for (const bool settled : {false, true}) {
    f.settled = settled;
    compiler.update(i, {}, f, changes);
    EXPECT_THAT(differences(compiler.desired(), compile(i, f)), IsEmpty()) << "settled: " << settled;
  }
  return compiler.from_nothing() - before;
}

TEST(Compile, ABridgeThatCannotBeGivenBackWaitsForNoRows) {
  Facts f = facts();
  f.bridges["br-ex"] = "3";
  f.taken_bridges = {"br-ex"};
  EXPECT_EQ(from_nothing_by_settling(f), 0U);
}

TEST(Compile, OneThatIsPartedDoes) {
  Facts f = facts();
  f.bridges["br-ex"] = "3";
  f.taken_bridges = {"br-ex"};
  for (const auto& [name, bridge] : {std::pair("int-br-ex", "br-int"), std::pair("phy-br-ex", "br-ex")}) {
    InterfaceFact& fact = f.interfaces[name];
    fact.port = name;
    fact.owned = true;
    fact.bridge = bridge;
    fact.type = "patch";
    fact.ofport = OfPort::make(7);
    fact.peer = kNoPeer;
  }
  EXPECT_EQ(from_nothing_by_settling(f), 2U);
}

TEST(Facts, FromRows) {
  ovsdb::Vswitch rows;
  rows.next_cfg = 3;
  rows.cur_cfg = 2;
  ovsdb::InterfaceRow interface;
  interface.name = "tap1";
  interface.ofport = -1;
  interface.error = "no such device";
  interface.external_ids = {{"iface-id", "x"}, {"attached-mac", "fa:16:3e:00:00:01"}};
  rows.interfaces["tap1"] = interface;
  rows.interface_port["tap1"] = "bond0";
  ovsdb::PortRow port;
  port.name = "bond0";
  port.tag = 4095;
  port.external_ids = {{kOwnerKey, kOwnerValue}};
  rows.ports["bond0"] = port;
  rows.port_bridge["bond0"] = "br-int";
  rows.bridges["br-int"].datapath_id = "00000000000000aa";
  const Facts result = gather_facts(rows, {}, {});
  const InterfaceFact& fact = result.interfaces.at("tap1");
  EXPECT_EQ(fact.port, "bond0");
  EXPECT_EQ(fact.bridge, "br-int");
  EXPECT_EQ(fact.ofport, std::nullopt);
  EXPECT_EQ(fact.error, "no such device");
  EXPECT_EQ(fact.iface_id, "x");
  EXPECT_EQ(fact.tag, 4095);
  EXPECT_TRUE(fact.owned);
  EXPECT_FALSE(result.settled);
  EXPECT_EQ(result.bridges.at("br-int"), "00000000000000aa");
}

}  // namespace
}  // namespace ml2
