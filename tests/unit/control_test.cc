// agent/control: the socket's lock and rights, and status for people and programs.
#include "agent/control/control.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/control/status.h"
#include "tests/fakes/fake_node.h"

namespace ml2::control {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class Socket : public ::testing::Test {
 protected:
  Socket() {
    std::string pattern = std::filesystem::temp_directory_path() / "ml2-control-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~Socket() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
};

TEST_F(Socket, ASecondAgentIsRefusedAndALeftoverIsNot) {
  const std::string path = directory_ + "/new/agent.ctl";
  {
    auto first = Control::open(path);
    ASSERT_TRUE(first) << first.error().message;
    struct stat info {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);

    const auto second = Control::open(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::Conflict);
    EXPECT_THAT(second.error().message, HasSubstr("another ml2-agent is running"));
  }
  // As after kill -9: the socket's file is there and nobody listens.
  std::filesystem::remove(path);
  ASSERT_EQ(std::system(("touch " + path).c_str()), 0);
  EXPECT_TRUE(Control::open(path));
}

TEST_F(Socket, APlaceThatCannotBeMadeIsNamed) {
  ASSERT_EQ(std::system(("touch " + directory_ + "/file").c_str()), 0);
  const auto control = Control::open(directory_ + "/file/agent.ctl");
  ASSERT_FALSE(control);
  EXPECT_THAT(control.error().message, HasSubstr(directory_ + "/file"));
}

const Uuid kPort = *Uuid::parse("22222222-0000-4000-8000-000000000001");

NodeConfig node() { return {.host = "hv1"}; }

Intent local_port(const std::string& name) {
  Intent intent{.node = node(), .complete = true};
  intent.ports.emplace(kPort, Port{.id = kPort,
                                   .name = name,
                                   .segment = {.network = Uuid::random(), .type = NetworkType::Local},
                                   .mac = *Mac::parse("fa:16:3e:00:00:01"),
                                   .security_groups = {Uuid::random()}});
  return intent;
}

TEST(StatusOf, SaysWhatTheGateWaitsFor) {
  reconcile::FakeNode fake(node());
  fake.run();
  const auto json = nlohmann::json::parse(status_json(fake.agent(), {.version = "1.2.3"}));
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_FALSE(json["in_sync"]);
  EXPECT_FALSE(json["plan_empty"]);
  EXPECT_THAT(json["waiting_for"].dump(), HasSubstr("not read yet"));
  EXPECT_THAT(status_table(fake.agent(), {}), HasSubstr("waiting: test at memory not read yet"));
}

TEST(StatusOf, ShowsEachPortAndThatItsGroupsAreNotEnforced) {
  reconcile::FakeNode fake(node());
  fake.source().set(local_port("vm1"));
  fake.run();
  fake.plug("tap1", kPort);
  fake.run();
  const auto json = nlohmann::json::parse(status_json(fake.agent(), {}));
  EXPECT_TRUE(json["converged"]);
  ASSERT_EQ(json["ports"].size(), 1U);
  EXPECT_EQ(json["ports"][0]["status"], "ACTIVE");
  EXPECT_EQ(json["ports"][0]["interface"], "tap1");
  EXPECT_EQ(json["ports"][0]["local_vlan"], "1");
  EXPECT_THAT(json["ports"][0]["note"].get<std::string>(), HasSubstr("not enforced"));
  EXPECT_THAT(status_table(fake.agent(), {}), HasSubstr("notice: security groups are not enforced"));
}

TEST(StatusOf, HostileNamesNeitherBreakTheJsonNorThrow) {
  reconcile::FakeNode fake(node());
  fake.source().set(local_port("\xff\xfe\"\n\x1b[31m"));
  fake.run();
  const auto json = nlohmann::json::parse(status_json(fake.agent(), {}));
  EXPECT_EQ(json["ports"].size(), 1U);
  EXPECT_THAT(status_table(fake.agent(), {}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(intent_text(fake.agent()), Not(HasSubstr("\x1b")));
}

TEST(StatusOf, DumpsNameTablesAndPorts) {
  reconcile::FakeNode fake(node());
  fake.source().set(local_port("vm1"));
  fake.run();
  EXPECT_THAT(desired_text(fake.agent()), HasSubstr("br-int canary priority=0 actions=drop"));
  EXPECT_THAT(intent_text(fake.agent()), HasSubstr("type=local"));
}

}  // namespace
}  // namespace ml2::control
