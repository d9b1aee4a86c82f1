// FakeHost and FakeKernel: Linux's network stack in memory, behind the Kernel seam.
//
// Where in the walk: in place of NlKernel in tests of the core; tests/contract holds both to the same suite.
//   A FakeHost is the machine with its network namespaces; a FakeKernel is one reader and writer of one namespace,
//   and several on the same host see each other's changes, as several processes do.
// Threading: one thread.
// Failure: as the kernel's for what it models, and whatever a test asks for: fail_next(), fail_next_read(), overrun().
// What it does not do: no packets, so nothing is learned or resolved; no IPv6 link-local addresses; no limits (1280
//   bytes for IPv6) between MTU and address family.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "datapath/netlink/kernel.h"

namespace ml2::nl {

// Place of `Op` among the alternatives of Operation.
template <class Op, std::size_t I = 0>
constexpr std::size_t operation_index() {
  if constexpr (std::is_same_v<std::variant_alternative_t<I, Operation>, Op>) {
    return I;
  } else {
    return operation_index<Op, I + 1>();
  }
}

class FakeHost {
 public:
  FakeHost();

  // A namespace with a "lo" that is down. The namespace NetnsRef{} is there from the start.
  void add_netns(const NetnsRef& netns);
  // A device that no operation can make: hardware (kind ""), an OVS internal port ("openvswitch").
  IfIndex add_device(const std::string& name, Mac mac, const std::string& kind = "", const NetnsRef& netns = {});
  // Pulls or plugs the cable of such a device.
  void set_carrier(const std::string& name, bool carrier, const NetnsRef& netns = {});

 private:
  friend class FakeKernel;
  struct Place {
    std::string netns{};
    IfIndex index;
  };
  struct Device {
    bool carrier = true;
    std::optional<Place> peer{};  // the other end of a veth
    Offloads offloads{};
  };
  struct Netns {
    Snapshot state{};
    std::map<IfIndex, Device> devices{};
    std::map<std::string, std::int32_t> ids{};  // of other namespaces, as IFLA_LINK_NETNSID counts them
    std::uint32_t last_index = 0;
  };
  struct Apply;

  static void update_running(std::map<std::string, Netns>& all);
  IfIndex add_link(Netns& netns, Link link);

  std::map<std::string, Netns> netns_{};  // by NetnsRef::path
  std::uint32_t macs_drawn_ = 0;
};

class FakeKernel final : public Kernel {
 public:
  // The namespace must have been added to `host`, which must outlive this.
  explicit FakeKernel(FakeHost& host, NetnsRef netns = {}, Monitor monitor = {});

  void run() override;
  void wait() override;
  [[nodiscard]] const Snapshot* snapshot() const override;
  [[nodiscard]] std::uint64_t sequence() const override { return sequence_; }
  [[nodiscard]] std::uint64_t full_reads() const override { return full_reads_; }
  [[nodiscard]] Status status() const override { return status_; }
  Status apply(const Batch& batch) override;
  Result<Offloads> offloads(const std::string& link) override;

  // The fault menu.
  // The next operation of this type fails with this errno, and changes nothing.
  template <class Op>
  void fail_next(int error_number) {
    faults_[operation_index<Op>()].push_back(error_number);
  }
  // The next operation, of whatever type.
  void fail_next_operation(int error_number) { any_faults_.push_back(error_number); }
  // The next run() cannot read and keeps the old snapshot; the one after it can.
  void fail_next_read() { fail_read_ = true; }
  // Notifications are lost: the next run() reads everything again.
  void overrun() { lost_ = true; }

  // Operations that were carried out, over all batches: 0 more when a plan was empty.
  [[nodiscard]] std::uint64_t operations_done() const { return operations_done_; }

 private:
  [[nodiscard]] FakeHost::Netns& mine() const;
  [[nodiscard]] Snapshot visible() const;
  [[nodiscard]] int take_fault(const Operation& operation);

  FakeHost& host_;
  NetnsRef netns_;
  Monitor monitor_;
  std::optional<Snapshot> current_{};
  std::uint64_t sequence_ = 0;
  std::uint64_t full_reads_ = 0;
  std::uint64_t operations_done_ = 0;
  Status status_{};
  std::map<std::size_t, std::deque<int>> faults_{};  // by Operation::index()
  std::deque<int> any_faults_{};
  bool fail_read_ = false;
  bool lost_ = false;
};

}  // namespace ml2::nl
