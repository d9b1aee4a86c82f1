"""The agent programs ml2-fastpath: two hypervisors, each with ml2-agent and ml2-fastpath (ordinary pages), machines on kernel
devices, networks and ports made by ml2ctl.

Skipped where ml2-fastpath was not built.
"""
import os
import signal
import time
import unittest

import lab as laboratory
from case import wait_until
from fastpath import Client
from fastpath_lab import FastPathLab


class FastPathAgent(FastPathLab):
    def test_machines_reach_each_other_and_restarts_lose_nothing(self):
        blue = self.network("blue", "vxlan")
        red = self.network("red", "vlan", segment=150, physical_network=laboratory.PHYSNET,
                           cidrs=("10.2.0.0/24", "fd02::/64"))
        machines = {f"{name}{index}": self.fast_path_machine(f"{name}{index}", network, self.lab[index])
                    for name, network in (("a", blue), ("r", red)) for index in (1, 2)}
        for name in ("a", "r"):
            one, two = machines[name + "1"], machines[name + "2"]
            self.assert_pings(one, two.ip4, count=3)
            self.assert_pings(one, two.ip6, count=3)
        # Two networks never mix, and the host keeps its own address, through the exception path.
        self.assert_no_ping(machines["a1"], machines["r2"].ip4)
        self.assertTrue(self.lab[1].ping(self.lab[2].local_ip).ok)
        self.assertTrue(self.lab[2].ping(self.lab[1].local_ip).ok)
        status = self.lab[1].status()["fastpath"]
        self.assertTrue(status["connected"])
        self.assertIn("fast path", self.lab[1].ml2ctl("status").stdout)

        # The agents die by kill -9 under traffic and come back: nothing is lost, nothing is sent.
        before = self.sent()
        ping = laboratory.BackgroundPing(machines["a1"], machines["a2"].ip4, 600, 0.01)
        time.sleep(0.3)
        for hypervisor in self.lab.hypervisors:
            hypervisor.agent.kill()
        for hypervisor in self.lab.hypervisors:
            hypervisor.start_agent(wait=False)
        for hypervisor in self.lab.hypervisors:
            hypervisor.wait_in_sync()
        result = ping.result()
        self.saw(f"agents killed: {result.summary}; generations {before} before, {self.sent()} after")
        self.assertEqual(result.lost, 0, result.output)
        self.assertEqual(self.sent(), before)
        self.assertEqual([hypervisor.status()["fastpath"]["updates"] for hypervisor in self.lab.hypervisors], [0, 0])

        # A fast path hangs: it is said, with what to do; it goes on where it was.
        socket = os.path.join(self.lab[1].dir, "fastpath")
        generations = self.sent()
        self.fast_paths[1].signal(signal.SIGSTOP)
        try:
            problem = self.says(self.lab[1], "ml2-fastpath (pid ", "does not answer: it hangs or is stopped")
            asked = self.lab[1].ml2ctl("--timeout", "0.5", "fastpath", "show", check=False)
        finally:
            self.fast_paths[1].signal(signal.SIGCONT)
        self.saw(f"ml2-fastpath stopped: {problem}")
        self.assertIn(f"(pid {self.fast_paths[1].pid}) at {socket} does not answer", asked.stderr)
        self.assertNotEqual(asked.returncode, 0)
        self.says_nothing(self.lab[1])
        self.assertEqual(self.sent(), generations)

        # A fast path dies: it is filled again by itself, and forwards.
        self.fast_paths[1].signal(signal.SIGKILL)
        self.fast_paths[1].wait()
        self.start_fast_path(self.lab[1])
        wait_until(lambda: self.generation(self.lab[1]) is not None, 20, "ml2-fastpath answers again")
        begun = time.monotonic()
        wait_until(lambda: machines["a1"].ping(machines["a2"].ip4, count=1, options=("-W", "0.2")).ok, 20, "traffic passes again")
        self.saw(f"ml2-fastpath killed and started: traffic passes {time.monotonic() - begun:.2f} s after it answers")
        self.lab[1].wait_in_sync()

        # A port goes: its device is let go of, and nothing is left.
        port = self.ml2ctl_json("port", "show", "r1")
        self.ml2ctl("port", "delete", port["id"])
        client = Client(os.path.join(self.lab[1].dir, "fastpath"))
        self.addCleanup(client.close)
        wait_until(lambda: not any(port["id"][:11] in row["device"] for row in client.query("ports")), 10, "its port is gone")

    def says(self, hypervisor, *words):
        """The problem of its agent that has these words."""
        def said():
            problems = hypervisor.status()["problems"]
            found = [problem for problem in problems if all(word in problem for word in words)]
            if not found:
                raise laboratory.LabError(f"{hypervisor.host} says {problems}")
            return found[0]
        return wait_until(said, 20, f"{hypervisor.host} says {words}")

    def says_nothing(self, hypervisor):
        wait_until(lambda: not hypervisor.status()["problems"], 20, f"{hypervisor.host} has no problem")

    def test_interfaces_that_are_made_anew(self):
        grey = self.network("grey", "vxlan", cidrs=("10.7.0.0/24",))
        one, two = (self.fast_path_machine(f"g{index}", grey, self.lab[index]) for index in (1, 2))
        port = self.ml2ctl_json("port", "show", "g1")
        self.assert_pings(one, two.ip4, count=2)
        # A machine is started again while there is no agent: the next agent finds all records right.
        before = self.sent()
        self.lab[1].agent.kill()
        self.lab[1].run("ip", "link", "delete", "tap" + port["id"][:11])
        self.give_device(one, port, self.lab[1])
        self.lab[1].start_agent()
        self.lab[1].wait_in_sync()
        self.assert_pings(one, two.ip4, count=2)
        self.assertEqual(self.sent(), before)
        # The underlay's NIC is down, and gone, and another; the host's own addresses are behind it.
        self.says_nothing(self.lab[1])
        self.lab[1].run("ip", "link", "set", "under0", "down")
        self.saw(self.says(self.lab[1], "tunnel_device", "under0 is down", "tunnels"))
        self.assertIn("under0 is down", self.lab[1].agent_call("explain", port["id"]))
        self.lab[1].run("ip", "link", "delete", "under0")
        self.saw(self.says(self.lab[1], "tunnel_device", "its interface under0 is not there"))
        self.lab[1].connect("under", "under0", up=False)
        self.lab[1].run("ip", "link", "set", "under0", "arp", "off", "up")  # or the kernel answers by its own MAC
        self.says_nothing(self.lab[1])
        self.assert_pings(one, two.ip4, count=2)
        self.assertTrue(self.lab[1].ping(self.lab[2].local_ip).ok)
        # The other host's cable: that host says so, and this one that nobody answers there.
        self.lab.fabric.run("ip", "link", "set", "under-" + self.lab[2].name, "down")
        self.lab[1].run("ip", "neigh", "flush", "dev", "host0")
        self.says(self.lab[2], "tunnel_device", "no carrier")
        self.saw(self.says(self.lab[1], "no answer from", self.lab[2].local_ip, "last known MAC"))
        self.lab.fabric.run("ip", "link", "set", "under-" + self.lab[2].name, "up")
        for hypervisor in self.lab.hypervisors:
            self.says_nothing(hypervisor)
        self.assert_pings(one, two.ip4, count=2)

    def restart_agents(self, **ovs):
        for hypervisor in self.lab.hypervisors:
            hypervisor.agent.stop()
            hypervisor.write_ini(self.options(hypervisor, **{key: value(hypervisor) for key, value in ovs.items()}))
            hypervisor.start_agent(wait=False)
        for hypervisor in self.lab.hypervisors:
            hypervisor.wait_in_sync()

    def test_tunnels_over_ipv6(self):
        self.addCleanup(self.restart_agents)
        self.restart_agents(local_ip=lambda hypervisor: hypervisor.local_ip6)
        cyan = self.network("cyan", "vxlan", cidrs=("10.4.0.0/24", "fd04::/64"), mtu=1400)
        one, two = (self.fast_path_machine(f"c{index}", cyan, self.lab[index]) for index in (1, 2))
        self.assert_pings(one, two.ip4, count=3)
        self.assert_pings(one, two.ip6, count=3)
        client = Client(os.path.join(self.lab[1].dir, "fastpath"))
        self.addCleanup(client.close)
        self.assertEqual([row["remote"] for row in client.query("vteps")], [self.lab[2].local_ip6])

    def test_what_port_security_drops(self):
        pink = self.network("pink", "vxlan", cidrs=("10.6.0.0/24",))
        one, two = (self.fast_path_machine(f"p{index}", pink, self.lab[index]) for index in (1, 2))
        ports = {machine: self.ml2ctl_json("port", "show", name) for machine, name in ((one, "p1"), (two, "p2"))}
        self.assert_pings(one, two.ip4, count=2)
        # What the host's kernel would send on the machine's device by itself is nobody's fault.
        device = f"/proc/sys/net/ipv6/conf/tap{ports[one]['id'][:11]}/disable_ipv6"
        self.assertEqual(self.lab[1].run("cat", device).stdout.strip(), "1")
        self.assertEqual(self.show_port(ports[one])["status_reason"], "")

        def says(*words):
            shown = self.show_port(ports[one])
            if shown["status"] != "ACTIVE" or any(word not in shown["status_reason"] for word in words):
                raise laboratory.LabError(f"the port says {shown['status_reason']!r}")
            return shown["status_reason"]

        def line():
            return next(port for port in self.lab[1].status()["ports"] if port["id"] == ports[one]["id"])
        # Another MAC, then an address that nobody gave it.
        before = self.sent()
        one.run("ip", "link", "set", "eth0", "address", "02:00:00:00:be:ef")
        begun = time.monotonic()
        one.ping(two.ip4, count=1)
        sentence = wait_until(lambda: says("from MACs that are not this port's", "since", "--disable-port-security"), 10,
                              "the row says it")
        self.saw(f"a spoofed MAC is said after {time.monotonic() - begun:.1f} s: {sentence}")
        self.assertIn(sentence, self.lab[1].agent_call("status"))
        self.assertGreater(line()["spoofed_frames"], 0)
        one.run("ip", "link", "set", "eth0", "address", ports[one]["mac_address"])
        one.run("ip", "address", "add", "10.6.0.77/24", "dev", "eth0")
        one.run("ip", "neigh", "flush", "all")
        one.run("ping", "-c", "1", "-W", "1", "-I", "10.6.0.77", two.ip4, check=False)
        wait_until(lambda: says("drops ARP or neighbour advertisements", "from MACs"), 10, "the row says both")
        self.assertIn("anti-spoofing", self.ml2ctl("port", "list").stdout)
        # Only said: nothing was sent for it, and the other port is as it was.
        self.assertEqual(self.sent(), before)
        self.assertEqual(self.show_port(ports[two])["status_reason"], "")
        one.run("ip", "address", "del", "10.6.0.77/24", "dev", "eth0")
        if "ML2_LONG_TESTS" not in os.environ:
            return  # that it ends is seen with another clock (tests/unit/reconciler_fast_path_test.cc)
        quiet = time.monotonic()
        wait_until(lambda: self.show_port(ports[one])["status_reason"] == "", 90, "the port says nothing any more")
        self.saw(f"and nothing any more {time.monotonic() - quiet:.0f} s after the last")
        self.assertEqual(line()["spoofed_frames"], 0)

    def test_ports_on_both_sides_of_one_network(self):
        green = self.network("green", "vxlan", cidrs=("10.3.0.0/24",))
        served = self.fast_path_machine("f1", green, self.lab[1])
        far = self.fast_path_machine("f2", green, self.lab[2])
        plugged = self.vm("o1", green, self.lab[1])  # on br-int, as any port
        self.assert_pings(plugged, served.ip4, count=3)
        self.assert_pings(plugged, far.ip4, count=3)
        self.assert_pings(far, plugged.ip4, count=3)
        # One way to each place: no copy comes twice.
        output = far.run("ping", "-c", "5", "-i", "0.2", plugged.ip4).stdout
        self.assertNotIn("DUP", output)


class FastPathHostTap(FastPathLab):
    """The host's own end of the NIC is an interface that ml2-fastpath makes; hv2 has Open vSwitch alone."""

    with_fast_path = (1,)
    MAC = "02:00:00:00:77:01"

    @staticmethod
    def give_underlay(hypervisor):
        hypervisor.run("ip", "link", "set", "under0", "arp", "off")  # or the kernel answers by its own MAC
        hypervisor.write_sysctl("net/ipv6/conf/under0/disable_ipv6", "1")

    @classmethod
    def options(cls, hypervisor, **more):
        options = super().options(hypervisor, **more)
        options["fastpath"]["tunnel_host_device"] = f"net_tap_host,iface=fp-host,mac={cls.MAC}"
        return options

    def give_address(self, hypervisor):
        """As the host's network configuration does when the interface appears."""
        wait_until(lambda: hypervisor.run("ip", "link", "show", "fp-host", check=False).returncode == 0, 20, "fp-host is there")
        hypervisor.run("ip", "address", "add", f"{hypervisor.local_ip}/24", "dev", "fp-host")

    def test_from_nothing(self):
        one = self.lab[1]
        wait_until(lambda: [p for p in one.status()["problems"] if "give it to the kernel's end of tunnel_host_device" in p],
                   20, "the agent says where the address is to be")
        self.give_address(one)
        network = self.network("teal", "vxlan", cidrs=("10.8.0.0/24",), mtu=1400)
        near = self.fast_path_machine("t1", network, one)
        far = self.vm("t2", network, self.lab[2])
        self.assert_pings(near, far.ip4, count=3)
        self.assertTrue(one.ping(self.lab[2].local_ip).ok)
        wait_until(lambda: not one.status()["problems"], 20, "no problem")
        # With the process goes the interface, and with that the address.
        self.fast_paths[1].signal(signal.SIGKILL)
        self.fast_paths[1].wait()
        self.start_fast_path(one)
        self.give_address(one)
        begun = time.monotonic()
        wait_until(lambda: near.ping(far.ip4, count=1, options=("-W", "0.2")).ok, 30, "traffic passes again")
        self.saw(f"ml2-fastpath killed: traffic passes {time.monotonic() - begun:.1f} s after the address is there again")
        self.assert_pings(near, far.ip4, count=3)
        one.wait_in_sync()


if __name__ == "__main__":
    unittest.main()
