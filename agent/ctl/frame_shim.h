// frame_shim: the frame that a flow describes, by libopenvswitch (lib/flow.c flow_compose(), as `ovs-ofctl compose-packet`).
//
// Where in the walk: agent/ctl/frame.cc.
// Threading: pure. Failure: -1, and what is wrong.
// What it does not do: no defaults: a field that is not named is 0.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Writes the frame into `frame` and returns its length, at most `room`; -1: *error says why, to be given to free().
long ml2_compose_frame(const char* flow, uint8_t* frame, size_t room, char** error);

#ifdef __cplusplus
}
#endif
