#include "datapath/diff/diff.h"

#include "datapath/diff/parts.h"

namespace ml2 {

Plan diff(const Desired& desired, const Actual& actual) {
  Plan plan;
  diff_flows(desired, actual, plan);
  diff_rows(desired, actual, plan);
  diff_fast_path(desired, actual, plan);
  return plan;
}

}  // namespace ml2
