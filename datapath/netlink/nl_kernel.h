// NlKernel: the Kernel seam on rtnetlink(7), through libnl3.
//
// Where in the walk: main() makes one for the node; `ml2ctl vif plug` makes a second one in the VM's namespace.
//   Two netlink sockets: one for requests (each acknowledged by the kernel before apply() goes on, and dumps), one
//   that has joined the multicast groups and only listens; and one plain socket for the ioctls of ethtool.
// Threading: as Kernel says. Another namespace is entered only by short-lived threads, never by the caller's.
// Failure: open() fails without the namespace or the right to enter it (Invalid, Fatal). A dump that the kernel marks
//   as interrupted is taken again. When notifications are lost (ENOBUFS: the socket's buffer ran over) everything is
//   read again; the last snapshot stays until that is complete. A read that fails is tried again half a second later.
// What it does not do: no caching of names between operations: each resolves its link's name when it is its turn.
//   FDB entries of plain multicast MACs (the devices' own filters) are left out: the kernel tells of them only in
//   dumps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "datapath/netlink/kernel.h"

namespace ml2::nl {

class NlKernel final : public Kernel {
 public:
  struct Options {
    NetnsRef netns{};  // whose links these are; the default is the calling thread's namespace
    Monitor monitor{};
    // Bytes of the listening socket's receive buffer; needs CAP_NET_ADMIN beyond net.core.rmem_max. A notification
    // takes up to about 4 KiB of it.
    std::size_t receive_buffer = 4UL * 1024 * 1024;
  };

  [[nodiscard]] static Result<std::unique_ptr<NlKernel>> open(const Options& options);
  ~NlKernel() override;
  NlKernel(const NlKernel&) = delete;
  NlKernel& operator=(const NlKernel&) = delete;

  void run() override;
  void wait() override;
  [[nodiscard]] const Snapshot* snapshot() const override;
  [[nodiscard]] std::uint64_t sequence() const override;
  [[nodiscard]] std::uint64_t full_reads() const override;
  [[nodiscard]] Status status() const override;
  Status apply(const Batch& batch) override;
  Result<Offloads> offloads(const std::string& link) override;

 private:
  struct Impl;
  explicit NlKernel(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ml2::nl
