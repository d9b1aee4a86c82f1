#include "tests/contract/switch_rig.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "datapath/base/check.h"
#include "datapath/base/poll_loop.h"
#include "datapath/openflow/rconn_switch.h"
#include "tests/fakes/fake_switch.h"

namespace ml2::of {
namespace {

using Words = std::vector<std::string>;

class FakeRig final : public SwitchRig {
 public:
  Switch& open(const std::string& bridge) override { return at(bridge); }
  FlowSet fresh_flows(const std::string& bridge) override {
    FakeSwitch& fake = at(bridge);
    fake.disconnect();
    fake.run();
    fake.reconnect();
    ML2_CHECK(until([&] { return fake.flows() != nullptr; }), "the fake connects again");
    return *fake.flows();
  }
  void foreign_put(const std::string& bridge, const FlowKey& key, const FlowBody& body) override {
    at(bridge).put(key, body);
  }
  void foreign_put_all(const std::string& bridge, const FlowSet& flows) override {
    for (const auto& [key, body] : flows) at(bridge).put(key, body);
  }
  void foreign_remove(const std::string& bridge, const FlowKey& key) override { at(bridge).remove(key); }
  void hit(const std::string& bridge, const FlowKey& key) override { at(bridge).count(key, 1); }
  void let_expire(const std::string& bridge, const FlowKey& key) override { at(bridge).remove(key); }
  void freeze() override {
    for (auto& [name, fake] : fakes_) fake.hang();
  }
  void thaw() override {
    for (auto& [name, fake] : fakes_) fake.answer();
  }
  void restart() override {
    for (auto& [name, fake] : fakes_) fake.restart();
  }

 protected:
  std::vector<Switch*> switches() override {
    std::vector<Switch*> result;
    for (auto& [name, fake] : fakes_) result.push_back(&fake);
    return result;
  }

 private:
  FakeSwitch& at(const std::string& bridge) { return fakes_.try_emplace(bridge, bridge).first->second; }
  std::map<std::string, FakeSwitch> fakes_;
};

// A child process that ends with this object, or with this process.
class Process {
 public:
  Process(const Words& words, const std::filesystem::path& directory) {
    const pid_t parent = getpid();
    pid_ = fork();
    ML2_CHECK(pid_ >= 0, "fork works");
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    for (const char* name : {"OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"}) {
      setenv(name, directory.c_str(), 1);
    }
    const int log = ::open((directory / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Process& operator=(Process&&) = delete;
  ~Process() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  // Returns when it has stopped.
  void freeze() const {
    kill(pid_, SIGSTOP);
    waitpid(pid_, nullptr, WUNTRACED);
  }
  void thaw() const { kill(pid_, SIGCONT); }
  // Exit status; -1 when it was killed.
  int wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_;
};

class RealRig final : public RealSwitchRig {
 public:
  RealRig() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ml2-switch-XXXXXX").string();
    ML2_CHECK(mkdtemp(pattern.data()) != nullptr, "a temporary directory can be made");
    directory_ = pattern;
    database_ = "unix:" + (directory_ / "db.sock").string();
    command({"ovsdb-tool", "create", path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"});
    server_.emplace(
        Words{"ovsdb-server", "--remote=p" + database_, "--unixctl=" + path("ovsdb.ctl"), path("conf.db")},
        directory_);
    wait_for_file("db.sock");
    command({"ovs-vsctl", "--db=" + database_, "--no-wait", "init"});
    start_vswitchd();
  }
  ~RealRig() override {
    open_.clear();
    vswitchd_.reset();
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  Switch& open(const std::string& bridge) override { return open(bridge, kQuick); }
  Switch& open(const std::string& bridge, Liveness liveness) override {
    if (bridges_.insert(bridge).second) {
      const std::string port = bridge + "-p1";
      command({"ovs-vsctl",
               "--timeout=20",
               "--db=" + database_,
               "add-br",
               bridge,
               "--",
               "set",
               "Bridge",
               bridge,
               "fail_mode=secure",
               "--",
               "add-port",
               bridge,
               port,
               "--",
               "set",
               "Interface",
               port,
               "type=dummy",
               "ofport_request=1"});
    }
    return *open_.emplace_back(std::make_unique<RconnSwitch>(bridge, path(bridge + ".mgmt"), liveness));
  }
  void vsctl(const Words& words) override {
    Words line{"ovs-vsctl", "--timeout=20", "--db=" + database_};
    line.insert(line.end(), words.begin(), words.end());
    command(line);
  }
  FlowSet fresh_flows(const std::string& bridge) override {
    Switch& fresh = open(bridge);
    ML2_CHECK(until([&] { return fresh.flows() != nullptr; }), "another connection reads the flows");
    FlowSet flows = *fresh.flows();
    open_.pop_back();
    return flows;
  }
  void foreign_put(const std::string& bridge, const FlowKey& key, const FlowBody& body) override {
    command({"ovs-ofctl", "-OOpenFlow14", "add-flow", target(bridge), to_text(key, body)});
  }
  void foreign_put_all(const std::string& bridge, const FlowSet& flows) override {
    std::ofstream file(path("flows"));
    for (const auto& [key, body] : flows) file << to_text(key, body) << "\n";
    file.close();
    command({"ovs-ofctl", "-OOpenFlow14", "add-flows", target(bridge), path("flows")});
  }
  void foreign_remove(const std::string& bridge, const FlowKey& key) override {
    command({"ovs-ofctl", "-OOpenFlow14", "--strict", "del-flows", target(bridge),
             fmt::format("table={},priority={},{}", key.table, key.priority, key.match)});
  }
  void hit(const std::string& bridge, const FlowKey&) override {
    const std::string frame =
        "ffffffffffff"
        "fa163e000001"
        "0806"
        "0001080006040001"
        "fa163e000001"
        "0a000001"
        "000000000000"
        "0a000002"
        "000000000000000000000000000000000000";
    command({"ovs-ofctl", "-OOpenFlow14", "packet-out", target(bridge),
             "in_port=1 packet=" + frame + " actions=resubmit(,0)"});
  }
  void let_expire(const std::string&, const FlowKey&) override {}
  void freeze() override { vswitchd_->freeze(); }
  void thaw() override { vswitchd_->thaw(); }
  void restart() override {
    vswitchd_.reset();
    std::filesystem::remove(directory_ / "vswitchd.ctl");
    start_vswitchd();
  }

 protected:
  std::vector<Switch*> switches() override {
    std::vector<Switch*> result;
    for (auto& one : open_) result.push_back(one.get());
    return result;
  }

 private:
  [[nodiscard]] std::string path(const std::string& name) const { return (directory_ / name).string(); }
  [[nodiscard]] std::string target(const std::string& bridge) const { return "unix:" + path(bridge + ".mgmt"); }
  void command(const Words& words) const {
    const int status = Process(words, directory_).wait();
    if (status != 0) {
      std::fprintf(stderr, "%s ended with %d; %s/log:\n", words[0].c_str(), status, directory_.c_str());
      Process({"cat", path("log")}, "/dev").wait();
    }
    ML2_CHECK(status == 0, "the rig's commands work");
  }
  void wait_for_file(const std::string& name) const {
    const long long deadline = ml2_time_msec() + 20'000;
    while (!std::filesystem::exists(directory_ / name)) {
      ML2_CHECK(ml2_time_msec() < deadline, "a server of the rig starts within 20 s");
      ml2_poll_timer(5);
      ml2_poll_block();
    }
  }
  void start_vswitchd() {
    vswitchd_.emplace(Words{"ovs-vswitchd", "--enable-dummy=override", "--disable-system",
                            "--unixctl=" + path("vswitchd.ctl"), database_},
                      directory_);
    wait_for_file("vswitchd.ctl");
  }

  std::filesystem::path directory_;
  std::string database_;
  std::optional<Process> server_;
  std::optional<Process> vswitchd_;
  std::set<std::string> bridges_;
  std::vector<std::unique_ptr<RconnSwitch>> open_;
};

}  // namespace

bool SwitchRig::until(const std::function<bool()>& condition) {
  const long long deadline = ml2_time_msec() + 20'000;
  for (;;) {
    for (Switch* one : switches()) one->run();
    if (condition()) return true;
    const long long left = deadline - ml2_time_msec();
    if (left <= 0) return false;
    for (Switch* one : switches()) one->wait();
    ml2_poll_timer(left < 1000 ? left : 1000);
    ml2_poll_block();
  }
}

std::unique_ptr<SwitchRig> make_fake_rig() { return std::make_unique<FakeRig>(); }
std::unique_ptr<RealSwitchRig> make_real_rig() { return std::make_unique<RealRig>(); }

}  // namespace ml2::of
