#include "agent/ml2/random.h"

#include <memory>
#include <random>

namespace ml2::plugin {

Random system_random() {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return
      [engine](std::uint64_t bound) { return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(*engine); };
}

}  // namespace ml2::plugin
