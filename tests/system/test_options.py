"""Options, as they are found in Open vSwitch's rows, changed in place by a restart; where logs and figures go; who runs."""
import os
import socket
import stat
import textwrap

from case import LabError, SystemTest, wait_until
from processes import Daemon

PEER = "192.168.100.77"
# /dev of its own, with a socket where syslog(3) writes to: nothing of the machine's is touched.
WITH_SYSLOG = """\
#!/bin/sh
exec unshare --mount sh -c '
    for node in null urandom; do touch {dev}/$node; mount --bind /dev/$node {dev}/$node; done
    mount --rbind {dev} /dev
    exec "$@"' sh {program} "$@"
"""


class OptionsTest(SystemTest):
    hypervisors = 1
    start_agents = False

    def setUp(self):
        super().setUp()
        self.hv = self.lab[1]

    def tearDown(self):
        super().tearDown()
        if self.hv.agent is not None and self.hv.agent.alive():
            self.hv.agent.stop()

    def run_agent(self, changes=None):
        if self.hv.agent is not None and self.hv.agent.alive():
            self.hv.agent.stop()
        self.hv.write_ini(changes)
        self.hv.start_agent()

    def row(self, table, name, column):
        """A column of a row, as a dictionary or a word."""
        text = self.hv.ovs_vsctl("get", table, name, column).stdout.strip()
        if not text.startswith("{"):
            return text.strip('"')
        words = [word.partition("=") for word in text[1:-1].split(", ") if word]
        return {key: value.strip('"') for key, _, value in words}

    def wait_row(self, table, name, column, wanted):
        """wanted: {key: value, or None where there shall be none}."""
        def there():
            found = self.row(table, name, column)
            if any(found.get(key) != value for key, value in wanted.items()):
                raise LabError(f"{table} {name} {column}: {found}")
            return found
        return wait_until(there, 10, f"{table} {name} {column} has {wanted}")

    def peer(self):
        """Another host, which announces a VTEP."""
        ids = [result["uuid"][1] for result in self.transact(
            self.lab.ml2_db, "ML2",
            {"op": "insert", "table": "Endpoint", "uuid-name": "e", "row": {
                "tunnel_type": "vxlan", "ip_address": PEER, "udp_port": 8472}},
            {"op": "insert", "table": "Host", "row": {
                "name": "far", "admin_state_up": True, "report_interval": 30, "heartbeat": 1, "tunnel_types": "vxlan",
                "endpoints": ["named-uuid", "e"]}})]
        self.addCleanup(self.transact, self.lab.ml2_db, "ML2",
                        {"op": "delete", "table": "Host", "where": [["_uuid", "==", ["uuid", ids[1]]]]})

    def test_tunnel_ports(self):
        self.peer()
        first = {"dscp": "26", "dont_fragment": "false", "tunnel_csum": "true", "vxlan_udp_port": "8472"}
        second = {"dscp": "26", "dscp_inherit": "true"}
        self.run_agent({"agent": first})
        name = "vxlan-c0a8644d"  # the incumbent's name of 192.168.100.77
        self.wait_row("Interface", name, "options", {
            "df_default": "false", "csum": "true", "tos": "104", "dst_port": "8472", "in_key": "flow", "out_key": "flow",
            "egress_pkt_mark": "0", "local_ip": self.hv.local_ip, "remote_ip": PEER})
        number = self.row("Interface", name, "ofport")
        self.run_agent({"agent": second})
        self.wait_row("Interface", name, "options", {"df_default": "true", "csum": None, "tos": "inherit", "dst_port": None})
        self.assertEqual(self.row("Interface", name, "ofport"), number, "changed in place")
        self.run_agent({"agent": {**first, "tunnel_mode": "flow-based"}})
        flow = wait_until(lambda: next((port for port in self.hv.ovs_vsctl("list-ports", "br-tun").stdout.split()
                                        if port.startswith("vxlan") and port != name), None), 10, "one port for all peers")
        options = self.wait_row("Interface", flow, "options", {
            "remote_ip": "flow", "df_default": "false", "csum": "true", "tos": "104", "dst_port": "8472"})
        self.saw(f"{flow}: {options}")
        wait_until(lambda: name not in self.hv.ovs_vsctl("list-ports", "br-tun").stdout, 10, "the port for one peer is gone")

    def test_multicast_and_mac_tables(self):
        keys = ("mcast-snooping-flood", "mcast-snooping-flood-reports")
        for snooping in (True, False):
            self.run_agent({"ovs": {"igmp_snooping_enable": str(snooping), "igmp_flood": "true",
                                    "igmp_flood_reports": str(snooping), "bridge_mac_table_size": "2345"}})
            for port in ("patch-tun", "int-br-ex"):
                self.wait_row("Port", port, "other_config", dict.fromkeys(keys, str(snooping)))
            self.wait_row("Bridge", "br-int", "other_config", {
                "mcast-snooping-disable-flood-unregistered": str(snooping).lower()})
            self.assertEqual(self.row("Bridge", "br-int", "mcast_snooping_enable"), str(snooping).lower())
        for bridge in ("br-int", "br-tun", "br-ex"):
            self.wait_row("Bridge", bridge, "other_config", {"mac-table-size": "2345"})
            stats = self.hv.run("ovs-appctl", "-t", f"{self.hv.rundir}/ovs-vswitchd.ctl", "fdb/stats-show", bridge).stdout
            self.assertIn("/2345", stats)

    def test_figures_on_a_loopback_port(self):
        def figures():
            return self.hv.run("python3", "-c", "import urllib.request as u;"
                               "print(u.urlopen('http://127.0.0.1:9478/metrics', timeout=5).read().decode())").stdout

        # Taken by another process: the agent does its work, says so, and listens when the port is free.
        taken = Daemon(self.lab, "another on the port", self.hv.wrap(
            "python3", "-c", "import socket, time; s = socket.create_server(('127.0.0.1', 9478)); time.sleep(600)"),
            os.path.join(self.hv.dir, "taken.log")).start()
        self.addCleanup(taken.kill)
        wait_until(lambda: "9478" in self.hv.run("ss", "-ltn").stdout, 10, "the port is taken")
        self.run_agent({"agent": {"metrics_listen": "127.0.0.1:9478"}})
        problem = wait_until(lambda: next((text for text in self.hv.status()["problems"] if "9478" in text), None), 10,
                             "status says it")
        self.saw(problem)
        self.assertIn("metrics_listen: cannot listen on 127.0.0.1:9478: Address already in use", problem)
        taken.kill()
        wait_until(lambda: not self.hv.status()["problems"], 10, "the port is listened on")
        self.assertIn("ml2_agent_in_sync 1", figures())

    def test_syslog(self):
        dev = os.path.join(self.hv.dir, "dev")
        os.mkdir(dev)
        script = os.path.join(self.hv.dir, "with-syslog")
        with open(script, "w", encoding="ascii") as text:
            text.write(textwrap.dedent(WITH_SYSLOG).format(dev=dev, program=self.lab.program("ml2-agent")))
        os.chmod(script, 0o755)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(os.path.join(dev, "log"))
            listener.settimeout(10)
            self.hv.write_ini({"DEFAULT": {"use_syslog": "true", "syslog_log_facility": "LOG_LOCAL3"}})
            self.hv.start_agent(program=script)
            lines = [listener.recv(4096).decode()]
            while "in sync" not in lines[-1]:
                lines.append(listener.recv(4096).decode())
        self.saw(lines[-1])
        priority = 19 << 3 | 5  # LOG_LOCAL3, and LOG_NOTICE as Open vSwitch's vlog has it for INFO (RFC 3164 section 4.1.1)
        self.assertTrue(lines[-1].startswith(f"<{priority}>"), lines[-1])
        self.assertIn("ml2-agent", lines[-1])

    def test_ovs_appctl_by_name_and_two_agents(self):
        def appctl(*command, check=True):  # as an operator: OVS_RUNDIR is the lab's default
            return self.hv.run("ovs-appctl", "-t", "ml2-agent", *command, check=check)
        self.run_agent()
        for command, word in ((("version",), "ml2-agent"), (("vlog/list",), "reconcile"), (("memory/show",), "flows:"),
                              (("recompute",), "plan is empty")):
            self.assertIn(word, appctl(*command).stdout)
        wait_until(lambda: "poll_create_node" in appctl("coverage/show").stdout, 5, "the library sums up once a second")
        appctl("vlog/set", "reconcile:dbg")
        self.assertRegex(appctl("vlog/list").stdout, r"reconcile +\S*DBG|reconcile.*DBG")
        self.assertEqual(stat.S_IMODE(os.stat(self.hv.ctl).st_mode), 0o600)

        # A second agent, which was given another control socket and so does not see the first by it.
        other = os.path.join(self.hv.dir, "other.ctl")
        command = self.hv.agent_command()
        command[command.index("--ctl") + 1] = other
        done = self.hv.run(*command, check=False, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"another ml2-agent (process {self.hv.agent.pid})", done.stderr)
        self.saw(done.stderr.strip().splitlines()[-1])
        self.assertTrue(self.hv.agent.alive())

        killed = self.hv.agent.pid
        self.hv.agent.kill()
        self.hv.start_agent()
        self.assertIn("ml2-agent", appctl("version").stdout)
        self.assertFalse(os.path.lexists(f"{self.hv.rundir}/ml2-agent.{killed}.ctl"), "what a killed one left is gone")
        self.hv.agent.stop()
        self.assertEqual([name for name in os.listdir(self.hv.rundir) if name.startswith("ml2-agent")], [])
        self.assertEqual(appctl("version", check=False).returncode, 1)
