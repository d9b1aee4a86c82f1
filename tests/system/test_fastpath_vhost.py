"""vhost-user ports of ml2-fastpath, with the Linux kernel as the virtual machine (tests/dpdk/virtio_guest.cc): long TCP frames and
checksums that are not made yet, reconnecting in both modes, plugging and unplugging, queues, path MTU.

Skipped where ml2-fastpath was not built. Uses ordinary pages.
"""
import os
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

from fastpath import TAGGED, attachment, fdb, flood, port, segment, vtep
from fastpath_case import FastPathCase, iperf
from processes import wait_until
from virtio import GUEST, Guest, offered_features

OURS, NEXT_HOP, REMOTE = "02:00:00:00:00:01", "02:00:00:00:00:02", "fa:16:3e:00:00:10"
HW = {1: "fa:16:3e:00:00:01", 2: "fa:16:3e:00:00:02", 3: "fa:16:3e:00:00:03"}
MTU = 1450  # of the guests: what VXLAN over IPv4 leaves of 1500


@unittest.skipUnless(os.path.exists(GUEST), "virtio_guest is not built here")
class FastPathVhost(FastPathCase):
    names = ("vm1", "vm2", "vm3", "peer")

    @classmethod
    def guest(cls, number, **more):
        return Guest(cls.spaces[f"vm{number}"], cls.sockets[number], HW[number],
                     [f"10.0.0.{number}/24", f"2001:db8:1::{number}/64"], mtu=MTU, **more).start()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guests = {}
        cls.directory = tempfile.TemporaryDirectory(prefix="ml2-vhost-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.sockets = {number: os.path.join(cls.directory.name, f"vhu{number}") for number in HW}
        # 1: we serve the socket; 2: the guest does, as QEMU behind vif_type vhostuser with mode=server; 3: takes nothing over.
        cls.device = {1: f"net_vhost1,iface={cls.sockets[1]},tso=1",
                      2: f"net_vhost2,iface={cls.sockets[2]},client=1,tso=1,queues=2",
                      3: f"net_vhost3,iface={cls.sockets[3]}"}
        cls.addClassCleanup(lambda: [guest.stop() for guest in cls.guests.values()])
        cls.apply()
        cls.guests[1] = cls.guest(1)
        cls.guests[2] = cls.guest(2, queues=2, server=True)
        cls.guests[3] = cls.guest(3, offloads=0)
        cls.uplink_to_peer()
        cls.give_addresses("peer", "vx0", "10.0.0.16/24", "2001:db8:1::10/64")

    @classmethod
    def uplink_to_peer(cls):
        peer = cls.spaces["peer"]
        cls.spaces["fp"].run("ip", "link", "set", "up0", "netns", peer.netns)
        peer.run("ip", "link", "set", "up0", "address", NEXT_HOP, "up")
        peer.run("ip", "addr", "add", "192.0.2.2/24", "dev", "up0")
        peer.run("ip", "neigh", "replace", "192.0.2.1", "lladdr", OURS, "dev", "up0")
        peer.run("ip", "link", "add", "vx0", "address", REMOTE, "type", "vxlan", "id", "1000", "local", "192.0.2.2",
                 "remote", "192.0.2.1", "dstport", "4789", "dev", "up0")
        peer.run("ip", "link", "set", "vx0", "mtu", str(MTU), "up")

    @classmethod
    def apply(cls, numbers=(1, 2, 3), guest_mtu=MTU):
        cls.put(port=[port(number, cls.device[number], mtu=guest_mtu) for number in numbers] +
                [port(9, "net_tap9,iface=up0", kind=TAGGED, local="192.0.2.1", hw=OURS)],
                segment=[segment(5, 1000)], attachment=[attachment(number, 5) for number in numbers],
                vtep=[vtep(7, 9, "192.0.2.1", "192.0.2.2", OURS, NEXT_HOP)], flood=[flood(5, 7)],
                fdb=[fdb(HW[number], 5, number) for number in numbers] + [fdb(REMOTE, 5, 0, 7)])

    def row(self, number):
        return next(row for row in self.fast_path.client.query("ports") if row["port"] == number)

    def drops(self, **match):
        return sum(row["packets"] for row in self.fast_path.client.query("drops")
                   if all(row[key] == value for key, value in match.items()))

    def tcp(self, source, target, address, megabytes=16):
        """Sends by TCP; answers ({port: bytes per packet received}, {port: per packet sent}) of that time."""
        self.reaches(source, address)
        before = {row["port"]: row for row in self.fast_path.client.query("ports")}
        self.assertGreaterEqual(iperf(self.spaces[source], self.spaces[target], address, f"{megabytes}M"), megabytes * 800_000)
        mean = lambda row, old, way: (row[way + "_bytes"] - old[way + "_bytes"]) / max(row[way + "_packets"] - old[way + "_packets"], 1)
        rows = {row["port"]: row for row in self.fast_path.client.query("ports")}
        return tuple({id: mean(row, before[id], way) for id, row in rows.items()} for way in ("rx", "tx"))

    def test_long_tcp_stays_whole_between_machines(self):
        for address in ("10.0.0.2", "2001:db8:1::2"):
            received, sent = self.tcp("vm1", "vm2", address)
            self.assertGreater(received[1], 4000, "the guest hands over long frames")
            self.assertGreater(sent[2], 4000, "and they are not cut")
        for number in (1, 2):
            self.assertEqual(self.row(number)["offloads"], "checksum tso4 tso6")
        self.assertEqual(self.row(3)["offloads"], "")

    def test_long_tcp_is_cut_for_a_machine_that_takes_none(self):
        for address in ("10.0.0.3", "2001:db8:1::3"):
            received, sent = self.tcp("vm1", "vm3", address)
            self.assertGreater(received[1], 4000)
            self.assertLessEqual(sent[3], MTU + 14)
        self.assertEqual(self.drops(reason="BadOffload"), 0)

    def test_long_tcp_is_cut_for_the_tunnel(self):
        for address in ("10.0.0.16", "2001:db8:1::10"):
            received, sent = self.tcp("vm1", "peer", address)
            self.assertGreater(received[1], 4000)
            self.assertLessEqual(sent[9], 1514)
        # And back: the kernel's vxlan sends whole packets.
        self.tcp("peer", "vm1", "10.0.0.1")
        self.assertEqual(self.drops(reason="BadOffload"), 0)

    def test_a_machine_is_told_that_its_packets_are_too_long(self):
        vm1 = self.spaces["vm1"]
        self.reaches("vm1", "10.0.0.16")
        # The way to the tunnel has 1450; the machine believes in more.
        self.apply(guest_mtu=1500)
        self.addCleanup(self.apply)
        self.addCleanup(vm1.run, "ip", "link", "set", "eth0", "mtu", str(MTU))
        self.addCleanup(vm1.run, "ip", "route", "flush", "cache", check=False)
        vm1.run("ip", "link", "set", "eth0", "mtu", "1500")
        ping = vm1.ping("10.0.0.16", count=2, size=1472)
        self.assertEqual(ping.received, 0)
        self.assertRegex(ping.output, r"mtu ?= ?1450", ping.output)
        self.assertIn("1450", vm1.run("ip", "route", "get", "10.0.0.16").stdout)
        six = vm1.ping("2001:db8:1::10", count=2, size=1452)
        self.assertRegex(six.output, r"(?i)mtu ?= ?1450", six.output)
        # TCP finds the way by itself, with frames of 1500 at first.
        vm1.run("ip", "route", "flush", "cache")
        vm1.run("ip", "-6", "route", "flush", "cache")
        self.tcp("vm1", "peer", "10.0.0.16")
        self.assertGreater(self.drops(reason="TooLong"), 0)

    def test_sockets_are_for_owner_and_group(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.sockets[1]).st_mode), 0o660)

    def test_udp_segmentation_is_not_offered(self):
        """In both modes."""
        checksum, guest_ufo, tso4, ecn, ufo = 0, 10, 11, 13, 14
        path = os.path.join(self.directory.name, "vhu5")
        self.device[5], HW[5] = f"net_vhost5,iface={path},client=1,tso=1", "fa:16:3e:00:00:05"
        self.addCleanup(self.apply)
        self.addCleanup(self.device.pop, 5)
        self.addCleanup(HW.pop, 5)
        self.apply(numbers=(1, 2, 3, 5))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(30)  # the fast path tries again every second
            listener.bind(path)
            listener.listen(1)
            asked = offered_features(listener.accept()[0])
        there = socket.socket(socket.AF_UNIX)
        there.connect(self.sockets[1])
        for features in (asked, offered_features(there)):
            self.assertEqual(features & {checksum, guest_ufo, tso4, ecn, ufo}, {checksum, tso4, ecn})

    def test_both_queues_are_polled(self):
        self.reaches("vm2", "10.0.0.1")
        before = self.row(2)
        self.assertEqual((before["queues"], before["link"]), (2, "up"))
        self.assertEqual(self.spaces["vm2"].ping("10.0.0.1", count=10).received, 10)  # the guest sends on each in turn

    def test_machines_come_and_go(self):
        self.reaches("vm1", "10.0.0.2")
        for number, address in ((2, "10.0.0.2"), (3, "10.0.0.3")):
            self.guests[number].stop(signal.SIGKILL)
            wait_until(lambda: self.row(number)["link"] == "down", 10, f"port {number} is down")
            self.assertEqual(self.row(number)["offloads"], "")
            self.guests[number].start()
            wait_until(lambda: self.row(number)["link"] == "up", 15, f"port {number} is up")
            self.reaches("vm1", address)

    def test_ports_come_and_go_under_traffic(self):
        self.reaches("vm1", "10.0.0.16")
        traffic = subprocess.Popen(self.spaces["vm1"].wrap("ping", "-n", "-i", "0.02", "-c", "150", "10.0.0.16"),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        flood_ping = subprocess.Popen(self.spaces["vm2"].wrap("ping", "-n", "-i", "0.01", "-c", "300", "10.0.0.1"),
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            for _ in range(2):
                self.apply(numbers=(1, 3))
                self.assertNotIn(2, {row["port"] for row in self.fast_path.client.query("ports")})
                time.sleep(0.5)  # the guest (DPDK's virtio-user as a server) looks to its socket now and then
                self.apply()
                wait_until(lambda: self.row(2)["link"] == "up", 15, "port 2 is connected again")
            output, _ = traffic.communicate(timeout=60)
            self.assertIn(" 150 received", output)  # the others lose nothing
        finally:
            for process in (traffic, flood_ping):
                process.kill()
                process.wait()
        self.reaches("vm1", "10.0.0.2")

    def test_the_fast_path_may_be_killed(self):
        self.reaches("vm1", "10.0.0.2")
        self.fast_path.kill(signal.SIGKILL)
        self.assertTrue(os.path.exists(self.sockets[1]))  # left behind, and no obstacle
        self.fast_path.start()
        self.apply()
        self.uplink_to_peer()
        self.give_addresses("peer", "vx0", "10.0.0.16/24", "2001:db8:1::10/64")
        # Guest 2 has a server's socket, to which the fast path comes back by itself; QEMU as a client is started anew.
        self.guests[1].stop(signal.SIGKILL)
        self.guests[1].start()
        begun = time.monotonic()
        self.reaches("vm1", "10.0.0.2")
        self.reaches("vm2", "10.0.0.16")
        print(f"vm2 is reached {time.monotonic() - begun:.2f} s after vm1 is back")
        self.guests[3].stop(signal.SIGKILL)
        self.guests[3].start()
        self.reaches("vm3", "10.0.0.2")


if __name__ == "__main__":
    unittest.main()
