"""A laboratory whose hypervisors have ml2-fastpath (ordinary pages) beside Open vSwitch, programmed by their agents.

On hv1 the underlay's NIC is the fast path's and the host keeps its address behind it (the exception path); on hv2 the kernel has
the NIC too.
"""
import os
import unittest

import lab as laboratory
from case import SystemTest
from fastpath import PROGRAM, Client
from processes import Daemon


def offloads_off(space, device):
    space.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", check=False)


@unittest.skipUnless(os.path.exists(PROGRAM), "ml2-fastpath is not built here")
class FastPathLab(SystemTest):
    """Agents and fast paths on the hypervisors that `with_fast_path` names; the others have Open vSwitch alone."""

    with_fast_path = (1, 2)
    start_agents = False
    underlay_mtu = 1500  # what net_af_packet of DPDK 22.11 takes

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fast_paths = {}
        try:
            for hypervisor in cls.lab.hypervisors:
                if hypervisor.index not in cls.with_fast_path:
                    hypervisor.write_ini(cls.other_options(hypervisor))
                    # br-phy has the address: the kernel is not to answer by the MAC of what is in the bridge, too.
                    hypervisor.run("ip", "link", "set", "under0", "arp", "off")
                    continue
                # Another underlay than the lab's: no bridge of Open vSwitch in it.
                hypervisor.ovs_vsctl("--if-exists", "del-br", "br-phy", "--", "--if-exists", "del-br", "br-ex")
                cls.give_underlay(hypervisor)
                hypervisor.write_ini(cls.options(hypervisor))
                cls.start_fast_path(hypervisor)
            for hypervisor in cls.lab.hypervisors:
                hypervisor.start_agent(wait=False)
            for hypervisor in cls.lab.hypervisors:
                hypervisor.wait_in_sync()
        except BaseException:
            cls.lab.show_logs()
            cls.lab.stop()
            raise

    @staticmethod
    def give_underlay(hypervisor):
        device = "under0"
        if hypervisor.index == 1:
            device = "host0"
            hypervisor.run("ip", "link", "add", "host0", "mtu", str(hypervisor.lab.underlay_mtu), "type", "veth", "peer",
                           "name", "host0fp", "mtu", str(hypervisor.lab.underlay_mtu))
            for end in ("host0", "host0fp"):
                offloads_off(hypervisor, end)
                hypervisor.run("ip", "link", "set", end, "up")
            # What the kernel hears on the NIC itself is not for it.
            hypervisor.run("ip", "link", "set", "under0", "arp", "off")
            hypervisor.write_sysctl("net/ipv6/conf/under0/disable_ipv6", "1")
        hypervisor.run("ip", "address", "replace", f"{hypervisor.local_ip}/24", "dev", device)
        hypervisor.run("ip", "address", "replace", f"{hypervisor.local_ip6}/64", "dev", device, "nodad")

    @staticmethod
    def other_options(hypervisor):
        """Of a hypervisor without a fast path."""
        return {"agent": {"l2_population": "true", "arp_responder": "true"}}

    @staticmethod
    def options(hypervisor, **more):
        fast_path = {"enabled": "true", "ports": "all", "socket": os.path.join(hypervisor.dir, "fastpath"),
                     "no_huge": "true", "mbufs": "8191", "cores": str((os.cpu_count() or 1) - 1),
                     "tunnel_device": "net_af_packet_up,iface=under0", "physnet_devices": "physnet1:net_af_packet_prov,iface=prov0"}
        if hypervisor.index == 1:
            fast_path["tunnel_host_device"] = "net_af_packet_host,iface=host0fp"
        return {"fastpath": fast_path, "ovs": {"bridge_mappings": None, **more}, "agent": {"l2_population": "true", "arp_responder": "true"}}

    @classmethod
    def start_fast_path(cls, hypervisor):
        """It reads its section of the agent's own ini."""
        command = hypervisor.wrap(PROGRAM, "--config-file", hypervisor.ini)
        cls.fast_paths[hypervisor.index] = Daemon(cls.lab, f"{hypervisor.host} ml2-fastpath", command,
                                                  os.path.join(hypervisor.dir, "ml2-fastpath.log")).start()

    def fast_path_machine(self, name, network, hypervisor):
        """A port that the fast path serves: its device is a veth named as a tap is; the machine has the other end."""
        port = self.port(name, network, hypervisor)
        self.assertEqual(self.show_port(port)["binding:vif_type"], "tap")
        machine = self.lab.vm(name, hypervisor)
        self.addCleanup(self.lab.remove_vm, name)
        self.give_device(machine, port, hypervisor)
        self.wait_active(port)
        return machine

    @staticmethod
    def give_device(machine, port, hypervisor):
        device = "tap" + port["id"][:11]
        hypervisor.run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "address",
                       port["mac_address"], "netns", machine.netns)
        hypervisor.run("ip", "link", "set", device, "up", "mtu", "1500")
        offloads_off(machine, "eth0")
        machine.run("ip", "link", "set", "eth0", "up", "mtu", "1400")
        for fixed in port["fixed_ips"]:
            six = ":" in fixed["ip_address"]
            machine.run("ip", "address", "add", fixed["ip_address"] + ("/64" if six else "/24"), "dev", "eth0",
                        *(["nodad"] if six else []))
            setattr(machine, "ip6" if six else "ip4", fixed["ip_address"])

    def generation(self, hypervisor):
        """Of the last update that the fast path has carried out; None: it does not answer."""
        try:
            client = Client(os.path.join(hypervisor.dir, "fastpath"))
        except OSError:
            return None
        try:
            return client.hello()["generation"]
        finally:
            client.close()

    def sent(self):
        return [self.generation(hypervisor) for hypervisor in self.lab.hypervisors]
