// agent/reconcile: Journal: how long a port took, and since when it is as it is.
#include <gtest/gtest.h>

#include "agent/reconcile/journal.h"
#include "agent/reconcile/wired_marks.h"
#include "tests/fakes/fake_clock.h"

namespace ml2::reconcile {
namespace {

const Uuid kPort = *Uuid::parse("22222222-0000-4000-8000-000000000001");

class PortJournal : public ::testing::Test {
 protected:
  void say(intent::PortStatus status, const std::string& interface) {
    const intent::PortReport report{.status = status};
    const PortState state{.interface = interface};
    journal_.port(kPort, &report, &state);
  }
  void down(const std::string& interface) { say(intent::PortStatus::Down, interface); }
  void active() { say(intent::PortStatus::Active, "tap1"); }
  void pass(int seconds) { clock_.advance(std::chrono::seconds(seconds)); }
  [[nodiscard]] std::optional<double> took() { return journal_.port_histories().at(kPort).seconds_to_wire; }

  FakeClock clock_;
  Journal journal_{clock_};
};

TEST_F(PortJournal, OnlyTheFirstActiveAfterAPlugIsATimeToWire) {
  down("");
  pass(100);
  down("tap1");
  pass(2);
  active();
  EXPECT_EQ(took(), 2.0);
  // A bridge is lost, and made again.
  pass(350);
  down("tap1");
  pass(1);
  active();
  EXPECT_EQ(took(), 2.0);
  EXPECT_EQ(journal_.wirings().count(), 1U);
  // Unplugged and plugged.
  down("");
  pass(50);
  down("tap1");
  pass(3);
  active();
  EXPECT_EQ(took(), 3.0);
  EXPECT_EQ(journal_.wirings().count(), 2U);
}

TEST_F(PortJournal, APortThatWasPluggedBeforeTheAgentStartedHasNoTimeToWire) {
  down("tap1");
  pass(1);
  say(intent::PortStatus::Error, "tap1");
  pass(1);
  active();
  EXPECT_EQ(took(), std::nullopt);
  EXPECT_EQ(journal_.wirings().count(), 0U);
}

TEST_F(PortJournal, APortThatIsWiredWhenTheAgentStartsIsSoSinceBefore) {
  active();
  EXPECT_EQ(journal_.port_histories().at(kPort).since, std::nullopt);
  pass(5);
  down("tap1");
  EXPECT_EQ(journal_.port_histories().at(kPort).since, clock_.wall());
  pass(5);
  active();
  EXPECT_EQ(journal_.port_histories().at(kPort).since, clock_.wall());
}

TEST(WiredMarks, ATimeThatMakesNoSenseIsNone) {
  const WallTime now{std::chrono::milliseconds(1'700'000'000'000)};
  ovsdb::InterfaceRow row;
  EXPECT_EQ(marked_since(row, now), std::nullopt);
  for (const char* text : {"", "yesterday", "-1", "0", "1700000000001", "99999999999999999999"}) {
    row.external_ids = {{"ml2-installed", "true"}, {"ml2-installed-ts", text}};
    EXPECT_EQ(marked_since(row, now), std::nullopt) << text;
  }
  row.external_ids["ml2-installed-ts"] = "1700000000000";
  EXPECT_EQ(marked_since(row, now), now);
}

}  // namespace
}  // namespace ml2::reconcile
