// agent/reconcile: the gate, convergence, restarts and failures, on a node in memory.
#include "agent/reconcile/reconciler.h"

#include <gmock/gmock.h>

#include "agent/reconcile/cleaner.h"
#include "agent/reconcile/plan_text.h"
#include "datapath/openflow/cookie.h"
#include "datapath/openflow/pipeline.h"
#include "tests/fakes/fake_node.h"

namespace ml2::reconcile {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Uuid kNetwork = *Uuid::parse("11111111-0000-4000-8000-000000000001");
const Uuid kPort = *Uuid::parse("22222222-0000-4000-8000-000000000001");

NodeConfig node() {
  return {.host = "hv1",
          .bridge_mappings = {{"physnet1", "br-ex"}},
          .local_ip = IpAddress::parse("192.0.2.1"),
          .tunnel_types = {NetworkType::Vxlan}};
}

Intent intent_with_port() {
  Intent intent{.node = node(), .complete = true};
  intent.ports.emplace(kPort,
                       Port{.id = kPort,
                            .name = "vm1",
                            .segment = {.network = kNetwork, .type = NetworkType::Vxlan, .segmentation_id = 1001},
                            .mac = *Mac::parse("fa:16:3e:00:00:01")});
  intent.vteps.insert(Vtep{.type = NetworkType::Vxlan, .address = *IpAddress::parse("192.0.2.2"), .host = "hv2"});
  return intent;
}

// A node with everything wired.
class Wired : public ::testing::Test {
 protected:
  Wired() : node_(node()) {
    node_.add_bridge("br-ex");
    node_.source().set(intent_with_port());
    node_.run();
    node_.plug("tap1", kPort);
    node_.run();
  }
  void expect_converged() {
    EXPECT_TRUE(node_.agent().converged()) << to_text(node_.agent().plan(), node_.agent().node());
    EXPECT_EQ(node_.agent().port_reports().at(kPort).status, intent::PortStatus::Active)
        << node_.agent().port_reports().at(kPort).reason;
  }
  void restart_unmapped() {
    Intent unmapped = intent_with_port();
    unmapped.node.bridge_mappings.clear();
    node_.set_node(unmapped.node);
    node_.source().set(unmapped);
    node_.start_agent();
    node_.run(20);
    expect_converged();
  }

  FakeNode node_;
};

TEST(Gate, NothingIsChangedBeforeEverythingWasRead) {
  FakeNode fake(node());
  fake.run();
  EXPECT_FALSE(fake.agent().in_sync());
  EXPECT_THAT(fake.agent().gate(), Contains(HasSubstr("test at memory not read yet")));
  EXPECT_EQ(fake.transactions(), 0U);

  fake.vswitch().disconnect();
  fake.source().set(intent_with_port());
  fake.start_agent();
  fake.run();
  EXPECT_EQ(fake.transactions(), 0U);
}

TEST(Gate, WaitsForTheFlowsOfBridgesThatExist) {
  FakeNode fake(node());
  fake.add_bridge("br-int");
  fake.run_vswitchd();
  fake.of_switch("br-int").disconnect();
  fake.source().set(intent_with_port());
  fake.run();
  EXPECT_THAT(fake.agent().gate(), Contains(HasSubstr("flows of bridge br-int")));
  EXPECT_EQ(fake.transactions(), 0U);
  fake.of_switch("br-int").reconnect();
  fake.run();
  EXPECT_TRUE(fake.agent().in_sync());
}

TEST(Gate, OpensOnAHostWithoutABridgeOfOurs) {
  FakeNode fake(node());
  fake.source().set(intent_with_port());
  fake.run();
  EXPECT_TRUE(fake.agent().in_sync());
  EXPECT_TRUE(fake.of_switch("br-int").table().size() > 3);
  EXPECT_THAT(fake.agent().problems(), Contains(HasSubstr("br-ex")));
}

TEST_F(Wired, Converges) {
  expect_converged();
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
  EXPECT_EQ(node_.source().last_report().ports.at(kPort).status, intent::PortStatus::Active);
}

TEST_F(Wired, ARestartChangesNothing) {
  const std::size_t transactions = node_.transactions();
  const std::size_t bundles = node_.bundles();
  node_.start_agent();
  node_.run();
  expect_converged();
  EXPECT_EQ(node_.transactions(), transactions);
  EXPECT_EQ(node_.bundles(), bundles);
}

TEST_F(Wired, ARestartWithTheSourceAwayChangesNothing) {
  const std::size_t transactions = node_.transactions();
  const of::FlowSet flows = node_.of_switch("br-int").table();
  Intent nothing{.node = node(), .complete = false};
  node_.source().set(nothing);
  node_.start_agent();
  node_.run();
  EXPECT_EQ(node_.transactions(), transactions);
  EXPECT_EQ(node_.of_switch("br-int").table(), flows);
}

TEST_F(Wired, ARestartOfVswitchdBringsAllFlowsBack) {
  const of::FlowSet before = node_.of_switch("br-int").table();
  node_.of_switch("br-int").restart();
  node_.run();
  expect_converged();
  EXPECT_EQ(node_.of_switch("br-int").table(), before);
}

TEST_F(Wired, WhileASwitchIsAwayItIsLeftAloneAndTheOthersGoOn) {
  node_.of_switch("br-tun").disconnect();
  Intent more = intent_with_port();
  const Uuid second = Uuid::random();
  Port port = more.ports.at(kPort);
  port.id = second;
  more.ports.emplace(second, port);
  node_.source().set(more);
  node_.plug("tap2", second);
  node_.run();
  const auto tun_before = node_.of_switch("br-tun").sent().size();
  EXPECT_FALSE(node_.agent().converged());
  node_.of_switch("br-tun").reconnect();
  node_.run();
  expect_converged();
  EXPECT_LE(node_.of_switch("br-tun").sent().size(), tun_before + 1);
}

TEST_F(Wired, AFlowDeletedByHandIsRepairedAndAForeignOneIsLeftAlone) {
  const of::FlowSet before = node_.of_switch("br-int").table();
  const of::FlowKey foreign{0, 7, "udp,tp_dst=53"};
  node_.of_switch("br-int").remove(before.begin()->first);
  node_.of_switch("br-int").put(foreign, {.actions = "drop", .cookie = 0x1234});
  node_.run();
  expect_converged();
  of::FlowSet after = node_.of_switch("br-int").table();
  EXPECT_EQ(after.erase(foreign), 1U);
  EXPECT_EQ(after, before);
}

TEST_F(Wired, ARefusedBundleIsNotRetriedHotAndSaysSo) {
  node_.of_switch("br-int").refuse_next_bundle({ErrorKind::Invalid, "OFPBAC_BAD_OUT_PORT"});
  const std::size_t before = node_.of_switch("br-int").sent().size();
  node_.of_switch("br-int").remove(node_.of_switch("br-int").table().begin()->first);
  node_.run(5);
  EXPECT_EQ(node_.of_switch("br-int").sent().size(), before + 1);
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("OFPBAC_BAD_OUT_PORT")));
  node_.clock().advance(BackOff::kFirst);
  node_.run();
  EXPECT_EQ(node_.of_switch("br-int").sent().size(), before + 2);
  expect_converged();
  EXPECT_THAT(node_.agent().problems(), IsEmpty());
}

TEST_F(Wired, AProblemIsToldToTheSourceWhenItHasStoodForASecond) {
  Intent more = intent_with_port();
  more.node.bridge_mappings["physnet2"] = "br-none";
  node_.source().set(more);
  node_.run(5);
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("br-none")));
  EXPECT_THAT(node_.source().last_report().problems, IsEmpty());
  node_.clock().advance(std::chrono::seconds(1));
  node_.run(1);
  EXPECT_THAT(node_.source().last_report().problems, Contains(HasSubstr("br-none")));
  node_.source().set(intent_with_port());
  node_.run();
  EXPECT_THAT(node_.source().last_report().problems, IsEmpty());
}

TEST_F(Wired, ALostOutcomeIsJudgedByTheNextReading) {
  node_.of_switch("br-int").lose_next_outcome();
  node_.of_switch("br-int").remove(node_.of_switch("br-int").table().begin()->first);
  node_.run(3);
  node_.clock().advance(BackOff::kFirst);
  node_.run();
  expect_converged();
}

TEST_F(Wired, ARefusedTransactionIsNotRetriedHot) {
  node_.vswitch().fail_next_commit({ErrorKind::Invalid, "constraint violation"});
  Intent more = intent_with_port();
  more.vteps.insert(Vtep{.type = NetworkType::Vxlan, .address = *IpAddress::parse("192.0.2.3"), .host = "hv3"});
  node_.source().set(more);
  const std::uint64_t before = node_.agent().counters().transactions;
  node_.run(5);
  EXPECT_EQ(node_.agent().counters().transactions, before + 1);
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("constraint violation")));
  node_.clock().advance(BackOff::kFirst);
  node_.run();
  expect_converged();
}

TEST_F(Wired, ARestartOfTheDatabaseChangesNothing) {
  const std::size_t transactions = node_.transactions();
  node_.vswitch().restart();
  node_.run();
  expect_converged();
  EXPECT_EQ(node_.transactions(), transactions);
}

TEST_F(Wired, ALostReplyOfTheDatabaseDoesNotDoubleAnything) {
  node_.vswitch().lose_next_reply();
  Intent more = intent_with_port();
  more.vteps.insert(Vtep{.type = NetworkType::Vxlan, .address = *IpAddress::parse("192.0.2.3"), .host = "hv3"});
  node_.source().set(more);
  node_.run(5);
  node_.clock().advance(BackOff::kFirst);
  node_.run();
  expect_converged();
  std::size_t ports = 0;
  for (const auto& [uuid, row] : node_.vswitch().server().table("Port")) {
    if (row->column("name").string() == "vxlan-c0000203") ++ports;
  }
  EXPECT_EQ(ports, 1U);
}

TEST_F(Wired, ABridgeThatIsNoLongerMappedIsPartedAfterARestart) {
  ASSERT_TRUE(node_.agent().vswitch().ports.contains("phy-br-ex"));
  restart_unmapped();
  EXPECT_FALSE(node_.agent().vswitch().ports.contains("phy-br-ex"));
  EXPECT_FALSE(node_.agent().vswitch().ports.contains("int-br-ex"));
}

TEST_F(Wired, ABridgeThatOthersFlowsKeepIsAProblemUntilTheyGo) {
  const of::FlowKey strangers{3, 7, "ip"};
  node_.of_switch("br-ex").put(strangers, {.actions = "drop", .cookie = 0x77});
  restart_unmapped();
  EXPECT_THAT(node_.agent().problems(), Contains(HasSubstr("no more and keeps fail_mode=secure")));
  node_.of_switch("br-ex").remove(strangers);
  node_.run();
  expect_converged();
  EXPECT_NE(node_.agent().vswitch().bridges.at("br-ex").fail_mode, "secure");
  EXPECT_THAT(node_.agent().problems(), Not(Contains(HasSubstr("br-ex"))));
}

TEST_F(Wired, AnUnpluggedPortIsDownWithTheReasonAndItsFlowsGo) {
  node_.unplug("tap1");
  node_.run();
  EXPECT_TRUE(node_.agent().converged());
  EXPECT_EQ(node_.agent().port_reports().at(kPort).status, intent::PortStatus::Down);
  EXPECT_THAT(node_.agent().port_reports().at(kPort).reason, HasSubstr("iface-id"));
  for (const auto& [key, body] : node_.of_switch("br-tun").table()) EXPECT_NE(key.match, "tun_id=0x3e9");
}

TEST_F(Wired, AnActivePortDoesNotFlapWhileAChangeIsOnItsWay) {
  node_.of_switch("br-int").disconnect();
  node_.run(3);
  EXPECT_EQ(node_.agent().port_reports().at(kPort).status, intent::PortStatus::Active);
}

// --- the journal

std::vector<Event> events_of(const Reconciler& agent, Event::Kind kind) {
  std::vector<Event> found;
  for (const Event& event : agent.journal().events()) {
    if (event.kind == kind) found.push_back(event);
  }
  return found;
}

TEST_F(Wired, EventsSayWhatWokeTheAgentAndWhatItDid) {
  const auto flows = events_of(node_.agent(), Event::Kind::Flows);
  ASSERT_FALSE(flows.empty());
  EXPECT_GT(flows.back().size, 0U);
  EXPECT_THAT(flows.front().cause, HasSubstr("Open_vSwitch database"));
  EXPECT_FALSE(events_of(node_.agent(), Event::Kind::Rows).empty());
  EXPECT_TRUE(events_of(node_.agent(), Event::Kind::Repair).empty());
  const auto ports = events_of(node_.agent(), Event::Kind::Port);
  ASSERT_FALSE(ports.empty());
  EXPECT_EQ(ports.back().text, "ACTIVE");
  EXPECT_EQ(ports.back().subject, kPort.to_string());
  EXPECT_GT(node_.agent().journal().port_histories().at(kPort).seconds_to_wire.value_or(0), 0);
  EXPECT_EQ(node_.agent().journal().wirings().count(), 1U);
  EXPECT_EQ(node_.agent().journal().steps().count(), node_.agent().counters().steps);
}

TEST_F(Wired, AFlowDeletedByHandIsARepairAndTellsTheTable) {
  node_.of_switch("br-int").remove({of::number(of::IntTable::Transient), 3, ""});
  node_.run();
  expect_converged();
  const auto repairs = events_of(node_.agent(), Event::Kind::Repair);
  ASSERT_EQ(repairs.size(), 1U);
  EXPECT_EQ(repairs[0].subject, "br-int");
  EXPECT_THAT(repairs[0].text, HasSubstr("repaired 1 flow of table transient (60)"));
  EXPECT_EQ(node_.agent().journal().repairs(), 1U);
}

TEST_F(Wired, ATagTakenAwayByHandIsARepairButAMachineThatIsPluggedAnewIsNone) {
  const ovsdb::PortRow port = node_.agent().vswitch().ports.at("tap1");
  node_.vswitch().update("Port", port.uuid, {{"tag", ovsdb::Datum::none()}});
  node_.run();
  expect_converged();
  EXPECT_EQ(events_of(node_.agent(), Event::Kind::Repair).size(), 1U);
  node_.unplug("tap1");
  node_.plug("tap1", kPort);
  node_.run();
  expect_converged();
  EXPECT_EQ(events_of(node_.agent(), Event::Kind::Repair).size(), 1U);
}

TEST_F(Wired, APatchPortDeletedByHandIsARepair) {
  node_.unplug("patch-tun");
  node_.run(20);
  expect_converged();
  EXPECT_EQ(events_of(node_.agent(), Event::Kind::Repair).size(), 1U);
}

TEST_F(Wired, TheOldestEventIsForgotten) {
  for (int i = 0; i < 700; ++i) {
    node_.of_switch("br-int").remove({of::number(of::IntTable::Transient), 3, ""});
    node_.run(4);
  }
  const auto& events = node_.agent().journal().events();
  EXPECT_EQ(events.size(), Journal::kMaxEvents);
  EXPECT_EQ(events.back().id, node_.agent().journal().last_id());
  EXPECT_EQ(events.front().id, node_.agent().journal().last_id() + 1 - Journal::kMaxEvents);
}

// --- what is confirmed

TEST_F(Wired, AGenerationIsConfirmedWhenItsPlanIsEmptyAndNotBefore) {
  EXPECT_EQ(node_.source().last_report().applied, 0);
  node_.source().ask_for(7);
  node_.run(2);
  EXPECT_EQ(node_.source().last_report().applied, 7);

  node_.of_switch("br-tun").disconnect();
  Intent more = intent_with_port();
  more.vteps.insert(Vtep{.type = NetworkType::Vxlan, .address = *IpAddress::parse("192.0.2.3"), .host = "hv3"});
  node_.source().set(more);
  node_.source().ask_for(8);
  node_.run();
  EXPECT_EQ(node_.source().last_report().applied, 7);
  node_.of_switch("br-tun").reconnect();
  node_.run();
  EXPECT_EQ(node_.source().last_report().applied, 8);
}

TEST_F(Wired, AGenerationIsNotConfirmedWhileVswitchdOwesTheRows) {
  node_.vswitchd_alive = false;
  Intent more = intent_with_port();
  more.vteps.insert(Vtep{.type = NetworkType::Vxlan, .address = *IpAddress::parse("192.0.2.3"), .host = "hv3"});
  node_.source().set(more);
  node_.source().ask_for(8);
  node_.run();
  EXPECT_NE(node_.source().last_report().applied, 8);
  node_.vswitchd_alive = true;
  node_.run();
  EXPECT_EQ(node_.source().last_report().applied, 8);
}

// --- --dry-run and --cleanup

TEST_F(Wired, ADryRunChangesNothing) {
  of::FakeSwitch& br_int = node_.of_switch("br-int");
  br_int.remove(br_int.table().begin()->first);
  const std::size_t transactions = node_.transactions(), bundles = node_.bundles();
  const intent::NodeReport report = node_.source().last_report();
  Reconciler look({.vswitch = node_.vswitch(),
                   .source = node_.source(),
                   .kernel = node_.kernel(),
                   .open_switch = [this](const std::string& bridge) { return node_.open_switch(bridge); },
                   .clock = node_.clock()},
                  node(), Reconciler::Mode::Look);
  for (int pass = 0; pass < 5; ++pass) look.run();
  EXPECT_THAT(to_text(look.plan(), look.node()), HasSubstr("br-int: add "));
  EXPECT_EQ(node_.transactions(), transactions);
  EXPECT_EQ(node_.bundles(), bundles);
  EXPECT_EQ(node_.source().last_report(), report);
}

class Cleanup : public Wired {
 protected:
  // Its answer; the agent is not running meanwhile.
  std::string clean(Cleaner::Mode mode = Cleaner::Mode::Remove) {
    Cleaner cleaner(
        node_.vswitch(), [this](const std::string& bridge) { return node_.open_switch(bridge); }, node(),
        node_.clock(), mode);
    for (int pass = 0; pass < 100 && !cleaner.answer(); ++pass) {
      cleaner.run();
      node_.run_vswitchd();
      node_.clock().advance(std::chrono::milliseconds(300));
    }
    if (!cleaner.answer()) return "no answer";
    return *cleaner.answer() ? **cleaner.answer() : cleaner.answer()->error().message;
  }
  ovsdb::Vswitch rows() { return ovsdb::read_vswitch(node_.vswitch().server()); }
  std::size_t flows_of_ours() {
    std::size_t count = 0;
    for (const char* bridge : {"br-int", "br-tun", "br-ex"}) {
      for (const auto& [key, body] : node_.of_switch(bridge).table()) count += of::is_ours(body.cookie) ? 1 : 0;
    }
    return count;
  }
};

TEST_F(Cleanup, RemovesAllThatIsOursAndNothingElse) {
  const of::FlowKey stranger{0, 7, "in_port=99"};
  node_.of_switch("br-ex").put(stranger, {.actions = "drop", .cookie = 5});
  EXPECT_GT(flows_of_ours(), 10U);
  const std::string account = clean();
  EXPECT_THAT(account, HasSubstr("removed port patch-tun on br-int"));
  EXPECT_THAT(account, HasSubstr("removed VLAN 1 of port tap1"));
  EXPECT_THAT(account, HasSubstr("removed bridge br-tun"));
  EXPECT_THAT(account, HasSubstr("left alone: bridge br-int: 1 ports on it are not ours (tap1)"));
  EXPECT_THAT(account, HasSubstr("left alone: bridge br-ex is the operator's"));
  EXPECT_EQ(flows_of_ours(), 0U);
  const ovsdb::Vswitch after = rows();
  EXPECT_FALSE(after.bridges.contains("br-tun"));
  EXPECT_EQ(after.port_bridge,
            (std::map<std::string, std::string>{{"br-ex", "br-ex"}, {"br-int", "br-int"}, {"tap1", "br-int"}}));
  EXPECT_EQ(after.ports.at("tap1").tag, std::nullopt);
  EXPECT_THAT(after.ports.at("tap1").other_config, IsEmpty());
  EXPECT_EQ(after.interfaces.at("tap1").external_ids.at("iface-id"), kPort.to_string());
  EXPECT_EQ(node_.of_switch("br-ex").table(),
            (of::FlowSet{{{}, {.actions = "NORMAL"}}, {stranger, {.actions = "drop", .cookie = 5}}}));
  EXPECT_THAT(account, HasSubstr("left alone: fail_mode=secure of bridge br-ex: 1 flows on it are not ours"));
  node_.of_switch("br-ex").remove(stranger);
  EXPECT_EQ(clean(),
            "removed what was set on bridge br-ex: its fail_mode goes back to the default (standalone)\n"
            "left alone: bridge br-int: 1 ports on it are not ours (tap1)\n");
  EXPECT_EQ(rows().bridges.at("br-ex").fail_mode, "");
  EXPECT_THAT(rows().bridges.at("br-ex").external_ids, IsEmpty());

  // The agent comes again, as on a new node.
  node_.start_agent();
  node_.run(20);
  expect_converged();
}

TEST_F(Cleanup, BridgesWithoutStrangersGo) {
  node_.unplug("tap1");
  EXPECT_THAT(clean(), HasSubstr("removed bridge br-int\nremoved bridge br-tun\n"));
  EXPECT_EQ(rows().bridges.size(), 1U);  // br-ex
  EXPECT_EQ(clean(), "there is nothing of ml2-agent in this Open vSwitch\n");
}

TEST_F(Cleanup, ADryRunOnlySaysIt) {
  const std::size_t transactions = node_.transactions(), bundles = node_.bundles();
  EXPECT_THAT(clean(Cleaner::Mode::Look), HasSubstr("would remove port patch-tun on br-int"));
  EXPECT_EQ(node_.transactions(), transactions);
  EXPECT_EQ(node_.bundles(), bundles);
}

TEST_F(Cleanup, WhatTheIncumbentLeftStays) {
  // Flows and VLANs of neutron-openvswitch-agent, that we have not taken over.
  of::FakeSwitch& br_int = node_.of_switch("br-int");
  const of::FlowSet before = br_int.table();
  for (const auto& [key, body] : before) {
    of::FlowBody other = body;
    other.cookie = 0x1234567890abcdefULL;
    br_int.put(key, other);
  }
  const std::string account = clean();
  EXPECT_THAT(account, HasSubstr("left alone: VLAN 1 of port tap1: the flows of br-int are not ours"));
  EXPECT_EQ(br_int.table().size(), before.size());
  EXPECT_EQ(rows().ports.at("tap1").tag, 1);
}

TEST_F(Cleanup, SaysWhatIsInTheWay) {
  node_.of_switch("br-tun").disconnect();
  EXPECT_THAT(clean(), HasSubstr("the flows of bridge br-tun could not be read"));
  EXPECT_TRUE(rows().bridges.contains("br-tun"));
  node_.of_switch("br-tun").reconnect();
  node_.of_switch("br-tun").refuse_next_bundle({ErrorKind::Invalid, "no"});
  EXPECT_THAT(clean(), HasSubstr("removed bridge br-tun"));
}

}  // namespace
}  // namespace ml2::reconcile
