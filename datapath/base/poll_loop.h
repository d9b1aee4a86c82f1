// poll_loop: the process's one loop, as run() / wait() / block.
//
// Where in the walk: every part that has a descriptor or a deadline offers run() (make progress, never block) and
//   wait() (say here what would wake it); agent/reconcile/loop ends each pass with block().
// Threading: the agent's thread only; libopenvswitch keeps the list of descriptors per thread.
// Failure: none.
// What it does not do: no callbacks: after block() everything simply runs again.
// Behind it: libopenvswitch's openvswitch/poll-loop.h (poll_loop.c is the shim), so that the IDL, rconn and unixctl
//   join the same loop.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Wake when `fd` has `events` (POLLIN, POLLOUT).
void ml2_poll_fd(int fd, short events);
// Wake at once: the next block() does not sleep.
void ml2_poll_immediate(void);
// Wake after `msec` milliseconds at the latest (negative: at once).
void ml2_poll_timer(long long msec);
// Sleep until something that was asked for happens, and forget all requests.
void ml2_poll_block(void);
// Milliseconds of libopenvswitch's monotonic clock.
long long ml2_time_msec(void);

#ifdef __cplusplus
}
#endif
