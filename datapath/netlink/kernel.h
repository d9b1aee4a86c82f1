// Kernel: the seam to the network stack of Linux.
//
// Where in the walk: run() and snapshot() give Facts and Actual, apply() carries out the netlink part of a Plan.
//   Behind it: NlKernel (nl_kernel.h, libnl3) or FakeKernel (tests/fakes); tests/contract holds both to this page.
// Threading: one thread, the agent's. The pointer that snapshot() gives is good until the next run().
// Failure: a read that fails keeps the last snapshot (nullptr when there was none), shows in status() and is tried
//   again by later calls of run(). apply() names the operation that failed and why.
// What it does not do: no callbacks, no waiting: what apply() did is seen in the snapshot after the next run().
//   It does not watch what it was not asked to watch (Monitor).
#pragma once

#include <cstdint>
#include <string>

#include "datapath/base/result.h"
#include "datapath/netlink/batch.h"
#include "datapath/netlink/types.h"

namespace ml2::nl {

// What a Kernel reads and follows besides links. Routes, neighbours and FDB can be many and change often, so they are
// read only for those who need them; a part that is not monitored stays empty in the Snapshot.
struct Monitor {
  bool addresses = true;
  bool routes = false;  // all are read again after every change of any
  bool neighbours = false;
  bool fdb = false;

  [[nodiscard]] static constexpr Monitor all() { return {true, true, true, true}; }
  friend bool operator==(const Monitor&, const Monitor&) = default;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // Takes in what the kernel has told since the last call; reads everything the first time, and again when
  // notifications were lost. Does not wait for anything but the kernel's own answers.
  virtual void run() = 0;
  // Asks the poll loop to wake when run() has something to do.
  virtual void wait() = 0;

  // nullptr until everything that is monitored was read once; never half-read.
  [[nodiscard]] virtual const Snapshot* snapshot() const = 0;
  // Grows with each run() that changed the snapshot; 0 before the first.
  [[nodiscard]] virtual std::uint64_t sequence() const = 0;
  // How often everything was read: 1 after the first, more after lost notifications.
  [[nodiscard]] virtual std::uint64_t full_reads() const = 0;
  // The error of the last read, when that failed.
  [[nodiscard]] virtual Status status() const = 0;

  // Carries out the operations in order and stops at the first that fails. Needs no snapshot.
  virtual Status apply(const Batch& batch) = 0;

  // Read when asked: they are not in the snapshot, as the kernel does not tell when they change.
  virtual Result<Offloads> offloads(const std::string& link) = 0;
};

}  // namespace ml2::nl
