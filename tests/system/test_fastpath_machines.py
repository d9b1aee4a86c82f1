"""Virtual machines on vhost-user ports of ml2-fastpath, made by ml2ctl and wired by the agent; the other hypervisor has Open vSwitch
alone, so that its VXLAN is the peer. What restarts cost, what a machine cannot do, and what two hosts must have alike.

    v1, v2, ...  - vhost-user - ml2-fastpath hv1 - VXLAN - br-tun, br-int of hv2 - o1, ...

Skipped where ml2-fastpath was not built.
"""
import os
import signal
import sys
import time
import unittest

import lab as laboratory
from case import wait_until
from fastpath import Client
from fastpath_case import iperf
from fastpath_lab import FastPathLab
from netns import Capture
from virtio import GUEST, Guest

# Sends the frames that it is given as hexadecimal words.
SEND = ("import socket, sys; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0))\n"
        "for frame in sys.argv[1:]: s.send(bytes.fromhex(frame))")


def hw(text):
    return text.replace(":", "")


def checksum(words):
    total = sum(int.from_bytes(words[i:i + 2], "big") for i in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return (~total & 0xffff).to_bytes(2, "big")


def udp4(source, target, port, payload):
    """An IPv4 packet."""
    packed = lambda address: bytes(map(int, address.split(".")))
    head = bytes.fromhex("4500") + (28 + len(payload)).to_bytes(2, "big") + bytes.fromhex("000000004011") + b"\0\0" + packed(source) + packed(target)
    head = head[:10] + checksum(head) + head[12:]
    return head + (50000).to_bytes(2, "big") + port.to_bytes(2, "big") + (8 + len(payload)).to_bytes(2, "big") + b"\0\0" + payload


@unittest.skipUnless(os.path.exists(GUEST), "virtio_guest is not built here")
class FastPathMachines(FastPathLab):
    with_fast_path = (1,)

    @staticmethod
    def options(hypervisor, **more):
        options = FastPathLab.options(hypervisor, vhostuser_socket_dir=hypervisor.dir, **more)
        options["fastpath"]["ports"] = "vhostuser"
        return options

    def setUp(self):
        super().setUp()
        self.client = Client(os.path.join(self.lab[1].dir, "fastpath"))
        self.addCleanup(lambda: self.client.close())

    def machine(self, name, network, **more):
        """A machine behind a vhost-user port on hv1; its `guest` is the process that plays it."""
        port = self.port(name, network, self.lab[1], **more)
        shown = self.show_port(port)
        self.assertEqual(shown["binding:vif_type"], "vhostuser")
        details = shown["binding:vif_details"]
        self.assertEqual(details["vhostuser_mode"], "server")
        machine = self.lab.vm(name, self.lab[1])
        self.addCleanup(self.lab.remove_vm, name)
        machine.port = port
        addresses = []
        for fixed in port["fixed_ips"]:
            six = ":" in fixed["ip_address"]
            addresses.append(fixed["ip_address"] + ("/64" if six else "/24"))
            setattr(machine, "ip6" if six else "ip4", fixed["ip_address"])
        machine.guest = Guest(machine, details["vhostuser_socket"], port["mac_address"], addresses, server=True)
        self.addCleanup(machine.guest.stop)
        machine.guest.start()
        self.wait_active(port)
        return machine

    def row(self, machine):
        return next(row for row in self.client.query("ports") if machine.port["id"][:11] in row["device"])

    def drops(self, machine):
        """{reason: packets} of what the machine sent."""
        number = self.row(machine)["port"]
        return {row["reason"]: row["packets"] for row in self.client.query("drops") if row["port"] == number}

    def send(self, machine, *frames):
        machine.run(sys.executable, "-c", SEND, *(frame.hex() for frame in frames))

    def test_tcp_to_a_host_with_open_vswitch(self):
        blue = self.network("blue", "vxlan")
        v1, o1 = self.machine("v1", blue), self.vm("o1", blue, self.lab[2])
        for source, target in ((v1, o1.ip4), (v1, o1.ip6), (o1, v1.ip4), (o1, v1.ip6)):
            self.assert_pings(source, target, count=3)
        self.assertEqual(self.row(v1)["offloads"], "checksum tso4 tso6", "what the agent asks of vhost-user ports")
        # ml2ctl finds the fast path by the same ini.
        self.assertIn(self.row(v1)["device"], [row["device"] for row in self.ml2ctl_json("fastpath", "ports")])
        for address in (o1.ip4, o1.ip6):
            for reverse in (False, True):
                before = self.row(v1)
                moved = iperf(v1, o1, address, "8M", reverse)
                after = self.row(v1)
                self.assertGreaterEqual(moved, 6_500_000)
                mean = (after["rx_bytes"] - before["rx_bytes"]) / (after["rx_packets"] - before["rx_packets"])
                self.saw(f"iperf3 v1 {'<-' if reverse else '->'} o1 ({address}): {moved} bytes, {mean:.0f} bytes a frame from the machine")
                if not reverse:
                    self.assertGreater(mean, 3000, "the machine hands over long frames")
        self.assertEqual({reason: count for reason, count in self.drops(v1).items() if "Offload" in reason or "Long" in reason}, {})

    def test_restarts_of_the_agent_and_of_the_fast_path(self):
        blue = self.network("blue", "vxlan")
        v1, o1 = self.machine("v1", blue), self.vm("o1", blue, self.lab[2])
        self.assert_pings(v1, o1.ip4, count=3)
        hypervisor = self.lab[1]
        # The agent dies under load: nothing is lost, nothing is sent.
        before = self.generation(hypervisor)
        ping = laboratory.BackgroundPing(v1, o1.ip4, 600, 0.01)
        time.sleep(0.3)
        hypervisor.agent.kill()
        hypervisor.start_agent()
        result = ping.result()
        self.saw(f"agent killed: {result.summary}; generation {before} before, {self.generation(hypervisor)} after")
        self.assertEqual((result.lost, self.generation(hypervisor)), (0, before), result.output)
        self.assertEqual(hypervisor.status()["fastpath"]["updates"], 0)
        # The fast path dies: it is filled again, and the machine's socket connected again. DPDK's own start is told apart; of what
        # comes after it the best of three counts: on a shared machine a second is easily somebody else's.
        times = []
        for _ in range(3):
            self.fast_paths[1].signal(signal.SIGKILL)
            self.fast_paths[1].wait()
            begun = time.monotonic()
            self.start_fast_path(hypervisor)
            wait_until(lambda: self.generation(hypervisor) is not None, 30, "ml2-fastpath answers again", interval=0.02)
            answers = time.monotonic()
            wait_until(lambda: v1.ping(o1.ip4, count=1, options=("-W", "0.1")).ok, 30, "traffic passes again", interval=0.02)
            passes = time.monotonic()
            times.append(passes - answers)
            self.saw(f"ml2-fastpath killed: answers {answers - begun:.2f} s after its start, traffic {passes - answers:.2f} s later")
            self.client.close()
            self.client = Client(os.path.join(hypervisor.dir, "fastpath"))
            self.wait_active(v1.port)
            self.assertEqual(self.row(v1)["link"], "up")
        self.assertLess(min(times), 1.0, "forwarding within a second of its restart")
        self.assert_pings(v1, o1.ip4, count=20)

    def test_a_machine_reaches_neither_the_underlay_nor_another_network(self):
        blue, red = self.network("blue", "vxlan"), self.network("red", "vxlan")
        v1, o1 = self.machine("v1", blue), self.vm("o1", blue, self.lab[2])
        r1, q1 = self.machine("r1", red), self.vm("q1", red, self.lab[2])
        self.assert_pings(v1, o1.ip4, count=2)
        self.assert_pings(r1, q1.ip4, count=2)
        one, two = self.lab.hypervisors
        nic = one.run("cat", "/sys/class/net/host0/address").stdout.strip()
        far_nic = two.run("cat", "/sys/class/net/br-phy/address").stdout.strip()
        mine = v1.port["mac_address"]
        vni = lambda network: int(self.ml2ctl_json("network", "show", network["id"])["provider:segmentation_id"])
        vxlan = lambda inner: b"\x08\0\0\0" + vni(red).to_bytes(3, "big") + b"\0" + inner
        ethernet = lambda to, payload, source=mine, type="0800": bytes.fromhex(hw(to) + hw(source) + type) + payload
        to_red = ethernet(r1.port["mac_address"], udp4(q1.ip4, r1.ip4, 9, b"from another network"), source=q1.port["mac_address"])
        # What only encapsulated may leave hv1, is watched for on the underlay; the hosts' own stacks, and red's machines.
        watches = {"underlay": Capture(self.lab.fabric, "under", f"ether src {mine} or ether src {q1.port['mac_address']}"),
                   "hv1": Capture(one, "host0", f"ether src {mine} or host {v1.ip4}"), "hv2": Capture(two, "br-phy", f"ether src {mine} or (host {v1.ip4} and not udp port 4789)"),
                   "r1": Capture(r1, "eth0", "udp port 9"), "q1": Capture(q1, "eth0", "udp port 9")}
        ours = Capture(self.lab.fabric, "under", f"udp port 4789 and host {two.local_ip}")
        before = self.drops(v1)
        self.send(v1,
                  *(ethernet(to, udp4(v1.ip4, address, port, payload)) for to in (nic, far_nic, "ff:ff:ff:ff:ff:ff")
                    for address, port, payload in ((one.local_ip, 9, b"to the VTEP's own address"), (two.local_ip, 9, b"to the underlay"),
                                                   (one.local_ip, 4789, vxlan(to_red)), (two.local_ip, 4789, vxlan(to_red)))),
                  # As somebody else: another MAC, another address, the router's, ARP with another's address.
                  ethernet(o1.port["mac_address"], udp4(v1.ip4, o1.ip4, 9, b"x"), source=r1.port["mac_address"]),
                  ethernet(o1.port["mac_address"], udp4(o1.ip4, o1.ip4, 9, b"x"), source=o1.port["mac_address"]),
                  ethernet("ff:ff:ff:ff:ff:ff", bytes.fromhex("0001080006040001" + hw(mine)) + bytes(map(int, o1.ip4.split("."))) + bytes(10), type="0806"),
                  # With tags of its own: red's VNI as a VLAN, a provider VLAN, a tag within a tag.
                  *(bytes.fromhex(hw(to) + hw(mine) + tags + "0800") + udp4(v1.ip4, one.local_ip, 9, b"tagged") for to in (nic, "ff:ff:ff:ff:ff:ff")
                    for tags in (f"8100{vni(red) & 0xfff:04x}", "81000064", "88a8006481000065")))
        time.sleep(0.5)  # what must not come has no moment at which it has not come
        seen = {name: watch.lines() for name, watch in watches.items()}
        encapsulated = ours.lines()
        new = {reason: count - before.get(reason, 0) for reason, count in self.drops(v1).items() if count != before.get(reason, 0)}
        self.saw(f"drops: {new}; nothing of it on the underlay, in the hosts or in red")
        self.assertEqual(seen, {name: [] for name in watches})
        self.assertEqual((new.get("SpoofedMac"), new.get("SpoofedArp")), (2, 1), new)
        self.assertEqual(sum(new.get(reason, 0) for reason in ("VlanNotAllowed", "InnerVlan", "EthertypeNotAllowed")), 6, new)
        # The others stayed in blue: one copy each, to blue's VTEP, with blue's VNI.
        sent = [outer for outer, inner in zip(encapsulated, encapsulated[1:])
                if f"IP {one.local_ip}." in outer and inner.startswith(f"IP {v1.ip4}.50000 > ")]
        self.assertEqual(len(sent), 12, encapsulated)
        self.assertTrue(all(line.endswith(f"vni {vni(blue)}") for line in sent), encapsulated)
        self.assert_pings(v1, o1.ip4, count=2)

    def test_networks_with_the_same_macs_and_addresses_never_mix(self):
        pairs = []
        for name in ("blue", "red"):
            network = self.network(name, "vxlan", cidrs=("10.1.0.0/24",))
            pairs.append((self.machine("v" + name, network, ips=["10.1.0.11"], mac="fa:16:3e:00:aa:01"),
                          self.vm("o" + name, network, self.lab[2], ips=["10.1.0.12"], mac="fa:16:3e:00:aa:02")))
        for number, (v, o) in enumerate(pairs):
            other_v, other_o = pairs[1 - number]
            self.assert_pings(v, "10.1.0.12", count=2)
            watches = [Capture(machine, "eth0", f"icmp or (arp and host 10.1.0.{90 + number})") for machine in (other_v, other_o)]
            for source, address in ((v, "10.1.0.12"), (o, "10.1.0.11")):
                self.assert_pings(source, address, count=10)
                source.ping(f"10.1.0.{90 + number}", count=1, options=("-W", "0.5"))  # ARP for nobody: a broadcast
            self.assertEqual([watch.lines() for watch in watches], [[], []])
        # And when one of the two is gone, the other's machine does not answer in its place.
        pairs[1][0].guest.stop()
        self.assert_no_ping(pairs[1][1], "10.1.0.11")
        self.assert_pings(pairs[0][1], "10.1.0.11", count=2)

    def test_a_local_network_on_both_sides(self):
        local = self.network("local", "local", cidrs=("10.6.0.0/24", "fd06::/64"))
        v1, v2, plugged = self.machine("v1", local), self.machine("v2", local), self.vm("o1", local, self.lab[1])
        for source, target in ((v1, v2), (v1, plugged), (plugged, v1), (plugged, v2)):
            self.assert_pings(source, target.ip4, count=3)
            self.assert_pings(source, target.ip6, count=3)
        self.assertNotIn("DUP", v1.run("ping", "-c", "5", "-i", "0.2", plugged.ip4).stdout)

    def test_other_udp_ports_and_processors_are_said(self):
        blue = self.network("blue", "vxlan")
        v1, o1 = self.machine("v1", blue), self.vm("o1", blue, self.lab[2])
        self.assert_pings(v1, o1.ip4, count=2)
        one, two = self.lab.hypervisors

        def restart(hypervisor, options):
            hypervisor.agent.stop()
            hypervisor.write_ini(options)
            hypervisor.start_agent()
        self.addCleanup(restart, two, self.other_options(two))
        other = self.other_options(two)
        other["agent"]["vxlan_udp_port"] = "8472"
        restart(two, other)
        words = ("host hv2 has vxlan_udp_port 8472, and this host 4789", "no tunnel to it")

        def said(text):
            return all(word in text for word in words)
        wait_until(lambda: any(map(said, one.status()["problems"])), 10, "status says it")
        wait_until(lambda: said(str(self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": "Host", "where": [["name", "==", "hv1"]], "columns": ["problems"]}))), 10, "hv1's row says it")
        self.assertTrue(said(str(self.ml2ctl_json("explain", v1.port["id"], on=one)["problems"])))
        restart(two, self.other_options(two))
        wait_until(lambda: not any(map(said, one.status()["problems"])), 10, "it is solved")
        self.assert_pings(v1, o1.ip4, count=2)

        # The agent's ini says other processors than those that the fast path runs on.
        options = self.options(one)
        options["fastpath"]["cores"] = "0,1"
        self.addCleanup(restart, one, self.options(one))
        restart(one, options)
        wait_until(lambda: any("[fastpath] cores of this host is 0,1" in text for text in one.status()["problems"]), 10, "status says it")


if __name__ == "__main__":
    unittest.main()
