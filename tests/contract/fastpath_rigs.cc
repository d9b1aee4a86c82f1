#include "tests/contract/fastpath_rigs.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "datapath/base/check.h"
#include "datapath/base/poll_loop.h"
#include "datapath/fastpath/socket_fast_path.h"
#include "dpdk/process/control.h"
#include "dpdk/walk/frame.h"
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
  void spoof(PortId port) override { process_.drop(port, {.macs = 1}); }
  bool trouble(const std::string& devargs, const std::string& reason) override {
    process_.trouble(devargs, reason);
    return true;
  }
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
  // Writes one, and answers its path.
  [[nodiscard]] std::string file(const std::string& name, const std::vector<std::uint32_t>& words) const {
    std::ofstream file(path_ + "/" + name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(words.size() * 4));
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

// A capture file (pcap-savefile(5)) of one frame of 64 bytes, from 02:02:02:02:02:02.
std::vector<std::uint32_t> spoofed_frame() {
  std::vector<std::uint32_t> words{0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1, 0, 0, 64, 64};
  words.resize(words.size() + 16, 0x02020202);
  return words;
}

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
    parts.link_trouble = [this](std::uint16_t port) {
      const auto found = troubles_.find(program_->ports().at(port).devargs);
      return found == troubles_.end() ? std::string() : found->second;
    };
    counters_ = std::make_unique<fastpath::Counters>();
    parts.counters = [this] { return std::vector<const fastpath::Counters*>{counters_.get()}; };
    auto control = fastpath::Control::open(directory_.socket(), std::move(parts));
    ML2_CHECK(control.has_value(), "the control socket opens in a directory of its own");
    control_ = std::move(*control);
    end_ = false;
    wake_.reset(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] {
      while (!end_) control_->run(1000, wake_.get());
    });
  }
  void spoof(PortId port) override {
    __atomic_fetch_add(&counters_->ports[port].drops[static_cast<std::size_t>(fastpath::Drop::SpoofedMac)], 1,
                       __ATOMIC_RELAXED);
  }
  // Before the port is there: the thread reads it then.
  bool trouble(const std::string& devargs, const std::string& reason) override {
    troubles_[devargs] = reason;
    return true;
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
  std::map<std::string, std::string> troubles_;
  std::unique_ptr<fastpath::Counters> counters_;
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
  std::string spoofing_device() const override {
    return fmt::format("net_pcap9,rx_pcap={}", directory_.file("spoofed.pcap", spoofed_frame()));
  }
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
  bool hang(bool on) override { return ::kill(pid_, on ? SIGSTOP : SIGCONT) == 0; }

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
