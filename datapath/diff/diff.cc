#include "datapath/diff/diff.h"

#include "datapath/diff/parts.h"

namespace ml2 {

Plan diff(const Desired& desired, const Actual& actual) {
  Plan plan;
  const Sides sides{.desired = desired, .vswitch = actual.vswitch, .flows = actual.flows};
  diff_flows(sides, nullptr, plan);
  diff_rows(sides, nullptr, plan);
  diff_fast_path(desired, actual.fast_path, actual.kernel, nullptr, plan);
  return plan;
}

}  // namespace ml2
