#include "tests/fakes/fake_node.h"

#include "datapath/base/check.h"

namespace ml2::reconcile {
namespace {

using ovsdb::Atom;
using ovsdb::Datum;

// The agent's end of a switch that outlives the agent.
class Channel final : public of::Switch {
 public:
  explicit Channel(of::FakeSwitch& target) : target_(target) {}
  void run() override { target_.run(); }
  void wait() override { target_.wait(); }
  [[nodiscard]] const of::FlowSet* flows() const override { return target_.flows(); }
  [[nodiscard]] std::uint64_t sequence() const override { return target_.sequence(); }
  [[nodiscard]] std::optional<std::set<of::FlowKey>> changes_since(std::uint64_t sequence) const override {
    return target_.changes_since(sequence);
  }
  Status commit(const of::Bundle& bundle) override { return target_.commit(bundle); }
  [[nodiscard]] bool busy() const override { return target_.busy(); }
  [[nodiscard]] std::optional<Status> take_outcome() override { return target_.take_outcome(); }
  Result<std::uint32_t> request_counters(std::optional<std::uint64_t> cookie) override {
    return target_.request_counters(cookie);
  }
  [[nodiscard]] std::optional<std::map<of::FlowKey, of::FlowCounters>> take_counters(std::uint32_t request) override {
    return target_.take_counters(request);
  }
  [[nodiscard]] of::SwitchStatus status() const override { return target_.status(); }

 private:
  of::FakeSwitch& target_;
};

Datum number(std::int64_t value) { return Datum::of(Atom(value)); }

}  // namespace

IntentChanges FakeSource::changes_since(std::uint64_t sequence) const {
  if (sequence == sequence_) return {};
  if (sequence + 1 != sequence_ || !before_ || !intent_) return {.all = true};
  return changes_between(*before_, *intent_);
}

// The ports that are said to have changed are all that have.
void FakeSource::report(const intent::NodeReport* node, const std::map<Uuid, intent::PortReport>& ports,
                        const std::set<Uuid>* changed) {
  std::map<Uuid, intent::PortReport> mine = std::move(report_.ports);
  intent::follow(mine, ports, changed);
  ML2_CHECK(mine == ports, "a port has changed and was not named");
  if (node != nullptr) report_ = *node;
  report_.ports = std::move(mine);
}

FakeNode::FakeNode(NodeConfig node)
    : node_(std::move(node)),
      vswitch_(ovsdb::FakeDatabase::kVswitchSchema, ovsdb::vswitch_columns()),
      kernel_(host_, {}, nl::Monitor::all()) {
  vswitch_.insert("Open_vSwitch", {});
  if (node_.local_ip) {
    host_.add_device("eth0", Mac({0x02, 0, 0, 0, 0, 1}));
    const Status added =
        kernel_.apply({{nl::AddAddress{.link = "eth0", .address = *node_.local_ip, .prefix_length = 24}}});
    ML2_CHECK(added.has_value(), "the fake kernel takes an address");
  }
  start_agent();
}

void FakeNode::start_agent() {
  agent_.reset();
  fast_path_end_ = node_.fast_path.enabled ? std::make_unique<fp::FakeFastPath>(fast_path_) : nullptr;
  agent_ = std::make_unique<Reconciler>(
      Seams{.vswitch = vswitch_,
            .source = source_,
            .kernel = kernel_,
            .open_switch = [this](const std::string& bridge) { return open_switch(bridge); },
            .clock = clock_,
            .fast_path = fast_path_end_.get()},
      node_);
}

std::unique_ptr<of::Switch> FakeNode::open_switch(const std::string& bridge) {
  return std::make_unique<Channel>(of_switch(bridge));
}

of::FakeSwitch& FakeNode::of_switch(const std::string& bridge) {
  auto& of_switch = switches_[bridge];
  if (of_switch == nullptr) of_switch = std::make_unique<of::FakeSwitch>(bridge);
  return *of_switch;
}

void FakeNode::run(int passes) {
  for (int pass = 0; pass < passes; ++pass) {
    agent_->run();
    run_vswitchd();
    clock_.advance(std::chrono::milliseconds(1));
  }
}

void FakeNode::run_vswitchd() {
  if (!vswitchd_alive) return;
  const ovsdb::Snapshot rows = vswitch_.server();
  for (const auto& [uuid, row] : rows.table("Bridge")) {
    if (row->column("datapath_id").empty())
      vswitch_.update("Bridge", uuid, {{"datapath_id", Datum::of("00000000000000aa")}});
  }
  for (const auto& [uuid, row] : rows.table("Interface")) {
    if (!row->column("ofport").empty()) continue;
    const bool local = row->column("type").string() == "internal";
    vswitch_.update("Interface", uuid, {{"ofport", number(local ? 65534 : next_ofport_++)}});
  }
  for (const auto& [uuid, row] : rows.table("Open_vSwitch")) {
    if (row->column("cur_cfg").integer() == row->column("next_cfg").integer()) continue;
    vswitch_.update("Open_vSwitch", uuid, {{"cur_cfg", row->column("next_cfg")}});
  }
}

void FakeNode::add_bridge(const std::string& name) {
  const Uuid interface = Uuid::random(), port = Uuid::random(), bridge = Uuid::random();
  const Uuid root = vswitch_.server().table("Open_vSwitch").begin()->first;
  const ovsdb::Outcome outcome = vswitch_.execute(ovsdb::Transaction{
      .operations = {
          ovsdb::RowInsert{
              "Interface", interface, {{"name", Datum::of(name)}, {"type", Datum::of("internal")}}, true},
          ovsdb::RowInsert{
              "Port", port, {{"name", Datum::of(name)}, {"interfaces", Datum::uuids({interface})}}, true},
          ovsdb::RowInsert{"Bridge", bridge, {{"name", Datum::of(name)}, {"ports", Datum::uuids({port})}}, true},
          ovsdb::RowMutate{"Open_vSwitch", root, "bridges", Datum::uuids({bridge}), {}}}});
  ML2_CHECK(outcome.status.has_value(), "the fake database takes a bridge");
}

void FakeNode::plug(const std::string& name, const Uuid& id) {
  Uuid bridge;
  for (const auto& [uuid, row] : vswitch_.server().table("Bridge")) {
    if (row->column("name").string() == node_.integration_bridge) bridge = uuid;
  }
  const Uuid interface = Uuid::random(), port = Uuid::random();
  const ovsdb::Outcome outcome = vswitch_.execute(ovsdb::Transaction{
      .operations = {
          ovsdb::RowInsert{"Interface",
                           interface,
                           {{"name", Datum::of(name)}, {"external_ids", Datum::map({{"iface-id", id.to_string()}})}},
                           true},
          ovsdb::RowInsert{
              "Port",
              port,
              {{"name", Datum::of(name)}, {"interfaces", Datum::uuids({interface})}, {"tag", number(4095)}},
              true},
          ovsdb::RowMutate{"Bridge", bridge, "ports", Datum::uuids({port}), {}}}});
  ML2_CHECK(outcome.status.has_value(), "the fake database takes a port");
}

void FakeNode::unplug(const std::string& name) {
  const ovsdb::Snapshot rows = vswitch_.server();
  for (const auto& [uuid, row] : rows.table("Port")) {
    if (row->column("name").string() != name) continue;
    for (const auto& [bridge, bridge_row] : rows.table("Bridge")) {
      vswitch_.mutate("Bridge", bridge, "ports", {}, ovsdb::Datum::uuids({uuid}));
    }
  }
}

std::size_t FakeNode::bundles() const {
  std::size_t count = 0;
  for (const auto& [name, of_switch] : switches_) count += of_switch->sent().size();
  return count;
}

}  // namespace ml2::reconcile
