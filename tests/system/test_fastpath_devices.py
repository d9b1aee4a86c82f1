"""ml2-fastpath on the kernel's interfaces of each kind (AF_XDP, AF_PACKET, tap), in a segment that learns; and captures of it.

Skipped where ml2-fastpath was not built. Uses ordinary pages.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from fastpath import PROGRAM, attachment, fdb, port, segment
from fastpath_case import FastPathCase
from netns import Capture
from processes import run, wait_until

ML2CTL = os.path.join(os.path.dirname(PROGRAM), "ml2ctl")
HW = {1: "fa:16:3e:00:00:01", 2: "fa:16:3e:00:00:02", 3: "fa:16:3e:00:00:03"}
# An untagged frame is IPv4 from machine 1; this one has a tag, which an access port does not take.
TAGGED_FRAME = "ffffffffffff" + HW[1].replace(":", "") + "81000007" + "0800" + "45" + "00" * 60


# Prints what a UDP socket at an address of the host's gets within a second.
LISTEN = ("import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 9)); s.settimeout(1)\n"
          "print('listens', flush=True)\n"
          "try: print('got', s.recv(100))\n"
          "except TimeoutError: print('nothing')")


class FastPathDevices(FastPathCase):
    names = ("vm1", "vm2", "vm3")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        fp = cls.spaces["fp"]
        for number in (1, 2):
            fp.run("ip", "link", "add", f"dev{number}", "type", "veth", "peer", "name", "eth0", "netns", cls.spaces[f"vm{number}"].netns)
            fp.run("ip", "link", "set", f"dev{number}", "up")
            # Neither driver can say that a checksum is still to be made.
            cls.spaces[f"vm{number}"].run("ethtool", "-K", "eth0", "tx", "off", check=False)
        cls.devices = {1: "net_af_xdp1,iface=dev1", 2: "net_af_packet2,iface=dev2", 3: "net_tap3,iface=dev3"}
        cls.apply()
        fp.run("ip", "link", "set", "dev3", "netns", cls.spaces["vm3"].netns, "name", "eth0")
        for number, hw in HW.items():
            there = cls.spaces[f"vm{number}"]
            there.run("ip", "link", "set", "eth0", "address", hw, "up")
            there.run("ip", "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")

    @classmethod
    def apply(cls, learn_age=60, **more):
        return cls.put(port=[port(number, device) for number, device in cls.devices.items()],
                       segment=[segment(5, learn_age=learn_age)], attachment=[attachment(number, 5) for number in cls.devices], **more)

    def learned(self):
        return {row["mac"]: row["port"] for row in self.fast_path.client.query("fdb") if row["learned"]}

    def meet(self, source, target):
        self.reaches(f"vm{source}", f"10.0.0.{target}")

    def test_every_device_carries_what_was_learned(self):
        for source, target in ((1, 2), (2, 3), (3, 1)):
            self.meet(source, target)
            self.assertEqual(self.spaces[f"vm{source}"].ping(f"10.0.0.{target}", count=3, size=1472).received, 3)
        self.assertEqual({mac: self.learned()[mac] for mac in HW.values()}, {hw: number for number, hw in HW.items()})
        # Known stations are not flooded: the third machine sees nothing of it.
        before = next(row for row in self.fast_path.client.query("ports") if row["port"] == 3)["tx_packets"]
        self.assertEqual(self.spaces["vm1"].ping("10.0.0.2", count=10).received, 10)
        after = next(row for row in self.fast_path.client.query("ports") if row["port"] == 3)["tx_packets"]
        self.assertLess(after - before, 5)
        for _ in range(2):  # the digests know nothing of it: what is equal is not touched
            self.assertEqual(self.apply()["applied"], 0)
        self.assertIn(HW[1], self.learned())

    def test_tcp_both_ways(self):
        for source, target in ((1, 3), (3, 2), (2, 1)):
            self.tcp(f"vm{source}", f"vm{target}", f"10.0.0.{target}", megabytes=4)

    def link(self, number):
        return next(row for row in self.fast_path.client.query("ports") if row["port"] == number)["link"]

    def test_a_device_whose_interface_is_made_anew(self):
        """As a tap is when its machine is started again while nobody tells ml2-fastpath."""
        self.meet(1, 2)
        fp, vm2 = self.spaces["fp"], self.spaces["vm2"]
        for number in (2, 1):  # AF_PACKET, AF_XDP
            machine = self.spaces[f"vm{number}"]
            fp.run("ip", "link", "set", f"dev{number}", "down")
            wait_until(lambda: self.link(number) == "down", 5, "an interface that is down is a link that is down")
            fp.run("ip", "link", "set", f"dev{number}", "up")
            wait_until(lambda: self.link(number) == "up", 5, "and comes up again")
            fp.run("ip", "link", "delete", f"dev{number}")
            wait_until(lambda: self.link(number) == "down", 5, "an interface that is gone is a link that is down")
            fp.run("ip", "link", "add", f"dev{number}", "type", "veth", "peer", "name", "eth0", "address", HW[number],
                   "netns", machine.netns)
            fp.run("ip", "link", "set", f"dev{number}", "up")
            machine.run("ethtool", "-K", "eth0", "tx", "off", check=False)
            machine.run("ip", "link", "set", "eth0", "up")
            machine.run("ip", "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")
            begun = time.monotonic()
            self.meet(2, 1)
            self.assertEqual(self.link(number), "up")
            print(f"saw: {self.devices[number]}: traffic passes {time.monotonic() - begun:.1f} s after its interface is there again")
        self.assertEqual(vm2.ping("10.0.0.1", count=5).received, 5)
        self.assertEqual(self.apply()["applied"], 0)  # the records never changed

    def test_what_is_configured_stands_and_what_is_not_heard_is_forgotten(self):
        self.meet(1, 2)
        self.addCleanup(self.apply)
        self.apply(fdb=[fdb(HW[2], 5, 3)])  # wrong on purpose
        vm1 = self.spaces["vm1"]
        vm1.run("ip", "neigh", "replace", "10.0.0.2", "lladdr", HW[2], "dev", "eth0")
        self.addCleanup(vm1.run, "ip", "neigh", "del", "10.0.0.2", "dev", "eth0", check=False)
        self.assertEqual(vm1.ping("10.0.0.2", count=2).received, 0)
        self.spaces["vm2"].ping("10.0.0.1", count=1)
        self.assertNotIn(HW[2], self.learned())
        self.apply(learn_age=1)
        self.spaces["vm2"].ping("10.0.0.1", count=1)
        wait_until(lambda: HW[2] in self.learned(), 5, "station 2 is learned")
        for number in HW:
            self.spaces[f"vm{number}"].run("ip", "link", "set", "eth0", "arp", "off")
            self.addCleanup(self.spaces[f"vm{number}"].run, "ip", "link", "set", "eth0", "arp", "on")
        wait_until(lambda: not self.learned(), 10, "nobody is heard")

    def test_a_machine_does_not_reach_the_host(self):
        """The host routes, its own address is on another device, and the machine knows where to send to."""
        fp = self.spaces["fp"]
        fp.run("ip", "link", "add", "under", "type", "veth", "peer", "name", "far")
        self.addCleanup(fp.run, "ip", "link", "del", "under")
        for end in ("under", "far"):
            fp.run("ip", "link", "set", end, "up")
        fp.run("ip", "addr", "add", "192.0.2.1/24", "dev", "under")
        fp.run("ip", "route", "add", "default", "via", "192.0.2.254")
        fp.run("ip", "neigh", "replace", "192.0.2.254", "lladdr", "02:00:00:00:00:fe", "dev", "under")
        for number in (1, 2):
            self.assertEqual([fp.run("cat", f"/proc/sys/net/ipv4/conf/dev{number}/{key}").stdout.strip()
                              for key in ("rp_filter", "arp_ignore", "forwarding")], ["1", "8", "0"])
            machine = self.spaces[f"vm{number}"]
            for target in ("192.0.2.1", "198.51.100.9"):
                machine.run("ip", "route", "add", target, "dev", "eth0")
                self.addCleanup(machine.run, "ip", "route", "del", target)

        def set_all(**values):
            for key, value in values.items():
                before = fp.run("cat", f"/proc/sys/net/ipv4/{key}").stdout.strip()
                fp.write_sysctl("ipv4/" + key, value)
                self.addCleanup(fp.write_sysctl, "ipv4/" + key, before)
        # Somebody takes the first of them back on every device; then another lets the host route, which is the third.
        set_all(**{f"conf/{device}/rp_filter": 0 for device in ("all", "dev1", "dev2")})
        for number in (1, 2):
            machine = self.spaces[f"vm{number}"]
            self.assertEqual(machine.ping("192.0.2.1", count=1, options=("-W", "0.5")).received, 0)
            self.assertNotIn("lladdr", machine.run("ip", "neigh", "show", "192.0.2.1").stdout, "the host does not answer ARP")
        set_all(**{f"conf/{device}/rp_filter": 1 for device in ("dev1", "dev2")}, ip_forward=1)
        for number in (1, 2):
            machine = self.spaces[f"vm{number}"]
            mac = fp.run("cat", f"/sys/class/net/dev{number}/address").stdout.strip()
            for target in ("192.0.2.1", "198.51.100.9"):
                machine.run("ip", "neigh", "replace", target, "lladdr", mac, "dev", "eth0")
            routed = Capture(fp, "under", f"host 10.0.0.{number}")
            with subprocess.Popen(fp.wrap(sys.executable, "-c", LISTEN, "192.0.2.1"), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True) as listener:
                self.assertEqual(listener.stdout.readline(), "listens\n")
                for target in ("192.0.2.1", "198.51.100.9"):
                    machine.run(sys.executable, "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
                                f".sendto(b'past the fast path', ('{target}', 9))")
                self.assertEqual(listener.communicate(timeout=20)[0], "nothing\n")
            self.assertEqual(routed.lines(), [])

    def capture(self, *arguments):
        return subprocess.Popen([ML2CTL, "fastpath", "capture", "--socket", self.fast_path.path, *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def captures(self, there):
        """Waits until ml2ctl has asked and waits for frames (in poll(2), which it does nowhere else), and was heard."""
        def waits():
            self.assertIsNone(there.poll(), "the capture has ended")
            with open(f"/proc/{there.pid}/syscall", encoding="ascii") as now:
                return now.read().split()[0] in ("7", "73")  # poll of amd64, ppoll of arm64
        wait_until(waits, 10, "the capture has begun")
        self.fast_path.client.query("show")  # the fast path answers in the order of asking

    def test_a_capture_is_a_file_that_others_read(self):
        if "/usr/lib/python3/dist-packages" not in sys.path:
            sys.path.append("/usr/lib/python3/dist-packages")
        try:
            import scapy.all as scapy
        except ImportError:
            self.skipTest("python3-scapy is not installed")
        self.meet(1, 2)
        self.meet(1, 3)
        with tempfile.TemporaryDirectory(prefix="ml2-capture-") as directory:
            path = os.path.join(directory, "some.pcapng")
            begun = time.time()
            with self.capture("-w", path, "--segment", "5", "--ip", "10.0.0.3", "--ethertype", "0x0800", "--count", "8") as there:
                self.captures(there)
                self.spaces["vm1"].ping("10.0.0.2", count=2)
                self.spaces["vm1"].ping("10.0.0.3", count=2)
                _, said = there.communicate(timeout=20)
                self.assertEqual((there.returncode, said), (0, "8 frames captured, 0 lost for want of buffers\n"))
            frames = list(scapy.PcapNgReader(path))
            with open(path, "rb") as file:
                data = file.read()
        self.assertEqual(len(frames), 8)  # two pings, there and back, in and out
        self.assertEqual({(f[scapy.IP].src, f[scapy.IP].dst, f[scapy.ICMP].type) for f in frames},
                         {("10.0.0.1", "10.0.0.3", 8), ("10.0.0.3", "10.0.0.1", 0)})
        self.assertTrue(all(begun - 1 <= float(f.time) <= time.time() + 1 for f in frames))
        for name in (b"port1", b"net_af_xdp1,iface=dev1", b"port3", b"net_tap3,iface=dev3"):
            self.assertIn(name, data)

    def test_a_capture_says_why_frames_are_dropped(self):
        with self.capture("--dropped", "--port", "1", "--duration", "30", "--count", "1") as there:
            self.captures(there)
            self.meet(1, 2)
            send = ("import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0)); "
                    f"s.send(bytes.fromhex('{TAGGED_FRAME}'))")
            self.spaces["vm1"].run(sys.executable, "-c", send)
            lines, _ = there.communicate(timeout=35)
        self.assertIn("dropped VlanNotAllowed", lines)
        self.assertIn(f"port 1 in  segment 5 {HW[1]} > ff:ff:ff:ff:ff:ff type 0x8100", lines)

    def test_a_capture_says_what_a_device_did_not_take(self):
        """A vhost-user port whose machine is away, in a segment that floods."""
        with tempfile.TemporaryDirectory(prefix="ml2-vhost-") as directory:
            change = lambda which, generation: self.fast_path.client.apply(full=False, generation=generation, **{
                which: {"port": [port(6, f"net_vhost6,iface={directory}/vhu6")], "attachment": [attachment(6, 5)]}})["refused"]
            self.assertEqual(change("put", 2), [])
            self.addCleanup(self.apply)
            try:
                for more in ((), ("--dropped",)):
                    with self.capture("--port", "6", "--duration", "30", "--count", "1", "--ethertype", "0x0806", *more) as there:
                        self.captures(there)
                        self.spaces["vm1"].ping("10.0.0.99", count=1, options=("-W", "0.5"))  # ARP for nobody: a broadcast
                        lines, _ = there.communicate(timeout=35)
                    self.assertRegex(lines, rf"port 6 out segment 5 {HW[1]} > ff:ff:ff:ff:ff:ff type 0x0806 length \d+ dropped PortOff: ")
                # The sender's own row says nothing of it: the others got theirs.
                with self.capture("--port", "1", "--direction", "in", "--ethertype", "0x0806", "--duration", "30", "--count", "1") as there:
                    self.captures(there)
                    self.spaces["vm1"].ping("10.0.0.98", count=1, options=("-W", "0.5"))
                    self.assertNotIn("dropped", there.communicate(timeout=35)[0])
            finally:
                change("remove", 3)

    def test_a_capture_ends_with_its_client(self):
        with self.capture("--port", "1") as there:
            self.captures(there)
            there.kill()
        wait_until(lambda: run([ML2CTL, "fastpath", "capture", "--socket", self.fast_path.path, "--duration", "0.01"],
                               check=False).returncode == 0, 10, "the next one may begin")
        done = run([ML2CTL, "fastpath", "capture", "--socket", self.fast_path.path, "--ip", "10.0.0"], check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ip=10.0.0: an address was expected", done.stderr)

    def test_what_a_driver_drops_is_shown(self):
        """net_af_packet says that it took a frame, and counts that it could not send it."""
        ask = lambda: {row["port"]: row["driver_drops"] for row in self.fast_path.client.query("ports")}
        self.meet(1, 2)
        before = ask()
        self.assertEqual(set(before[2]), {"imissed", "ierrors", "oerrors", "rx_nombuf"})
        fp = self.spaces["fp"]
        fp.run("ip", "link", "set", "dev2", "down")
        self.addCleanup(self.meet, 1, 2)
        self.addCleanup(fp.run, "ip", "link", "set", "dev2", "up")

        def counts():
            self.spaces["vm1"].ping("10.0.0.99", count=1, options=("-W", "0.2"))  # ARP for nobody: a broadcast
            return ask()[2]["oerrors"] > before[2]["oerrors"]
        wait_until(counts, 10, "the driver of port 2 counts it")
        shown = run([ML2CTL, "fastpath", "ports", "--socket", self.fast_path.path]).stdout
        self.assertRegex(shown, r"(?m)^\| 2 .* oerrors \d+ ")
        self.assertNotIn("rx_nombuf", shown, "what is nought is left out")

    def test_more_devices_than_dpdk_has_room_for(self):
        client = self.fast_path.client
        room = lambda: {key: client.query("show")[0][key] for key in ("devices", "max_devices")}
        before = room()
        self.assertEqual(before["devices"], 3)
        more = [port(100 + number, f"net_null{100 + number},no-rx=1") for number in range(before["max_devices"] - 3 + 1)]
        self.addCleanup(lambda: client.apply(full=False, generation=5, remove={"port": more}))
        refused = client.apply(full=False, generation=2, put={"port": more})["refused"]
        self.assertEqual(len(refused), 1, refused)
        self.assertIn(f"this DPDK has room for {before['max_devices']} devices (RTE_MAX_ETHPORTS), and all are taken; leave", refused[0])
        self.assertEqual(room(), {**before, "devices": before["max_devices"]})
        shown = run([ML2CTL, "fastpath", "show", "--socket", self.fast_path.path]).stdout
        self.assertRegex(shown, rf"(?m)^\| devices +\| {before['max_devices']} ")
        # One that is free again is the next one's.
        client.apply(full=False, generation=3, remove={"port": more[:1]})
        self.assertEqual(client.apply(full=False, generation=4, put={"port": more[-1:]})["refused"], [])

    def test_stats_are_the_sum_of_the_ports(self):
        ask = lambda word: json.loads(run([ML2CTL, "--format", "json", "fastpath", word, "--socket", self.fast_path.path]).stdout)
        self.meet(1, 2)

        def agree():
            before = ask("ports")
            stats = ask("stats")
            after = ask("ports")
            total = lambda rows: sum(row["rx_packets"] for row in rows)
            return total(before) <= total(stats) <= total(after) and len(stats) == 1
        wait_until(agree, 5, "workers and ports count the same")


if __name__ == "__main__":
    unittest.main()
