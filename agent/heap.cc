#include "agent/heap.h"

#ifdef ML2_MIMALLOC
#include <mimalloc.h>
#endif

namespace ml2::heap {

void give_back() {
#ifdef ML2_MIMALLOC
  mi_collect(true);
#endif
}

void give_back_at_once(bool yes) {
#ifdef ML2_MIMALLOC
  static bool at_once = false;
  if (yes == at_once) return;
  at_once = yes;
  static const long kDelay = mi_option_get(mi_option_decommit_delay);  // ms
  mi_option_set(mi_option_decommit_delay, yes ? 0 : kDelay);
#else
  static_cast<void>(yes);
#endif
}

}  // namespace ml2::heap
