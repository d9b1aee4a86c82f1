#include "tests/contract/kernel_backends.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "datapath/base/poll_loop.h"
#include "datapath/base/unique_fd.h"
#include "datapath/netlink/nl_kernel.h"
#include "tests/fakes/fake_kernel.h"

namespace ml2::nl {
namespace {

class FakeBackend final : public Backend {
 public:
  FakeBackend() {
    for (int i = 0; i < 2; ++i) host_.add_netns(netns(i));
  }
  std::string obstacle() const override { return {}; }
  NetnsRef netns(int number) const override { return {.path = "/run/netns/fake-" + std::to_string(number)}; }
  std::unique_ptr<Kernel> open(int number, Monitor monitor) override {
    return std::make_unique<FakeKernel>(host_, netns(number), monitor);
  }
  std::unique_ptr<Kernel> open_forgetful() override { return open(0, Monitor::all()); }
  void after_storm(Kernel& forgetful) override { dynamic_cast<FakeKernel&>(forgetful).overrun(); }
  Status apply_without_rights(Kernel& kernel, const Batch& batch) override {
    dynamic_cast<FakeKernel&>(kernel).fail_next_operation(EPERM);
    return kernel.apply(batch);
  }

 private:
  FakeHost host_;
};

class RealBackend final : public Backend {
 public:
  RealBackend() {
    for (UniqueFd& fd : netns_) {
      std::thread([&] {
        if (unshare(CLONE_NEWNET) != 0) {
          obstacle_ = "no private network namespace can be made here (" + std::generic_category().message(errno) +
                      "): run as root";
          return;
        }
        fd.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      }).join();
    }
  }
  std::string obstacle() const override { return obstacle_; }
  NetnsRef netns(int number) const override {
    return {.path = "/proc/self/fd/" + std::to_string(netns_[number].get())};
  }
  std::unique_ptr<Kernel> open(int number, Monitor monitor) override {
    return open_with({.netns = netns(number), .monitor = monitor});
  }
  std::unique_ptr<Kernel> open_forgetful() override {
    // The kernel rounds this up to its minimum, about two notifications.
    return open_with({.netns = netns(0), .monitor = Monitor::all(), .receive_buffer = 1});
  }
  void after_storm(Kernel&) override {}
  Status apply_without_rights(Kernel& kernel, const Batch& batch) override {
    constexpr long kNobody = 65534;
    Status status;
    std::thread([&] {
      // The system call itself: glibc's setresuid() would change all threads.
      if (syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0) return;
      status = kernel.apply(batch);
    }).join();
    return status;
  }

 private:
  static std::unique_ptr<Kernel> open_with(const NlKernel::Options& options) {
    auto opened = NlKernel::open(options);
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return nullptr;
    }
    return std::move(*opened);
  }

  UniqueFd netns_[2];
  std::string obstacle_;
};

}  // namespace

std::unique_ptr<Backend> make_fake_backend() { return std::make_unique<FakeBackend>(); }
std::unique_ptr<Backend> make_real_backend() { return std::make_unique<RealBackend>(); }

bool wait_until(const std::vector<Kernel*>& kernels, const std::function<bool()>& done) {
  constexpr long long kDeadlineMsec = 10'000;
  const long long deadline = ml2_time_msec() + kDeadlineMsec;
  while (true) {
    for (Kernel* kernel : kernels) kernel->run();
    if (done()) return true;
    const long long left = deadline - ml2_time_msec();
    if (left <= 0) return false;
    for (Kernel* kernel : kernels) kernel->wait();
    ml2_poll_timer(left);
    ml2_poll_block();
  }
}

void KernelContract::SetUp() {
  backend_ = GetParam() == std::string("real") ? make_real_backend() : make_fake_backend();
  if (!backend_->obstacle().empty()) GTEST_SKIP() << backend_->obstacle();
}

void KernelContract::must(Kernel& kernel, Operation operation) {
  Batch batch;
  batch.add(std::move(operation));
  const Status status = kernel.apply(batch);
  ASSERT_TRUE(status) << status.error().message;
}

Error KernelContract::error_from(Kernel& kernel, Operation operation) {
  Batch batch;
  batch.add(std::move(operation));
  const Status status = kernel.apply(batch);
  if (status) {
    ADD_FAILURE() << "this should have failed: " << to_string(batch);
    return {};
  }
  return status.error();
}

bool KernelContract::eventually(Kernel& kernel, const std::function<bool(const Snapshot&)>& holds) {
  const bool done = wait_until({&kernel}, [&] { return kernel.snapshot() != nullptr && holds(*kernel.snapshot()); });
  if (!done && kernel.snapshot() != nullptr) ADD_FAILURE() << "still:\n" << to_string(*kernel.snapshot());
  return done;
}

}  // namespace ml2::nl
