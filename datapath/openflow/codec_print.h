// codec_print: the one way in which this program turns Open vSwitch's matches and actions into text.
//
// Where in the walk: codec.cc and messages.cc, the two sides that must agree to the byte.
// Threading: pure functions. Failure: none.
// What it does not do: no port or table names, no counters, no colours. Includes no OVS header, but its callers do.
#pragma once

#include <cstddef>
#include <string>

struct match;
struct ofpact;

namespace ml2::of {

[[nodiscard]] std::string format_match(const match& fields);  // without the priority
[[nodiscard]] std::string format_actions(const ofpact* actions, std::size_t length);

}  // namespace ml2::of
