// FastPathModel: the kernel and ml2-fastpath as far as the pure core sees them, for random walks.
//
// Where in the walk: random_test.cc; compile() and diff() see what it holds, and it carries out their plans.
// Threading: none. Failure: what it loses and gets wrong by chance: updates, records, numbers, neighbours.
// What it does not do: no packets, no checks of records.
#pragma once

#include <random>
#include <set>

#include "datapath/diff/plan.h"
#include "datapath/model/intent.h"
#include "datapath/netlink/types.h"

namespace ml2::testing {

class FastPathModel {
 public:
  // `random` outlives it.
  explicit FastPathModel(std::mt19937& random);

  [[nodiscard]] const nl::Snapshot& kernel() const { return kernel_; }
  [[nodiscard]] const fp::Tables* tables() const { return away_ ? nullptr : &tables_; }
  void have_addresses(const std::set<IpAddress>& addresses);
  void commit(const Plan& plan, bool lossy);
  // Something happens to a device, a neighbour, a record, or to all of them.
  void change(const Intent& intent);

 private:
  [[nodiscard]] int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  [[nodiscard]] bool chance(int percent) { return pick(100) < percent; }
  void toggle_link(const std::string& name);
  void tap(const Intent& intent);
  void neighbour();
  void record_by_hand();
  void another_number();

  std::mt19937& random_;
  nl::Snapshot kernel_;
  std::int32_t next_index_ = 2;
  fp::Tables tables_;
  bool away_ = false;
};

}  // namespace ml2::testing
