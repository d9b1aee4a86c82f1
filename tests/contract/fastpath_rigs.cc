#include "tests/contract/fastpath_rigs.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "datapath/base/check.h"
#include "datapath/base/poll_loop.h"
#include "datapath/fastpath/socket_fast_path.h"
#include "dpdk/process/control.h"
#include "tests/fakes/fake_fast_path.h"

namespace ml2::fp {
namespace {

constexpr std::chrono::milliseconds kAskEvery{20};

class FakeRig final : public FastPathRig {
 public:
  FakeRig() {
    process_.refuse_device("net_nosuch", "device net_nosuch cannot be opened");
    process_.run_on(cores());
  }
  std::unique_ptr<FastPath> open() override { return std::make_unique<FakeFastPath>(process_); }
  std::vector<unsigned> cores() const override { return {2, 3}; }
  void start() override { process_.start(); }
  void stop() override { process_.stop(); }

 private:
  FakeFastPathProcess process_;
};

// A directory that is gone with the rig.
class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "ml2-fastpath-XXXXXX").string();
    ML2_CHECK(::mkdtemp(name.data()) != nullptr, "a directory for a test");
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string socket() const { return path_ + "/control"; }

 private:
  std::string path_;
};

class NoReaders final : public fastpath::GracePeriod {
 public:
  std::uint64_t start() override { return 0; }
  bool passed(std::uint64_t) override { return true; }
};
class NullDevices final : public fastpath::PortDevices {
 public:
  Status open(const abi::Port& port) override {
    if (std::string(port.devargs).starts_with("net_nosuch")) return transient("device net_nosuch cannot be opened");
    return {};
  }
  Status change(const abi::Port&) override { return {}; }
  void serve() override {}
  void close(std::uint16_t) override {}
};

class ServerRig final : public FastPathRig {
 public:
  ServerRig() { start(); }
  ~ServerRig() override { stop(); }
  std::unique_ptr<FastPath> open() override {
    return std::make_unique<SocketFastPath>(directory_.socket(), kAskEvery);
  }
  std::vector<unsigned> cores() const override { return {4, 5}; }
  void start() override {
    program_ = std::make_unique<fastpath::Program>(readers_, devices_, 0x9e3779b97f4a7c15ULL);
    fastpath::ControlParts parts;
    parts.program = program_.get();
    parts.boot = ++boot_;
    parts.process_members = [] { return std::string(R"("workers":[{"core":4},{"core":5}])"); };
    parts.second = [] { return std::uint64_t{0}; };
    parts.counters = [] { return std::vector<const fastpath::Counters*>(); };
    auto control = fastpath::Control::open(directory_.socket(), std::move(parts));
    ML2_CHECK(control.has_value(), "the control socket opens in a directory of its own");
    control_ = std::move(*control);
    end_ = false;
    wake_.reset(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] {
      while (!end_) control_->run(1000, wake_.get());
    });
  }
  void stop() override {
    if (!thread_.joinable()) return;
    end_ = true;
    ML2_CHECK(::eventfd_write(wake_.get(), 1) == 0, "an eventfd takes a number");
    thread_.join();
    control_.reset();
    program_.reset();
  }

 private:
  Directory directory_;
  NoReaders readers_;
  NullDevices devices_;
  std::unique_ptr<fastpath::Program> program_;
  std::unique_ptr<fastpath::Control> control_;
  UniqueFd wake_;
  std::thread thread_;
  std::atomic<bool> end_{false};
  std::uint64_t boot_ = 0;
};

class ProcessRig final : public FastPathRig {
 public:
  ProcessRig() {
    if (obstacle().empty()) start();
  }
  ~ProcessRig() override { stop(); }
  std::string obstacle() const override {
    return std::filesystem::exists(kProgram) ? "" : "ml2-fastpath is not built (no libdpdk-dev)";
  }
  std::unique_ptr<FastPath> open() override {
    return std::make_unique<SocketFastPath>(directory_.socket(), kAskEvery);
  }
  std::vector<unsigned> cores() const override { return {std::max(std::thread::hardware_concurrency(), 1U) - 1}; }
  void start() override {
    const std::string socket = directory_.socket();
    const std::string core = std::to_string(cores().front());
    std::vector<std::string> words = {kProgram, "--socket", socket, "--no-huge", "--mbufs", "2047", "--cores", core};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ML2_CHECK(::posix_spawn(&pid_, kProgram, nullptr, nullptr, arguments.data(), environ) == 0,
              "ml2-fastpath starts");
  }
  void stop() override {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }

 private:
  static constexpr const char* kProgram = ML2_BIN_DIR "/ml2-fastpath";
  Directory directory_;
  pid_t pid_ = -1;
};

}  // namespace

std::unique_ptr<FastPathRig> make_fake_fastpath_rig() { return std::make_unique<FakeRig>(); }
std::unique_ptr<FastPathRig> make_server_fastpath_rig() { return std::make_unique<ServerRig>(); }
std::unique_ptr<FastPathRig> make_process_fastpath_rig() { return std::make_unique<ProcessRig>(); }

bool until(FastPath& client, const std::function<bool()>& done) {
  const long long deadline = ml2_time_msec() + 20'000;
  while (true) {
    client.run();
    if (done()) return true;
    if (ml2_time_msec() >= deadline) return false;
    client.wait();
    ml2_poll_timer(deadline - ml2_time_msec());
    ml2_poll_block();
  }
}

}  // namespace ml2::fp
