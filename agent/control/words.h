// words: how times, states and tables are written in the answers of the control socket.
//
// Where in the walk: status, explain and the dumps. Threading: pure functions. Failure: none.
// What it does not do: no JSON.
#pragma once

#include <string>
#include <vector>

#include "agent/intent/intent_source.h"

namespace ml2::control {

[[nodiscard]] const char* word(intent::PortStatus status);
// Columns as wide as their widest cell, two spaces between them, a line end behind each row.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);
[[nodiscard]] std::string dash(const std::string& text);  // "-" for nothing

}  // namespace ml2::control
