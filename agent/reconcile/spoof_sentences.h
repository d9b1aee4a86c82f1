// spoof_sentences: what is said of a port that sends what anti-spoofing drops. Pure.
//
// Where in the walk: SpoofDrops (ports on Open vSwitch) and FastPathDrops (ports on the fast path) put them into reports.
// Threading: pure. Failure: none.
// What it does not do: no counting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "datapath/base/clock.h"
#include "datapath/base/uuid.h"

namespace ml2::reconcile {

enum class Spoofed : std::uint8_t {
  Announcement,  // ARP, neighbour advertisements
  Mac,
  Address,  // IP packets; the fast path alone looks at their sources
};
inline constexpr std::size_t kSpoofedKinds = 3;

// What is dropped, since when, and what to do if it shall pass.
[[nodiscard]] std::string spoof_sentence(Spoofed what, WallTime since, const Uuid& port);

}  // namespace ml2::reconcile
