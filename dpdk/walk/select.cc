#include "dpdk/walk/walk.h"

namespace ml2::fastpath {

#define ML2_DECLARE(isa)                                                                                             \
  namespace isa {                                                                                                    \
  void walk_burst(Walk& walk, PortIndex from, Frame* frames, unsigned count);                                        \
  void find_burst(const BucketArray&, const std::uint64_t*, std::uint32_t*, unsigned);                               \
  }
ML2_DECLARE(scalar)
#if defined(__x86_64__)
ML2_DECLARE(avx2)
ML2_DECLARE(avx512)
#endif
#undef ML2_DECLARE

bool supported(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::Scalar: return true;
    case Isa::Avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    case Isa::Avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512cd") && supported(Isa::Avx2);
  }
#endif
  return isa == Isa::Scalar;
}

Isa best_isa() {
  for (const Isa isa : {Isa::Avx512, Isa::Avx2})
    if (supported(isa)) return isa;
  return Isa::Scalar;
}

WalkFunction walk_function(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::walk_burst;
  if (isa == Isa::Avx2) return avx2::walk_burst;
#endif
  return scalar::walk_burst;
}

FindFunction find_function(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::find_burst;
  if (isa == Isa::Avx2) return avx2::find_burst;
#endif
  return scalar::find_burst;
}

}  // namespace ml2::fastpath
