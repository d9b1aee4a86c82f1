// cookie: by which a freshly started agent knows a flow as its own.
//
// Where in the walk: compile/ stamps every flow; diff/ deletes only flows that carry the mark.
// Threading: pure functions. Failure: none.
// What it does not do: the low bits are for people (which port or network a flow is of), nothing depends on them.
#pragma once

#include <cstdint>
#include <string_view>

namespace ml2::of {

// The high 16 bits of every cookie of ours: "ml" in ASCII.
inline constexpr std::uint64_t kCookieMark = 0x6d6cULL << 48U;
inline constexpr std::uint64_t kCookieMarkMask = 0xffffULL << 48U;

[[nodiscard]] constexpr bool is_ours(std::uint64_t cookie) { return (cookie & kCookieMarkMask) == kCookieMark; }

// The mark and 48 bits of a hash (FNV-1a) of the object's name, e.g. a port's UUID: the same after every restart.
[[nodiscard]] constexpr std::uint64_t cookie_of(std::string_view object) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : object) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return kCookieMark | ((hash ^ hash >> 48U) & ~kCookieMarkMask);
}

}  // namespace ml2::of
