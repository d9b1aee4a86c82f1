// host_stack: keeps the host's own IPv6 off a kernel device that is a machine's port.
//
// The host's end of such a device is nobody's address, but the kernel gives it a link-local one by itself: the machine could
// reach the host by that, past the fast path, and what the kernel sends there (router solicitations, MLD) AF_PACKET receives
// like the machine's own frames, so that anti-spoofing would accuse the machine.
//
// Where in the walk: Devices, before such a device is opened; os-vif does the same to the devices that it makes.
// Threading: the control thread.
// Failure: a warning; the port works.
// What it does not do: nothing to NICs, trunks and net_tap (whose kernel end is the machine's). It is not taken back.
#pragma once

#include <string>

namespace ml2::fastpath {

// `devargs` of an access port.
void keep_host_stack_off(const std::string& devargs);

}  // namespace ml2::fastpath
