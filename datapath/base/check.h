// ML2_CHECK: stops the process on a bug of ours.
//
// Where in the walk: below everything.
// Threading: any.
// Failure: prints file, line and the reason to stderr and aborts; a restart of the agent loses nothing.
// What it does not do: it is never for input, rows, packets, the switch or the kernel: those are errors (result.h).
#pragma once

#include <cstdio>
#include <cstdlib>

#define ML2_CHECK(condition, reason)                                                                                 \
  do {                                                                                                               \
    if (!(condition)) {                                                                                              \
      std::fprintf(stderr, "%s:%d: bug: %s is false: %s\n", __FILE__, __LINE__, #condition, reason);                 \
      std::abort();                                                                                                  \
    }                                                                                                                \
  } while (false)
