// key_values: options such as --fixed-ip subnet=S,ip-address=IP.
//
// Where in the walk: the commands' options, before anything is connected.
// Threading: pure functions.
// Failure: Invalid with the keys that are known; ml2ctl ends with status 2 then.
// What it does not do: no quoting: values have no commas.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "datapath/base/result.h"

namespace ml2::ctl {

using KeyValues = std::map<std::string, std::string>;

// "a=1,b=2"; each key at most once and one of `keys`; those of `required` must be there.
[[nodiscard]] Result<KeyValues> parse_key_values(std::string_view text, const std::vector<std::string>& keys,
                                                 const std::vector<std::string>& required);

}  // namespace ml2::ctl
