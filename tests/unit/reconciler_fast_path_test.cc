// agent/reconcile with [fastpath] enabled: a node in memory whose fast path has real tables.
#include <gmock/gmock.h>

#include <algorithm>

#include "agent/reconcile/plan_text.h"
#include "agent/reconcile/reconciler.h"
#include "datapath/compile/compile.h"
#include "datapath/compile/fast_path_ids.h"
#include "tests/fakes/fake_node.h"

namespace ml2::reconcile {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Uuid kNetwork = *Uuid::parse("11111111-0000-4000-8000-000000000001");
const Uuid kPort = *Uuid::parse("22222222-2222-4000-8000-000000000001");
const Uuid kOther = *Uuid::parse("33333333-3333-4000-8000-000000000001");
const IpAddress kRemote = *IpAddress::parse("192.0.2.2");
const Mac kRemoteMac = *Mac::parse("02:00:00:00:00:02");
constexpr const char* kTap = "tap22222222-22";

NodeConfig node() {
  NodeConfig node{.host = "hv1", .local_ip = IpAddress::parse("192.0.2.1"), .tunnel_types = {NetworkType::Vxlan}};
  node.fast_path.enabled = true;
  node.fast_path.all_ports = true;
  node.fast_path.tunnel_device = "net_af_packet_up,iface=eth0";
  return node;
}

Port port(const Uuid& id, const char* mac) {
  return {.id = id,
          .name = "vm",
          .segment = {.network = kNetwork, .type = NetworkType::Vxlan, .segmentation_id = 1001},
          .mac = *Mac::parse(mac),
          .fixed_ips = {*IpAddress::parse("10.1.0.1")}};
}

Intent intent() {
  Intent intent{.node = node(), .complete = true};
  intent.ports.emplace(kPort, port(kPort, "fa:16:3e:00:00:01"));
  intent.vteps.insert(Vtep{.type = NetworkType::Vxlan, .address = kRemote, .host = "hv2"});
  return intent;
}

class FastPathNode : public ::testing::Test {
 protected:
  FastPathNode() : node_(node()) {
    must({{nl::SetLink{.name = "eth0", .up = true}}});
    node_.host().add_device(kTap, Mac({0x02, 0, 0, 0, 0, 9}), "tun");
    must({{nl::SetLink{.name = kTap, .up = true}}});
    must({{nl::ReplaceNeighbour{.link = "eth0", .address = kRemote, .mac = kRemoteMac}}});
    node_.source().set(intent());
    node_.run();
  }
  void must(const nl::Batch& batch) {
    const Status applied = node_.kernel().apply(batch);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  [[nodiscard]] intent::PortReport report(const Uuid& id = kPort) { return node_.agent().port_reports().at(id); }
  // Whatever was skipped on the way: it is what compile() makes of the same from nothing.
  void expect_converged() {
    const Desired whole = compile(*node_.source().intent(), node_.agent().facts());
    EXPECT_TRUE(whole.fast_path.tables == node_.agent().desired().fast_path.tables);
    EXPECT_EQ(whole.fast_path.next_hops, node_.agent().desired().fast_path.next_hops);
    EXPECT_TRUE(node_.agent().converged()) << to_text(node_.agent().plan(), node_.agent().node());
  }
  // Longer than a problem's patience and any pause.
  void later() {
    node_.run();
    node_.clock().advance(std::chrono::seconds(40));
    node_.run();
  }

  FakeNode node_;
};

TEST_F(FastPathNode, APortItsSegmentAndTheVtepComeUp) {
  expect_converged();
  EXPECT_EQ(report().status, intent::PortStatus::Active) << report().reason;
  const fp::Tables tables = node_.fast_path().tables();
  ASSERT_EQ(tables.ports.size(), 2U);
  ASSERT_EQ(tables.segments.size(), 1U);
  EXPECT_EQ(tables.segments.begin()->second.vni, 1001U);
  ASSERT_EQ(tables.vteps.size(), 1U);
  EXPECT_EQ(fp::mac_of(tables.vteps.begin()->second.next_hop_mac), kRemoteMac);
  EXPECT_EQ(tables.floods.size(), 1U);
  EXPECT_EQ(tables.fdb.size(), 1U);
  // Open vSwitch has no tunnel of its own.
  EXPECT_FALSE(node_.agent().desired().ports.contains("vxlan-c0000202"));
  EXPECT_TRUE(node_.agent().source().intent()->complete);
}

TEST_F(FastPathNode, ARestartedAgentSendsNothing) {
  const std::uint64_t changes = node_.fast_path().changes();
  node_.start_agent();
  later();
  expect_converged();
  EXPECT_EQ(node_.fast_path().changes(), changes);
  EXPECT_EQ(report().status, intent::PortStatus::Active);
}

TEST_F(FastPathNode, ARestartedAgentKeepsTheNumbersThatOthersHave) {
  // A history that no order of allocation would repeat: the first port's number was given by somebody else.
  fp::Tables before = node_.fast_path().tables();
  node_.fast_path().stop();
  node_.fast_path().start();
  fp::Tables moved;
  for (auto [id, record] : before.ports) {
    record.id = static_cast<fp::PortId>(id % 4000 + 7);
    moved.put(record);
  }
  for (auto [id, record] : before.segments) {
    record.id = static_cast<fp::SegmentId>(id % 60000 + 7);
    moved.put(record);
  }
  (void)node_.fast_path().apply({.full = true, .put = moved});
  node_.start_agent();
  later();
  expect_converged();
  const fp::Tables after = node_.fast_path().tables();
  for (const auto& [id, record] : moved.ports) EXPECT_TRUE(after.ports.contains(id));
  for (const auto& [id, record] : moved.segments) EXPECT_TRUE(after.segments.contains(id));
  EXPECT_EQ(after.ports.size(), before.ports.size());
}

TEST_F(FastPathNode, ARestartedFastPathIsFilledAgain) {
  const fp::Tables before = node_.fast_path().tables();
  node_.fast_path().stop();
  later();
  EXPECT_FALSE(node_.agent().converged());
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("no ml2-fastpath answers")));
  EXPECT_EQ(report().status, intent::PortStatus::Active);  // as while ovs-vswitchd is away
  node_.fast_path().start();
  node_.run();
  expect_converged();
  EXPECT_TRUE(node_.fast_path().tables() == before);
  EXPECT_EQ(node_.fast_path().generation(), 1U);
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
}

TEST_F(FastPathNode, WithoutAFastPathOpenVswitchIsServedAndPortsWait) {
  node_.fast_path().stop();
  node_.start_agent();
  later();
  EXPECT_TRUE(node_.agent().in_sync());
  EXPECT_GT(node_.transactions(), 0U);
  EXPECT_EQ(report().status, intent::PortStatus::Down);
  EXPECT_THAT(report().reason, HasSubstr("on their way to the fast path"));
}

TEST_F(FastPathNode, ARefusedDeviceIsSaidAndTheOthersGoOn) {
  const std::string device = std::string("net_af_packet_") + kTap;
  node_.fast_path().stop();
  node_.fast_path().refuse_device(device, "device " + device + " cannot be opened: No such device");
  node_.fast_path().start();
  node_.start_agent();
  later();
  EXPECT_EQ(report().status, intent::PortStatus::Down);
  EXPECT_THAT(report().reason, HasSubstr("cannot be opened: No such device"));
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("cannot be opened: No such device")));
  EXPECT_EQ(node_.fast_path().tables().ports.size(), 1U);  // the NIC

  // While that one is tried again only now and then, another port does not wait for it.
  node_.host().add_device("tap33333333-33", Mac({0x02, 0, 0, 0, 0, 8}), "tun");
  Intent more = intent();
  more.ports.emplace(kOther, port(kOther, "fa:16:3e:00:00:02"));
  node_.source().set(more);
  node_.run();
  EXPECT_EQ(report(kOther).status, intent::PortStatus::Active) << report(kOther).reason;

  node_.fast_path().refuse_device(device, "");
  later();
  expect_converged();
  EXPECT_EQ(report().status, intent::PortStatus::Active);
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
}

TEST_F(FastPathNode, TheAddressesOfARefusedPortAreOneSentence) {
  const std::string device = std::string("net_af_packet_") + kTap;
  node_.fast_path().stop();
  node_.fast_path().refuse_device(device, "device " + device + " cannot be opened: No such device");
  node_.fast_path().start();
  node_.host().add_device("tap33333333-33", Mac({0x02, 0, 0, 0, 0, 8}), "tun");
  node_.fast_path().refuse_device("net_af_packet_tap33333333-33", "no such device either");
  Intent more = intent();
  more.ports.emplace(kOther, port(kOther, "fa:16:3e:00:00:02"));
  node_.source().set(more);
  later();
  const std::set<std::string> problems = node_.agent().problems();
  EXPECT_EQ(std::ranges::count_if(problems, [](const std::string& p) { return p.find("FDB entry") != p.npos; }), 1)
      << ::testing::PrintToString(problems);
  EXPECT_THAT(problems, Contains(HasSubstr("and 1 more addresses: ")));
  EXPECT_THAT(problems, Contains(HasSubstr("no such device either")));
}

TEST_F(FastPathNode, OtherProcessorsThanTheIniSaysAreAProblem) {
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
  Intent asked = intent();
  asked.node.fast_path.cores = {2, 3};
  node_.set_node(asked.node);
  node_.start_agent();
  node_.source().set(asked);
  later();
  EXPECT_THAT(node_.agent().problems(),
              Contains(HasSubstr("runs on processors 1, and [fastpath] cores of this host is 2,3")));
  node_.fast_path().stop();
  node_.fast_path().run_on({3, 2});
  later();
  node_.fast_path().start();
  later();
  expect_converged();
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
}

TEST_F(FastPathNode, ANicWithoutALinkIsAProblem) {
  node_.fast_path().trouble("net_af_packet_up,iface=eth0", "its interface eth0 is not there");
  later();
  EXPECT_THAT(node_.agent().problems(),
              Contains("fast path: tunnel_device net_af_packet_up,iface=eth0: its interface eth0 is not there; the "
                       "tunnels of this host carry nothing"));
  expect_converged();  // nothing that the agent could do
  node_.fast_path().trouble("net_af_packet_up,iface=eth0", "");
  later();
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
}

TEST_F(FastPathNode, ALostConnectionSaysNothingAboutLinks) {
  node_.fast_path().trouble("net_af_packet_up,iface=eth0", "its interface eth0 is not there");
  later();
  node_.fast_path().stop();
  later();
  EXPECT_THAT(node_.agent().problems(), Not(Contains(HasSubstr("its interface eth0 is not there"))));
  node_.fast_path().start();
  later();
  const auto& events = node_.agent().journal().events();
  const auto said = [&](const char* text) {
    return std::count_if(events.begin(), events.end(), [&](const Event& event) { return event.text == text; });
  };
  EXPECT_EQ(said("device net_af_packet_up,iface=eth0: no trouble any more"), 0);
  EXPECT_EQ(said("device net_af_packet_up,iface=eth0: its interface eth0 is not there"), 2);
  node_.fast_path().trouble("net_af_packet_up,iface=eth0", "");
  later();
  EXPECT_EQ(said("device net_af_packet_up,iface=eth0: no trouble any more"), 1);
}

TEST_F(FastPathNode, TheNextHopIsAskedForAndFollowed) {
  must({{nl::DeleteNeighbour{.link = "eth0", .address = kRemote}}});
  node_.fast_path().stop();
  node_.fast_path().start();
  const std::uint64_t asked = node_.kernel().operations_done();
  later();
  EXPECT_GT(node_.kernel().operations_done(), asked);
  EXPECT_THAT(node_.fast_path().tables().vteps, IsEmpty());
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("no answer from 192.0.2.2 on eth0")));
  must({{nl::ReplaceNeighbour{.link = "eth0", .address = kRemote, .mac = kRemoteMac}}});
  node_.run();
  ASSERT_EQ(node_.fast_path().tables().vteps.size(), 1U);
  const Mac other = *Mac::parse("02:00:00:00:00:03");
  must({{nl::ReplaceNeighbour{.link = "eth0", .address = kRemote, .mac = other}}});
  node_.run();
  EXPECT_EQ(fp::mac_of(node_.fast_path().tables().vteps.begin()->second.next_hop_mac), other);
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
  // What the kernel has forgotten is kept, also over a restart.
  must({{nl::DeleteNeighbour{.link = "eth0", .address = kRemote}}});
  node_.start_agent();
  later();
  expect_converged();
  EXPECT_EQ(fp::mac_of(node_.fast_path().tables().vteps.begin()->second.next_hop_mac), other);
  EXPECT_THAT(
      node_.agent().problems(),
      Contains("vtep 192.0.2.2: host hv2: no answer from 192.0.2.2 on eth0, the next hop to 192.0.2.2; its last "
               "known MAC 02:00:00:00:00:03 is used"));
  must({{nl::ReplaceNeighbour{.link = "eth0", .address = kRemote, .mac = other}}});
  later();
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
}

TEST_F(FastPathNode, NothingIsDeletedBeforeTheIntentIsComplete) {
  const fp::Tables before = node_.fast_path().tables();
  Intent less = intent();
  less.ports.clear();
  less.complete = false;
  node_.source().set(less);
  later();
  EXPECT_TRUE(node_.fast_path().tables() == before);
  less.complete = true;
  node_.source().set(less);
  later();
  EXPECT_EQ(node_.fast_path().tables().ports.size(), 1U);
}

TEST_F(FastPathNode, SomebodyElsesChangeIsMended) {
  later();
  const fp::Tables before = node_.fast_path().tables();
  const std::uint64_t compiled = node_.agent().counters().from_nothing;
  const std::uint64_t steps = node_.agent().counters().steps;
  fp::Update wrong;
  for (const auto& [key, record] : before.fdb) wrong.remove.put(record);
  (void)node_.fast_path().apply(wrong);
  node_.run();
  EXPECT_TRUE(node_.fast_path().tables() == before);
  expect_converged();
  // A step, or several, that found nothing to compile: what is wanted is the same.
  EXPECT_GT(node_.agent().counters().steps, steps);
  EXPECT_EQ(node_.agent().counters().from_nothing, compiled);
  // A neighbour that is nobody's next hop is no news.
  const std::uint64_t then = node_.agent().counters().steps;
  must({{nl::ReplaceNeighbour{.link = "eth0", .address = *IpAddress::parse("192.0.2.77"), .mac = kRemoteMac}}});
  node_.run();
  EXPECT_EQ(node_.agent().counters().steps, then);
}

// As of a port on Open vSwitch: in the report at once, with its number, and gone after a quiet minute.
TEST_F(FastPathNode, WhatAntiSpoofingDropsIsInThatPortsReport) {
  node_.host().add_device("tap33333333-33", Mac({0x02, 0, 0, 0, 0, 8}), "tun");
  Intent more = intent();
  more.ports.emplace(kOther, port(kOther, "fa:16:3e:00:00:02"));
  node_.source().set(more);
  later();
  const PortState& state = node_.agent().desired().port_states.at(kPort);
  const std::uint64_t changes = node_.fast_path().changes();
  node_.fast_path().drop(state.fast_path_port, {.macs = 3});
  node_.run();
  EXPECT_EQ(report().status, intent::PortStatus::Active);
  EXPECT_THAT(report().reason, HasSubstr("drops frames from MACs that are not this port's, since "));
  EXPECT_THAT(node_.source().last_report().ports.at(kPort).reason, HasSubstr("from MACs"));
  EXPECT_EQ(node_.source().last_report().ports.at(kOther).reason, "");
  EXPECT_EQ(node_.agent().spoofed_frames(state), 3U);
  // Each kind has its sentence and its minute.
  node_.clock().advance(std::chrono::seconds(40));
  node_.fast_path().drop(state.fast_path_port, {.announcements = 1, .addresses = 1});
  node_.run();
  EXPECT_THAT(report().reason, HasSubstr("drops ARP or neighbour advertisements"));
  EXPECT_THAT(report().reason, HasSubstr("drops packets from addresses that are not this port's"));
  EXPECT_THAT(report().reason, HasSubstr("from MACs"));
  EXPECT_EQ(node_.agent().spoofed_frames(state), 5U);
  node_.clock().advance(std::chrono::seconds(21));
  node_.run();
  EXPECT_THAT(report().reason, ::testing::Not(HasSubstr("from MACs")));
  EXPECT_THAT(report().reason, HasSubstr("drops ARP"));
  node_.clock().advance(std::chrono::seconds(40));
  node_.run();
  EXPECT_EQ(report().reason, "");
  EXPECT_EQ(node_.agent().spoofed_frames(state), 0U);
  EXPECT_EQ(node_.fast_path().changes(), changes);  // only said
}

TEST_F(FastPathNode, WhatWasDroppedBeforeIsNobodysFaultNow) {
  later();
  const fp::PortId number = node_.agent().desired().port_states.at(kPort).fast_path_port;
  node_.fast_path().drop(number, {.macs = 3});
  node_.start_agent();
  later();
  EXPECT_EQ(report().reason, "");
  // A fast path that was started again counts from zero.
  node_.fast_path().stop();
  later();
  node_.fast_path().start();
  later();
  EXPECT_EQ(report().reason, "");
  node_.fast_path().drop(number, {.macs = 1});
  node_.run();
  EXPECT_THAT(report().reason, HasSubstr("from MACs"));
}

// A port more, its tap, and its going: nothing else is compiled.
TEST_F(FastPathNode, APortMoreCompilesNothingElse) {
  later();
  const std::uint64_t compiled = node_.agent().counters().from_nothing;
  Intent more = intent();
  more.ports.emplace(kOther, port(kOther, "fa:16:3e:00:00:02"));
  node_.source().set(more);
  node_.run();
  EXPECT_EQ(report(kOther).status, intent::PortStatus::Down);
  node_.host().add_device("tap33333333-33", Mac({0x02, 0, 0, 0, 0, 8}), "tun");
  node_.run();
  EXPECT_EQ(report(kOther).status, intent::PortStatus::Active) << report(kOther).reason;
  expect_converged();
  node_.source().set(intent());
  node_.run();
  EXPECT_EQ(node_.fast_path().tables().ports.size(), 2U);
  expect_converged();
  // So does a next hop that moves.
  must({{nl::ReplaceNeighbour{.link = "eth0", .address = kRemote, .mac = *Mac::parse("02:00:00:00:00:03")}}});
  node_.run();
  expect_converged();
  EXPECT_EQ(node_.agent().counters().from_nothing, compiled);
}

// Ports on both, in one network: a pair of devices joins them.
TEST_F(FastPathNode, OpenVswitchsPortsReachTheNetworkThroughThePatch) {
  Intent both = intent();
  both.ports.emplace(kOther, port(kOther, "fa:16:3e:00:00:02"));
  node_.source().set(both);
  node_.run();
  node_.plug("tapovs", kOther);
  later();
  expect_converged();
  EXPECT_EQ(report(kOther).status, intent::PortStatus::Active) << report(kOther).reason;
  const LocalVlan vlan = *node_.agent().desired().port_states.at(kOther).local_vlan;
  const FastPathIds ids = known_ids(nullptr, node_.agent().desired().fast_path.ids);
  const fp::PortId patch = *ids.ports.of(std::string("net_af_packet_") + kFastPathPatchPeer);
  const fp::Tables tables = node_.fast_path().tables();
  const auto attachment = tables.attachments.find({patch, tables.segments.begin()->first});
  ASSERT_NE(attachment, tables.attachments.end());
  EXPECT_EQ(attachment->second.vlan, vlan.value());
  const auto fdb = tables.fdb.find({tables.segments.begin()->first, *Mac::parse("fa:16:3e:00:00:02")});
  ASSERT_NE(fdb, tables.fdb.end());
  EXPECT_EQ(fdb->second.port, patch);
  // And the way back is the same after a restart.
  const std::uint64_t changes = node_.fast_path().changes();
  const std::size_t transactions = node_.transactions();
  node_.start_agent();
  later();
  expect_converged();
  EXPECT_EQ(node_.fast_path().changes(), changes);
  EXPECT_EQ(node_.transactions(), transactions);
}

}  // namespace
}  // namespace ml2::reconcile
