// state_lists: what a node goes through, as lists of states; written once, run every way (states_test.cc) and read as
// golden text (golden_test.cc).
//
// Where in the walk: tests. Threading: pure. Failure: none.
// What it does not do: no expectations: a state's text is in tests/golden/<list>.<state>.txt.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/states/world.h"

namespace ml2::testing {

std::map<std::string, std::vector<State>> state_lists();

}  // namespace ml2::testing
