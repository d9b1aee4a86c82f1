#include "datapath/base/poll_loop.h"

#include <config.h>

#include "openvswitch/poll-loop.h"
#include "timeval.h"

void ml2_poll_fd(int fd, short events) { poll_fd_wait(fd, events); }

void ml2_poll_immediate(void) { poll_immediate_wake(); }

void ml2_poll_timer(long long msec) { poll_timer_wait(msec > 0 ? msec : 0); }

void ml2_poll_block(void) { poll_block(); }

long long ml2_time_msec(void) { return time_msec(); }
