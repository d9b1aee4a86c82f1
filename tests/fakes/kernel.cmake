# With the poll loop, so that wait() is as true as the real one's.
ml2_library(ml2_fake_kernel SOURCES fake_kernel.cc LINK ml2_netlink ml2_poll_loop)
