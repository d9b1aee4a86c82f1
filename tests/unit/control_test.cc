// agent/control: the socket's lock and rights, and status for people and programs.
#include "agent/control/control.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/control/dumps.h"
#include "agent/control/explain.h"
#include "agent/control/metrics.h"
#include "agent/control/metrics_listener.h"
#include "agent/control/pid_file.h"
#include "agent/control/status.h"
#include "datapath/compile/compile.h"
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

TEST_F(Socket, ThePidFileLeadsToTheSocketAndKeepsASecondAgentAway) {
  const std::string link = fmt::format("{}/ml2-agent.{}.ctl", directory_, getpid());
  // As after kill -9: the file and the link of a process that is gone.
  ASSERT_EQ(std::system(
                fmt::format("echo 1234567 > {0}/ml2-agent.pid; ln -s /nowhere {0}/ml2-agent.1234567.ctl", directory_)
                    .c_str()),
            0);
  {
    const auto taken = PidFile::take(directory_, directory_ + "/x.ctl");
    ASSERT_TRUE(taken) << taken.error().message;
    EXPECT_EQ(std::filesystem::read_symlink(link), directory_ + "/x.ctl");
    EXPECT_FALSE(std::filesystem::is_symlink(directory_ + "/ml2-agent.1234567.ctl"));
    const pid_t other = fork();  // the lock is the process's own
    if (other == 0) {
      const auto second = PidFile::take(directory_, directory_ + "/y.ctl");
      const bool right = !second && second.error().kind == ErrorKind::Conflict &&
                         second.error().message.find(std::to_string(getppid())) != std::string::npos;
      _exit(right ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0) << "a second agent is refused, and told the first one's process";
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
  EXPECT_EQ(PidFile::take(directory_ + "/none", "x").error().kind, ErrorKind::Transient);
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

TEST(StatusOf, NetlinkIsOneOfItsRows) {
  reconcile::FakeNode fake(node());
  fake.source().set(local_port("vm1"));
  fake.run();
  auto json = nlohmann::json::parse(status_json(fake.agent(), {}))["netlink"];
  EXPECT_EQ(json, (nlohmann::json{{"read", true}, {"error", ""}, {"full_reads", 1}}));
  EXPECT_THAT(status_table(fake.agent(), {}), HasSubstr("1 links, 0 addresses\n"));
  fake.kernel().overrun();
  fake.kernel().fail_next_read();
  fake.run(1);
  json = nlohmann::json::parse(status_json(fake.agent(), {}))["netlink"];
  EXPECT_NE(json["error"], "");
  EXPECT_TRUE(json["read"]) << "what was read before stands";
  EXPECT_THAT(status_table(fake.agent(), {}), HasSubstr(json["error"].get<std::string>()));
  EXPECT_THAT(metrics_text(fake.agent(), ""), HasSubstr("ml2_agent_netlink_read 0\n"));
  fake.run(1);
  EXPECT_THAT(status_table(fake.agent(), {}), HasSubstr("read whole 2 times"));
  EXPECT_THAT(metrics_text(fake.agent(), ""), HasSubstr("ml2_agent_netlink_full_reads_total 2\n"));
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

TEST(StatusOf, TheDumpOfTheIntentHasAllOfIt) {
  Intent intent = local_port("vm1");
  Port& port = intent.ports.at(kPort);
  port.device_owner = "compute:nova";
  port.port_security_enabled = false;
  port.allowed_address_pairs = {
      {.mac = *Mac::parse("fa:16:3e:00:00:09"), .network = *IpNetwork::parse("10.0.0.0/24")}};
  const Segment segment{.network = kPort, .type = NetworkType::Vxlan, .segmentation_id = 7};
  const IpAddress vtep = *IpAddress::parse("192.0.2.2");
  intent.remote[segment] = {.vteps = {vtep},
                            .ports = {{.mac = *Mac::parse("fa:16:3e:00:00:02"),
                                       .vtep = vtep,
                                       .answered = {*IpAddress::parse("10.0.0.2"), *IpAddress::parse("fd00::2")},
                                       .router = true}},
                            .shared_macs = {*Mac::parse("fa:16:3e:00:00:09")},
                            .any_mac = true};
  intent.problems = {"two hosts have one address"};
  reconcile::FakeNode fake(node());
  fake.source().set(intent);
  fake.run();
  const std::string text = intent_text(fake.agent());
  EXPECT_THAT(text, HasSubstr(" device_owner=compute:nova port_security=false "
                              "allowed_address_pairs=10.0.0.0/24@fa:16:3e:00:00:09\n"));
  EXPECT_THAT(text, HasSubstr("type=vxlan physical_network=- segmentation_id=7 vteps=192.0.2.2 any_mac=true "
                              "shared_macs=fa:16:3e:00:00:09\n"));
  EXPECT_THAT(text, HasSubstr("mac=fa:16:3e:00:00:02 vtep=192.0.2.2 answered=10.0.0.2,fd00::2 router\n"));
  EXPECT_THAT(text, HasSubstr("problem two hosts have one address"));
  const auto json = nlohmann::json::parse(intent_json(fake.agent()));
  EXPECT_EQ(json["ports"][0]["allowed_address_pairs"][0]["ip_address"], "10.0.0.0/24");
  EXPECT_EQ(json["remote"][0]["segmentation_id"], 7);
  EXPECT_EQ(json["remote"][0]["vteps"][0], "192.0.2.2");
  EXPECT_EQ(json["remote"][0]["ports"][0]["answered"].size(), 2U);
  EXPECT_EQ(json["remote"][0]["any_mac"], true);
  EXPECT_EQ(json["problems"][0], "two hosts have one address");
}

// --- explain

class Explained : public ::testing::Test {
 protected:
  Explained() : fake_(node()) {
    fake_.source().set(local_port("vm1"));
    fake_.run();
  }
  nlohmann::json explain() {
    CounterReading reading(fake_.agent(), fake_.clock());
    fake_.run();
    reading.run(fake_.agent());
    EXPECT_TRUE(reading.done());
    return explain_json(fake_.agent(), kPort, reading.counts());
  }
  static bool is_ok(const nlohmann::json& explained, const std::string& what) {
    for (const auto& check : explained["checks"]) {
      if (check["what"] == what) return check["ok"];
    }
    ADD_FAILURE() << "no check " << what;
    return false;
  }

  reconcile::FakeNode fake_;
};

TEST_F(Explained, APortThatIsNotPluggedSaysWhatToDoAndSinceWhen) {
  fake_.clock().advance(std::chrono::seconds(90));
  const auto explained = explain();
  EXPECT_EQ(explained["status"], "DOWN");
  EXPECT_THAT(explained["reason"].get<std::string>(), HasSubstr("no interface with external_ids:iface-id"));
  EXPECT_THAT(explained["since"].get<std::string>(), HasSubstr("2023-11-14T22:13:20"));
  EXPECT_THAT(explained["advice"].get<std::string>(), HasSubstr("vif plug"));
  EXPECT_FALSE(is_ok(explained, "plugged"));
  EXPECT_TRUE(is_ok(explained, "bound to this host"));
  EXPECT_THAT(explain_text(explained), HasSubstr("NO  plugged"));
}

TEST_F(Explained, AWiredPortIsSoSinceBeforeTheAgentStarted) {
  fake_.plug("tap1", kPort);
  fake_.run();
  const std::string wired = explain()["since"];
  fake_.clock().advance(std::chrono::hours(5));
  fake_.start_agent();
  fake_.run();
  EXPECT_EQ(explain()["since"].get<std::string>().substr(0, 19), wired.substr(0, 19));
}

TEST_F(Explained, AWrongIfaceIdIsFoundByTheMac) {
  fake_.plug("tap1", Uuid::random());
  const auto rows = fake_.vswitch().server();
  for (const auto& [uuid, row] : rows.table("Interface")) {
    if (row->column("name").string() != "tap1") continue;
    fake_.vswitch().mutate("Interface", uuid, "external_ids",
                           ovsdb::Datum::map({{"attached-mac", "fa:16:3e:00:00:01"}}));
  }
  fake_.run();
  EXPECT_THAT(explain()["warnings"].dump(), HasSubstr("interface tap1 has this port's MAC address"));
}

TEST_F(Explained, AWiredPortShowsItsFlowsWithCounters) {
  fake_.plug("tap1", kPort);
  fake_.run();
  const auto explained = explain();
  EXPECT_EQ(explained["status"], "ACTIVE");
  EXPECT_TRUE(explained["installed"]);
  EXPECT_EQ(explained["interface"], "tap1");
  EXPECT_TRUE(is_ok(explained, "wired"));
  EXPECT_EQ(explained["advice"], "");
  EXPECT_GT(explained["seconds_to_wire"].get<double>(), 0);
  for (const auto& [bridge, flows] : explained["flows"].items()) {
    for (const auto& flow : flows) EXPECT_TRUE(flow.contains("packets")) << flow.dump();
  }
}

TEST_F(Explained, ASwitchThatDoesNotAnswerIsSaidAndSoAreTheCountersThatDidNotCome) {
  fake_.plug("tap1", kPort);
  fake_.run();
  fake_.of_switch("br-int").hang(std::chrono::seconds(12));
  CounterReading reading(fake_.agent(), fake_.clock());
  fake_.clock().advance(CounterReading::kLimit);
  fake_.run();
  reading.run(fake_.agent());
  ASSERT_TRUE(reading.done());
  const std::string text = explain_text(explain_json(fake_.agent(), kPort, reading.counts()));
  EXPECT_THAT(text, HasSubstr("NO  bridge br-int: ovs-vswitchd has not answered for 12 s"));
  EXPECT_THAT(text, HasSubstr("problem of this host: bridge br-int: ovs-vswitchd has not answered since"));
  EXPECT_THAT(text,
              HasSubstr("warning: the counters of br-int are missing: ovs-vswitchd did not tell them within 2 s"));
  const auto status = nlohmann::json::parse(status_json(fake_.agent(), {}));
  EXPECT_EQ(status["bridges"]["br-int"]["silent_seconds"], 12.0);
  EXPECT_TRUE(status["bridges"]["br-int"]["connected"]);
  EXPECT_THAT(status_table(fake_.agent(), {}), HasSubstr("(connected, ovs-vswitchd has not answered for 12 s)"));
  EXPECT_THAT(metrics_text(fake_.agent(), ""), HasSubstr("ml2_agent_bridge_silent_seconds{bridge=\"br-int\"} 12\n"));
}

TEST_F(Explained, WhatAntiSpoofingDropsIsAWarning) {
  fake_.plug("tap1", kPort);
  fake_.run();
  EXPECT_THAT(explain()["warnings"].dump(), Not(HasSubstr("anti-spoofing")));
  const of::FlowSet flows = fake_.of_switch("br-int").table();
  for (const auto& [key, body] : flows) {
    if (key.priority != 1 || (key.table != 24 && key.table != 25)) continue;
    fake_.of_switch("br-int").count(key, key.table);
  }
  const std::string warnings = explain()["warnings"].dump();
  EXPECT_THAT(warnings, HasSubstr("dropped 24 frames of ARP or neighbour advertisements"));
  EXPECT_THAT(warnings, HasSubstr("dropped 25 frames from MACs"));
  EXPECT_THAT(warnings, HasSubstr("--allowed-address"));
}

TEST_F(Explained, TheHostsProblemsAreShownWithItsPorts) {
  Intent intent = local_port("vm1");
  intent.problems.insert("local_ip 192.0.2.1 is already the vxlan endpoint of host hv2");
  fake_.source().set(intent);
  fake_.run();
  EXPECT_THAT(explain_text(explain()), HasSubstr("problem of this host: local_ip 192.0.2.1 is already"));
}

TEST_F(Explained, APortIsFoundByNameIdInterfaceAndStartOfItsId) {
  fake_.plug("tap1", kPort);
  fake_.run();
  for (const char* text : {"vm1", "tap1", "2222", "22222222-0000-4000-8000-000000000001"}) {
    const auto found = find_port(fake_.agent(), text);
    ASSERT_TRUE(found) << text;
    EXPECT_EQ(*found, kPort);
  }
  EXPECT_THAT(find_port(fake_.agent(), "vm2").error().message, HasSubstr("no port of host hv1"));
}

TEST_F(Explained, ARefusedRowSaysWhy) {
  Intent intent{.node = node(), .complete = true};
  intent.refused[kPort] = "mac_address \"x\" is not six hexadecimal bytes";
  fake_.source().set(intent);
  fake_.run();
  const auto explained = explain();
  EXPECT_EQ(explained["status"], "ERROR");
  EXPECT_FALSE(is_ok(explained, "row accepted"));
  EXPECT_THAT(explain_text(explained), HasSubstr("NO  row accepted: mac_address"));
}

TEST_F(Explained, AFlowThatIsNotInTheSwitchIsShownAsMissing) {
  fake_.plug("tap1", kPort);
  Intent down = local_port("vm1");
  down.ports.at(kPort).admin_state_up = false;
  fake_.source().set(down);  // a dead port has a drop flow of its own
  fake_.run();
  fake_.of_switch("br-int").refuse_next_bundle({ErrorKind::Transient, "not now"});
  const of::FlowSet flows = fake_.of_switch("br-int").table();
  std::size_t removed = 0;
  for (const auto& [key, body] : flows) {
    if (body.cookie != cookie_of_port(kPort)) continue;
    fake_.of_switch("br-int").remove(key);
    ++removed;
  }
  ASSERT_GT(removed, 0U);
  fake_.run(3);
  const auto explained = explain_json(fake_.agent(), kPort, {});
  EXPECT_THAT(explain_text(explained), HasSubstr("MISSING"));
  EXPECT_THAT(explained["last_error"]["error"].get<std::string>(), HasSubstr("not now"));
}

// --- dumps and events

TEST_F(Explained, DumpsAreAlsoJson) {
  fake_.plug("tap1", kPort);
  fake_.run();
  EXPECT_EQ(nlohmann::json::parse(intent_json(fake_.agent()))["ports"][0]["network_type"], "local");
  const auto facts = nlohmann::json::parse(facts_json(fake_.agent()));
  EXPECT_EQ(facts["interfaces"]["tap1"]["iface_id"], kPort.to_string());
  EXPECT_THAT(facts_text(fake_.agent()), HasSubstr("interface tap1 bridge=br-int"));
  const auto desired = nlohmann::json::parse(desired_json(fake_.agent()));
  EXPECT_EQ(desired["vifs"]["tap1"]["dead"], false);
  EXPECT_EQ(desired["flows"]["br-int"][0]["table_name"], "local_switching");
  EXPECT_TRUE(nlohmann::json::parse(plan_json(fake_.agent()))["empty"]);
}

TEST_F(Explained, EventsAreTextAndJsonAndGoOnFromANumber) {
  fake_.plug("tap1", kPort);
  fake_.run();
  const auto all = nlohmann::json::parse(events_json(fake_.agent().journal(), 0));
  ASSERT_GT(all.size(), 3U);
  EXPECT_EQ(all[0]["id"], 1);
  EXPECT_THAT(events_text(fake_.agent().journal(), 0), HasSubstr("(woken by: "));
  const std::uint64_t last = all.back()["id"];
  EXPECT_EQ(nlohmann::json::parse(events_json(fake_.agent().journal(), last - 1)).size(), 1U);
  EXPECT_EQ(events_text(fake_.agent().journal(), last), "no events");
}

// --- metrics

TEST_F(Explained, MetricsArePrometheusText) {
  fake_.plug("tap1", kPort);
  fake_.run();
  const std::string text = metrics_text(fake_.agent(), "1.2.3");
  EXPECT_THAT(text, HasSubstr("# TYPE ml2_agent_ports gauge"));
  EXPECT_THAT(text, HasSubstr("ml2_agent_ports{state=\"active\"} 1"));
  EXPECT_THAT(text, HasSubstr("ml2_agent_flows{bridge=\"br-int\"} "));
  EXPECT_THAT(text, HasSubstr("ml2_agent_port_wired_seconds_bucket{le=\"+Inf\"} 1"));
  EXPECT_THAT(text, HasSubstr("ml2_agent_port_wired_seconds_count 1"));
  EXPECT_THAT(text, HasSubstr("version=\"1.2.3\""));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes "));
}

class Scraped : public Socket {
 protected:
  // What the listener says to these bytes, sent by a client of its UNIX socket.
  std::string ask(MetricsListener& listener, const std::string& request) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    std::string answer;
    for (int pass = 0; pass < 20; ++pass) {
      listener.run(fake_.agent(), "1");
      char buffer[4096];
      const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
      if (n == 0) return answer;
      if (n > 0) answer.append(buffer, static_cast<std::size_t>(n));
    }
    return answer + "(still open)";
  }
  [[nodiscard]] std::string path() const { return directory_ + "/metrics.sock"; }

  reconcile::FakeNode fake_{node()};
};

// A thread in which socket() fails. (With a limit of 0 files UBSan fails too: it opens a pipe to look at an object.)
template <typename Do>
void without_sockets(Do act) {
  std::thread([&] {
    sock_filter steps[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 1),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EMFILE),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog program{.len = std::size(steps), .filter = steps};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    act();
  }).join();
}

TEST_F(Scraped, WithoutASocketItSaysWhy) {
  without_sockets([&] {
    auto listener = MetricsListener::open("unix:" + path(), fake_.clock());
    ASSERT_TRUE(listener);
    EXPECT_EQ((*listener)->error(), "cannot listen on unix:" + path() + ": Too many open files");
  });
}

TEST_F(Scraped, OnlyGetMetricsIsAnswered) {
  auto listener = MetricsListener::open("unix:" + path(), fake_.clock());
  ASSERT_TRUE(listener) << listener.error().message;
  const std::string good = ask(**listener, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(good, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(good, HasSubstr("ml2_agent_in_sync 0"));
  EXPECT_THAT(ask(**listener, "GET / HTTP/1.1\r\n\r\n"), HasSubstr("404"));
  EXPECT_THAT(ask(**listener, "POST /metrics HTTP/1.1\r\n\r\n"), HasSubstr("405"));
  EXPECT_THAT(ask(**listener, "\x16\x03\x01 hello\r\n\r\n"), HasSubstr("400"));
  EXPECT_EQ(ask(**listener, std::string(MetricsListener::kMaxRequest + 2000, 'x')), "");
  EXPECT_THAT(ask(**listener, "GET /metrics HT"), HasSubstr("still open"));
}

TEST_F(Scraped, ASilentClientIsCutOff) {
  auto listener = MetricsListener::open("unix:" + path(), fake_.clock());
  ASSERT_TRUE(listener);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  (*listener)->run(fake_.agent(), "1");
  char byte = 0;
  EXPECT_EQ(recv(fd.get(), &byte, 1, 0), -1);
  fake_.clock().advance(MetricsListener::kPatience);
  (*listener)->run(fake_.agent(), "1");
  EXPECT_EQ(recv(fd.get(), &byte, 1, 0), 0);
}

TEST_F(Scraped, OnlyLoopbackIsListenedOn) { EXPECT_FALSE(MetricsListener::open("0.0.0.0:9000", fake_.clock())); }

TEST_F(Scraped, AnAddressThatIsTakenIsTriedAgain) {
  ASSERT_EQ(std::system(("touch " + path()).c_str()), 0);
  auto listener = MetricsListener::open("unix:" + path(), fake_.clock());
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_THAT((*listener)->error(), HasSubstr("is no socket"));
  std::filesystem::remove(path());
  (*listener)->run(fake_.agent(), "1");
  EXPECT_NE((*listener)->error(), "") << "not at once";
  fake_.clock().advance(MetricsListener::kRetry);
  (*listener)->run(fake_.agent(), "1");
  EXPECT_EQ((*listener)->error(), "");
  EXPECT_THAT(ask(**listener, "GET /metrics HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
}

}  // namespace
}  // namespace ml2::control
