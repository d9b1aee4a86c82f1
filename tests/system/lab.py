"""A laboratory: hypervisors with real Open vSwitch on one machine, in network namespaces.

What it is: class Lab builds N hypervisors (hypervisor.py), each a network namespace with its own ovsdb-server, ovs-vswitchd
(userspace datapath) and, when told, an ml2-agent; virtual machines are further namespaces. The system tests and
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

from hypervisor import PHYSNET, Hypervisor  # noqa: F401 (the tests import them from here)
from netns import BackgroundPing, Capture, Namespace, Ping, PREFIX, VirtualMachine, namespaces  # noqa: F401
from processes import (Daemon, DaemonEnded, LabError, end_processes, pids_in_namespace, run,  # noqa: F401
                       start_time_of, wait_until)

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
STATE_PREFIX = "ml2-lab-"         # directories: <tmp>/ml2-lab-<four hex digits>
NAMESPACE = re.compile(r"^ml2-([0-9a-f]{4})-[a-z0-9-]+$")
UNDERLAY_MTU = 1600               # room for a 1500 byte network's VXLAN over IPv6 (70 bytes)


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
