// isa: the instruction sets that the packet walk is compiled for.
//
// What it is: the list, and ML2_ISA, the inline namespace that keeps what is compiled for one set apart from the others.
// Where in the walk: every header of the walk opens its namespace with it; walk.cc is compiled once per set, and
//   select.h chooses at run time.
// Threading: constants. Failure: none. What it does not do: no detection: select.cc asks the processor.
#pragma once

#include <cstdint>

#ifndef ML2_ISA
#define ML2_ISA scalar
#endif

namespace ml2::fastpath {

enum class Isa : std::uint8_t { Scalar, Avx2, Avx512 };

[[nodiscard]] constexpr const char* to_string(Isa isa) {
  switch (isa) {
    case Isa::Scalar: return "scalar";
    case Isa::Avx2: return "avx2";
    case Isa::Avx512: return "avx512";
  }
  return "unknown";
}

}  // namespace ml2::fastpath
