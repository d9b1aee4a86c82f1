// MechanismManager: order, refusal and rollback, levels; the openvswitch driver's rule; binding through the plugin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/ml2/lookup.h"
#include "agent/ml2/plugin.h"
#include "agent/ml2/view.h"
#include "tests/fakes/fake_database.h"

namespace ml2::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kSchema = ML2_SOURCE_DIR "/ovsdb/ml2.ovsschema";
constexpr std::int64_t kNow = 1'000'000;  // seconds since 1970

class FixedClock final : public Clock {
 public:
  Monotonic now() const override { return {}; }
  WallTime wall() const override { return WallTime(std::chrono::seconds(time)); }
  std::int64_t time = kNow;
};

using Journal = std::vector<std::string>;

// Writes down what it is asked, and fails where it is told to.
class Logger final : public MechanismDriver {
 public:
  Logger(std::string name, Journal& journal, std::string fail_at = "")
      : name_(std::move(name)), journal_(journal), fail_at_(std::move(fail_at)) {}

  std::string_view name() const override { return name_; }
  Status network_precommit(const NetworkContext& context, ovsdb::Transaction&) override {
    return note("precommit", context.action);
  }
  Status network_postcommit(const NetworkContext& context) override { return note("postcommit", context.action); }
  Status port_precommit(const PortContext& context, ovsdb::Transaction&) override {
    return note("port precommit", context.action);
  }
  BindAnswer bind_port(const BindingContext&) override {
    journal_.push_back(name_ + " bind");
    return NotBound{};
  }

 private:
  Status note(const std::string& what, Action action) {
    const std::string line = what + (action == Action::Create   ? " create"
                                     : action == Action::Update ? " update"
                                                                : " delete");
    journal_.push_back(name_ + " " + line);
    if (line == fail_at_) return invalid("told to fail");
    return {};
  }

  std::string name_;
  Journal& journal_;
  std::string fail_at_;
};

class MechanismTest : public testing::Test {
 protected:
  // With these drivers, then openvswitch.
  std::unique_ptr<Plugin> make(std::vector<std::unique_ptr<MechanismDriver>> drivers) {
    drivers.push_back(make_openvswitch_mechanism(options));
    return std::make_unique<Plugin>(options, *TypeManager::make(options), MechanismManager(std::move(drivers)),
                                    *ExtensionManager::make(options), database, clock, system_random(),
                                    std::chrono::seconds(5));
  }
  std::unique_ptr<Plugin> make_with(std::unique_ptr<MechanismDriver> first,
                                    std::unique_ptr<MechanismDriver> second = nullptr) {
    std::vector<std::unique_ptr<MechanismDriver>> drivers;
    drivers.push_back(std::move(first));
    if (second) drivers.push_back(std::move(second));
    return make(std::move(drivers));
  }
  void add_host(const std::string& name, const std::map<std::string, std::string>& configurations = {}) {
    ovsdb::Ml2Host host;
    host.uuid = Uuid::random();
    host.name = name;
    host.heartbeat = kNow - 10;
    host.bridge_mappings = {{"external", "br-ex"}, {"physnet1", "br-1"}};
    host.tunnel_types = {"vxlan"};
    host.configurations = configurations;
    database.insert("Host", ovsdb::to_columns(host), host.uuid);
  }
  Uuid network(Plugin& plugin, const SegmentRequest& provider) {
    NetworkRequest request;
    request.name = "n";
    request.provider = provider;
    const auto id = plugin.create_network(request);
    EXPECT_TRUE(id) << id.error().message;
    return id ? *id : Uuid();
  }
  // The binding of a new port on `host`.
  ovsdb::Ml2Binding bind(Plugin& plugin, const Uuid& network_id, const std::string& host,
                         const std::string& vnic_type = "normal") {
    PortRequest request;
    request.network = network_id;
    request.host = host;
    request.vnic_type = vnic_type;
    const auto id = plugin.create_port(request);
    EXPECT_TRUE(id) << id.error().message;
    if (!id) return {};
    last_port = *id;
    return bindings_of(*plugin.rows(), *id).front();
  }

  static PluginOptions make_options() {
    PluginOptions made;
    made.vxlan_vni_ranges = {{1, 100}};
    made.geneve_vni_ranges = {{1, 100}};
    made.network_vlan_ranges = {{"physnet1", {{1, 10}}}, {"physnet9", {{1, 10}}}};
    return made;
  }
  PluginOptions options = make_options();
  FixedClock clock;
  ovsdb::FakeDatabase database{kSchema};
  Journal journal;
  Uuid last_port;
};

TEST_F(MechanismTest, DriversAreCalledInOrderAroundTheCommit) {
  const auto plugin = make_with(std::make_unique<Logger>("a", journal), std::make_unique<Logger>("b", journal));
  const Uuid id = network(*plugin, {"local", {}, {}});
  EXPECT_THAT(journal,
              ElementsAre("a precommit create", "b precommit create", "a postcommit create", "b postcommit create"));
  journal.clear();
  ASSERT_TRUE(plugin->delete_network(id));
  EXPECT_THAT(journal,
              ElementsAre("a precommit delete", "b precommit delete", "a postcommit delete", "b postcommit delete"));
}

TEST_F(MechanismTest, ARefusalInPrecommitWritesNothing) {
  const auto plugin =
      make_with(std::make_unique<Logger>("a", journal, "precommit create"), std::make_unique<Logger>("b", journal));
  const auto id = plugin->create_network({});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().message, "mechanism driver a: told to fail");
  EXPECT_THAT(journal, ElementsAre("a precommit create"));
  EXPECT_TRUE(database.committed().empty());
}

TEST_F(MechanismTest, AFailureAfterACreateDeletesTheResource) {
  const auto plugin =
      make_with(std::make_unique<Logger>("a", journal), std::make_unique<Logger>("b", journal, "postcommit create"));
  const auto id = plugin->create_network({});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().message, "mechanism driver b: told to fail");
  EXPECT_TRUE(plugin->rows()->networks.empty());
  EXPECT_TRUE(plugin->rows()->segments.empty());
  EXPECT_EQ(journal.back(), "b postcommit delete");
}

TEST_F(MechanismTest, AFailureAfterAnUpdateGoesOn) {
  const auto plugin =
      make_with(std::make_unique<Logger>("a", journal, "postcommit update"), std::make_unique<Logger>("b", journal));
  const Uuid id = network(*plugin, {"local", {}, {}});
  NetworkUpdate update;
  update.name = "other";
  EXPECT_TRUE(plugin->update_network(id, update));
  EXPECT_EQ(plugin->rows()->networks.at(id).name, "other");
  EXPECT_EQ(journal.back(), "b postcommit update");
}

TEST_F(MechanismTest, OpenvswitchBindsWhatTheHostCarries) {
  add_host("hv1");
  const auto plugin = make({});
  const auto vxlan = bind(*plugin, network(*plugin, {"vxlan", {}, 5}), "hv1");
  EXPECT_EQ(vxlan.vif_type, "ovs");
  EXPECT_EQ(vxlan.mechanism_driver, "openvswitch");
  EXPECT_EQ(vxlan.vif_details.at("bridge_name"), "br-int");
  ASSERT_TRUE(vxlan.segment);
  EXPECT_EQ(plugin->rows()->segments.at(*vxlan.segment).segmentation_id, 5);
  EXPECT_EQ(plugin->rows()->ports.at(last_port).status, "BUILD");
  EXPECT_EQ(bind(*plugin, network(*plugin, {"local", {}, {}}), "hv1").vif_type, "ovs");
  EXPECT_EQ(bind(*plugin, network(*plugin, {"vlan", "physnet1", 3}), "hv1").vif_type, "ovs");
  EXPECT_EQ(bind(*plugin, network(*plugin, {"flat", "external", {}}), "hv1").vif_type, "ovs");
}

TEST_F(MechanismTest, WhyAPortIsNotBoundIsSaidInWords) {
  add_host("hv1");
  const auto plugin = make({});
  const Uuid vlan9 = network(*plugin, {"vlan", "physnet9", 3});
  const auto failed = bind(*plugin, vlan9, "hv1");
  EXPECT_EQ(failed.vif_type, "binding_failed");
  EXPECT_EQ(failed.failure, "host hv1: physical network physnet9 is not in its bridge_mappings (external, physnet1)");
  EXPECT_FALSE(failed.segment);
  EXPECT_EQ(plugin->rows()->ports.at(last_port).status, "DOWN");
  EXPECT_THAT(plugin->rows()->ports.at(last_port).status_reason, HasSubstr("physnet9"));
  EXPECT_EQ(bind(*plugin, network(*plugin, {"geneve", {}, 1}), "hv1").failure,
            "host hv1: network type geneve is not in its tunnel_types (vxlan)");
  const Uuid vxlan = network(*plugin, {"vxlan", {}, 1});
  EXPECT_EQ(bind(*plugin, vxlan, "hv7").failure, "host hv7: no agent has reported from this host (known hosts: hv1)");
  EXPECT_THAT(bind(*plugin, vxlan, "hv1", "macvtap").failure, HasSubstr("vnic type macvtap"));
  clock.time = kNow + 66;
  EXPECT_THAT(bind(*plugin, vxlan, "hv1").failure,
              HasSubstr("the last heartbeat was 76 s ago (agent_down_time is 75 s)"));
  clock.time = kNow + 65;
  EXPECT_EQ(bind(*plugin, vxlan, "hv1").vif_type, "ovs");
}

TEST_F(MechanismTest, VhostUserNeedsNetdevAndItsInterfaceType) {
  add_host("dpdk", {{"datapath_type", "netdev"},
                    {"iface_types", "system,dpdkvhostuserclient"},
                    {"vhostuser_socket_dir", "/run/vhost"}});
  add_host("plain", {{"datapath_type", "netdev"}, {"iface_types", "system,vxlan"}});
  const auto plugin = make({});
  const Uuid id = network(*plugin, {"local", {}, {}});
  const auto vhost = bind(*plugin, id, "dpdk");
  EXPECT_EQ(vhost.vif_type, "vhostuser");
  EXPECT_EQ(vhost.vif_details.at("vhostuser_socket"), "/run/vhost/vhu" + last_port.to_string().substr(0, 11));
  EXPECT_EQ(vhost.vif_details.at("vhostuser_mode"), "server");
  EXPECT_EQ(bind(*plugin, id, "plain").vif_type, "ovs");
}

TEST_F(MechanismTest, AFastPathSaysHowPortsAreBound) {
  const std::map<std::string, std::string> dpdk{{"datapath_type", "netdev"},
                                                {"iface_types", "system,dpdkvhostuserclient"},
                                                {"vhostuser_socket_dir", "/run/vhost"}};
  auto with = dpdk;
  with["fastpath"] = "vhostuser";
  with["vhostuser_mode"] = "client";
  add_host("vhost", with);
  with["fastpath"] = "all";
  add_host("all", with);
  const auto plugin = make({});
  const Uuid id = network(*plugin, {"local", {}, {}});
  const auto vhost = bind(*plugin, id, "vhost");
  EXPECT_EQ(vhost.vif_type, "vhostuser");
  EXPECT_EQ(vhost.vif_details.at("vhostuser_socket"), "/run/vhost/vhu" + last_port.to_string().substr(0, 11));
  EXPECT_EQ(vhost.vif_details.at("vhostuser_mode"), "client");
  EXPECT_EQ(vhost.vif_details.at("vhostuser_ovs_plug"), "false");
  const auto tap = bind(*plugin, id, "all");
  EXPECT_EQ(tap.vif_type, "tap");
  EXPECT_FALSE(tap.vif_details.contains("vhostuser_socket"));
}

TEST_F(MechanismTest, AMoveBindsAnew) {
  add_host("hv1");
  add_host("hv2");
  const auto plugin = make({});
  bind(*plugin, network(*plugin, {"vxlan", {}, 1}), "hv1");
  database.update("Port", last_port,
                  {{"status", ovsdb::Datum::of("ACTIVE")}, {"status_reason", ovsdb::Datum::of("")}});
  PortUpdate update;
  update.host = "hv2";
  ASSERT_TRUE(plugin->update_port(last_port, update));
  auto now = *plugin->rows();
  EXPECT_EQ(bindings_of(now, last_port).front().host, "hv2");
  EXPECT_EQ(bindings_of(now, last_port).front().vif_type, "ovs");
  EXPECT_EQ(now.ports.at(last_port).status, "BUILD") << "ACTIVE was said of the other host";
  update.host = "";
  ASSERT_TRUE(plugin->update_port(last_port, update));
  now = *plugin->rows();
  EXPECT_EQ(bindings_of(now, last_port).front().vif_type, "unbound");
  EXPECT_FALSE(bindings_of(now, last_port).front().segment);
  EXPECT_EQ(now.ports.at(last_port).status, "DOWN");
}

TEST_F(MechanismTest, AHostThatChangesWhileBindingIsBoundAgain) {
  add_host("hv1");
  add_host("hv2");
  // Moves the port to hv2 while the first answer, for hv1, is on its way.
  class Mover final : public MechanismDriver {
   public:
    explicit Mover(ovsdb::FakeDatabase& database) : database_(database) {}
    std::string_view name() const override { return "mover"; }
    BindAnswer bind_port(const BindingContext& context) override {
      if (context.binding.host == "hv1")
        database_.update("Binding", context.binding.uuid, {{"host", ovsdb::Datum::of("hv2")}});
      return NotBound{};
    }

   private:
    ovsdb::FakeDatabase& database_;
  };
  const auto plugin = make_with(std::make_unique<Mover>(database));
  const auto binding = bind(*plugin, network(*plugin, {"vxlan", {}, 1}), "hv1");
  EXPECT_EQ(binding.host, "hv2");
  EXPECT_EQ(binding.vif_type, "ovs");
  EXPECT_THAT(plugin->rows()->ports.at(last_port).status_reason, HasSubstr("hv2"));
}

TEST_F(MechanismTest, ADriverAboveHandsDownADynamicSegment) {
  add_host("hv1");
  // A switch that carries vxlan to the rack, and a VLAN of physnet1 from there on.
  class TopOfRack final : public MechanismDriver {
   public:
    std::string_view name() const override { return "tor"; }
    BindAnswer bind_port(const BindingContext& context) override {
      for (const auto& segment : context.segments) {
        if (segment.network_type != "geneve") continue;
        ovsdb::Ml2Segment lower;
        lower.uuid = Uuid::random();
        lower.network_type = "vlan";
        lower.physical_network = "physnet1";
        lower.segmentation_id = 77;
        return ContinueBinding{segment.uuid, {lower}};
      }
      return NotBound{};
    }
  };
  const auto plugin = make_with(std::make_unique<TopOfRack>());
  const auto binding = bind(*plugin, network(*plugin, {"geneve", {}, 1}), "hv1");
  EXPECT_EQ(binding.vif_type, "ovs");
  EXPECT_EQ(binding.mechanism_driver, "tor,openvswitch");
  ASSERT_TRUE(binding.segment);
  const auto segment = plugin->rows()->segments.at(*binding.segment);
  EXPECT_EQ(segment.segmentation_id, 77);
  EXPECT_TRUE(segment.is_dynamic);
}

TEST_F(MechanismTest, LevelsEnd) {
  add_host("hv1");
  // Always one level more.
  class Endless final : public MechanismDriver {
   public:
    std::string_view name() const override { return "endless"; }
    BindAnswer bind_port(const BindingContext& context) override {
      if (context.segments.empty()) return NotBound{};
      ovsdb::Ml2Segment lower = context.segments.front();
      lower.uuid = Uuid::random();
      lower.segmentation_id++;
      return ContinueBinding{context.segments.front().uuid, {lower}};
    }
  };
  std::vector<std::unique_ptr<MechanismDriver>> drivers;
  drivers.push_back(std::make_unique<Endless>());
  Plugin plugin(options, *TypeManager::make(options), MechanismManager(std::move(drivers)),
                *ExtensionManager::make(options), database, clock, system_random(), std::chrono::seconds(5));
  const auto binding = bind(plugin, network(plugin, {"geneve", {}, 1}), "hv1");
  EXPECT_EQ(binding.vif_type, "binding_failed");
  EXPECT_THAT(binding.failure, HasSubstr("more than 10 levels"));
  EXPECT_EQ(plugin.rows()->segments.size(), 1U) << "what was made on the way is not written";
}

TEST_F(MechanismTest, AClockThatIsAheadIsSaid) {
  ovsdb::Ml2Host host{.name = "hv1"};
  const auto of_age = [&](std::int64_t age) {
    host.heartbeat = kNow - age;
    return check_alive(host, 75, kNow) ? heartbeat_age(host, kNow) : check_alive(host, 75, kNow).error().message;
  };
  EXPECT_EQ(of_age(3), "reported 3 s ago");
  EXPECT_EQ(of_age(-10), "reported 0 s ago");
  EXPECT_EQ(of_age(-40), "alive, but its clock is 40 s ahead of this machine's: synchronize them (chrony)");
  EXPECT_EQ(of_age(-75).substr(0, 9), "alive, bu");
  EXPECT_EQ(
      of_age(-3598),
      "whether its agent is alive cannot be told: its clock is 3598 s ahead of this machine's: synchronize them "
      "(chrony)");
  EXPECT_EQ(
      of_age(3598),
      "its agent is down: the last heartbeat was 3598 s ago (agent_down_time is 75 s); if it runs, its clock is "
      "behind this machine's: synchronize them (chrony)");
  // So is it shown, also while it counts as alive.
  const auto plugin = make({});
  const ovsdb::Ml2Rows rows = *plugin->rows();
  host.heartbeat = kNow + 40;
  const auto shown = view({rows, plugin->extensions(), 75, kNow}, host);
  EXPECT_EQ(shown["alive"], true);
  EXPECT_EQ(shown["alive_reason"], "its clock is 40 s ahead of this machine's: synchronize them (chrony)");
}

TEST_F(MechanismTest, APortOfADeadHostIsUnknown) {
  add_host("hv1");
  const auto plugin = make({});
  bind(*plugin, network(*plugin, {"vxlan", {}, 1}), "hv1");
  const auto now = *plugin->rows();
  const auto shown = [&](std::int64_t time) {
    return view({now, plugin->extensions(), 75, time}, now.ports.at(last_port));
  };
  EXPECT_EQ(shown(kNow)["status"], "BUILD");
  EXPECT_EQ(shown(kNow + 100)["status"], "UNKNOWN");
  EXPECT_THAT(shown(kNow + 100)["status_reason"], HasSubstr("110 s ago"));
  // One that has left has said DOWN before.
  ovsdb::Ml2Rows left = now;
  left.hosts.clear();
  ovsdb::Ml2Port& port = left.ports.at(last_port);
  EXPECT_EQ(view({left, plugin->extensions(), 75, kNow}, port)["status"], "UNKNOWN");
  port.status = "DOWN";
  port.status_reason = "cleaned up on hv1";
  EXPECT_EQ(view({left, plugin->extensions(), 75, kNow}, port)["status_reason"], "cleaned up on hv1");
  EXPECT_EQ(view({left, plugin->extensions(), 75, kNow}, port)["status"], "DOWN");
}

TEST(MechanismManagerMake, KnowsOpenvswitchAndSkipsNeutronsOthers) {
  PluginOptions options;
  options.mechanism_drivers = {"openvswitch", "l2population"};
  EXPECT_TRUE(MechanismManager::make(options));
  options.mechanism_drivers = {"openvswich"};
  EXPECT_THAT(MechanismManager::make(options).error().message, HasSubstr("no mechanism driver openvswich"));
}

}  // namespace
}  // namespace ml2::plugin
