// driver: a driver of DPDK that is not among Debian's own, which the operator names (`driver`): a shared object, loaded at start.
//
// What it is: the question whether it may be loaded. What is in it runs with all rights of this process, so it must be a
//   regular file that only root, or who started the process, can have written; DPDK itself refuses one that lies below
//   a directory that everybody may write to.
// Where in the walk: once, before EAL starts, which then loads it.
// Threading: none. Failure: a sentence for the operator.
// What it does not do: it does not load it, and cannot know whether it fits this DPDK: what dlopen says of it, EAL logs.
#pragma once

#include <string>

#include "datapath/base/result.h"

namespace ml2::fastpath {

[[nodiscard]] Status check_driver(const std::string& path);

}  // namespace ml2::fastpath
