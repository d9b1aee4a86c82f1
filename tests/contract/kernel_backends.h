// Backend: the two implementations of the Kernel seam, as the contract suite sees them.
//
// Where in the walk: tests only. Each backend has two network namespaces of its own: 0, where most happens, and 1, the
//   "VM's". The real ones are made by unshare(2) on short-lived threads and have no name anywhere: they are gone with
//   the process, however that ends.
// Threading: one thread; the ones it starts are joined before a call returns.
// Failure: what keeps the tests from running is obstacle(); what fails otherwise fails the test.
// What it does not do: it touches nothing outside its namespaces.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datapath/netlink/kernel.h"

namespace ml2::nl {

class Backend {
 public:
  virtual ~Backend() = default;
  // Why the tests cannot run here; "" when they can.
  [[nodiscard]] virtual std::string obstacle() const = 0;
  [[nodiscard]] virtual NetnsRef netns(int number) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Kernel> open(int number, Monitor monitor) = 0;
  // A kernel in namespace 0 that loses notifications when `storm` makes some hundreds of changes.
  [[nodiscard]] virtual std::unique_ptr<Kernel> open_forgetful() = 0;
  // Makes sure that `forgetful`, after the storm, has lost some.
  virtual void after_storm(Kernel& forgetful) = 0;
  // Applies `batch` without the rights to.
  [[nodiscard]] virtual Status apply_without_rights(Kernel& kernel, const Batch& batch) = 0;
};

[[nodiscard]] std::unique_ptr<Backend> make_fake_backend();
[[nodiscard]] std::unique_ptr<Backend> make_real_backend();

// Runs the kernels and sleeps in the poll loop until `done` or ten seconds have passed; whether it was done.
[[nodiscard]] bool wait_until(const std::vector<Kernel*>& kernels, const std::function<bool()>& done);

// Every test of the suite runs on the backend that its parameter names.
class KernelContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override;

  // Applies one operation and expects that to work.
  void must(Kernel& kernel, Operation operation);
  // Applies one operation and gives back its error.
  [[nodiscard]] Error error_from(Kernel& kernel, Operation operation);
  // Waits until the snapshot of `kernel` has what `holds` asks for.
  [[nodiscard]] bool eventually(Kernel& kernel, const std::function<bool(const Snapshot&)>& holds);

  std::unique_ptr<Backend> backend_;
};

}  // namespace ml2::nl
