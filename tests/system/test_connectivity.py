"""Machine to machine over every kind of network, in IPv4 and IPv6, at the full MTU; and never across networks."""
import lab as laboratory
from case import SystemTest

CIDRS = ("10.1.0.0/24", "fd01::/64")


class ConnectivityTest(SystemTest):
    def pair(self, network, hosts=(1, 2)):
        first = self.vm("a1", network, self.lab[hosts[0]])
        second = self.vm("a2", network, self.lab[hosts[1]])
        return first, second

    def check_pair(self, first, second):
        self.assert_pings(first, second.ip4)
        self.assert_pings(second, first.ip4)
        self.assert_pings(first, second.ip6)
        self.assert_full_mtu(first, second.ip4, first.mtu)
        self.assert_full_mtu(first, second.ip6, first.mtu)
        self.assert_tcp(first, second, second.ip4)
        self.assert_tcp(second, first, first.ip6, megabytes=4)

    def test_vxlan(self):
        network = self.network("blue", "vxlan")
        self.assertEqual(network["mtu"], 1450, "1500 less VXLAN over IPv4")
        self.check_pair(*self.pair(network))

    def test_vlan_through_the_physical_bridge(self):
        network = self.network("red", "vlan", segment=142, physical_network=laboratory.PHYSNET)
        first, second = self.pair(network)
        self.assertEqual(first.mtu, 1500)
        self.check_pair(first, second)
        # What is on the provider's wire carries the segment's tag.
        wire = self.capture_on_the_wire(first, second)
        self.assertRegex(wire, r"vlan 142")

    def test_flat(self):
        network = self.network("green", "flat", physical_network=laboratory.PHYSNET)
        first, second = self.pair(network)
        self.check_pair(first, second)
        self.assertNotIn("vlan", self.capture_on_the_wire(first, second))

    def test_local_on_one_hypervisor_only(self):
        network = self.network("own", "local")
        first, second = self.pair(network, (1, 1))
        self.check_pair(first, second)
        elsewhere = self.vm("a3", network, self.lab[2])
        self.assert_no_ping(first, elsewhere.ip4)

    def test_two_machines_of_one_network_on_one_hypervisor(self):
        network = self.network("blue", "vxlan")
        first, second = self.pair(network, (2, 2))
        self.assert_pings(first, second.ip4)
        self.assert_pings(first, second.ip6)

    def capture_on_the_wire(self, source, target):
        """Ten of the pings between two machines, as tcpdump sees them where the provider network is."""
        fabric = self.lab.fabric
        ping = laboratory.BackgroundPing(source, target.ip4, count=200, interval=0.05)
        try:
            return fabric.run("tcpdump", "-lnne", "-i", "prov-hv1", "-c", "10",
                              f"icmp and host {target.ip4} or (vlan and icmp and host {target.ip4})",
                              timeout=20).stdout
        finally:
            ping.process.kill()
            ping.result()


class IsolationTest(SystemTest):
    """Two networks with the same addresses and the same MACs on the same two hypervisors."""

    def check_isolation(self, one, two):
        macs = ("02:00:00:aa:00:01", "02:00:00:aa:00:02")
        machines = {}
        for label, network in (("a", one), ("b", two)):
            for index in (1, 2):
                machines[label, index] = self.vm(f"{label}{index}", network, self.lab[index],
                                                 ips=[f"10.1.0.1{index}"], mac=macs[index - 1])
        for machine in machines.values():
            machine.write_sysctl(f"ipv6/conf/{machine.device}/disable_ipv6", 1)
        for label in ("a", "b"):
            self.assert_pings(machines[label, 1], "10.1.0.12")
        # Unicast that the other network's machines have the very addresses of.
        captures = self.captures(machines, "icmp")
        result = machines["a", 1].ping("10.1.0.12", count=20, interval=0.02)
        seen = {key: len(capture.lines()) for key, capture in captures.items()}
        self.saw(f"20 pings in network a; ICMP packets that each machine saw: {seen}")
        self.assertEqual(result.lost, 0)
        self.assertEqual(seen, {("a", 2): 40, ("b", 1): 0, ("b", 2): 0})
        # Broadcast, for an address that nobody has.
        captures = self.captures(machines, "arp host 10.1.0.77")
        self.assert_no_ping(machines["a", 1], "10.1.0.77")
        seen = {key: len(capture.lines()) for key, capture in captures.items()}
        self.saw(f"ARP requests for nobody's address in network a; seen by each machine: {seen}")
        self.assertGreater(seen["a", 2], 0)
        self.assertEqual((seen["b", 1], seen["b", 2]), (0, 0))
        # With its own peer gone nobody else answers, though network b has the same address and MAC.
        machines["a", 2].run("ip", "link", "set", machines["a", 2].device, "down")
        machines["a", 1].run("ip", "neigh", "flush", "all")
        self.assert_no_ping(machines["a", 1], "10.1.0.12")
        self.assert_pings(machines["b", 1], "10.1.0.12")

    @staticmethod
    def captures(machines, what):
        return {key: laboratory.Capture(machine, machine.device, what) for key, machine in machines.items()
                if key != ("a", 1)}

    def test_two_vxlan_networks(self):
        self.check_isolation(self.network("a", "vxlan", cidrs=CIDRS[:1]), self.network("b", "vxlan", cidrs=CIDRS[:1]))

    def test_two_vlan_networks(self):
        self.check_isolation(*(self.network(name, "vlan", segment=vlan, physical_network=laboratory.PHYSNET,
                                            cidrs=CIDRS[:1]) for name, vlan in (("a", 101), ("b", 102))))

    def test_vxlan_and_flat(self):
        self.check_isolation(self.network("a", "vxlan", cidrs=CIDRS[:1]),
                             self.network("b", "flat", physical_network=laboratory.PHYSNET, cidrs=CIDRS[:1]))


class ThreeHypervisorsTest(SystemTest):
    """Flooding goes to every other hypervisor; what comes from one tunnel never goes out through another."""
    hypervisors = 3

    def test_vxlan_between_three(self):
        network = self.network("blue", "vxlan")
        machines = [self.vm(f"a{index}", network, self.lab[index]) for index in (1, 2, 3)]
        for source in machines:
            for target in machines:
                if source is not target:
                    self.assert_pings(source, target.ip4, count=3)
                    self.assert_pings(source, target.ip6, count=3)
        for machine in machines:
            duplicates = [line for line in machine.ping(machines[0].ip4, count=3).output.splitlines() if "DUP!" in line]
            self.assertEqual(duplicates, [])


class TunnelOverIpv6Test(SystemTest):
    """The underlay is IPv6: overlay_ip_version 6 and a local_ip of that version."""
    start_agents = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for hypervisor in cls.lab.hypervisors:
            hypervisor.write_ini({"ml2": {"overlay_ip_version": "6"}, "ovs": {"local_ip": hypervisor.local_ip6}})
            hypervisor.start_agent(wait=False)

    def test_vxlan(self):
        network = self.network("blue", "vxlan")
        self.assertEqual(network["mtu"], 1430, "1500 less VXLAN over IPv6")
        first = self.vm("a1", network, self.lab[1])
        second = self.vm("a2", network, self.lab[2])
        self.assert_pings(first, second.ip4)
        self.assert_pings(first, second.ip6)
        self.assert_full_mtu(first, second.ip4, first.mtu)
