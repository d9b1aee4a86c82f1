// host_stack: keeps the host's own IP stack off a kernel device that is a machine's port.
//
// AF_PACKET gets a copy of what comes in by such a device; the kernel goes on with the frame as with any other. The host's end
// has no address, but:
//
//   IPv6  the kernel gives it a link-local one by itself: the machine could reach the host by that, past the fast path, and what
//         the kernel sends there (router solicitations, MLD) AF_PACKET receives like the machine's own frames, so that
//         anti-spoofing would accuse the machine. IPv6 is switched off there.
//   IPv4  an address of the host's is every device's: the kernel would answer ARP for the VTEP's address, deliver to the host's
//         sockets, and where the host routes (net.ipv4.ip_forward) send the machine's packets to the underlay as they are.
//         rp_filter, arp_ignore and forwarding of the device are set so that it does none of that.
//
// Where in the walk: Devices, before such a device is opened; os-vif does the same to the devices that it makes.
// Threading: the control thread.
// Failure: a warning that says what the machine can do; the port works.
// What it does not do: nothing to NICs, trunks and net_tap (whose kernel end is the machine's). It is not taken back: who gives
//   the device another use makes it anew. A DHCP discover (from 0.0.0.0) reaches a DHCP server of the host's that listens on all
//   devices.
#pragma once

#include <string>

namespace ml2::fastpath {

// `devargs` of an access port.
void keep_host_stack_off(const std::string& devargs);

}  // namespace ml2::fastpath
