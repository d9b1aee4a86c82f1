// agent/reconcile: when an interface says that its port is wired, on a node in memory.
#include <gmock/gmock.h>

#include "agent/reconcile/reconciler.h"
#include "tests/fakes/fake_node.h"

namespace ml2::reconcile {
namespace {

// A node with a wired port, and another that joins it.
class Marks : public ::testing::Test {
 protected:
  Marks() : node_(config()) {
    add(first_, 1001, "fa:16:3e:00:00:01");
    node_.source().set(intent_);
    node_.run();
    node_.plug("tap1", first_);
    node_.run();
  }

  static NodeConfig config() {
    return {.host = "hv1", .local_ip = IpAddress::parse("192.0.2.1"), .tunnel_types = {NetworkType::Vxlan}};
  }
  void add(const Uuid& id, std::uint32_t vni, const char* mac) {
    intent_.ports.emplace(id,
                          Port{.id = id,
                               .segment = {.network = Uuid({1}), .type = NetworkType::Vxlan, .segmentation_id = vni},
                               .mac = *Mac::parse(mac)});
  }
  void join(std::uint32_t vni) {
    add(second_, vni, "fa:16:3e:00:00:02");
    node_.source().set(intent_);
    node_.plug("tap2", second_);
    node_.run();
  }
  std::map<std::string, std::string> ids(const std::string& interface) {
    return node_.agent().vswitch().interfaces.at(interface).external_ids;
  }
  bool is_marked(const std::string& interface) { return ids(interface).contains("ml2-installed"); }
  std::uint64_t transactions() { return node_.agent().counters().transactions; }

  const Uuid first_{{2}}, second_{{3}};
  Intent intent_{.node = config(), .complete = true};
  FakeNode node_;
};

TEST_F(Marks, AnInterfaceSaysSinceWhenItsPortIsWired) {
  EXPECT_EQ(ids("tap1").at("ml2-installed"), "true");
  const std::string since = ids("tap1").at("ml2-installed-ts");
  node_.start_agent();
  node_.run();
  EXPECT_EQ(ids("tap1").at("ml2-installed-ts"), since);
  const auto wired = node_.agent().journal().port_histories().at(first_).since;
  ASSERT_TRUE(wired) << "a new agent says what the interface says";
  EXPECT_EQ(std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(wired->time_since_epoch()).count()),
            since);
  intent_.ports.at(first_).admin_state_up = false;
  node_.source().set(intent_);
  node_.run();
  EXPECT_FALSE(is_marked("tap1"));
  EXPECT_FALSE(ids("tap1").contains("ml2-installed-ts"));
  EXPECT_EQ(ids("tap1").at("iface-id"), first_.to_string());
  EXPECT_TRUE(node_.agent().converged());
}

TEST_F(Marks, TheVlanAndTheMarkAreOneTransaction) {
  const auto before = transactions();
  join(1001);
  EXPECT_TRUE(node_.agent().converged());
  EXPECT_EQ(transactions(), before + 1);
  EXPECT_TRUE(is_marked("tap2"));
}

TEST_F(Marks, APortIsNotMarkedWithItsVlanWhileItsSegmentsFlowsAreMissing) {
  const auto before = transactions();
  node_.of_switch("br-tun").refuse_next_bundle({ErrorKind::Transient, "no"});
  join(2000);
  EXPECT_TRUE(node_.agent().vswitch().ports.at("tap2").tag);
  EXPECT_FALSE(is_marked("tap2"));
  EXPECT_EQ(transactions(), before + 1);
  node_.clock().advance(BackOff::kFirst);
  node_.run();
  EXPECT_TRUE(is_marked("tap2"));
}

}  // namespace
}  // namespace ml2::reconcile
