"""What an operator asks: why does this port not work, where would this packet go, what happened, by when is it done."""
import json
import os
import signal
import socket
import time

from case import LabError, SystemTest, wait_until


class ExplainTest(SystemTest):
    start_agents = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            for hypervisor in cls.lab.hypervisors:
                hypervisor.write_ini({
                    "DEFAULT": {"agent_down_time": "6", "log_dir": hypervisor.dir, "log_file": "agent.json",
                                "use_json": "true", "use_stderr": "true", "syslog_log_facility": "LOG_LOCAL3"},
                    "agent": {"metrics_listen": f"unix:{hypervisor.dir}/metrics.sock"}})
                hypervisor.start_agent(wait=False)
            for hypervisor in cls.lab.hypervisors:
                hypervisor.wait_in_sync(30)
        except BaseException:
            cls.lab.show_logs()
            cls.lab.stop()
            raise

    def explain(self, what, on=None):
        return self.ml2ctl_json("explain", what, on=on)

    def explained(self, what, **wanted):
        """Explains until these fields have these values."""
        def reached():
            answer = self.explain(what)
            for field, value in wanted.items():
                found = str(answer.get(field))
                if value not in found:
                    raise LabError(f"{field} is {found}, not {value}")
            return answer
        return wait_until(reached, 10, f"explain {what}: {wanted}")

    def check_of(self, explained, what):
        return next(check for check in explained["checks"] if check["what"] == what)

    # --- explain

    def test_each_reason_why_a_port_waits(self):
        one = self.lab[1]
        blue = self.network("blue", "vxlan")
        port = self.port("p1", blue, one)
        waits = self.explained("p1", status="DOWN", reason="iface-id")
        self.assertFalse(self.check_of(waits, "plugged")["ok"])
        self.assertIn("vif plug", waits["advice"])
        self.assertTrue(waits["since"].endswith("Z"))
        self.saw(f"not plugged: {waits['reason']}")

        # A hypervisor that writes a wrong iface-id.
        one.run("ip", "link", "add", "wrong0", "type", "veth", "peer", "name", "wrong1")
        self.addCleanup(one.run, "ip", "link", "del", "wrong0", check=False)
        one.ovs_vsctl("add-port", "br-int", "wrong0", "--", "set", "Interface", "wrong0",
                      "external_ids:iface-id=12345678-0000-4000-8000-000000000000",
                      f"external_ids:attached-mac=\"{port['mac_address']}\"")
        self.addCleanup(one.ovs_vsctl, "--if-exists", "del-port", "wrong0")
        near = self.explained("p1", warnings="wrong0")
        self.saw(f"wrong iface-id: {near['warnings'][0]}")
        # The right iface-id on the wrong bridge.
        one.ovs_vsctl("--if-exists", "del-port", "wrong0", "--", "add-port", "br-ex", "wrong0", "--", "set", "Interface",
                      "wrong0", f"external_ids:iface-id={port['id']}")
        self.saw(f"wrong bridge: {self.explained('p1', warnings='is on bridge br-ex')['warnings'][0]}")
        one.ovs_vsctl("del-port", "wrong0")

        # An interface whose device does not exist.
        one.ovs_vsctl("--no-wait", "add-port", "br-int", "none0", "--", "set", "Interface", "none0",
                      f"external_ids:iface-id={port['id']}")
        self.addCleanup(one.ovs_vsctl, "--if-exists", "del-port", "none0")
        broken = self.explained("p1", reason="none0")
        self.assertFalse(self.check_of(broken, "OpenFlow port")["ok"])
        self.saw(f"no device: {broken['reason']}")
        one.ovs_vsctl("--if-exists", "del-port", "none0")

        self.ml2ctl("port", "set", "p1", "--disable")
        down = self.explained("p1", reason="admin_state_up")
        self.assertFalse(self.check_of(down, "administratively up")["ok"])
        self.ml2ctl("port", "set", "p1", "--enable")

        # A row that makes no sense.
        row = [["_uuid", "==", ["uuid", port["id"]]]]
        self.transact(self.lab.ml2_db, "ML2", {"op": "update", "table": "Port", "where": row,
                                               "row": {"mac_address": "nonsense"}})
        bad = self.explained(port["id"], status="ERROR", reason="nonsense")
        self.assertFalse(self.check_of(bad, "row accepted")["ok"])
        self.assertIn("nonsense", one.agent_call("explain", port["id"]))
        self.transact(self.lab.ml2_db, "ML2", {"op": "update", "table": "Port", "where": row,
                                               "row": {"mac_address": port["mac_address"]}})

        # Where it is not.
        self.port("far", blue, self.lab[2])
        far = self.explain("far")
        self.assertFalse(far["bound_here"])
        self.assertEqual((far["host"]["name"], far["host"]["alive"]), (self.lab[2].host, True))
        self.assertIn(f"on host {self.lab[2].host}", far["advice"])
        unbound = self.ml2ctl_json("port", "create", "nowhere", "--network", blue["id"])
        self.addCleanup(self.ml2ctl, "port", "delete", unbound["id"], check=False)
        self.assertIn("--host", self.explain("nowhere")["advice"])
        gre = self.network("grey", "gre", segment=7, cidrs=("10.9.0.0/24",))
        refused = self.port("unbindable", gre, one)
        self.saw(f"cannot be bound: {self.explained(refused['id'], reason='gre')['reason']}")
        missing = self.ml2ctl("explain", "no-such-port", check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("no-such-port", missing.stderr)

    def test_wired_ports_show_flows_and_traces(self):
        blue = self.network("blue", "vxlan")
        first, second = self.vm("a1", blue, self.lab[1]), self.vm("a2", blue, self.lab[2])
        self.assert_pings(first, second.ip4)
        def counted():
            explained = self.explained("a1", status="ACTIVE")
            named = {flow["table_name"]: flow for flow in explained["flows"]["br-tun"]}
            return explained if named["vxlan_tun_to_lv"]["packets"] > 0 else None
        wired = wait_until(counted, 10, "the flows have counted packets")
        self.assertTrue(all(check["ok"] for check in wired["checks"]), wired["checks"])
        self.saw(f"explain: {sum(map(len, wired['flows'].values()))} flows, plug to wired "
                 f"{wired.get('seconds_to_wire', 0) * 1000:.0f} ms")
        for name in (first.port["id"][:8], wired["interface"]):
            self.assertEqual(self.explain(name)["id"], first.port["id"])
        self.assertIn("ok  wired", self.ml2ctl("explain", "a1").stdout)

        # The Interface says so to others on the host, as long as it is true.
        def mark():
            return self.lab[1].ovs_vsctl("--if-exists", "get", "Interface", wired["interface"],
                                         "external_ids:ml2-installed").stdout.strip()
        self.assertEqual(mark(), '"true"')
        self.assertTrue(self.lab[1].ovs_vsctl("get", "Interface", wired["interface"],
                                              "external_ids:ml2-installed-ts").stdout.strip('"\n').isdigit())
        self.ml2ctl("--wait=host", "port", "set", "a1", "--disable")
        wait_until(lambda: mark() == "", 5, "the mark is taken away")
        self.ml2ctl("--wait=host", "port", "set", "a1", "--enable")
        wait_until(lambda: mark() == '"true"', 5, "the mark is back")

        flow = f"icmp,dl_dst={second.port['mac_address']},nw_dst={second.ip4}"
        self.assert_pings(first, second.ip4, count=1)
        trace = self.ml2ctl_json("trace", "a1", flow)
        names = [(stage["bridge"], stage["table_name"]) for stage in trace["stages"]]
        self.assertEqual(names[0], ("br-int", "local_switching"))
        self.assertIn(("br-int", "transient"), names)
        self.assertIn(("br-tun", "patch_lv_to_tun"), names)
        self.assertFalse(trace["dropped"], trace)
        self.assertIn(f"dl_src={first.port['mac_address']}", trace["flow"])
        text = self.ml2ctl("trace", "a1", flow).stdout
        self.assertIn("transient", text)
        self.saw("trace: " + " > ".join(f"{bridge}:{name}" for bridge, name in names))
        self.assertIn("Datapath actions:", self.ml2ctl("trace", "a1", flow, "--raw").stdout)
        wrong = self.ml2ctl("trace", "a1", "nonsense=1", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("nonsense", wrong.stderr)

    # --- events, dumps, figures, logs

    def scrape(self, path="/metrics"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(f"{self.lab[1].dir}/metrics.sock")
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = b""
            while part := client.recv(65536):
                answer += part
        head, _, body = answer.decode().partition("\r\n\r\n")
        return head, body

    def figure(self, name):
        _, body = self.scrape()
        found = [line for line in body.splitlines() if line.startswith(name + " ")]
        self.assertEqual(len(found), 1, f"{name} in {body}")
        return float(found[0].split()[1])

    def test_a_repair_is_an_event_a_line_and_a_figure(self):
        one = self.lab[1]
        before = self.figure("ml2_agent_repairs_total")
        last = self.ml2ctl_json("events")[-1]["id"]
        begun = time.monotonic()
        one.run("ovs-ofctl", "-O", "OpenFlow14", "--strict", "del-flows", "br-int", "table=60,priority=3")
        wait_until(lambda: self.figure("ml2_agent_repairs_total") == before + 1, 5, "the repair is counted")
        self.saw(f"a flow deleted by hand: repaired and counted in {(time.monotonic() - begun) * 1000:.0f} ms")
        events = self.ml2ctl_json("events", "--since", str(last))
        repairs = [event for event in events if event["kind"] == "repair"]
        self.assertEqual(len(repairs), 1, events)
        self.assertIn("1 flow of table transient (60)", repairs[0]["text"])
        self.assertIn("flows of br-int", repairs[0]["cause"])
        self.assertEqual(one.agent.log_text().count("repaired 1 flow of table transient (60)"), 1)
        self.assertIn("repaired 1 flow", self.ml2ctl("events", "-n", "5").stdout)

    def schema_version(self):
        return self.lab[1].run("ovsdb-client", "get-schema-version", self.lab.ml2_db, "ML2").stdout.strip()

    def test_dumps_and_figures(self):
        blue = self.network("blue", "vxlan")
        self.vm("d1", blue, self.lab[1])
        self.lab[1].wait_in_sync()
        for what, key in (("intent", "ports"), ("facts", "interfaces"), ("desired", "flows"), ("plan", "rows")):
            self.assertIn(key, self.ml2ctl_json("dump", what))
        self.assertIn("name=d1", self.ml2ctl("dump", "intent").stdout)
        self.assertIn("plan is empty", self.ml2ctl("dump", "plan").stdout)
        self.assertTrue(self.ml2ctl_json("recompute")["empty"])
        self.assertEqual(self.ml2ctl("dump", "nonsense", check=False).returncode, 2)
        status = self.ml2ctl_json("status")
        self.assertEqual(status["versions"]["ml2_schema"], self.schema_version())
        self.assertTrue(status["intent"]["connected"] and status["bridges"]["br-int"]["in_sync"])

        head, body = self.scrape()
        self.assertIn("200 OK", head)
        self.assertIn('ml2_agent_ports{state="active"} 1', body)
        for name in ('ml2_agent_flows{bridge="br-tun"}', "ml2_agent_step_seconds_bucket", "process_resident_memory_bytes",
                     "ml2_agent_port_wired_seconds_count", 'ml2_agent_bundle_errors_total{bridge="br-int"} 0'):
            self.assertIn(name, body)
        self.assertIn("404", self.scrape("/other")[0])
        self.saw(f"RSS {self.figure('process_resident_memory_bytes') / 1e6:.1f} MB, "
                 f"{len(body.splitlines())} lines of metrics")

    def test_ovs_appctl_and_logs(self):
        one = self.lab[1]
        commands = one.agent_call("list-commands")
        for command in ("vlog/set", "vlog/list", "coverage/show", "memory/show", "version", "explain", "events"):
            self.assertIn(command, commands)
        self.assertIn("ml2-agent", one.agent_call("version"))
        self.assertIn("flows:", one.agent_call("memory/show"))
        self.assertIn("poll_create_node", one.agent_call("coverage/show"))
        one.agent_call("vlog/set", "reconcile:file:dbg")
        self.assertRegex(one.agent_call("vlog/list"), r"reconcile +\S+ +\S+ +DBG")
        one.agent_call("vlog/set", "reconcile:file:info")

        path = os.path.join(one.dir, "agent.json")
        os.rename(path, path + ".1")
        one.agent.signal(signal.SIGHUP)
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, 5, "the log file is opened again")
        with open(path + ".1", encoding="utf-8") as lines:
            parsed = [json.loads(line) for line in lines]
        self.assertTrue(any(line["module"] == "reconcile" and "in sync" in line["message"] for line in parsed))
        self.assertEqual({"time", "level", "module", "pid", "message"}, set(parsed[0]))
        self.saw(f"{len(parsed)} log lines are JSON")

    # --- by when is it done

    def applied(self, hypervisor):
        rows = self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": "Host", "where": [["name", "==", hypervisor.host]], "columns": ["applied"]})
        return rows[0]["rows"][0]["applied"]

    def test_wait_names_the_host_that_is_late(self):
        one, two = self.lab[1], self.lab[2]
        blue = self.network("blue", "vxlan")
        begun = time.monotonic()
        port = self.ml2ctl_json("--wait=host", "port", "create", "w1", "--network", blue["id"], "--host", one.host)
        self.addCleanup(self.ml2ctl, "port", "delete", port["id"], check=False)
        self.saw(f"--wait=host port create: {(time.monotonic() - begun) * 1000:.0f} ms")
        self.assertGreater(self.applied(one), 0)
        begun = time.monotonic()
        self.ml2ctl("sync")
        self.saw(f"sync of two hosts: {(time.monotonic() - begun) * 1000:.0f} ms")
        self.assertEqual(self.applied(one), self.applied(two))
        far = self.port("w2", blue, two)

        two.agent.signal(signal.SIGSTOP)
        try:
            late = self.ml2ctl("--wait=all", "--timeout", "2", "port", "set", "w1", "--description", "x", check=False)
            self.assertEqual(late.returncode, 3, late.stderr)
            self.assertIn(f"by host {two.host}", late.stderr)
            self.assertNotIn(f"host {one.host}", late.stderr)
            self.saw(late.stderr.strip())
            self.assertEqual(self.show_port(port)["description"], "x", "the change is made all the same")
            self.ml2ctl("--wait=host", "port", "set", "w1", "--description", "y")
            wait_until(lambda: self.show_port(far)["status"] == "UNKNOWN", 15, "a dead agent's port is UNKNOWN")
            explained = self.explain("w2")
            self.assertFalse(explained["host"]["alive"])
            self.assertIn(two.host, explained["advice"])
            done = self.ml2ctl("sync")
            self.assertIn(f"not waited for host {two.host} (its agent is down", done.stderr)
            self.saw(done.stderr.strip())
            dead = self.ml2ctl("--wait=host", "port", "set", "w2", "--disable", check=False)
            self.assertEqual(dead.returncode, 3)
            self.assertIn(f"nobody carries it out on host {two.host}", dead.stderr)
            refused = two.ml2ctl("--timeout", "1", "status", check=False)
            self.assertEqual(refused.returncode, 1)
        finally:
            two.agent.signal(signal.SIGCONT)
        self.ml2ctl("sync")
        wait_until(lambda: self.show_port(far)["status"] == "DOWN", 10, "the host is back")

    def test_without_an_agent_the_commands_say_so(self):
        missing = os.path.join(self.lab[1].dir, "none.ctl")
        for command in (["status"], ["events"], ["dump", "plan"], ["recompute"], ["trace", "x", "icmp"]):
            done = self.ml2ctl("--ctl", missing, *command, check=False)
            self.assertEqual(done.returncode, 1, command)
            self.assertIn(f"no agent answers at {missing}", done.stderr)
