// text: the few string helpers that several rooms need.
//
// Where in the walk: below everything. Threading: pure functions. Failure: nullopt where a number does not parse.
// What it does not do: no oslo.config rules: those live in agent/config.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ml2::text {

// Splits at every `separator`; "a,,b" has an empty middle part; "" has one empty part.
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
// Without ASCII white space at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);
// UTC with milliseconds, as RFC 3339: 2026-11-23T07:15:00.123Z.
[[nodiscard]] std::string time(std::chrono::system_clock::time_point when);
[[nodiscard]] std::string lower(std::string_view text);
// Decimal digits with an optional leading '-', all of `text`.
[[nodiscard]] std::optional<std::int64_t> to_int(std::string_view text);
// `text` made fit for a terminal or a log: control characters as \xNN, cut after `limit` bytes with "...".
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 200);
struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;  // bytes; 0 when the bytes are not UTF-8
};
// The first of `text`. RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] CodePoint decode_utf8(std::string_view text);
// All of it: what JSON and OVSDB take as a string.
[[nodiscard]] bool is_utf8(std::string_view text);
// The word of `known` nearest to `word` (Levenshtein distance at most 1/3 of its length); nullopt when none is near.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace ml2::text
