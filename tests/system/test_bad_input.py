"""Wrong input: one clear sentence, and nothing but the wrong thing stops."""
import re
import uuid

import lab as laboratory
from case import LabError, SystemTest, wait_until
from ovsdb_client import OvsdbClient


class BadIniTest(SystemTest):
    """Exit status 1, file, line, option, value and what is allowed; nothing touched."""
    start_agents = False

    def start_with(self, changes):
        hypervisor = self.lab[1]
        hypervisor.write_ini(changes)
        hypervisor.start_agent(wait=False)
        status = hypervisor.agent.wait(10)
        return status, hypervisor.agent.log_text()

    def line_of(self, option):
        with open(self.lab[1].ini, encoding="utf-8") as text:
            return next(number for number, line in enumerate(text, 1) if line.startswith(option))

    def assert_refused(self, changes, option, *words):
        before = self.lab[1].ovs_vsctl("show").stdout
        status, log = self.start_with(changes)
        self.assertEqual(status, 1, log)
        place = f"{self.lab[1].ini}:{self.line_of(option)}"
        self.assertIn(place, log)
        message = next(line for line in log.splitlines() if place in line)
        self.saw(message.replace(self.lab[1].dir, "..."))
        for word in (option, *words):
            self.assertIn(word, message)
        self.assertEqual(self.lab[1].ovs_vsctl("show").stdout, before, "something was touched")
        checked = self.lab[1].run(*self.lab[1].agent_command("--check-config"), check=False)
        self.assertEqual(checked.returncode, 1)
        self.assertIn(place, checked.stdout + checked.stderr)

    def test_a_value_of_the_wrong_type(self):
        self.assert_refused({"agent": {"vxlan_udp_port": "vxlan"}}, "vxlan_udp_port", "vxlan")

    def test_a_value_out_of_range(self):
        self.assert_refused({"agent": {"vxlan_udp_port": "65536"}}, "vxlan_udp_port", "65535")

    def test_a_tunnel_type_that_is_none(self):
        self.assert_refused({"agent": {"tunnel_types": "vxlan,stt"}}, "tunnel_types", "stt")

    def test_a_bad_local_ip(self):
        self.assert_refused({"ovs": {"local_ip": "192.168.100.300"}}, "local_ip", "192.168.100.300")

    def test_a_bridge_mapping_without_a_bridge(self):
        self.assert_refused({"ovs": {"bridge_mappings": "physnet1"}}, "bridge_mappings", "physnet1")

    def test_an_unknown_option_is_a_warning(self):
        hypervisor = self.lab[1]
        hypervisor.write_ini({"ovs": {"bridge_mapings": "x:y"}})
        done = hypervisor.run(*hypervisor.agent_command("--check-config"), check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = done.stdout + done.stderr
        message = next(line for line in text.splitlines() if "bridge_mapings" in line)
        self.saw(message.replace(hypervisor.dir, "..."))
        self.assertIn("bridge_mappings", message, "the nearest known name")

    def test_no_such_file(self):
        done = self.lab[1].run(self.lab.program("ml2-agent"), "--config-file", "/nowhere/agent.ini", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nowhere/agent.ini", done.stderr)
        self.saw(done.stderr.strip())


class MissingPiecesTest(SystemTest):
    """Something of the machine is missing: a loud problem, the rest works, and it heals."""
    start_agents = False

    def problems(self, hypervisor, word):
        def named():
            found = [text for text in hypervisor.status()["problems"] if word in text]
            if not found:
                raise LabError(f"problems: {hypervisor.status()['problems']}")
            return found[0]
        return wait_until(named, 10, f"status names a problem with {word}")

    def assert_logged(self, hypervisor, word):
        """A problem that has stood for a second is told as a warning."""
        wait_until(lambda: any("WARN" in line and word in line for line in hypervisor.agent.log_text().splitlines()),
                   10, f"a warning names {word}")

    def assert_healed(self, hypervisor, word):
        wait_until(lambda: not any(word in text for text in hypervisor.status()["problems"]), 10,
                   f"no problem names {word} any more")

    def test_a_missing_physical_bridge(self):
        one, two = self.lab.hypervisors
        one.ovs_vsctl("del-br", "br-ex")
        self.lab.start_agents(deadline=30)
        problem = self.problems(one, "br-ex")
        self.saw(f"status: {problem}")
        self.assert_logged(one, "br-ex")
        # The rest works.
        blue = self.network("blue", "vxlan")
        first, second = self.vm("a1", blue, one), self.vm("a2", blue, two)
        self.assert_pings(first, second.ip4)
        # What needs the bridge does not, and says why.
        red = self.network("red", "vlan", segment=120, physical_network=laboratory.PHYSNET,
                           cidrs=("10.2.0.0/24",))
        waiting = self.vm("r1", red, one, wait=False)
        other = self.vm("r2", red, two)
        row = self.wait_status(waiting.port, "DOWN")

        def reason():
            text = self.show_port(waiting.port).get("status_reason", "")
            if "br-ex" not in text and laboratory.PHYSNET not in text:
                raise LabError(f"status_reason: {text!r}")
            return text
        self.saw(f"port {row['name']} is DOWN: {wait_until(reason, 10, 'the port says why')}")
        # The bridge comes.
        one.add_physical_bridge()
        self.wait_active(waiting.port)
        self.assert_pings(waiting, other.ip4)
        self.assert_healed(one, "br-ex")

    def tearDown(self):
        super().tearDown()
        for hypervisor in self.lab.hypervisors:
            if hypervisor.agent is not None and hypervisor.agent.alive():
                hypervisor.agent.stop()

    def test_local_ip_is_not_on_the_host(self):
        one, two = self.lab.hypervisors
        one.run("ip", "address", "del", f"{one.local_ip}/24", "dev", "br-phy")
        self.lab.start_agents(deadline=30)
        problem = self.problems(one, one.local_ip)
        self.saw(f"status: {problem}")
        self.assert_logged(one, one.local_ip)
        red = self.network("red", "vlan", segment=121, physical_network=laboratory.PHYSNET, cidrs=("10.2.0.0/24",))
        first, second = self.vm("r1", red, one), self.vm("r2", red, two)
        self.assert_pings(first, second.ip4)
        one.address_underlay()
        blue = self.network("blue", "vxlan")
        third, fourth = self.vm("a1", blue, one), self.vm("a2", blue, two)
        self.assert_pings(third, fourth.ip4)
        self.assert_healed(one, one.local_ip)


class BadRowsTest(SystemTest):
    """Rows that a stranger wrote into the ML2 database: the port alone gets ERROR and the reason."""

    def insert_port(self, name, network, host, mac, segment_of=None):
        segment = self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": "Segment", "where": [["network", "==", ["uuid", (segment_of or network)["id"]]]],
            "columns": ["_uuid"]})[0]["rows"][0]["_uuid"]
        results = self.transact(
            self.lab.ml2_db, "ML2",
            {"op": "insert", "table": "Port", "uuid-name": "port",
             "row": {"network": ["uuid", network["id"]], "name": name, "mac_address": mac, "admin_state_up": True,
                     "status": "DOWN"}},
            {"op": "insert", "table": "Binding",
             "row": {"port": ["named-uuid", "port"], "host": host, "vif_type": "ovs", "vnic_type": "normal",
                     "status": "ACTIVE", "mechanism_driver": "openvswitch", "segment": segment}})
        port_id, binding = results[0]["uuid"][1], results[1]["uuid"][1]
        self.addCleanup(self.transact, self.lab.ml2_db, "ML2",
                        {"op": "delete", "table": "Binding", "where": [["_uuid", "==", ["uuid", binding]]]},
                        {"op": "delete", "table": "Port", "where": [["_uuid", "==", ["uuid", port_id]]]})
        return port_id

    def row_of(self, port_id):
        return self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": "Port", "where": [["_uuid", "==", ["uuid", port_id]]],
            "columns": ["status", "status_reason"]})[0]["rows"][0]

    def wait_error(self, port_id):
        def is_error():
            row = self.row_of(port_id)
            if row["status"] != "ERROR":
                raise LabError(f"the row says {row}")
            return row
        return wait_until(is_error, 15, "the row gets ERROR")

    def test_a_bad_mac(self):
        blue = self.network("blue", "vxlan")
        first = self.vm("a1", blue, self.lab[1])
        second = self.vm("a2", blue, self.lab[2])
        self.assert_pings(first, second.ip4)
        for mac in ("fa:16:3e:zz:00:01", "", "01:00:5e:00:00:01"):
            bad = self.insert_port("bad", blue, self.lab[1].host, mac)
            # Plugged by hand: even with an interface it must not be wired.
            device = f"bad{bad[:8]}"
            self.lab[1].run("ip", "link", "add", device, "type", "veth", "peer", "name", "p" + device)
            self.addCleanup(self.lab[1].run, "ip", "link", "del", device, check=False)
            self.lab[1].ovs_vsctl("add-port", "br-int", device, "--", "set", "Interface", device,
                                  f"external_ids:iface-id={bad}")
            self.addCleanup(self.lab[1].ovs_vsctl, "--if-exists", "del-port", "br-int", device)
            row = self.wait_error(bad)
            self.saw(f"mac_address {mac!r}: {row['status']}: {row['status_reason']}")
            self.assertIn("mac", row["status_reason"].lower())
            if mac:
                self.assertIn(mac, row["status_reason"])
            # The others go on, also new ones.
            self.assert_pings(first, second.ip4, count=3)
            tag = self.lab[1].ovs_vsctl("get", "Port", device, "tag").stdout.strip()
            self.assertIn(tag, ("[]", "4095"), "a port with a bad row has no local VLAN")
        late = self.vm("late", blue, self.lab[1])
        self.assert_pings(late, second.ip4)

    def test_names_types_and_references(self):
        """What the schema does not refuse stops its port alone; status stays short."""
        blue, green = self.network("blue", "vxlan"), self.network("green", "vxlan", cidrs=("10.3.0.0/24",))
        first, second = self.vm("a1", blue, self.lab[1]), self.vm("a2", blue, self.lab[2])
        long = self.insert_port("long", blue, self.lab[1].host, "fa:16:3e:00:77:01")
        client = OvsdbClient(self.lab[1].ovsdb)  # too much for a command line
        self.addCleanup(client.close)
        client.transact("ML2", {"op": "update", "table": "Port", "where": [["_uuid", "==", ["uuid", long]]],
                                "row": {"name": "x" * (1 << 20)}})
        row = self.wait_error(long)
        self.saw(f"a name of 1 MB: {row['status_reason']}")
        self.assertIn("1048576 bytes", row["status_reason"])
        stray = self.insert_port("stray", blue, self.lab[1].host, "fa:16:3e:00:77:02", segment_of=green)
        row = self.wait_error(stray)
        self.saw(f"a segment of another network: {row['status_reason']}")
        self.assertIn("belongs to network", row["status_reason"])
        self.assertLess(len(self.lab[1].agent_call("status")), 20000)
        for what, operation in (
                ("a type that is none", {"op": "insert", "table": "Segment", "row": {
                    "network": ["uuid", blue["id"]], "network_type": "token-ring", "segmentation_id": 9}}),
                ("a reference to nothing", {"op": "insert", "table": "Binding", "row": {
                    "port": ["uuid", str(uuid.uuid4())], "host": "hv1", "status": "ACTIVE"}})):
            with self.assertRaises(LabError) as refused:
                self.transact(self.lab.ml2_db, "ML2", operation)
            self.saw(f"{what}: the database: {str(refused.exception)[-200:]}")
        self.assert_pings(first, second.ip4, count=2)
        late = self.vm("late", blue, self.lab[1])
        self.assert_pings(late, second.ip4, count=2)

    def test_an_interface_whose_port_nobody_knows(self):
        hypervisor = self.lab[1]
        stranger = str(uuid.uuid4())
        hypervisor.run("ip", "link", "add", "stranger", "type", "veth", "peer", "name", "pstranger")
        self.addCleanup(hypervisor.run, "ip", "link", "del", "stranger", check=False)
        hypervisor.ovs_vsctl("add-port", "br-int", "stranger", "--", "set", "Interface", "stranger",
                             f"external_ids:iface-id={stranger}")
        self.addCleanup(hypervisor.ovs_vsctl, "--if-exists", "del-port", "br-int", "stranger")
        wait_until(lambda: hypervisor.ovs_vsctl("get", "Port", "stranger", "tag").stdout.strip() == "4095", 10,
                   "a port that nobody asked for is on the dead VLAN")

    def test_ml2ctl_says_what_is_wrong(self):
        blue = self.network("blue", "vxlan")
        for arguments, word in (
                (("port", "create", "x", "--network", blue["id"], "--mac-address", "fa:16:3e:zz:00:01"), "mac"),
                (("port", "create", "x", "--network", "nosuch"), "nosuch"),
                (("network", "create", "x", "--provider-network-type", "vlan", "--provider-physical-network",
                  "nosuch"), "nosuch"),
                (("network", "create", "x", "--provider-network-type", "vxlan", "--provider-segment",
                  "99999999"), "99999999"),
                (("subnet", "create", "x", "--network", blue["id"], "--subnet-range", "10.0.0.0/33"), "10.0.0.0/33"),
                (("network", "show", "nosuch"), "nosuch")):
            done = self.ml2ctl(*arguments, check=False)
            self.saw(f"{' '.join(arguments[:3])}: {done.returncode}: {done.stderr.strip()}")
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr.lower(), re.escape(word))
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, "one sentence")
