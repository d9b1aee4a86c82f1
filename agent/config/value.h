// Value: what an option holds, and how text becomes one (oslo_config/types.py).
//
// Where in the walk: the loader makes Values of the text that won; Config hands them out.
// Threading: values and pure functions.
// Failure: parse_value() answers Invalid with what is allowed and what is wrong, without the origin or the value's
//   name: the loader knows those and puts them in front.
// What it does not do: no substitution (that is done on the text before), no look at the system.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "datapath/base/result.h"

namespace ml2::config {

struct Option;

using StringList = std::vector<std::string>;
using StringMap = std::map<std::string, std::string>;
// monostate is oslo's None: not set, or a number left empty.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, StringList, StringMap>;

// By the option's type, limits, choices and check. Not for OptionType::Multi's accumulation: one element at a time.
[[nodiscard]] Result<Value> parse_value(const Option& option, std::string_view text);
// Splits as oslo's List type: stripped, one trailing run of commas dropped, empty items inside kept.
[[nodiscard]] StringList split_list(std::string_view text);
// "an integer from 1 to 4094", "one of system, netdev".
[[nodiscard]] std::string allowed(const Option& option);
// As one writes it in a file: "true", "a,b", "k:v,k2:v2"; "" for None.
[[nodiscard]] std::string to_text(const Value& value);
// As Python's str() prints it, which is what `$option` inserts: "True", "['a', 'b']"; "" for None.
[[nodiscard]] std::string to_python(const Value& value);

}  // namespace ml2::config
