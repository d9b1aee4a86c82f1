"""A hypervisor of a laboratory (lab.py): a network namespace with its own Open vSwitch and, when told, an ml2-agent.

What it is: class Hypervisor starts and stops the daemons, makes the bridges, writes the agent's ini, and asks: the switch for
its flows, the agent for its status.
Failure: a LabError with a sentence, the command and what it printed.
What it does not do: nothing of the fabric around it; that is the lab's.
"""
import json
import os
import re
import time

from netns import Namespace
from processes import Daemon, DaemonEnded, LabError, run, wait_until

PHYSNET = "physnet1"


class Hypervisor(Namespace):
    """A namespace with its own Open vSwitch and, when started, an ml2-agent."""

    def __init__(self, lab, index):
        super().__init__(lab, f"hv{index}")
        self.index = index
        self.host = f"hv{index}"                       # [DEFAULT] host of its agent
        self.mgmt_ip = f"10.255.0.{index}"
        self.local_ip = f"192.168.100.{10 * index}"
        self.local_ip6 = f"fd00:100::{10 * index}"
        self.dir = os.path.join(lab.dir, self.host)
        self.rundir = os.path.join(self.dir, "run")
        self.ini = os.path.join(self.dir, "openvswitch_agent.ini")
        self.extra_files = []                          # config files that the agent reads before it
        self.ctl = os.path.join(self.dir, "ml2-agent.ctl")
        self.db_sock = os.path.join(self.rundir, "db.sock")
        self.ovsdb = "unix:" + self.db_sock
        os.makedirs(self.rundir)
        os.makedirs(os.path.join(self.dir, "etc"))
        self.env = {"OVS_RUNDIR": self.rundir, "OVS_LOGDIR": self.dir, "OVS_DBDIR": self.dir,
                    "OVS_SYSCONFDIR": os.path.join(self.dir, "etc"), "ML2_CONFIG_FILES": self.ini,
                    "ML2_CTL": self.ctl}
        self.ovsdb_server = self.vswitchd = self.agent = None
        self.databases = [os.path.join(self.dir, "conf.db")]
        self.remotes = ["punix:" + self.db_sock]
        self.physical_bridge = "br-ex"

    # --- Open vSwitch

    def run(self, *command, check=True, timeout=60, env=None, stdin=None):
        return super().run(*command, check=check, timeout=timeout, env={**self.env_or_empty(), **(env or {})},
                           stdin=stdin)

    def env_or_empty(self):
        return getattr(self, "env", {})

    def connect(self, bridge, device, up=True):
        """A veth from this namespace to a bridge of the fabric."""
        fabric_end = f"{bridge}-{self.name}"
        run(["ip", "link", "add", device, "netns", self.netns, "type", "veth", "peer", "name", fabric_end,
             "netns", self.lab.fabric.netns])
        self.lab.fabric.run("ip", "link", "set", fabric_end, "master", bridge, "up")
        mtu = str(self.lab.underlay_mtu)
        self.lab.fabric.run("ip", "link", "set", fabric_end, "mtu", mtu)
        self.run("ip", "link", "set", device, "mtu", mtu)
        self.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", check=False)
        self.lab.fabric.run("ethtool", "-K", fabric_end, "tx", "off", "tso", "off", "gso", "off", check=False)
        if up:
            self.run("ip", "link", "set", device, "up")

    def start_network(self):
        self.connect("mgmt", "mgmt0")
        self.run("ip", "address", "add", f"{self.mgmt_ip}/24", "dev", "mgmt0")
        self.connect("under", "under0")
        self.connect("prov", "prov0")

    def create_databases(self):
        schema = os.environ.get("OVS_SCHEMA", "/usr/share/openvswitch/vswitch.ovsschema")
        run(["ovsdb-tool", "create", self.databases[0], schema])

    def start_ovsdb_server(self):
        command = self.wrap("ovsdb-server", *self.databases, *[f"--remote={remote}" for remote in self.remotes],
                            f"--unixctl={self.rundir}/ovsdb-server.ctl", f"--pidfile={self.rundir}/ovsdb-server.pid",
                            "--overwrite-pidfile", "--no-chdir", "-vconsole:info", "-vsyslog:off")
        self.ovsdb_server = Daemon(self.lab, f"{self.host} ovsdb-server", command,
                                   os.path.join(self.dir, "ovsdb-server.log"), self.env).start()
        wait_until(lambda: os.path.exists(self.db_sock) and self.ovs_vsctl("--no-wait", "show", check=False).returncode == 0,
                   10, f"{self.host}: ovsdb-server answers")

    def start_vswitchd(self):
        command = self.wrap("ovs-vswitchd", self.ovsdb, f"--unixctl={self.rundir}/ovs-vswitchd.ctl",
                            f"--pidfile={self.rundir}/ovs-vswitchd.pid", "--overwrite-pidfile", "--no-chdir",
                            "-vconsole:info", "-vsyslog:off")
        self.vswitchd = Daemon(self.lab, f"{self.host} ovs-vswitchd", command,
                               os.path.join(self.dir, "ovs-vswitchd.log"), self.env).start()
        wait_until(lambda: run(["ovs-appctl", "-t", f"{self.rundir}/ovs-vswitchd.ctl", "version"],
                               check=False).returncode == 0, 15, f"{self.host}: ovs-vswitchd answers")

    def configure_ovs(self):
        """What an operator's machine has before the agent: br-phy with the tunnel address, br-ex with the provider NIC."""
        mac = f"02:00:00:00:01:{self.index:02x}"
        self.ovs_vsctl(
            "--no-wait", "init", "--", "set", "Open_vSwitch", ".", f"external-ids:system-id={self.host}",
            "other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1")
        self.ovs_vsctl(
            "add-br", "br-phy", "--", "set", "Bridge", "br-phy", "datapath_type=netdev", "fail_mode=standalone",
            f'other-config:hwaddr="{mac}"', "--", "add-port", "br-phy", "under0",
            "--", "set", "Interface", "br-phy", f"mtu_request={self.lab.underlay_mtu}")
        self.add_physical_bridge()
        self.address_underlay()

    def add_physical_bridge(self):
        self.ovs_vsctl("--may-exist", "add-br", self.physical_bridge, "--", "set", "Bridge", self.physical_bridge,
                       "datapath_type=netdev", "--", "--may-exist", "add-port", self.physical_bridge, "prov0")

    def address_underlay(self):
        """The tunnel address on br-phy; again after every start of ovs-vswitchd, as the machine's ifupdown would."""
        wait_until(lambda: self.run("ip", "link", "show", "br-phy", check=False).returncode == 0, 10,
                   f"{self.host}: br-phy is there")
        self.run("ip", "link", "set", "br-phy", "mtu", str(self.lab.underlay_mtu), "up")
        self.run("ip", "address", "replace", f"{self.local_ip}/24", "dev", "br-phy")
        self.run("ip", "address", "replace", f"{self.local_ip6}/64", "dev", "br-phy", "nodad")

    def restart_vswitchd(self, hard=True):
        self.vswitchd.kill() if hard else self.vswitchd.stop()
        self.start_vswitchd()
        self.address_underlay()

    def restart_ovsdb_server(self, hard=False, pause=0.0):
        self.ovsdb_server.kill() if hard else self.ovsdb_server.stop()
        if pause:
            time.sleep(pause)
        if hard and os.path.exists(self.db_sock):
            os.unlink(self.db_sock)
        self.start_ovsdb_server()

    def ovs_vsctl(self, *arguments, check=True, timeout=30):
        return self.run("ovs-vsctl", f"--db={self.ovsdb}", *arguments, check=check, timeout=timeout)

    def flows(self, bridge):
        """ovs-ofctl dump-flows, one line per flow."""
        out = self.run("ovs-ofctl", "-O", "OpenFlow14", "--no-names", "dump-flows", bridge).stdout
        return [line.strip() for line in out.splitlines() if "cookie=" in line]

    def flow_counters(self, bridge):
        """{flow without its counters: (duration in seconds, n_packets)}"""
        found = {}
        for line in self.flows(bridge):
            if "_timeout=" in line.partition("actions=")[0]:
                continue  # learned: they come and go
            duration = float(re.search(r"duration=([\d.]+)s", line).group(1))
            packets = int(re.search(r"n_packets=(\d+)", line).group(1))
            key = re.sub(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^, ]+,? ?", "", line)
            found[key] = (duration, packets)
        return found

    def bridges(self):
        return self.ovs_vsctl("list-br").stdout.split()

    # --- the agent

    def default_options(self):
        return {
            "DEFAULT": {"host": self.host},
            "ml2": {"type_drivers": "local,flat,vlan,gre,vxlan,geneve", "project_network_types": "vxlan",
                    "mechanism_drivers": "openvswitch"},
            "ml2_type_flat": {"flat_networks": PHYSNET},
            "ml2_type_vlan": {"network_vlan_ranges": f"{PHYSNET}:100:199"},
            "ml2_type_vxlan": {"vni_ranges": "1:1000"},
            "ovs": {"integration_bridge": "br-int", "tunnel_bridge": "br-tun", "local_ip": self.local_ip,
                    "bridge_mappings": f"{PHYSNET}:{self.physical_bridge}", "datapath_type": "netdev",
                    "ovsdb_connection": self.ovsdb},
            "agent": {"tunnel_types": "vxlan", "report_interval": "2"},
            "securitygroup": {"enable_security_group": "false"},
            "ml2_db": {"connection": self.lab.ml2_db},
        }

    def write_ini(self, changes=None, path=None):
        """The agent's ini; changes is {section: {option: value, or None to leave it out}}."""
        options = self.default_options()
        for section, values in (changes or {}).items():
            options.setdefault(section, {}).update(values)
        lines = []
        for section, values in options.items():
            lines.append(f"[{section}]")
            lines += [f"{option} = {value}" for option, value in values.items() if value is not None]
            lines.append("")
        path = path or self.ini
        with open(path, "w", encoding="utf-8") as text:
            text.write("\n".join(lines))
        return path

    def agent_command(self, *extra, ini=None):
        files = [argument for name in (*self.extra_files, ini or self.ini) for argument in ("--config-file", name)]
        return [self.lab.program("ml2-agent"), *files, "--ovs-rundir", self.rundir, "--ctl", self.ctl, *extra]

    def start_agent(self, wait=True, deadline=30, env=None, program=None):
        """program: another ml2-agent than the lab's, for upgrades."""
        if not os.path.exists(self.ini):
            self.write_ini()
        command = self.agent_command()
        self.agent = Daemon(self.lab, f"{self.host} ml2-agent", self.wrap(program or command[0], *command[1:]),
                            os.path.join(self.dir, "ml2-agent.log"), {**self.env, **(env or {})}).start()
        if wait:
            self.wait_in_sync(deadline)
        return self.agent

    def agent_call(self, *arguments, check=True, timeout=20):
        """A method of the agent's control socket; returns its answer."""
        done = run(["ovs-appctl", "-t", self.ctl, *arguments], check=check, timeout=timeout)
        return done.stdout.strip() if done.returncode == 0 else (done.stderr or done.stdout).strip()

    def status(self):
        return json.loads(self.agent_call("status", "json"))

    def wait_in_sync(self, deadline=30):
        def settled():
            if not self.agent.alive():
                raise DaemonEnded(f"{self.agent.name} ended with status {self.agent.process.returncode}")
            status = self.status()
            if not (status["in_sync"] and status["plan_empty"]):
                raise LabError(f"status: {json.dumps(status)[:1500]}")
            return status
        return wait_until(settled, deadline, f"{self.host}: the agent is in sync and its plan is empty")

    def recompute(self):
        """Reads everything again, computes from nothing; returns the plan as text ("plan is empty")."""
        return self.agent_call("recompute", timeout=60)

    # --- the ML2 database

    def ml2ctl(self, *arguments, check=True, timeout=30, json_output=False):
        """As an operator on this hypervisor: both databases are the ones that the ini names."""
        if not os.path.exists(self.ini):
            self.write_ini()
        command = [self.lab.program("ml2ctl")]
        if json_output:
            command += ["--format", "json"]
        done = self.run(*command, *arguments, check=check, timeout=timeout)
        return json.loads(done.stdout) if json_output and check else done
