// What netlink cannot do: taps, offloads, entering a namespace.
//
// Where in the walk: NlKernel's own.
// Threading: in_netns() runs its work on a thread of its own and joins it: the caller's namespace never changes,
//   so there is none to be restored and no way to fail at that.
// Failure: errno numbers, as in Ack.
// What it does not do: no ioctl that netlink has a message for, except the index of a name: one small call.
#pragma once

#include <functional>
#include <string>

#include "datapath/base/result.h"
#include "datapath/base/unique_fd.h"
#include "datapath/netlink/batch.h"
#include "datapath/netlink/nl_kernel_socket.h"

namespace ml2::nl {

// The file that stands for the namespace; `is_current()` gives that of the calling thread.
[[nodiscard]] Ack open_netns(const NetnsRef& netns, UniqueFd* fd);
// Runs `work` inside the namespace of `netns_fd` and answers what it answers.
[[nodiscard]] Ack in_netns(int netns_fd, const std::function<Ack()>& work);

// Index of the link called `name`, in the namespace that `socket` (any socket) was opened in.
[[nodiscard]] Ack link_index(int socket, const std::string& name, int* index);
// In the calling thread's namespace.
[[nodiscard]] Ack create_tap(const CreateTap& tap);
[[nodiscard]] Ack set_offloads(int socket, const SetOffloads& offloads);
[[nodiscard]] Ack get_offloads(int socket, const std::string& name, Offloads* offloads);

}  // namespace ml2::nl
