"""Mistakes of operators: each is refused by ml2ctl, or said within two seconds by the port or the host concerned."""
import time
import uuid

import lab as laboratory  # noqa: F401
from case import LabError, SystemTest, wait_until

SOON = 2.0  # seconds; the machine that runs the tests may add as much


class MistakesTest(SystemTest):
    """One network on two hypervisors; every mistake leaves the machines that are wired alone."""

    def row(self, table, row_id, *columns):
        return self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": table, "where": [["_uuid", "==", ["uuid", row_id]]],
            "columns": list(columns)})[0]["rows"][0]

    def wide_network(self):
        """A network whose VNI has 25 bits, past ml2ctl."""
        ids = [result["uuid"][1] for result in self.transact(
            self.lab.ml2_db, "ML2",
            {"op": "insert", "table": "Network", "uuid-name": "network",
             "row": {"name": "wide", "admin_state_up": True}},
            {"op": "insert", "table": "Segment", "row": {"network": ["named-uuid", "network"], "network_type": "vxlan",
                                                         "segmentation_id": 1 << 24}})]
        self.addCleanup(self.transact, self.lab.ml2_db, "ML2", *(
            {"op": "delete", "table": table, "where": [["_uuid", "==", ["uuid", row_id]]]}
            for table, row_id in (("Segment", ids[1]), ("Network", ids[0]))))
        return {"id": ids[0]}

    def insert_port(self, network, host, mac, ip=None):
        """A port that a stranger wrote into the database, past ml2ctl."""
        database = self.lab.ml2_db
        segments, subnets = (self.transact(database, "ML2", {
            "op": "select", "table": table, "where": [["network", "==", ["uuid", network["id"]]], *more],
            "columns": ["_uuid"]})[0]["rows"]
            for table, more in (("Segment", []), ("Subnet", [["ip_version", "==", 6]])))
        segment = segments[0]["_uuid"]
        operations = [
            {"op": "insert", "table": "Port", "uuid-name": "port",
             "row": {"network": ["uuid", network["id"]], "name": "stranger", "mac_address": mac,
                     "admin_state_up": True, "port_security_enabled": True, "status": "DOWN"}},
            {"op": "insert", "table": "Binding", "uuid-name": "binding",
             "row": {"port": ["named-uuid", "port"], "host": host, "vif_type": "ovs", "vnic_type": "normal",
                     "status": "ACTIVE", "mechanism_driver": "openvswitch", "segment": segment}}]
        if ip:
            operations.append({"op": "insert", "table": "Fixed_IP", "uuid-name": "ip", "row": {
                "port": ["named-uuid", "port"], "subnet": subnets[0]["_uuid"], "ip_address": ip}})
        ids = [result["uuid"][1] for result in self.transact(database, "ML2", *operations)]
        self.addCleanup(self.transact, database, "ML2", *(
            {"op": "delete", "table": table, "where": [["_uuid", "==", ["uuid", row_id]]]}
            for table, row_id in reversed(list(zip(("Port", "Binding", "Fixed_IP"), ids)))))
        return ids[0]

    def soon(self, what, condition):
        """The condition holds within two seconds (and as many again on a machine that is busy)."""
        start = time.monotonic()
        found = wait_until(condition, 2 * SOON, what)
        self.saw(f"{what} ({time.monotonic() - start:.1f} s): {found}")
        return found

    def port_says(self, port_id, *words):
        def said():
            row = self.row("Port", port_id, "status", "status_reason")
            if row["status"] != "ERROR" or any(word not in row["status_reason"] for word in words):
                raise LabError(f"the row says {row}")
            return row["status_reason"]
        sentence = self.soon("the port says", said)
        host = self.transact(self.lab.ml2_db, "ML2", {"op": "select", "table": "Binding", "where": [
            ["port", "==", ["uuid", port_id]]], "columns": ["host"]})[0]["rows"][0]["host"]
        hypervisor = next(each for each in self.lab.hypervisors if each.host == host)
        self.assertEqual(self.ml2ctl_json("explain", port_id, on=hypervisor)["reason"], sentence)
        self.assertIn(sentence, hypervisor.agent_call("status"))
        return sentence

    def host_says(self, hypervisor, *words):
        def in_status():
            found = [text for text in hypervisor.status()["problems"] if all(word in text for word in words)]
            if not found:
                raise LabError(f"{hypervisor.host}: problems: {hypervisor.status()['problems']}")
            return found[0]

        def in_row():
            rows = self.transact(self.lab.ml2_db, "ML2", {
                "op": "select", "table": "Host", "where": [["name", "==", hypervisor.host]],
                "columns": ["problems"]})[0]["rows"]
            return any(all(word in str(row["problems"]) for word in words) for row in rows)
        sentence = self.soon(f"{hypervisor.host} says", in_status)
        self.soon("and its row in the database", in_row)
        port = {"hv1": "a1", "hv2": "a2"}[hypervisor.host]
        self.assertIn(sentence, self.ml2ctl_json("explain", port, on=hypervisor)["problems"])
        return sentence

    def host_row(self, host):
        return self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": "Host", "where": [["name", "==", host]],
            "columns": ["started_at", "endpoints"]})[0]["rows"][0]

    def refused(self, *arguments, says):
        done = self.ml2ctl(*arguments, check=False)
        self.assertNotEqual(done.returncode, 0, arguments)
        self.assertIn(says, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, "one sentence")
        self.saw(done.stderr.strip())

    def port_warns(self, machine, hypervisor, *words):
        """A wired port says in its row, unasked, and in status and in explain what is wrong all the same."""
        def said():
            row = self.row("Port", machine.port["id"], "status", "status_reason")
            if row["status"] != "ACTIVE" or any(word not in row["status_reason"] for word in words):
                raise LabError(f"the row says {row}")
            return row["status_reason"]
        sentence = self.soon("the port says", said)
        self.assertIn(sentence, hypervisor.agent_call("status"))
        explained = self.ml2ctl_json("explain", machine.port["id"], on=hypervisor)
        self.assertEqual(explained["reason"], sentence)
        return explained

    def test_what_port_security_drops(self):
        one, two = self.lab.hypervisors
        network = self.network("blue", "vxlan")
        first, second = self.vm("a1", network, one), self.vm("a2", network, two)
        self.assert_pings(first, second.ip4, count=2)
        self.assertEqual(self.show_port(first.port)["status_reason"], "")
        status = one.status()
        before = [status["counters"][what] for what in ("transactions", "bundles", "flow_mods")]
        # An address that nobody gave it, then a MAC.
        first.run("ip", "address", "add", "10.1.0.77/24", "dev", "eth0")
        first.run("ip", "neigh", "flush", "all")
        first.run("ping", "-c", "1", "-W", "1", "-I", "10.1.0.77", second.ip4, check=False)
        explained = self.port_warns(first, one, "anti-spoofing drops ARP", "since", "--allowed-address")
        self.assertRegex(str(explained["warnings"]), "dropped [0-9]+ frames of ARP")
        mac = first.port["mac_address"]
        first.run("ip", "link", "set", "eth0", "address", "02:00:00:00:be:ef")
        first.ping(second.ip4, count=1)
        self.port_warns(first, one, "from MACs that are not this port's", "--disable-port-security")
        line = next(port for port in one.status()["ports"] if port["id"] == first.port["id"])
        self.assertGreater(line["spoofed_frames"], 0)
        self.saw(f"status: {line['note']}")
        self.assertIn("anti-spoofing", self.ml2ctl("port", "list").stdout)
        # Only said: nothing was sent for it, and the other port is as it was.
        self.assertEqual([one.status()["counters"][what] for what in ("transactions", "bundles", "flow_mods")], before)
        self.assertEqual(self.show_port(second.port)["status_reason"], "")
        # A restarted agent goes on saying it, and changes nothing.
        one.agent.stop()
        one.start_agent()
        sentences = [text.partition(", since")[0] for text in line["note"].split("; ") if "since" in text]
        self.assertEqual(len(sentences), 2, sentences)
        self.port_warns(first, one, *sentences)
        self.assertEqual(one.status()["counters"]["flow_mods"], 0)
        first.run("ip", "link", "set", "eth0", "address", mac)
        # Open vSwitch forgets it by itself when nothing more has come for a minute; here it is told to.
        for table in (24, 25):
            one.run("ovs-ofctl", "-O", "OpenFlow14", "--strict", "del-flows", "br-int",
                    f"table=26,priority={table},in_port={line['ofport']}")
        self.soon("the port says nothing any more",
                  lambda: self.row("Port", first.port["id"], "status_reason")["status_reason"] == "")
        # What to do, done.
        self.ml2ctl("port", "set", first.port["id"], "--allowed-address", "ip-address=10.1.0.77")
        wait_until(lambda: second.ping("10.1.0.77", count=1).ok, 10, "the second address answers")

    def test_mistakes(self):
        one, two = self.lab.hypervisors
        network = self.network("blue", "vxlan")
        first, second = self.vm("a1", network, one), self.vm("a2", network, two)
        self.assert_pings(first, second.ip4, count=2)
        mac = first.port["mac_address"]

        # --- nothing is said of what to change: the command says what can be
        for kind, name in (("port", first.port["id"]), ("network", "blue"), ("subnet", "any"), ("host", one.host)):
            self.refused(kind, "set", name, says="nothing to change: one of --")

        # --- addresses: the command refuses, and of rows that came past it the newcomer is not wired
        self.refused("port", "create", "x", "--network", "blue", "--fixed-ip", f"ip-address={first.ip4}",
                     says="IpAddressInUse")
        self.refused("port", "create", "x", "--network", "blue", "--mac-address", mac, says="MacAddressInUse")
        self.refused("port", "create", "x", "--network", "blue", "--mac-address", "fa:16:3e", says="fa:16:3e")
        self.refused("port", "set", first.port["id"], "--allowed-address", "ip-address=10.1.0.0/33", says="10.1.0.0/33")
        self.port_says(self.insert_port(network, two.host, mac.upper()), mac, "a1", one.host, "keeps it")
        self.port_says(self.insert_port(network, two.host, "fa:16:3e:00:99:01", first.ip6.replace("::", ":0::")),
                       first.ip6, "a1", "keeps it")
        self.port_says(self.insert_port(network, two.host, "fa:16:3e:00"), "mac_address", "fa:16:3e:00")
        self.assert_pings(first, second.ip4, count=2)

        # --- numbers out of range, types that are none
        self.refused("network", "create", "x", "--provider-network-type", "vxlan", "--provider-segment", "16777216",
                     says="16777216")
        self.refused("network", "create", "x", "--provider-network-type", "stt", says="stt")
        self.port_says(self.insert_port(self.wide_network(), two.host, "fa:16:3e:00:99:02"), "16777216", "1-16777215")

        # --- one iface-id on two hosts, and one that nobody knows
        stranger = str(uuid.uuid4())
        for name, iface_id in (("twin", first.port["id"]), ("nobody", stranger)):
            two.run("ip", "link", "add", name, "type", "veth", "peer", "name", "p" + name)
            self.addCleanup(two.run, "ip", "link", "del", name, check=False)
            two.ovs_vsctl("add-port", "br-int", name, "--", "set", "Interface", name,
                          f"external_ids:iface-id={iface_id}")
            self.addCleanup(two.ovs_vsctl, "--if-exists", "del-port", "br-int", name)
        self.host_says(two, "twin", "a1", f"bound to host {one.host}", "keeps it", "unplug it")
        self.host_says(two, "nobody", stranger, "no port of the ML2 database")
        self.assertEqual(self.show_port(first.port)["status"], "ACTIVE")
        self.assert_pings(first, second.ip4, count=2)
        for name in ("twin", "nobody"):
            two.ovs_vsctl("del-port", "br-int", name)

        # --- the tunnels' address goes from a host
        two.run("ip", "address", "del", f"{two.local_ip}/24", "dev", "br-phy")
        self.host_says(two, f"local_ip {two.local_ip} is not an address of this host")
        self.soon("the port says", lambda: two.local_ip in self.show_port(second.port)["status_reason"]
                  and self.show_port(second.port)["status_reason"])
        two.address_underlay()
        self.wait_active(second.port)

        # --- hosts that do not fit together
        def again(changes, wait=True):
            two.agent.stop()
            two.write_ini(changes)
            two.start_agent(wait=wait)

        again({"ovs": {"local_ip": one.local_ip}}, wait=False)
        self.host_says(two, one.local_ip, f"endpoint of host {one.host}", "local_ip")
        again({"agent": {"tunnel_types": "geneve"}}, wait=False)
        self.host_says(one, f"host {two.host} has ports of network blue", "no vxlan endpoint", "geneve", "tunnel_types")
        self.soon("the port says", lambda: "vxlan" in self.show_port(second.port)["status_reason"]
                  and self.show_port(second.port)["status_reason"])
        done = self.ml2ctl("port", "create", "late", "--network", "blue", "--host", two.host)
        self.addCleanup(self.ml2ctl, "port", "delete", "late", check=False)
        self.saw(done.stderr.strip())
        self.assertRegex(done.stderr, "not bound.*vxlan")
        # UDP ports that differ are no mistake: both ends choose the lower one.
        again({"agent": {"vxlan_udp_port": "8472"}})
        self.wait_active(second.port)
        self.assert_pings(first, second.ip4, count=2)

        # --- two nodes of one name: the first keeps it, nothing flaps
        before = self.host_row(one.host)
        again({"DEFAULT": {"host": one.host}}, wait=False)
        self.soon("hv2 says", lambda: next((text for text in two.status()["problems"]
                                            if f"another node reports as host {one.host}" in text), 0))
        after = self.host_row(one.host)
        self.assertEqual([before[column] for column in ("started_at", "endpoints")],
                         [after[column] for column in ("started_at", "endpoints")])
        self.assertEqual(self.show_port(first.port)["status"], "ACTIVE")

        # --- a database that is not there
        again({"ml2_db": {"connection": "tcp:127.0.0.1:1"}}, wait=False)
        self.soon("hv2 says", lambda: next((text for text in two.status()["waiting_for"]
                                            if "tcp:127.0.0.1:1" in text), 0))
        done = self.ml2ctl("--db", "tcp:127.0.0.1:1", "--timeout", "2", "network", "list", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("tcp:127.0.0.1:1", done.stderr)
        self.saw(done.stderr.strip())
        again({})
        self.wait_active(second.port)
        self.assert_pings(first, second.ip4, count=2)
        for hypervisor in (one, two):
            wait_until(lambda: not hypervisor.status()["problems"], 10, f"{hypervisor.host}: all is well again")
