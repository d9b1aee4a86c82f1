"""A laboratory: hypervisors with real Open vSwitch on one machine, in network namespaces.

What it is: class Lab builds N hypervisors, each a network namespace with its own ovsdb-server, ovs-vswitchd (userspace
datapath) and, when told, an ml2-agent; virtual machines are further namespaces. The system tests and
scripts/quickstart use it.

    fabric namespace: three Linux bridges
      mgmt   10.255.0.0/24        the way to the ML2 database (stays when ovs-vswitchd is away)
      under  192.168.100.0/24     the underlay of the tunnels; on each hypervisor the address is on br-phy
      prov   no addresses         the provider network physnet1; on each hypervisor it ends in br-ex

Needs: root (or the capabilities to make network namespaces), Open vSwitch's programs, iproute2, iputils-ping,
ethtool. Touches nothing outside its own namespaces and its own directory; the machine's own Open vSwitch, if any, is
not used.

Failure: every error is a LabError with a sentence, the command and what it printed. Leftovers of a run that was
killed are removed by cleanup_stale(), which every Lab calls first: only namespaces with our prefix whose owner, as
recorded in the lab's directory, is gone.

What it does not do: it knows nothing of flows or tables; a test asks the switch.
"""
import atexit
import json
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import time

from netns import BackgroundPing, Capture, Namespace, Ping, PREFIX, VirtualMachine, namespaces  # noqa: F401
from processes import (Daemon, DaemonEnded, LabError, end_processes, pids_in_namespace, run,  # noqa: F401
                       start_time_of, wait_until)

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
STATE_PREFIX = "ml2-lab-"         # directories: <tmp>/ml2-lab-<four hex digits>
NAMESPACE = re.compile(r"^ml2-([0-9a-f]{4})-[a-z0-9-]+$")
UNDERLAY_MTU = 1600               # room for a 1500 byte network's VXLAN over IPv6 (70 bytes)
PHYSNET = "physnet1"


def state_root():
    return tempfile.gettempdir()


def remove_lab(token, directory=None):
    """Ends every process in the namespaces of the lab with this token, removes them and its directory."""
    mine = [name for name in namespaces() if (match := NAMESPACE.match(name)) and match.group(1) == token]
    pids = [pid for name in mine for pid in pids_in_namespace(name)]
    end_processes(pids)
    for name in mine:
        run(["ip", "netns", "delete", name], check=False)
    directory = directory or os.path.join(state_root(), STATE_PREFIX + token)
    shutil.rmtree(directory, ignore_errors=True)


def cleanup_stale(kept_too=False):
    """Removes labs whose owner is gone (a run that was killed); with kept_too also those left on purpose.

    Returns the names of what was removed.
    """
    removed = []
    for entry in sorted(os.listdir(state_root())):
        match = re.fullmatch(STATE_PREFIX + "([0-9a-f]{4})", entry)
        if not match:
            continue
        directory = os.path.join(state_root(), entry)
        try:
            with open(os.path.join(directory, "state.json"), encoding="utf-8") as text:
                state = json.load(text)
        except (OSError, ValueError):
            continue  # being made or being removed by another run
        if start_time_of(state["pid"]) == state["start_time"]:
            continue
        if state.get("kept") and not kept_too:
            continue
        remove_lab(match.group(1), directory)
        removed.append(entry)
    return removed


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


class Lab:
    """N hypervisors and what is between them. Use as a context manager, or call start() and stop()."""

    def __init__(self, hypervisors=2, bin_dir=None, ml2_db_on="hv1", say=None, underlay_mtu=UNDERLAY_MTU):
        self.count = hypervisors
        self.underlay_mtu = underlay_mtu
        self.bin_dir = bin_dir or os.environ.get("ML2_BIN_DIR") or os.path.join(SOURCE, "build", "release", "bin")
        # "hv1": beside Open_vSwitch on hypervisor 1; "own": a server of its own; "cluster": three servers and a relay
        self.ml2_db_on = ml2_db_on
        self.say = say or (lambda text: None)
        self.token = self.dir = self.fabric = None
        self.hypervisors, self.vms = [], {}
        self.ml2_db = None                    # the remote by which every hypervisor reaches the ML2 database
        self.ml2_db_server = None
        self.ml2_db_cluster, self.ml2_db_relay, self.ml2_db_relay_remote = [], None, None
        self.kept = False
        self._stopped = False

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.show_logs()
        self.stop()

    def __getitem__(self, index):
        """lab[1] is hypervisor 1."""
        return self.hypervisors[index - 1]

    def program(self, name):
        path = os.path.join(self.bin_dir, name)
        if not os.access(path, os.X_OK):
            raise LabError(f"{path} is missing: build it first (cmake --preset release && "
                           "cmake --build --preset release)")
        return path

    def start(self):
        if os.geteuid() != 0:
            raise LabError("the laboratory makes network namespaces: run it as root")
        for name in cleanup_stale():
            self.say(f"removed what an earlier run left: {name}")
        self._reserve()
        atexit.register(self.stop)
        try:
            self._build()
        except BaseException:
            self.show_logs()
            self.stop()
            raise
        return self

    def _reserve(self):
        """A free token, and the record by which a later run knows that this lab's owner is gone."""
        while True:
            self.token = secrets.token_hex(2)
            self.dir = os.path.join(state_root(), STATE_PREFIX + self.token)
            if any(name.startswith(f"{PREFIX}-{self.token}-") for name in namespaces()):
                continue
            try:
                os.mkdir(self.dir, 0o700)
            except FileExistsError:
                continue
            self._write_state()
            return

    def _write_state(self, **more):
        state = {"pid": os.getpid(), "start_time": start_time_of(os.getpid()), **more}
        temporary = os.path.join(self.dir, "state.json.new")
        with open(temporary, "w", encoding="utf-8") as text:
            json.dump(state, text)
        os.replace(temporary, os.path.join(self.dir, "state.json"))

    def _build(self):
        self.fabric = Namespace(self, "fabric")
        for bridge in ("mgmt", "under", "prov"):
            self.fabric.run("ip", "link", "add", bridge, "type", "bridge")
            # No multicast snooping (it would drop neighbour discovery for a while) and no learning delay.
            self.fabric.run("ip", "link", "set", bridge, "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
            self.fabric.run("ip", "link", "set", bridge, "up")
        for index in range(1, self.count + 1):
            hypervisor = Hypervisor(self, index)
            self.hypervisors.append(hypervisor)
            hypervisor.start_network()
        self._place_ml2_db()
        for hypervisor in self.hypervisors:
            hypervisor.create_databases()
            hypervisor.start_ovsdb_server()
            hypervisor.start_vswitchd()
            hypervisor.configure_ovs()
        first, last = self.hypervisors[0], self.hypervisors[-1]
        if first is not last:
            wait_until(lambda: first.ping(last.local_ip, count=1).ok, 10, "the underlay works")

    def _place_ml2_db(self):
        schema = os.path.join(SOURCE, "ovsdb", "ml2.ovsschema")
        if self.ml2_db_on == "cluster":
            self._start_cluster(schema)
            return
        if self.ml2_db_on == "own":
            database = os.path.join(self.dir, "ml2.db")
            address = "10.255.0.254"
            self.fabric.run("ip", "address", "add", f"{address}/24", "dev", "mgmt")
            run(["ovsdb-tool", "create", database, schema])
            command = self.fabric.wrap("ovsdb-server", database, f"--remote=ptcp:6640:{address}", "--no-chdir",
                                       f"--unixctl={self.dir}/ml2-db.ctl", "-vconsole:info", "-vsyslog:off")
            self.ml2_db_server = Daemon(self, "ML2 ovsdb-server", command, os.path.join(self.dir, "ml2-db.log"),
                                        {"OVS_RUNDIR": self.dir}).start()
        else:
            owner = self.hypervisors[0]
            address = owner.mgmt_ip
            owner.databases.append(os.path.join(owner.dir, "ml2.db"))
            owner.remotes.append(f"ptcp:6640:{address}")
            run(["ovsdb-tool", "create", owner.databases[1], schema])
        self.ml2_db = f"tcp:{address}:6640"

    def _start_cluster(self, schema):
        addresses = [f"10.255.0.{host}" for host in (251, 252, 253)]
        remotes = [f"tcp:{address}:6640" for address in addresses]
        for index, address in enumerate(addresses):
            self.fabric.run("ip", "address", "add", f"{address}/24", "dev", "mgmt")
            name = os.path.join(self.dir, f"ml2-{index}")
            raft = [f"tcp:{peer}:6644" for peer in addresses]
            if index == 0:
                run(["ovsdb-tool", "create-cluster", name + ".db", schema, raft[0]])
            else:
                run(["ovsdb-tool", "join-cluster", name + ".db", "ML2", raft[index], raft[0]])
            self.ml2_db_cluster.append(self._database_server(f"ML2 server {index}", name, name + ".db", address))
            self.fabric.run("ovsdb-client", "--timeout=30", "wait", remotes[index], "ML2", "connected")
        self.ml2_db = ",".join(remotes)
        self.fabric.run("ip", "address", "add", "10.255.0.250/24", "dev", "mgmt")
        self.ml2_db_relay = self._database_server("ML2 relay", os.path.join(self.dir, "ml2-relay"),
                                                  f"relay:ML2:{self.ml2_db}", "10.255.0.250")
        self.ml2_db_relay_remote = "tcp:10.255.0.250:6640"

    def _database_server(self, name, base, database, address):
        command = self.fabric.wrap("ovsdb-server", database, f"--remote=ptcp:6640:{address}", "--no-chdir",
                                   f"--unixctl={base}.ctl", "-vconsole:info", "-vsyslog:off")
        server = Daemon(self, name, command, base + ".log", {"OVS_RUNDIR": self.dir}).start()
        server.ctl = base + ".ctl"
        return server

    def cluster_leader(self):
        """The server of the ML2 database's cluster that leads it now."""
        def leader():
            for server in self.ml2_db_cluster:
                if not server.alive():
                    continue
                done = run(["ovs-appctl", "-t", server.ctl, "cluster/status", "ML2"], check=False)
                if re.search(r"^Role: leader", done.stdout, re.M):
                    return server
            return None
        return wait_until(leader, 20, "the cluster of the ML2 database has a leader")

    def start_agents(self, changes=None, deadline=30):
        for hypervisor in self.hypervisors:
            hypervisor.write_ini(changes)
            hypervisor.start_agent(wait=False)
        for hypervisor in self.hypervisors:
            hypervisor.wait_in_sync(deadline)

    def settle(self, deadline=30):
        """Waits until every running agent has nothing more to do."""
        for hypervisor in self.hypervisors:
            if hypervisor.agent is not None and hypervisor.agent.alive():
                hypervisor.wait_in_sync(deadline)

    def vm(self, name, hypervisor):
        """A new virtual machine, without a port."""
        machine = VirtualMachine(self, name, hypervisor)
        self.vms[name] = machine
        return machine

    def remove_vm(self, name):
        self.vms.pop(name).remove()

    def keep(self):
        """Leaves everything running after this process; cleanup_stale(kept_too=True) removes it."""
        self._write_state(kept=True)
        self.kept = True
        atexit.unregister(self.stop)

    def stop(self):
        """Ends everything; may be called twice."""
        if self._stopped or self.kept or self.token is None:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        # In this order, so that no daemon complains of another's end.
        for hypervisor in self.hypervisors:
            for daemon in (hypervisor.agent, hypervisor.vswitchd, hypervisor.ovsdb_server):
                if daemon is not None and daemon.alive():
                    daemon.signal(signal.SIGTERM)
        for hypervisor in self.hypervisors:
            for daemon in (hypervisor.agent, hypervisor.vswitchd, hypervisor.ovsdb_server):
                if daemon is not None and daemon.process is not None:
                    try:
                        daemon.wait(3)
                    except LabError:
                        daemon.kill()
        remove_lab(self.token, self.dir)

    def daemons(self):
        found = [server for server in (self.ml2_db_server, *self.ml2_db_cluster, self.ml2_db_relay) if server]
        for hypervisor in self.hypervisors:
            found += [daemon for daemon in (hypervisor.agent, hypervisor.vswitchd, hypervisor.ovsdb_server) if daemon]
        return found

    def show_logs(self, lines=60, stream=None):
        """The ends of the agents' logs whole, and of the switches' logs the warnings."""
        stream = stream or sys.stderr
        for daemon in self.daemons():
            text = daemon.log_text(last_start_only=False).splitlines()
            if "ml2-agent" not in daemon.name:
                text = [line for line in text if re.search(r"\|(WARN|ERR|EMER)\||--- |rror", line)]
            print(f"----- {daemon.name}{'' if daemon.alive() else ' (not running)'}: {daemon.log}", file=stream)
            print("\n".join(text[-lines:]), file=stream)
