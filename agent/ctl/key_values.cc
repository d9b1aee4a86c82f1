#include "agent/ctl/key_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "datapath/base/text.h"

namespace ml2::ctl {

Result<KeyValues> parse_key_values(std::string_view text, const std::vector<std::string>& keys,
                                   const std::vector<std::string>& required) {
  KeyValues result;
  for (const std::string& part : text::split(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string key(text::trim(part.substr(0, equals)));
    if (equals == std::string::npos || std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return invalid(fmt::format("{}: expected {}=VALUE, separated by commas", text::printable(part),
                                 fmt::join(keys, "=VALUE or ")));
    }
    if (!result.emplace(key, text::trim(part.substr(equals + 1))).second) {
      return invalid(fmt::format("{} is given twice in {}", key, text::printable(text)));
    }
  }
  for (const std::string& key : required) {
    if (!result.contains(key)) return invalid(fmt::format("{}: {}= is missing", text::printable(text), key));
  }
  return result;
}

}  // namespace ml2::ctl
