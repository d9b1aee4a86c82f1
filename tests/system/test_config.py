"""The configuration files that people have, as they are."""
import os

from case import SystemTest, wait_until

# Old names included: tenant_network_type, tunnel_type, tunnel_id_ranges, enable_tunneling, a firewall driver by class.
ML2_CONF = """\
[ml2]
type_drivers = flat,vlan,vxlan
tenant_network_types = vxlan
mechanism_drivers = openvswitch
[ml2_type_flat]
flat_networks = external
[ml2_type_vxlan]
vni_ranges = 1:1000
[securitygroup]
enable_security_group = True
firewall_driver = neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver
[ovs]
bridge_mappings = external:br-ex
"""
AGENT_INI = """\
[ovs]
tunnel_bridge = br-tun
local_ip = {local_ip}
integration_bridge = br-int
tenant_network_type = vxlan
tunnel_type = vxlan
tunnel_id_ranges = 1:1000
enable_tunneling = true
[agent]
tunnel_types = vxlan
l2_population = true
[securitygroup]
enable_security_group = True
firewall_driver = neutron.agent.linux.iptables_firewall.OVSHybridIptablesFirewallDriver
"""
# What only the laboratory needs.
HERE = """\
[DEFAULT]
host = {host}
[ovs]
ovsdb_connection = {ovsdb}
datapath_type = netdev
[ml2_db]
connection = {ml2_db}
"""


class PeoplesFilesTest(SystemTest):
    start_agents = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for hypervisor in cls.lab.hypervisors:
            files = []
            for name, text in (("ml2_conf.ini", ML2_CONF), ("agent.ini", AGENT_INI), ("here.ini", HERE)):
                files.append(os.path.join(hypervisor.dir, name))
                with open(files[-1], "w", encoding="utf-8") as out:
                    out.write(text.format(local_ip=hypervisor.local_ip, host=hypervisor.host, ovsdb=hypervisor.ovsdb,
                                          ml2_db=cls.lab.ml2_db))
            hypervisor.ini = files[-1]
            hypervisor.env["ML2_CONFIG_FILES"] = ",".join(files)
            hypervisor.extra_files = files[:-1]
            hypervisor.start_agent()

    def test_flat_and_vxlan_with_them(self):
        blue = self.network("blue", "vxlan")
        first, second = self.vm("a1", blue, self.lab[1]), self.vm("a2", blue, self.lab[2])
        self.assert_pings(first, second.ip4)
        green = self.network("green", "flat", physical_network="external", cidrs=("10.2.0.0/24", "fd02::/64"))
        third, fourth = self.vm("g1", green, self.lab[1]), self.vm("g2", green, self.lab[2])
        self.assert_pings(third, fourth.ip4)
        self.assert_pings(third, fourth.ip6)

    def test_security_groups_are_said_not_to_be_enforced(self):
        agent = self.lab[1]
        self.assertIn("not enforced", agent.agent.log_text(), "at start")
        notices = " ".join(agent.status()["notices"])
        self.assertIn("not enforced", notices, "in status")
        self.saw(notices)
        group = self.ml2ctl_json("security-group", "create", "web")
        self.addCleanup(self.ml2ctl, "security-group", "delete", group["id"], check=False)
        blue = self.network("blue", "vxlan")
        machine = self.vm("a1", blue, agent)
        self.ml2ctl("port", "set", machine.port["id"], "--security-group", "web")

        def note():
            return next(port["note"] for port in agent.status()["ports"] if port["id"] == machine.port["id"])
        self.saw(wait_until(lambda: "not enforced" in note() and note(), 10, "the port's line says it"))
