// ini_text: white space as oslo.config sees it, that is as Python's str does.
//
// Where in the walk: below the parser and the types of agent/config; nobody else needs these rules.
// Threading: pure functions.
// Failure: none; bytes that are not UTF-8 are never white space.
// What it does not do: no case folding beyond ASCII, no normal forms.
#pragma once

#include <string_view>

namespace ml2::config {

// Without the white space of Python's str.isspace() at the ends: also U+00A0 and the like, which come in by copy and
// paste.
[[nodiscard]] std::string_view strip_left(std::string_view text);
[[nodiscard]] std::string_view strip_right(std::string_view text);
[[nodiscard]] std::string_view strip(std::string_view text);

}  // namespace ml2::config
