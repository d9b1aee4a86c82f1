"""Physical networks: two on one host, several VLANs over one bridge, bridges that go and come; ports with new numbers.

With explicitly_egress_direct and IGMP snooping on, so that flows name the ports of machines.
"""
import subprocess

from case import LabError, SystemTest, wait_until

SECOND = "physnet2"
JOIN = """
import socket, sys
group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
request = socket.inet_aton("239.1.2.3") + socket.inet_aton(sys.argv[1])
group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
sys.stdin.read()  # a member until told to end
"""


class PhysicalNetworkTest(SystemTest):
    ini = {"agent": {"explicitly_egress_direct": "true"},
           "ovs": {"bridge_mappings": f"physnet1:br-ex,{SECOND}:br-ex2", "igmp_snooping_enable": "true",
                   "igmp_flood_unregistered": "true", "bridge_mac_table_size": "1234"},
           "ml2_type_flat": {"flat_networks": "*"},
           "ml2_type_vlan": {"network_vlan_ranges": f"physnet1:100:199,{SECOND}:100:199"}}
    start_agents = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.lab.fabric.run("ip", "link", "add", "prov2", "type", "bridge")
            cls.lab.fabric.run("ip", "link", "set", "prov2", "type", "bridge", "mcast_snooping", "0",
                               "forward_delay", "0")
            cls.lab.fabric.run("ip", "link", "set", "prov2", "up")
            for hypervisor in cls.lab.hypervisors:
                hypervisor.connect("prov2", "prov1")
                cls.add_bridge(hypervisor, "br-ex2", "prov1")
            cls.lab.start_agents(cls.ini)
        except BaseException:
            cls.lab.show_logs()
            cls.lab.stop()
            raise

    @staticmethod
    def add_bridge(hypervisor, bridge, nic):
        hypervisor.ovs_vsctl("add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev",
                             "--", "add-port", bridge, nic)

    def pair(self, name, network):
        return [self.vm(f"{name}{index}", network, self.lab[index]) for index in (1, 2)]

    def vlan(self, name, segment, physical_network="physnet1"):
        return self.pair(name, self.network(name, "vlan", segment=segment, physical_network=physical_network))

    def test_two_physical_networks_and_several_vlans(self):
        pairs = [self.vlan("a", 101), self.vlan("b", 102), self.vlan("c", 101, SECOND),
                 self.pair("d", self.network("d", "flat", physical_network=SECOND))]
        for first, second in pairs:
            self.assert_pings(first, second.ip4, count=2)
            self.assert_pings(second, first.ip6, count=2)
        # All have the same addresses: what arrives is their own network's.
        pairs[0][1].run("ip", "link", "set", "eth0", "down")
        pairs[0][0].run("ip", "neigh", "flush", "all")
        self.assert_no_ping(pairs[0][0], pairs[0][1].ip4)

    def test_a_bridge_goes_and_comes(self):
        first, second = self.vlan("a", 111)
        kept = self.vlan("k", 111, SECOND)
        self.assert_pings(first, second.ip4)
        one = self.lab[1]
        one.ovs_vsctl("del-br", "br-ex")
        row = self.wait_status(first.port, "DOWN")
        self.assertIn("br-ex", row["status_reason"])
        self.saw(f"br-ex deleted: DOWN: {row['status_reason']}")
        self.assert_pings(kept[0], kept[1].ip4, count=3)
        self.add_bridge(one, "br-ex", "prov0")
        self.wait_active(first.port)
        self.assert_pings(first, second.ip4)
        # In one transaction, so that nobody sees it gone: another bridge of the same name.
        one.ovs_vsctl("del-br", "br-ex", "--", "add-br", "br-ex", "--", "set", "Bridge", "br-ex",
                      "datapath_type=netdev", "--", "add-port", "br-ex", "prov0")
        self.assert_pings(first, second.ip4, warm=20)
        self.assert_pings(second, first.ip6)

    def test_a_port_changes_its_number(self):
        first, second = self.vlan("a", 121)
        self.assert_pings(first, second.ip4)
        one = self.lab[1]
        interface = next(port["interface"] for port in one.status()["ports"] if port["id"] == first.port["id"])
        before = one.ovs_vsctl("get", "Interface", interface, "ofport").stdout.strip()
        one.ovs_vsctl("set", "Interface", interface, "ofport_request=177")

        def flows_name_it():
            flows = one.flows("br-int")
            if not any("output:177" in flow for flow in flows) or any(f"in_port={before}," in flow for flow in flows):
                raise LabError("\n".join(flows))
            return True
        wait_until(flows_name_it, 10, f"the flows name port 177 and no longer {before}")
        self.assert_pings(second, first.ip4)
        self.assert_pings(first, second.ip6)

    def test_options_of_bridges(self):
        one = self.lab[1]
        def appctl(*command):
            return one.run("ovs-appctl", "-t", f"{one.rundir}/ovs-vswitchd.ctl", *command).stdout
        self.assertIn("/1234", appctl("fdb/stats-show", "br-int"))
        first, _ = self.vlan("a", 131)
        member = subprocess.Popen(first.wrap("python3", "-c", JOIN, first.ip4), stdin=subprocess.PIPE)
        try:
            wait_until(lambda: "239.1.2.3" in appctl("mdb/show", "br-int"), 15, "the group is in br-int's table")
        finally:
            member.stdin.close()
            member.wait()
        # Two bridges of one NIC's MAC, and so of one datapath id.
        mac = one.ovs_vsctl("get", "Interface", "br-ex", "mac_in_use").stdout.strip().strip('"')
        one.ovs_vsctl("set", "Bridge", "br-ex2", f'other-config:hwaddr="{mac}"')

        def ids():
            found = [one.ovs_vsctl("get", "Bridge", bridge, "datapath_id").stdout.strip().strip('"')
                     for bridge in ("br-ex", "br-ex2")]
            if found[0] == found[1] or found[0][4:] != found[1][4:]:
                raise LabError(f"datapath ids: {found}")
            return found
        self.saw(f"one MAC, datapath ids {wait_until(ids, 10, 'the datapath ids differ')}")
        self.assertIn("datapath-id", one.ovs_vsctl("get", "Bridge", "br-ex2", "other_config").stdout)
