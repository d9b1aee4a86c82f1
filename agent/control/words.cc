#include "agent/control/words.h"

#include <fmt/format.h>

#include <algorithm>

namespace ml2::control {

const char* word(intent::PortStatus status) {
  switch (status) {
    case intent::PortStatus::Active: return "ACTIVE";
    case intent::PortStatus::Down: return "DOWN";
    case intent::PortStatus::Error: return "ERROR";
  }
  return "ERROR";
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string dash(const std::string& text) { return text.empty() ? "-" : text; }

}  // namespace ml2::control
