// One operation of a Batch, as a request to the kernel.
//
// Where in the walk: NlKernel::apply() calls it for each operation, after check().
// Threading: as NlKernel.
// Failure: the kernel's errno in the Ack.
// What it does not do: no retry, no look at the snapshot: the kernel is asked what is there now.
#pragma once

#include "datapath/netlink/batch.h"
#include "datapath/netlink/nl_kernel_socket.h"

namespace ml2::nl {

struct ApplyContext {
  NlSocket& requests;
  int ioctl_socket = -1;  // opened in the same namespace
  int netns_fd = -1;      // that namespace; -1: the calling thread's
};

[[nodiscard]] Ack apply_operation(const ApplyContext& context, const Operation& operation);

}  // namespace ml2::nl
