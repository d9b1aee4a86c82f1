// Random: the seam to chance, so that tests of allocation are repeatable.
//
// Where in the walk: type drivers and IPAM draw free ids and MAC bytes from it.
// Threading: one thread.
// Failure: none.
// What it does not do: no secrets; UUIDs have their own source (datapath/base/uuid.h).
#pragma once

#include <cstdint>
#include <functional>

namespace ml2::plugin {

// Answers a number in [0, bound); bound is at least 1.
using Random = std::function<std::uint64_t(std::uint64_t bound)>;

// Seeded by the system; different in each process, so that two writers seldom draw the same id.
[[nodiscard]] Random system_random();

}  // namespace ml2::plugin
