"""The life of a port, of a host's row, and two writers at once."""
import concurrent.futures
import time

import lab as laboratory
from case import LabError, SystemTest, wait_until


class PortLifeTest(SystemTest):
    def test_status_from_create_to_unplug(self):
        blue = self.network("blue", "vxlan")
        one = self.lab[1]
        port = self.port("p1", blue, one)

        def reason():
            row = self.show_port(port)
            if row["status"] != "DOWN" or not row.get("status_reason"):
                raise LabError(f"{row['status']}: {row.get('status_reason')!r}")
            return row["status_reason"]
        self.saw(f"not plugged: DOWN: {wait_until(reason, 10, 'the port says why it is DOWN')}")
        machine = self.plug("p1", port, one)
        self.assertEqual(self.wait_active(port).get("status_reason") or "", "")
        interface = one.status()["ports"][0]["interface"]
        tag = one.ovs_vsctl("get", "Port", interface, "tag").stdout.strip()
        self.assertTrue(1 <= int(tag) <= 4094, tag)
        other_config = one.ovs_vsctl("get", "Port", interface, "other_config").stdout
        for key in ("net_uuid", "network_type", "segmentation_id", "tag"):
            self.assertIn(key, other_config)
        one.ml2ctl("vif", "unplug", port["id"])
        self.wait_status(port, "DOWN")
        self.assertNotIn(interface, one.ovs_vsctl("list-ports", "br-int").stdout.split())
        self.assertEqual(machine.run("ip", "-o", "link", "show").stdout.count("\n"), 1, "only lo is left")
        self.lab[1].wait_in_sync()
        flows = "\n".join(one.flows("br-tun"))
        self.assertNotIn(f"dl_vlan={tag}", flows, "the last port is gone: its network's flows too")

    def test_admin_state_down_and_up(self):
        blue = self.network("blue", "vxlan")
        first, second = self.vm("a1", blue, self.lab[1]), self.vm("a2", blue, self.lab[2])
        self.assert_pings(first, second.ip4)
        self.ml2ctl("port", "set", first.port["id"], "--disable")
        row = self.wait_status(first.port, "DOWN")
        self.saw(f"admin_state_up false: DOWN: {row.get('status_reason')}")
        self.assert_no_ping(first, second.ip4)
        self.ml2ctl("port", "set", first.port["id"], "--enable")
        self.wait_active(first.port)
        self.assert_pings(first, second.ip4)

    def test_a_machine_moves_to_the_other_hypervisor(self):
        blue = self.network("blue", "vxlan")
        stays = self.vm("a1", blue, self.lab[1])
        moving = self.vm("m", blue, self.lab[1])
        self.assert_pings(stays, moving.ip4)
        self.unplug(moving.port, self.lab[1])
        self.ml2ctl("port", "set", moving.port["id"], "--host", self.lab[2].host)
        again = self.plug("m2", moving.port, self.lab[2])
        # The MAC is the port's; whoever learned it behind the old place finds it at the new one.
        self.wait_active(moving.port)
        self.assert_pings(again, stays.ip4)
        self.assert_pings(stays, again.ip4)

    def test_many_ports_at_once(self):
        count = 30
        blue = self.network("blue", "vxlan")
        ports = [self.port(f"p{index}", blue, self.lab[1 + index % 2]) for index in range(count)]
        begun = time.monotonic()
        for index, port in enumerate(ports):
            hypervisor = self.lab[1 + index % 2]
            device = f"tap{port['id'][:8]}"
            hypervisor.run("ip", "link", "add", device, "type", "veth", "peer", "name", "p" + device)
            self.addCleanup(hypervisor.run, "ip", "link", "del", device, check=False)
            hypervisor.ovs_vsctl("--no-wait", "add-port", "br-int", device, "--", "set", "Interface", device,
                                 f"external_ids:iface-id={port['id']}", f"external_ids:attached-mac=\"{port['mac_address']}\"")
            self.addCleanup(hypervisor.ovs_vsctl, "--if-exists", "del-port", "br-int", device)

        def all_active():
            rows = [row for row in self.ml2ctl_json("port", "list") if row["network_id"] == blue["id"]]
            waiting = [row["name"] for row in rows if row["status"] != "ACTIVE"]
            if len(rows) != count or waiting:
                raise LabError(f"{len(rows)} ports, not ACTIVE: {waiting}")
            return True
        wait_until(all_active, 60, f"{count} ports are ACTIVE", interval=0.2)
        self.saw(f"{count} ports plugged and ACTIVE in {time.monotonic() - begun:.1f} s")


class HostTest(SystemTest):
    ini = {"DEFAULT": {"agent_down_time": "8"}}  # so that a dead agent is noticed while we wait

    def host_row(self, hypervisor):
        rows = self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": "Host", "where": [["name", "==", hypervisor.host]]})[0]["rows"]
        if len(rows) != 1:
            raise LabError(f"{len(rows)} Host rows of {hypervisor.host}")
        return rows[0]

    def test_the_hosts_row(self):
        for hypervisor in self.lab.hypervisors:
            row = self.host_row(hypervisor)
            self.assertEqual(row["bridge_mappings"], ["map", [[laboratory.PHYSNET, "br-ex"]]])
            self.assertEqual(row["tunnel_types"], "vxlan")
            endpoint = self.transact(self.lab.ml2_db, "ML2", {
                "op": "select", "table": "Endpoint", "where": [["_uuid", "==", row["endpoints"]]]})[0]["rows"][0]
            self.assertEqual((endpoint["tunnel_type"], endpoint["ip_address"]), ("vxlan", hypervisor.local_ip))
        shown = {row["name"]: row for row in self.ml2ctl_json("host", "list")}
        self.assertEqual(sorted(shown), ["hv1", "hv2"])
        self.saw(self.ml2ctl("host", "list").stdout.strip().replace("\n", "\n          "))

    def test_the_heartbeat_beats_and_stops(self):
        hypervisor = self.lab[2]
        first = self.host_row(hypervisor)
        interval = first["report_interval"]
        self.assertEqual(interval, 2)
        wait_until(lambda: self.host_row(hypervisor)["heartbeat"] > first["heartbeat"], 3 * interval,
                   "the heartbeat goes on")

        def alive():
            return {row["name"]: row["alive"] for row in self.ml2ctl_json("host", "list")}
        self.assertTrue(alive()["hv2"])
        hypervisor.agent.kill()
        begun = time.monotonic()
        wait_until(lambda: alive()["hv2"] is False, 30, "ml2ctl says that the host is not alive", interval=0.5)
        self.saw(f"killed; host list says so {time.monotonic() - begun:.0f} s later")
        self.assertTrue(alive()["hv1"])
        hypervisor.start_agent()
        wait_until(lambda: alive()["hv2"], 15, "the host is alive again")

    def test_ml2ctl_status(self):
        hypervisor = self.lab[1]
        done = hypervisor.run(self.lab.program("ml2ctl"), "--ctl", hypervisor.ctl, "status")
        self.assertIn("hv1", done.stdout)
        done = hypervisor.run(self.lab.program("ml2ctl"), "--ctl", "/nowhere.ctl", "status", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nowhere.ctl", done.stderr)


class RaceTest(SystemTest):
    """Two writers at once: the database settles it."""
    ini = {"ml2_type_vxlan": {"vni_ranges": "1:12"}}

    def test_networks_created_at_once_get_different_vnis(self):
        def create(index):
            hypervisor = self.lab[1 + index % 2]
            return self.ml2ctl_json("network", "create", f"n{index}", "--provider-network-type", "vxlan",
                                    on=hypervisor)
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            networks = list(pool.map(create, range(12)))
        for network in networks:
            self.addCleanup(self.ml2ctl, "network", "delete", network["id"], check=False)
        vnis = sorted(network["provider:segmentation_id"] for network in networks)
        self.saw(f"12 networks from a pool of 12 by 6 writers: VNIs {vnis}")
        self.assertEqual(vnis, list(range(1, 13)))
        done = self.ml2ctl("network", "create", "n13", "--provider-network-type", "vxlan", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("1:12", done.stderr, "an exhausted pool is an error that names the range")
        self.saw(done.stderr.strip())

    def test_ports_created_at_once_get_different_addresses(self):
        network = self.network("n", "vxlan", cidrs=("10.9.0.0/28",))

        def create(index):
            return self.ml2ctl_json("port", "create", f"p{index}", "--network", network["id"],
                                    on=self.lab[1 + index % 2])
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            ports = list(pool.map(create, range(10)))
        for port in ports:
            self.addCleanup(self.ml2ctl, "port", "delete", port["id"], check=False)
        addresses = sorted(port["fixed_ips"][0]["ip_address"] for port in ports)
        self.assertEqual(len(set(addresses)), 10, addresses)
        self.saw(f"10 ports by 6 writers: {addresses}")

    def test_two_agents_start_at_once(self):
        # Their Host rows, br-int, br-tun and tunnels are made at the same moment; neither waits for the other.
        for hypervisor in self.lab.hypervisors:
            hypervisor.agent.stop()
        for hypervisor in self.lab.hypervisors:
            hypervisor.start_agent(wait=False)
        self.lab.settle()
        rows = self.ml2ctl_json("host", "list")
        self.assertEqual(sorted(row["name"] for row in rows), ["hv1", "hv2"])

    def test_a_second_agent_on_one_host_is_refused(self):
        hypervisor = self.lab[1]
        done = hypervisor.run(*hypervisor.agent_command(), check=False, timeout=20)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(hypervisor.ctl, done.stderr)
        self.saw(done.stderr.strip().splitlines()[-1])
        self.assertTrue(hypervisor.agent.alive())
