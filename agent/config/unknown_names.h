// unknown_names: warnings for sections and options that nobody reads, with the name that was probably meant.
//
// oslo.config passes over them in silence, so that a typing error turns an option off without a word.
//
// Where in the walk: the loader, once for each file and for the environment.
// Threading: pure functions.
// Failure: none; every finding is a warning, as oslo takes such files.
// What it does not do: no warning for names that other programs of Neutron read from the same files (options.h).
#pragma once

#include <string>
#include <vector>

#include "agent/config/environment.h"
#include "agent/config/ini_file.h"

namespace ml2::config {

[[nodiscard]] std::vector<std::string> unknown_names(const IniFile& file);
// OS_<GROUP>__<OPTION> of a group that we have, with an option that we do not.
[[nodiscard]] std::vector<std::string> unknown_variables(const Environment& environment);

}  // namespace ml2::config
