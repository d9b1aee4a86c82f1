// micro_bench: what compile, diff and the codec cost at a size, by Google Benchmark.
//
// Where in the walk: `scripts/bench micro`. A node of N ports in N/5 networks, N/2 (at most 500) other hosts, 10 N (at
//   most 10,000) MACs there, l2_population and the ARP responder on, everything wired; Open vSwitch is the states tests'
//   model of it, so that only our own work is in the figures.
// Prints one JSON object a line: bench, case, metric, value, unit. CPU time, the median of several repetitions.
//   compile/N         compile() from nothing
//   diff/N            diff() of what is desired and the same in the switches
//   diff-empty/N      diff() against switches without flows
//   one-port/N        a port more, by changes: facts, Compiler and Differ
//   one-port-fastpath/N   the same with all ports on the fast path: also its facts, and the step in which its records have
//                         been read back
//   codec/1           one flow through the codec
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "datapath/compile/compiler.h"
#include "datapath/compile/fast_path_reading.h"
#include "datapath/diff/diff.h"
#include "datapath/diff/differ.h"
#include "datapath/openflow/codec.h"
#include "tests/states/follower.h"
#include "tests/states/ovs_model.h"
#include "tests/states/world.h"

namespace ml2::testing {
namespace {

Mac mac_of(unsigned kind, unsigned number) {
  return Mac({0xfa, static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(number >> 16U),
              static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number), 1});
}
IpAddress ip_of(std::uint8_t net, unsigned number) {
  return IpAddress::v4({net, static_cast<std::uint8_t>(number >> 16U), static_cast<std::uint8_t>(number >> 8U),
                        static_cast<std::uint8_t>(number)});
}

// A node at work: what is asked, what is there, and what comes of it.
struct Node {
  explicit Node(unsigned ports, bool on_fast_path = false) : networks(std::max(1U, ports / 5)) {
    State base = base_state();
    intent = base.intent;
    addresses = base.addresses;
    NodeConfig& node = intent.node;
    node.anti_spoofing = node.l2_population = node.arp_responder = true;
    node.bridge_mappings.clear();
    if (on_fast_path) {
      node.fast_path.enabled = true;
      node.fast_path.tunnel_device = "net_up";
      const IfIndex nic = *IfIndex::make(1);
      kernel.put(nl::Link{.index = nic, .name = "eth0", .mac = mac_of(3, 1), .mtu = 1600, .up = true});
      kernel.put(nl::Address{.link = nic, .address = *node.local_ip, .prefix_length = 8});
      kernel.routes.insert(nl::Route{.dst = IpNetwork::parse("172.0.0.0/8").value(), .oif = nic});
    }
    const unsigned hosts = std::min(500U, std::max(1U, ports / 2));
    for (unsigned i = 0; i < hosts; ++i) {
      intent.vteps.insert(Vtep{NetworkType::Vxlan, ip_of(172, i + 1), 0, fmt::format("far{}", i)});
      if (on_fast_path) {
        kernel.put(nl::Neighbour{.link = *IfIndex::make(1), .address = ip_of(172, i + 1), .mac = mac_of(4, i)});
      }
    }
    for (unsigned i = 0; i < ports; ++i) add_port(i);
    for (unsigned i = 0; i < std::min(10000U, 10 * ports); ++i) {
      RemoteSegment& remote = intent.remote[segment(i)];
      const IpAddress vtep = ip_of(172, i % hosts + 1);
      remote.vteps.insert(vtep);
      remote.ports.push_back({.mac = mac_of(2, i), .vtep = vtep, .answered = {ip_of(11, i)}});
    }
    for (auto& [key, remote] : intent.remote) {
      std::sort(remote.ports.begin(), remote.ports.end(), [](const auto& a, const auto& b) { return a.mac < b.mac; });
    }
    turn();  // the bridges
    for (unsigned i = 0; i < ports && !on_fast_path; ++i) plug(i);
    for (int i = 0; i < 8; ++i) turn();
  }

  // The names of devices have the beginning of an id.
  [[nodiscard]] static Uuid id_of(unsigned i) {
    std::array<std::uint8_t, 16> bytes = uuid_of(i + 1).bytes();
    std::copy(bytes.end() - 4, bytes.end(), bytes.begin());
    return Uuid(bytes);
  }
  [[nodiscard]] Segment segment(unsigned i) const { return vxlan(1000000 + i % networks, i % networks + 1); }
  void add_port(unsigned i) {
    Port port{.id = id_of(i), .segment = segment(i), .mac = mac_of(1, i)};
    port.fixed_ips = {ip_of(10, i)};
    port.vhost_user = intent.node.fast_path.enabled;
    intent.ports.insert_or_assign(port.id, port);
  }
  void plug(unsigned i) {
    ovs.add_port("br-int", fmt::format("tap{}", i), "", {}, {{"iface-id", id_of(i).to_string()}});
  }
  void turn() {
    ovs.settle();
    const ovsdb::Vswitch rows = ovs.vswitch();
    Facts facts = gather_facts(rows, addresses, desired.local_vlans);
    facts.fast_path = gather_fast_path_facts(intent, kernel, &tables, desired.fast_path.ids);
    desired = compile(intent, facts);
    Actual actual = ovs.actual();
    actual.fast_path = &tables;
    const Plan plan = diff(desired, actual);
    fp::carry_out(plan.fast_path, tables);
    ovs.commit(plan.ovsdb);
    for (const auto& [bridge, bundle] : plan.bundles) ovs.commit(bridge, bundle);
    ovs.settle();
  }

  unsigned networks;
  Intent intent;
  std::set<IpAddress> addresses;
  nl::Snapshot kernel;
  OvsModel ovs;
  fp::Tables tables;
  Desired desired;
};

Node& node_of(std::int64_t ports, bool on_fast_path = false) {
  static std::map<std::pair<std::int64_t, bool>, std::unique_ptr<Node>> nodes;
  auto& node = nodes[{ports, on_fast_path}];
  if (node == nullptr) node = std::make_unique<Node>(static_cast<unsigned>(ports), on_fast_path);
  return *node;
}

void compile_all(benchmark::State& state) {
  const Node& node = node_of(state.range(0));
  const Facts facts = gather_facts(node.ovs.vswitch(), node.addresses, node.desired.local_vlans);
  for (auto _ : state) benchmark::DoNotOptimize(compile(node.intent, facts));
}

void diff_all(benchmark::State& state) {
  const Node& node = node_of(state.range(0));
  const Actual actual = node.ovs.actual();
  for (auto _ : state) benchmark::DoNotOptimize(diff(node.desired, actual));
}

void diff_empty(benchmark::State& state) {
  const Node& node = node_of(state.range(0));
  Actual actual = node.ovs.actual();
  const of::FlowSet none;
  for (auto& [bridge, flows] : actual.flows) flows = &none;
  for (auto _ : state) benchmark::DoNotOptimize(diff(node.desired, actual));
}

// The steps of one port: it is asked for and plugged; it has its number; its flows are in.
void one_port(benchmark::State& state) {
  Node& node = node_of(state.range(0));
  const auto number = static_cast<unsigned>(state.range(0));
  Compiler compiler([](const of::FlowKey& key, const of::FlowBody& body) { return std::pair(key, body); });
  Differ differ;
  Facts facts;
  ovsdb::Vswitch rows = node.ovs.vswitch();
  ovsdb::VswitchChanges changes;
  changes.all = true;
  IntentChanges asked;
  asked.all = true;
  std::map<std::string, const of::FlowSet*> flows = node.ovs.actual().flows;
  bool vlans_moved = false;
  const auto step = [&](const Differ::FlowChanges& flow_changes) {
    const FactsChanges facts_changes =
        update_facts(rows, changes, node.addresses, vlans_moved ? &compiler.desired().local_vlans : nullptr, facts);
    const DesiredChanges desired_changes = compiler.update(node.intent, asked, facts, facts_changes);
    vlans_moved = desired_changes.local_vlans;
    Plan plan = differ.update(compiler.desired(), desired_changes, rows, changes, flows, flow_changes);
    asked = {};
    changes = {};
    return plan;
  };
  step({});
  const std::string name = fmt::format("tap{}", number);
  for (auto _ : state) {
    node.add_port(number);
    asked.ports.insert(Node::id_of(number));
    ovsdb::InterfaceRow interface { .uuid = uuid_of(0xfffffff0), .name = name };
    interface.external_ids = {{"iface-id", Node::id_of(number).to_string()}};
    interface.ofport = 60000;
    ovsdb::PortRow port{.uuid = uuid_of(0xfffffff1), .name = name, .interfaces = {interface.uuid}};
    rows.interfaces.emplace(name, interface);
    rows.ports.emplace(name, port);
    rows.interface_port.emplace(name, name);
    rows.port_bridge.emplace(name, "br-int");
    changes.interfaces = changes.ports = {name};
    Plan plan = step({{"br-int", std::set<of::FlowKey>{}}, {"br-tun", std::set<of::FlowKey>{}}});
    benchmark::DoNotOptimize(plan);

    state.PauseTiming();
    node.intent.ports.erase(Node::id_of(number));
    asked.ports.insert(Node::id_of(number));
    rows.interfaces.erase(name);
    rows.ports.erase(name);
    rows.interface_port.erase(name);
    rows.port_bridge.erase(name);
    changes.interfaces = changes.ports = {name};
    benchmark::DoNotOptimize(step({{"br-int", std::set<of::FlowKey>{}}, {"br-tun", std::set<of::FlowKey>{}}}));
    state.ResumeTiming();
  }
}

// The steps of one port of the fast path: it is asked for; its records have been read back.
void one_port_fast_path(benchmark::State& state) {
  Node& node = node_of(state.range(0), true);
  const auto number = static_cast<unsigned>(state.range(0));
  Compiler compiler([](const of::FlowKey& key, const of::FlowBody& body) { return std::pair(key, body); });
  Differ differ;
  FastPathReading reading;
  const ovsdb::Vswitch rows = node.ovs.vswitch();
  const std::map<std::string, const of::FlowSet*> flows = node.ovs.actual().flows;
  Facts facts = gather_facts(rows, node.addresses, {});
  FactsChanges changes;
  changes.all = true;
  std::optional<FastPathIdKeys> ids_moved;
  std::optional<fp::RecordKeys> records;
  const auto step = [&](IntentChanges asked, const Differ::FlowChanges& flow_changes) {
    reading.update({node.intent, node.kernel, &node.tables, compiler.desired().fast_path.ids},
                   {.vteps = asked.all, .records = records, .given = ids_moved}, facts.fast_path, changes.fast_path);
    const DesiredChanges desired_changes = compiler.update(node.intent, asked, facts, changes);
    ids_moved = desired_changes.all ? std::nullopt : std::optional(desired_changes.fast_path.ids);
    if (desired_changes.local_vlans) facts.local_vlans = compiler.desired().local_vlans;
    changes = {};
    return differ.update(compiler.desired(), desired_changes, rows, {}, flows, flow_changes, &node.tables, records);
  };
  const auto carry_out = [&](const fp::Update& update) {
    fp::carry_out(update, node.tables);
    records.emplace();
    fp::add_differences(update.put, {}, *records);
    fp::add_differences(update.remove, {}, *records);
  };
  const Differ::FlowChanges none{{"br-int", std::set<of::FlowKey>{}}, {"br-tun", std::set<of::FlowKey>{}}};
  IntentChanges all;
  all.all = true;
  step(all, {});
  IntentChanges one;
  one.ports.insert(Node::id_of(number));
  carry_out({});
  step({}, none);
  const std::uint64_t before = compiler.from_nothing();
  const auto both_steps = [&] {
    const fp::Update update = step(one, none).fast_path;
    if (update.empty()) state.SkipWithError("nothing is sent");
    carry_out(update);
    if (!step({}, none).fast_path.empty()) state.SkipWithError("the records that were read back are others");
  };
  for (auto _ : state) {
    node.add_port(number);
    both_steps();

    state.PauseTiming();
    node.intent.ports.erase(Node::id_of(number));
    both_steps();
    state.ResumeTiming();
  }
  if (compiler.from_nothing() != before) state.SkipWithError("compiled from nothing");
}

void codec(benchmark::State& state) {
  const of::FlowKey key{20, 2, "dl_vlan=17,dl_dst=fa:16:3e:00:00:01"};
  const of::FlowBody body{.actions = "pop_vlan,set_field:0x2a->tun_id,output:7", .cookie = 0x6d6c000000000001};
  for (auto _ : state) benchmark::DoNotOptimize(of::canonical(key, body));
}

// One JSON object a line.
class Lines final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.aggregate_name != "median") continue;
      const std::string name =
          run.run_name.function_name + (run.run_name.args.empty() ? std::string("/1") : "/" + run.run_name.args);
      const double micros = run.GetAdjustedCPUTime();
      fmt::print(
          "{{\"bench\": \"micro\", \"case\": \"{}\", \"metric\": \"cpu_us\", \"value\": {:.3f}, \"unit\": \"us\"}}\n",
          name, micros);
    }
  }
};

void add(const char* name, void (*function)(benchmark::State&), const std::vector<std::int64_t>& sizes) {
  for (const std::int64_t size : sizes) {
    auto* made = benchmark::RegisterBenchmark(name, function);
    if (size != 0) made->Arg(size);
    made->Unit(benchmark::kMicrosecond)->Repetitions(3)->ReportAggregatesOnly(true)->MinTime(0.2);
  }
}

}  // namespace
}  // namespace ml2::testing

int main(int argc, char** argv) {
  using namespace ml2::testing;
  const std::vector<std::int64_t> sizes{100, 1000, 5000};
  add("compile", compile_all, sizes);
  add("diff", diff_all, sizes);
  add("diff-empty", diff_empty, sizes);
  add("one-port", one_port, sizes);
  add("one-port-fastpath", one_port_fast_path, {100, 1000});
  add("codec", codec, {0});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Lines lines;
  benchmark::RunSpecifiedBenchmarks(&lines);
  return 0;
}
