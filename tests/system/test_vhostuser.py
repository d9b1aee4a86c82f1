"""vhost-user ports: Open vSwitch with DPDK, a machine that is testpmd with virtio-user. With ordinary pages.

Skipped where openvswitch-switch-dpdk or dpdk-testpmd is missing (scripts/install-deps --fastpath installs them).
"""
import os
import shutil
import unittest

from case import LabError, SystemTest, wait_until
from processes import Daemon

OVS_DPDK = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
PAGES = "--no-huge -m 256 --no-pci --no-telemetry --no-shconf"


@unittest.skipUnless(os.path.exists(OVS_DPDK), f"{OVS_DPDK} is missing")
@unittest.skipUnless(shutil.which("dpdk-testpmd"), "dpdk-testpmd is missing")
class VhostUserTest(SystemTest):
    hypervisors = 1
    start_agents = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            hypervisor = cls.lab[1]
            hypervisor.vswitchd.stop()
            hypervisor.ovs_vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                                 f'other_config:dpdk-extra="{PAGES} --legacy-mem"', "other_config:pmd-cpu-mask=0x1", "other_config:per-port-memory=true")
            plain = hypervisor.wrap
            hypervisor.wrap = lambda *command: plain(
                *(OVS_DPDK if word == "ovs-vswitchd" else word for word in command))
            hypervisor.start_vswitchd()
            hypervisor.address_underlay()
            cls.lab.start_agents({"DEFAULT": {"global_physnet_mtu": "9100"}, "ovs": {"vhostuser_socket_dir": hypervisor.dir}})
        except BaseException:
            cls.lab.show_logs()
            cls.lab.stop()
            raise

    def start_machine(self, path, mac):
        """testpmd answers ARP and ICMP echo for every address (--forward-mode=icmpecho)."""
        hypervisor = self.lab[1]
        command = hypervisor.wrap("dpdk-testpmd", *PAGES.split(), "--lcores=0@0,1@0",
                                  f"--vdev=net_virtio_user0,path={path},server=1,mac={mac},queues=1", "--",
                                  "--forward-mode=icmpecho", "--auto-start", "--no-mlockall", "--total-num-mbufs=4096",
                                  "--stats-period=60")
        machine = Daemon(self.lab, "testpmd", command, os.path.join(hypervisor.dir, "testpmd.log")).start()
        self.addCleanup(machine.kill)
        return machine

    def plug_as_nova(self, port, path):
        hypervisor, name = self.lab[1], os.path.basename(path)
        hypervisor.ovs_vsctl("add-port", "br-int", name, "--", "set", "Interface", name, "type=dpdkvhostuserclient",
                             f"options:vhost-server-path={path}", f"external_ids:iface-id={port['id']}",
                             f"external_ids:attached-mac=\"{port['mac_address']}\"")
        self.addCleanup(hypervisor.ovs_vsctl, "--if-exists", "del-port", "br-int", name)
        return name

    def test_a_machine_that_open_vswitch_has_no_memory_for(self):
        """Packets of 9,000 bytes for two machines do not fit into the 256 MB that ovs-vswitchd has here."""
        jumbo = self.network("jumbo", "vxlan", mtu=9000)
        hypervisor, connected = self.lab[1], 0
        for number in range(3):
            port = self.port(f"jumbo{number}", jumbo, hypervisor)
            path = self.show_port(port)["binding:vif_details"]["vhostuser_socket"]
            name = self.plug_as_nova(port, path)
            self.wait_active(port)
            machine = self.start_machine(path, port["mac_address"])

            def judged():
                link, status = (hypervisor.ovs_vsctl("get", "Interface", name, column).stdout
                                for column in ("link_state", "status"))
                row = self.show_port(port)
                if "=connected" not in status or (row["status"] == "ACTIVE") != ("up" in link):
                    raise LabError(f"link {link}, status {status}, port {row['status']}")
                return row
            row = wait_until(judged, 30, f"machine {number} is connected, and its port says whether it is served")
            if row["status"] == "ACTIVE":
                connected += 1
                continue
            for words in ("cannot serve it", "dpdk-socket-mem", "smaller mtu"):
                self.assertIn(words, row["status_reason"])
            self.saw(f"after {connected} machines: {row['status']}: {row['status_reason']}")
            self.assertEqual(self.ml2ctl_json("explain", port["id"])["reason"], row["status_reason"])
            self.assertIn(row["status_reason"], hypervisor.agent_call("status"))
            machine.kill()
            self.wait_active(port)  # it waits for a machine again
            return
        self.fail("three machines got memory: nothing was tried")

    def test_a_vhost_user_port(self):
        hypervisor = self.lab[1]
        blue = self.network("blue", "vxlan", mtu=1400)
        near = self.vm("near", blue, hypervisor)
        port = self.port("vhost", blue, hypervisor)
        shown = self.show_port(port)
        self.assertEqual(shown["binding:vif_type"], "vhostuser")
        details = shown["binding:vif_details"]
        self.saw(f"bound as vhostuser: {details}")
        path = details["vhostuser_socket"]
        self.assertTrue(path.startswith(hypervisor.dir + "/vhu"), path)
        self.assertEqual(details["vhostuser_mode"], "server", "the machine makes the socket, Open vSwitch connects")

        name = self.plug_as_nova(port, path)
        self.wait_active(port)
        address = port["fixed_ips"][0]["ip_address"]
        for life in ("first", "second"):
            machine = self.start_machine(path, port["mac_address"])
            wait_until(lambda: machine.alive() and near.ping(address, count=1).ok, 30,
                       f"the machine behind vhost-user answers in its {life} life")
            self.assert_pings(near, address, count=3)
            machine.kill()
            os.unlink(path)

        def mtu():
            found = hypervisor.ovs_vsctl("get", "Interface", name, "mtu_request", "mtu").stdout.split()
            if found != ["1400", "1400"]:
                raise LabError(f"mtu_request and mtu: {found}")
            return found
        self.saw(f"mtu_request and mtu: {wait_until(mtu, 10, 'the MTU is that of its network')}")
        self.wait_active(port)
