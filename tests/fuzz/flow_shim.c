// Keeps libopenvswitch's log out of a fuzzer's output: it has a line for most broken messages.
#include <config.h>

#include "openvswitch/vlog.h"

void ml2_fuzz_quiet(void);
void ml2_fuzz_quiet(void) { vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF); }
