// Golden texts: what each state of the lists looks like in Open vSwitch, to be read in review, and what the incumbent
// agent (Neutron 21.0) wrote for the same networks. UPDATE_GOLDEN=1 in the environment writes the texts anew.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/states/state_lists.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

std::string golden_path(const std::string& name) { return std::string(ML2_SOURCE_DIR) + "/tests/golden/" + name; }

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = golden_path(name);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  EXPECT_EQ(text, read_file(path)) << "if the change is meant, run this test with UPDATE_GOLDEN=1 and read the "
                                      "difference in "
                                   << name;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, States) {
  World world;
  const std::vector<State> states = state_lists().at(GetParam());
  for (const State& state : states) {
    world.become(state);
    expect_golden(fmt::format("{}.{}.flows", GetParam(), state.name), world.text());
  }
}

std::vector<std::string> lists() {
  std::vector<std::string> names;
  for (const auto& [name, states] : state_lists()) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, Golden, ::testing::ValuesIn(lists()), [](const auto& one) { return one.param; });

// As ovs-ofctl dump-flows prints it, without cookies; sorted, as the order within a table has no meaning.
std::vector<std::string> dump(const of::FlowSet& flows) {
  std::vector<std::string> lines;
  for (const auto& [key, body] : flows) {
    const std::string table = key.table == 0 ? "" : fmt::format("table={}, ", key.table);
    std::string actions(body.actions.view());
    for (const std::uint64_t learned : {cookie_of_learned(), body.cookie}) {
      const std::string cookie = fmt::format("cookie={:#x},", learned);
      if (const auto at = actions.find(cookie); at != std::string::npos) actions.erase(at, cookie.size());
    }
    lines.push_back(fmt::format("{}priority={}{}{} actions={}", table, key.priority, key.match.empty() ? "" : ",",
                                key.match, actions));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> lines_of(const std::string& name) {
  std::istringstream text(read_file(golden_path(name)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line.front() != '#') lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

InterfaceFact interface(const char* name, const char* bridge, const char* type, int ofport) {
  InterfaceFact fact;
  fact.port = name;
  fact.bridge = bridge;
  fact.type = type;
  fact.ofport = OfPort::make(ofport);
  return fact;
}

// The numbers that the incumbent had on that host.
Facts incumbent_facts(const Intent& intent) {
  Facts facts;
  facts.bridges = {{"br-ex", "1"}, {"br-int", "2"}, {"br-tun", "3"}};
  facts.host_addresses = {*intent.node.local_ip};
  facts.interfaces["int-br-ex"] = interface("int-br-ex", "br-int", "patch", 1);
  facts.interfaces["patch-tun"] = interface("patch-tun", "br-int", "patch", 2);
  facts.interfaces["phy-br-ex"] = interface("phy-br-ex", "br-ex", "patch", 2);
  facts.interfaces["patch-int"] = interface("patch-int", "br-tun", "patch", 1);
  facts.interfaces["vxlan-0a62000c"] = interface("vxlan-0a62000c", "br-tun", "vxlan", 2);
  return facts;
}

void plug(Intent& intent, Facts& facts, std::uint32_t number, int ofport, const Segment& segment, int local_vlan) {
  Port port;
  port.id = uuid_of(number);
  port.segment = segment;
  port.mac = mac("fa:16:3e:78:b2:82");
  intent.ports.emplace(port.id, port);
  InterfaceFact fact = interface(tap_of(number).c_str(), "br-int", "", ofport);
  fact.iface_id = port.id.to_string();
  facts.interfaces[tap_of(number)] = fact;
  facts.local_vlans.emplace(key_of(segment), *LocalVlan::make(local_vlan));
}

Intent incumbent_intent() {
  Intent intent = base_state().intent;
  intent.node.local_ip = ip("10.98.0.11");
  intent.vteps = {Vtep{NetworkType::Vxlan, ip("10.98.0.12"), 0, "hv2"}};
  return intent;
}

TEST(Incumbent, VxlanNetwork) {
  Intent intent = incumbent_intent();
  Facts facts = incumbent_facts(intent);
  plug(intent, facts, 1, 3, vxlan(101, 1270), 1);
  const Desired desired = compile(intent, facts);
  for (const char* bridge : {"br-int", "br-tun", "br-ex"}) {
    EXPECT_EQ(dump(desired.flows.at(bridge)), lines_of(fmt::format("incumbent-vxlan.{}.flows", bridge))) << bridge;
  }
}

// The incumbent's flows are all there; what differs is listed.
TEST(Incumbent, AntiSpoofing) {
  Intent intent = incumbent_intent();
  intent.node.anti_spoofing = true;
  Facts facts = incumbent_facts(intent);
  plug(intent, facts, 1, 3, vxlan(101, 1270), 1);
  intent.ports.begin()->second.fixed_ips = {ip("192.168.1.42")};
  std::vector<std::string> ours = dump(compile(intent, facts).flows.at("br-int"));
  std::vector<std::string> expected = lines_of("incumbent-vxlan.br-int.flows");
  for (const char* line :
       {// Capture 01-vxlan-noop-firewall.
        "priority=10,icmp6,in_port=3,icmp_type=136 actions=goto_table:24",
        "priority=10,arp,in_port=3 actions=goto_table:24", "priority=9,in_port=3 actions=goto_table:25",
        "table=24, priority=2,arp,in_port=3,arp_spa=192.168.1.42 actions=goto_table:25",
        "table=25, priority=2,in_port=3,dl_src=fa:16:3e:78:b2:82 actions=goto_table:30",
        // There goto_table:59: the sender's MAC was not looked at.
        "table=24, priority=2,icmp6,in_port=3,icmp_type=136,nd_target=fe80::f816:3eff:fe78:b282 "
        "actions=goto_table:25",
        // Not there: what counts and tells what is dropped.
        "table=24, priority=1,in_port=3 "
        "actions=learn(table=26,idle_timeout=60,priority=24,OXM_OF_IN_PORT[])",
        "table=25, priority=1,in_port=3 "
        "actions=learn(table=26,idle_timeout=60,priority=25,OXM_OF_IN_PORT[])"}) {
    expected.emplace_back(line);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(ours, expected);
}

TEST(Incumbent, L2Population) {
  Intent intent = incumbent_intent();
  intent.node.l2_population = intent.node.arp_responder = true;
  Facts facts = incumbent_facts(intent);
  plug(intent, facts, 1, 3, vxlan(101, 1270), 1);
  RemoteSegment& remote = intent.remote[vxlan(101, 1270)];
  remote.vteps = {ip("10.98.0.12")};
  remote.ports = {
      RemotePort{.mac = mac("fa:16:3e:5e:83:ae"), .vtep = ip("10.98.0.12"), .answered = {ip("192.168.1.44")}}};
  EXPECT_EQ(dump(compile(intent, facts).flows.at("br-tun")), lines_of("incumbent-l2pop.br-tun.flows"));
}

TEST(Incumbent, AllTypes) {
  Intent intent = incumbent_intent();
  intent.node.tunnel_types = {NetworkType::Vxlan, NetworkType::Gre, NetworkType::Geneve};
  intent.vteps.insert(Vtep{NetworkType::Gre, ip("10.98.0.12"), 0, "hv2"});
  intent.vteps.insert(Vtep{NetworkType::Geneve, ip("10.98.0.12"), 0, "hv2"});
  Facts facts = incumbent_facts(intent);
  facts.interfaces["gre-0a62000c"] = interface("gre-0a62000c", "br-tun", "gre", 4);
  facts.interfaces["geneve-0a62000c"] = interface("geneve-0a62000c", "br-tun", "geneve", 5);
  plug(intent, facts, 1, 3, vxlan(101, 1270), 1);
  plug(intent, facts, 2, 6, vlan(102, "physnet1", 100), 2);
  plug(intent, facts, 3, 7, flat(103, "physnet1"), 3);
  plug(intent, facts, 4, 8, gre(104, 977), 4);
  plug(intent, facts, 5, 9, geneve(105, 237), 5);
  const Desired desired = compile(intent, facts);
  for (const char* bridge : {"br-int", "br-tun", "br-ex"}) {
    EXPECT_EQ(dump(desired.flows.at(bridge)), lines_of(fmt::format("incumbent-all-types.{}.flows", bridge)))
        << bridge;
  }
}

}  // namespace
}  // namespace ml2::testing
