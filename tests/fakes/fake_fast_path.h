// FakeFastPathProcess: ml2-fastpath in memory: its own tables (dpdk/tables), with devices that open when a test says so.
// FakeFastPath: an agent's end of it, behind the FastPath seam.
//
// Where in the walk: tests of the reconciler; tests/contract holds FakeFastPath to what SocketFastPath does.
// Threading: one thread.
// Failure: what a test asks for: stop(), devices that are refused.
// What it does not do: no packets. An update takes one run().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datapath/fastpath/fast_path.h"
#include "datapath/fastpath/table_log.h"

namespace ml2::fp {

class FakeFastPathProcess {
 public:
  FakeFastPathProcess();
  ~FakeFastPathProcess();

  // Nobody answers, and what it had is gone; start() begins with nothing.
  void stop();
  void start();
  // Devices of this name do not open, and the reason; an empty reason takes that back.
  void refuse_device(const std::string& name, const std::string& reason);

  // Anti-spoofing has dropped these of the port.
  void drop(PortId port, const SpoofedFrames& frames);

  // The link of the device with these devargs is down, and why; an empty reason: it is up.
  void trouble(const std::string& devargs, const std::string& reason);

  // The processors of its workers.
  void run_on(std::vector<unsigned> cores) { cores_ = std::move(cores); }

  [[nodiscard]] bool alive() const;
  [[nodiscard]] const std::vector<unsigned>& cores() const { return cores_; }
  [[nodiscard]] Tables tables() const;
  [[nodiscard]] std::uint64_t boot() const;
  [[nodiscard]] std::uint64_t generation() const;
  [[nodiscard]] std::uint64_t changes() const;  // grows with every update
  [[nodiscard]] std::uint64_t devices_opened() const;
  [[nodiscard]] const std::map<PortId, SpoofedFrames>& dropped() const { return dropped_; }
  // Of ports that it has, and that lead to other hosts.
  [[nodiscard]] std::map<std::string, std::string> troubles() const;
  [[nodiscard]] UpdateOutcome apply(const Update& update);  // as any client's

 private:
  struct Process;
  std::unique_ptr<Process> process_;
  std::map<std::string, std::string> refused_;
  std::map<std::string, std::string> troubles_;
  std::vector<unsigned> cores_ = {1};
  std::map<PortId, SpoofedFrames> dropped_;
  std::uint64_t boot_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t devices_opened_ = 0;
};

class FakeFastPath final : public FastPath {
 public:
  explicit FakeFastPath(FakeFastPathProcess& process) : process_(process) { status_.target = "memory"; }

  void run() override;
  void wait() override;
  [[nodiscard]] const Tables* tables() const override { return tables_ ? &*tables_ : nullptr; }
  [[nodiscard]] std::uint64_t sequence() const override { return sequence_; }
  [[nodiscard]] std::optional<RecordKeys> changes_since(std::uint64_t sequence) const override {
    return log_.since(sequence);
  }
  [[nodiscard]] const SpoofCounters& spoofed() const override { return spoofed_; }
  Status commit(const Update& update) override;
  [[nodiscard]] bool busy() const override { return update_.has_value(); }
  [[nodiscard]] std::optional<UpdateOutcome> take_outcome() override;
  [[nodiscard]] FastPathStatus status() const override { return status_; }

 private:
  void note(const Tables& before, const Tables& now);

  FakeFastPathProcess& process_;
  FastPathStatus status_;
  SpoofCounters spoofed_;
  std::optional<Tables> tables_;
  std::uint64_t sequence_ = 0;
  TableLog log_;
  std::uint64_t seen_ = 0;  // the process's changes()
  std::optional<Update> update_;
  std::optional<UpdateOutcome> outcome_;
};

}  // namespace ml2::fp
