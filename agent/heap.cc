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

}  // namespace ml2::heap
