"""ml2-fastpath on the wire: frames that scapy made, and the Linux kernel's own vxlan and VLAN devices as peers.

Skipped where ml2-fastpath was not built (no libdpdk-dev). Uses ordinary pages (--no-huge), so it runs anywhere.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings

from fastpath import (OPTIONS, PROGRAM, TAGGED, WIRE, Client, FastPath, allowed, attachment, fdb, flood, neighbour, port, segment, vtep)
from fastpath_case import FastPathCase
from processes import run, wait_until

VM, REMOTE, REMOTE6, TRUNK = "fa:16:3e:00:00:01", "fa:16:3e:00:00:03", "fa:16:3e:00:00:06", "fa:16:3e:00:00:09"
OURS, NEXT_HOP = "02:00:00:00:00:01", "02:00:00:00:00:02"


def count(client, question, **match):
    """The sum of `packets` over the rows that match."""
    return sum(row["packets"] for row in client.query(question) if all(row[k] == v for k, v in match.items()))


@unittest.skipUnless(os.path.exists(PROGRAM), "ml2-fastpath is not built here")
class FastPathConformance(unittest.TestCase):
    """Frames from scapy, an independent implementation, through net_pcap devices; what comes out is taken apart by scapy."""

    def setUp(self):
        # Debian's module, also when another Python than Debian's runs this.
        if "/usr/lib/python3/dist-packages" not in sys.path:
            sys.path.append("/usr/lib/python3/dist-packages")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import scapy.all as scapy
            from scapy.layers.vxlan import VXLAN
        except ImportError:
            self.skipTest("python3-scapy is not installed")
        self.scapy, self.VXLAN = scapy, VXLAN
        self.directory = tempfile.mkdtemp(prefix="ml2-fastpath-")
        self.addCleanup(shutil.rmtree, self.directory, True)

    def through(self, frames, put):
        """Plays frames {port: [bytes]} into the fast path; returns ({port: [bytes]}, drops {(port, reason): packets})."""
        path = lambda name: os.path.join(self.directory, name)
        for id, some in frames.items():
            self.scapy.wrpcap(path(f"in{id}.pcap"), [self.scapy.Ether(frame) for frame in some])
        put = dict(put, port=[make(f"net_pcap{id},rx_pcap={path(f'in{id}.pcap')},tx_pcap={path(f'out{id}.pcap')}")
                              for id, make in put["port"].items()])
        fast_path = FastPath(PROGRAM, OPTIONS).start()
        try:
            client = fast_path.client
            self.assertEqual(client.apply(put=put)["refused"], [])
            wanted = {id: len(some) for id, some in frames.items()}
            wait_until(lambda: {row["port"]: row["rx_packets"] for row in client.query("ports")} == wanted, 20,
                       "every frame is received")
            drops = {(row["port"], row["reason"]): row["packets"] for row in client.query("drops")}
            client.apply(put={}, generation=2)  # closes the devices, and so the files
        finally:
            self.assertEqual(fast_path.stop(), 0)
        return {id: [bytes(frame) for frame in self.scapy.rdpcap(path(f"out{id}.pcap"))] for id in frames}, drops

    def test_dscp_and_identification_of_the_outer_header(self):
        s, VXLAN = self.scapy, self.VXLAN
        frames = [bytes(s.Ether(dst=REMOTE, src=VM) / s.IP(src="10.0.0.1", dst="10.0.0.2", tos=0xb9) / s.UDP() / b"one"),
                  bytes(s.Ether(dst=REMOTE, src=VM) / s.IPv6(src="2001:db8:1::1", dst="2001:db8:1::2", tc=0x28) / s.UDP()),
                  bytes(s.Ether(dst=REMOTE, src=VM, type=0x88b5) / (b"neither" * 9)),
                  bytes(s.Ether(dst=REMOTE6, src=VM) / s.IP(src="10.0.0.1", dst="10.0.0.3", tos=0xb8) / s.UDP() / b"two")]
        out, drops = self.through({1: frames, 9: [], 10: []}, {
            "port": {1: lambda d: port(1, d), 9: lambda d: port(9, d, kind=TAGGED, local="192.0.2.1", hw=OURS, mtu=1600),
                     10: lambda d: port(10, d, kind=TAGGED, local="2001:db8::1", hw=OURS, mtu=1600)},
            "segment": [segment(5, 1000)], "attachment": [attachment(1, 5)],
            "vtep": [vtep(7, 9, "192.0.2.1", "192.0.2.2", OURS, NEXT_HOP, dscp=10, allow_fragments=1, inherit_dscp=1),
                     vtep(8, 10, "2001:db8::1", "2001:db8::2", OURS, NEXT_HOP, dscp=10, inherit_dscp=1)],
            "fdb": [fdb(REMOTE, 5, 0, 7), fdb(REMOTE6, 5, 0, 8)]})
        self.assertEqual(drops, {})
        packets = [s.Ether(packet) for packet in out[9]]
        self.assertEqual([packet[s.IP].tos for packet in packets], [0xb8, 0x28, 40])  # the DSCP, without ECN
        self.assertEqual([bytes(packet[VXLAN].payload) for packet in packets], frames[:3])
        first = packets[0][s.IP].id
        self.assertEqual([(packet[s.IP].id - first) % 65536 for packet in packets], [0, 1, 2])
        for packet in packets:
            again = packet.copy()
            del again[s.IP].chksum
            self.assertEqual(bytes(again), bytes(packet))
            self.assertEqual(str(packet[s.IP].flags), "")
        self.assertEqual([s.Ether(packet)[s.IPv6].tc for packet in out[10]], [0xb8])

    def test_every_tunnel_and_tag_type_agrees_with_scapy(self):
        s, VXLAN = self.scapy, self.VXLAN
        inner = lambda to, source, n=18: bytes(s.Ether(dst=to, src=source) / s.IP(src="10.0.0.1", dst="10.0.0.2") /
                                               s.UDP(sport=4000 + n, dport=53) / (b"x" * n))
        inner6 = lambda to, source: bytes(s.Ether(dst=to, src=source) / s.IPv6(src="2001:db8:1::1", dst="2001:db8:1::2") /
                                          s.TCP(sport=1, dport=2) / b"data")
        def outer(ip, payload, **fields):
            udp = s.UDP(sport=50000, dport=4789, **({"chksum": fields.pop("chksum")} if "chksum" in fields else {}))
            return s.Ether(dst=OURS, src=NEXT_HOP) / ip / udp / VXLAN(vni=1000, **{"flags": "Instance", **fields}) / payload
        v4 = lambda **fields: s.IP(src="192.0.2.2", dst="192.0.2.1", **fields)
        v6 = s.IPv6(src="2001:db8::2", dst="2001:db8::1")
        to_vm = inner(VM, REMOTE)
        good4 = [bytes(outer(v4(), to_vm, chksum=0)), bytes(outer(v4(), to_vm)),           # no checksum, a right one
                 bytes(outer(v4(), to_vm, chksum=0, reserved2=0xff)),                       # reserved bits
                 bytes(outer(v4(ttl=1, tos=0xb8, id=7), inner6(VM, REMOTE), chksum=0)),
                 bytes(outer(v4(options=[s.IPOption_NOP()] * 4), to_vm, chksum=0)),
                 bytes(outer(v4(), to_vm, chksum=0)) + b"\0" * 5]                           # padded by Ethernet
        bad4 = {"VxlanNoVni": bytes(outer(v4(), to_vm, chksum=0, flags=0)),
                "OuterUdpChecksum": bytes(outer(v4(), to_vm, chksum=0x1234)),
                "OuterIpChecksum": bytes(outer(v4(chksum=0x1234), to_vm, chksum=0)),
                "OuterFragment": bytes(outer(v4(flags="MF"), to_vm, chksum=0)),
                "UnknownVtep": bytes(s.Ether(dst=OURS, src=NEXT_HOP) / s.IP(src="192.0.2.9", dst="192.0.2.1") /
                                     s.UDP(sport=1, dport=4789, chksum=0) / VXLAN(vni=1000, flags="Instance") / to_vm),
                "UnknownVni": bytes(s.Ether(dst=OURS, src=NEXT_HOP) / v4() / s.UDP(dport=4789, chksum=0) /
                                    VXLAN(vni=1001, flags="Instance") / to_vm),
                "InnerTruncated": bytes(outer(v4(), to_vm[:13], chksum=0)),
                "OuterLength": bytes(outer(v4(), to_vm, chksum=0))[:-1],
                "NotOurs": bytes(s.Ether(dst=OURS, src=NEXT_HOP) / v4() / s.UDP(dport=4790) / to_vm)}
        tagged = lambda vlan, frame: bytes(s.Ether(frame[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + frame[12:]))
        frames = {1: [inner(REMOTE, VM), inner6(REMOTE, VM), inner(REMOTE6, VM, 19), inner(TRUNK, VM), inner(REMOTE6, VM, 900)],
                  3: [tagged(100, inner(VM, TRUNK)), tagged(101, inner(VM, TRUNK)),
                      bytes(s.Ether(dst=VM, src=TRUNK) / s.Dot1Q(vlan=100, prio=5) / s.ARP())],
                  9: good4 + list(bad4.values()), 10: [bytes(outer(v6, to_vm)), bytes(outer(v6, to_vm, chksum=0))]}
        out, drops = self.through(frames, {
            "port": {1: lambda d: port(1, d), 3: lambda d: port(3, d, kind=TAGGED),
                     9: lambda d: port(9, d, kind=TAGGED, local="192.0.2.1", hw=OURS, mtu=1600),
                     10: lambda d: port(10, d, kind=TAGGED, local="2001:db8::1", hw=OURS, mtu=1600)},
            "segment": [segment(5, 1000)], "attachment": [attachment(1, 5), attachment(3, 5, 100)],
            "vtep": [vtep(7, 9, "192.0.2.1", "192.0.2.2", OURS, NEXT_HOP, dscp=10, ttl=33),
                     vtep(8, 10, "2001:db8::1", "2001:db8::2", OURS, NEXT_HOP)],
            "fdb": [fdb(VM, 5, 1), fdb(TRUNK, 5, 3), fdb(REMOTE, 5, 0, 7), fdb(REMOTE6, 5, 0, 8)]})

        # To the machine: everything that is right, untagged and bare.
        expected = [to_vm, to_vm, to_vm, inner6(VM, REMOTE), to_vm, to_vm] + [to_vm] * 2 + \
                   [inner(VM, TRUNK), bytes(s.Ether(dst=VM, src=TRUNK) / s.ARP())]
        self.assertEqual(sorted(out[1]), sorted(expected))
        self.assertEqual({key: n for key, n in drops.items()},
                         {**{(9, reason): 1 for reason in bad4}, (3, "VlanNotAllowed"): 1})
        self.assertEqual(out[3], [tagged(100, inner(TRUNK, VM))])
        # Into the tunnels: scapy reads what we wrote, and would write the same.
        self.assertEqual([len(out[9]), len(out[10])], [2, 2])
        for id, some, source in ((9, [frames[1][0], frames[1][1]], "192.0.2.1"), (10, [frames[1][2], frames[1][4]], "2001:db8::1")):
            for packet, frame in zip(out[id], some):
                read = s.Ether(packet)
                ip = read[s.IP] if id == 9 else read[s.IPv6]
                self.assertEqual((read.dst, read.src, ip.src, read[s.UDP].dport), (NEXT_HOP, OURS, source, 4789))
                self.assertEqual((read[VXLAN].vni, int(read[VXLAN].flags)), (1000, 8))
                self.assertGreaterEqual(read[s.UDP].sport, 49152)
                if id == 9:
                    self.assertEqual((ip.tos, ip.ttl, str(ip.flags), read[s.UDP].chksum), (40, 33, "DF", 0))
                self.assertEqual(bytes(read[VXLAN].payload), frame)
                again = read.copy()
                for layer, names in ((s.IP, ("len", "chksum")), (s.IPv6, ("plen",)), (s.UDP, ("len",) + (("chksum",) if id == 10 else ()))):
                    if layer in again:
                        first = again.getlayer(layer)
                        for name in names:
                            delattr(first, name)
                self.assertEqual(bytes(again), packet)


class FastPathKernelPeer(FastPathCase):
    """The kernel's vxlan and VLAN devices as peers, over taps: vm1 <-> fast path <-> peer's vxlan, a trunk, and the host."""

    names = ("vm1", "peer", "trunk", "host")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ports = [port(1, "net_tap1,iface=vm1", spoof_check=1), port(3, "net_tap3,iface=trunk0", kind=TAGGED),
                     port(9, "net_tap9,iface=up0", kind=TAGGED, local="192.0.2.1", hw=OURS, peer=20),
                     port(20, "net_tap20,iface=host0", kind=WIRE, peer=9)]
        cls.common = {
            "segment": [segment(5, 1000, answer=1)], "attachment": [attachment(1, 5), attachment(3, 5, 100)],
            "allowed": [allowed(1, VM, "10.0.0.1/32"), allowed(1, VM, "2001:db8:1::1/128")],
            "flood": [flood(5, 7)], "fdb": [fdb(VM, 5, 1), fdb(TRUNK, 5, 3), fdb(REMOTE, 5, 0, 7)]}
        cls.apply(cls.ports, [vtep(7, 9, "192.0.2.1", "192.0.2.2", OURS, NEXT_HOP)])
        for device, space, hw in (("vm1", "vm1", VM), ("trunk0", "trunk", TRUNK), ("up0", "peer", NEXT_HOP),
                                  ("host0", "host", OURS)):
            cls.spaces["fp"].run("ip", "link", "set", device, "netns", cls.spaces[space].netns)
            there = cls.spaces[space]
            there.run("ip", "link", "set", device, "address", hw)
            # What VXLAN over IPv6 leaves of 1500: net_tap sends no more.
            there.run("ip", "link", "set", device, "mtu", "1500" if device in ("up0", "host0") else "1430", "up")
        cls.give_addresses("vm1", "vm1", "10.0.0.1/24", "2001:db8:1::1/64")
        cls.give_addresses("peer", "up0", "192.0.2.2/24", "2001:db8::2/64")
        cls.give_addresses("host", "host0", "192.0.2.1/24", "2001:db8::1/64")
        made = cls.spaces["trunk"].run("ip", "link", "add", "link", "trunk0", "name", "v100", "type", "vlan", "id", "100", check=False)
        cls.has_vlan = made.returncode == 0
        if cls.has_vlan:
            cls.spaces["trunk"].run("ip", "link", "set", "v100", "address", TRUNK, "up")
            cls.give_addresses("trunk", "v100", "10.0.0.9/24")

    @classmethod
    def apply(cls, ports, vteps, **more):
        return cls.put(port=ports, vtep=vteps, **cls.common, **more)

    def peer_vxlan(self, local, remote):
        peer = self.spaces["peer"]
        peer.run("ip", "link", "del", "vx0", check=False)
        peer.run("ip", "link", "add", "vx0", "address", REMOTE, "type", "vxlan", "id", "1000", "local", local, "remote", remote,
                 "dstport", "4789", "dev", "up0")
        peer.run("ip", "link", "set", "vx0", "mtu", "1430", "up")
        peer.run("ip", "addr", "add", "10.0.0.3/24", "dev", "vx0")
        peer.run("ip", "addr", "add", "2001:db8:1::3/64", "dev", "vx0", "nodad")

    def traffic(self):
        """Both ways, both families, small and as large as the MTU allows; and TCP both ways in both families."""
        self.ping("vm1", "10.0.0.3")
        self.ping("peer", "10.0.0.1", size=1402)
        self.ping("vm1", "2001:db8:1::3", size=1382)
        for address in ("10.0.0.3", "2001:db8:1::3"):
            self.tcp("vm1", "peer", address)

    def test_kernel_vxlan_over_both_underlays(self):
        self.addCleanup(lambda: self.apply(self.ports, [vtep(7, 9, "192.0.2.1", "192.0.2.2", OURS, NEXT_HOP)]))
        self.peer_vxlan("192.0.2.2", "192.0.2.1")
        self.traffic()
        # The uplink's other end is another VTEP address now: a delta replaces port and VTEP, nothing else changes.
        six = [self.ports[0], self.ports[1],
               port(9, "net_tap9,iface=up0", kind=TAGGED, local="2001:db8::1", hw=OURS, peer=20), self.ports[3]]
        done = self.apply(six, [vtep(7, 9, "2001:db8::1", "2001:db8::2", OURS, NEXT_HOP)])
        self.assertEqual(done["applied"], 2)
        self.peer_vxlan("2001:db8::2", "2001:db8::1")
        self.traffic()
        self.assertEqual(self.apply(six, [vtep(7, 9, "2001:db8::1", "2001:db8::2", OURS, NEXT_HOP)])["applied"], 0)

    def test_kernel_vlan_device_on_a_trunk(self):
        if not self.has_vlan:
            self.skipTest("this kernel has no VLAN devices; frames with tags are in FastPathConformance")
        self.ping("vm1", "10.0.0.9", size=1402)
        self.ping("trunk", "10.0.0.1")

    def test_host_stays_usable_through_the_exception_path(self):
        self.ping("peer", "192.0.2.1")
        self.ping("host", "192.0.2.2")
        row = next(row for row in self.fast_path.client.query("ports") if row["port"] == 9)
        self.assertGreater(row["exception"], 0)

    def test_a_machine_cannot_send_as_another(self):
        vm1 = self.spaces["vm1"]
        vm1.run("ip", "addr", "add", "10.0.0.77/24", "dev", "vm1")
        self.addCleanup(vm1.run, "ip", "addr", "del", "10.0.0.77/24", "dev", "vm1", check=False)
        before = count(self.fast_path.client, "drops", port=1)
        self.assertEqual(vm1.ping("10.0.0.3", count=2, options=("-I", "10.0.0.77")).received, 0)
        reasons = {row["reason"] for row in self.fast_path.client.query("drops") if row["port"] == 1}
        self.assertGreater(count(self.fast_path.client, "drops", port=1), before)
        self.assertTrue(reasons & {"SpoofedIpv4", "SpoofedArp"}, reasons)

    def test_arp_is_answered_in_place(self):
        known = {"neighbour": [neighbour(5, "10.0.0.200", "fa:16:3e:00:00:c8")]}
        self.fast_path.client.apply(full=False, generation=9, put=known)
        self.addCleanup(lambda: self.fast_path.client.apply(full=False, generation=10, remove=known))
        vm1 = self.spaces["vm1"]
        vm1.run("ping", "-c", "1", "-W", "1", "10.0.0.200", check=False)
        wait_until(lambda: "fa:16:3e:00:00:c8" in vm1.run("ip", "neigh", "show", "10.0.0.200").stdout, 5, "vm1 learns the MAC")

    def test_ml2ctl_shows_it(self):
        ml2ctl = os.path.join(os.path.dirname(PROGRAM), "ml2ctl")
        ask = lambda *words: json.loads(run([ml2ctl, "--format", "json", "fastpath", *words, "--socket", self.fast_path.path]).stdout)
        self.assertEqual(ask("show")["ports"], 4)
        self.assertEqual({row["port"] for row in ask("ports")}, {1, 3, 9, 20})
        self.assertEqual([row["remote"] for row in ask("vteps")], ["192.0.2.2"])
        self.assertEqual(len(ask("fdb", "--segment", "5")), 3)
        frame = bytes.fromhex((REMOTE + VM).replace(":", "")) + b"\x08\x00\x45" + bytes(11) + bytes([10, 0, 0, 1]) + bytes(30)
        steps = ask("trace", "1", frame.hex())
        self.assertEqual([row["step"] for row in steps], ["receive", "segment", "anti-spoofing", "fdb", "encapsulate", "send"])
        self.assertEqual((steps[3]["vtep"], steps[4]["remote"]), (7, "192.0.2.2"))
        # The same, described; and one that the port may not send.
        words = f"udp,dl_src={VM},dl_dst={REMOTE},nw_dst=10.0.0.3,nw_src="
        self.assertEqual([row["step"] for row in ask("trace", "1", words + "10.0.0.1")], [row["step"] for row in steps])
        self.assertEqual([row.get("reason", row["step"]) for row in ask("trace", "1", words + "10.0.0.9")], ["receive", "SpoofedIpv4"])
        self.assertEqual([row["meaning"] for row in ask("trace", "1", f"udp,dl_src={VM},dl_dst=fa:16:3e:99:99:99,nw_src=10.0.0.1")
                          if row["step"] == "fdb"], ["not known: to all of the segment"])
        self.assertEqual((steps[-1]["port"], steps[-1]["length"]), (9, len(frame) + 50))
        wrong = run([ml2ctl, "fastpath", "trace", "1", "xyz", "--socket", self.fast_path.path], check=False)
        self.assertEqual((wrong.returncode, "hexadecimal" in wrong.stderr), (1, True), wrong.stderr)
        self.assertIn("Exception", run([ml2ctl, "fastpath", "ports", "--socket", self.fast_path.path]).stdout)

    def test_the_client_may_go_and_traffic_stays(self):
        self.peer_vxlan("192.0.2.2", "192.0.2.1")
        self.fast_path.client.close()
        self.ping("vm1", "10.0.0.3")
        FastPathKernelPeer.fast_path.client = Client(self.fast_path.path)
        self.assertGreater(self.fast_path.client.hello()["generation"], 0)
        # What a client that restarted reads back is what was put, byte for byte.
        self.assertEqual(sorted(self.fast_path.client.read("port")), sorted(record.ljust(256, b"\0") for record in self.ports))
        self.assertEqual(len(self.fast_path.client.read("fdb")), 3)


if __name__ == "__main__":
    unittest.main()
