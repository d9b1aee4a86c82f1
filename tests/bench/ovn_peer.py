"""The agent beside OVN's ovn-controller (Debian's ovn-host), at the same size, in the same run, one after the other.

What it is: a round is agent.py's cases for N ports, then the same cases for ovn-controller on a node of its own: a private
ovsdb-server (Open_vSwitch, OVN_Northbound, OVN_Southbound), a private ovs-vswitchd with dummy devices, ovn-northd. Rounds are
repeated; medians count. The peer's networks are logical switches with geneve, without ACLs, routers or port security (ours check
what ports send: the peer has less to do). CPU is that of ovn-controller alone, without ovn-northd's, counted as the agent's is.
flow_mods: of the peer the OpenFlow messages that it sent, which are one for each flow and a few more.
Prints one JSON object a line: bench, case, metric, value, unit, peer, peer_value, ratio (peer_value / value: above 1 ours is
better), rounds. The last lines are a table for people.

    full/N, idle/N, one-port/N, restart/N as in agent.py; the peer's restart is `exit --restart`, its gentlest.

Failure: LabError. What it does not do: no traffic; no figures of ovs-vswitchd.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import time
import uuid

import agent
from agent import BenchLab, Daemon, LabError, Node, Ovsdb, ref, run, wait_until
from processes import DaemonEnded

PROGRAMS = ("ovn-controller", "ovn-northd", "ovn-nbctl")
SCHEMAS = "/usr/share/ovn"
CHASSIS = "hv1"
NOTHING = 0.5  # ms: what idle processes use may be none; a ratio to none says nothing


class OvnLab(BenchLab):
    """One node whose ovsdb-server has OVN's two databases, too."""

    def _build(self):
        node = agent.Hypervisor(self, 1)
        self.hypervisors.append(node)
        node.run("ip", "address", "add", f"{node.local_ip}/32", "dev", "lo")
        for name in ("ovn-nb", "ovn-sb"):
            path = os.path.join(node.dir, name + ".db")
            run(["ovsdb-tool", "create", path, f"{SCHEMAS}/{name}.ovsschema"])
            node.databases.append(path)
        node.create_databases()
        node.start_ovsdb_server()
        node.ovs_vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", f"external-ids:system-id={CHASSIS}",
                       f"external-ids:ovn-remote={node.ovsdb}", "external-ids:ovn-encap-type=geneve",
                       f"external-ids:ovn-encap-ip={node.local_ip}", "external-ids:ovn-monitor-all=false")
        self.start_vswitchd(node)
        node.ovs_vsctl("--no-wait", "add-br", "br-int", "--", "set", "Bridge", "br-int", "fail_mode=secure",
                       "other-config:disable-in-band=true")


class OvnNode:
    """The peer's side of agent.Node: the same steps, by the same clock."""

    # ovn-controller takes an interface of any other type for a reason to compute everything anew (binding.c, is_iface_vif()).
    interface_type = "internal"

    def __init__(self, lab, ports):
        self.lab, self.ports, self.hv = lab, ports, lab[1]
        self.ovs, self.nb, self.sb = (Ovsdb(self.hv.db_sock, name)
                                      for name in ("Open_vSwitch", "OVN_Northbound", "OVN_Southbound"))
        self.networks = [str(uuid.uuid4()) for _ in range(max(1, ports // 5))]
        self.made = 0
        self.northd = self.controller = None
        self.figures = {}

    def emit(self, case, metric, value):
        self.figures[(f"{case}/{self.ports}", metric)] = value

    # --- rows

    def add_ports(self, numbers, prefix):
        """Logical switch ports of these numbers, spread over the networks."""
        numbers = list(numbers)
        for start in range(0, len(numbers), agent.BATCH):
            operations, by_switch = [], {}
            for number in numbers[start:start + agent.BATCH]:
                low = f"{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
                row, switch = str(uuid.uuid4()), self.networks[number % len(self.networks)]
                address = f"fa:16:3e:{low} 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
                operations.append({"op": "insert", "table": "Logical_Switch_Port", "uuid": row,
                                   "row": {"name": f"{prefix}{number}", "addresses": address}})
                by_switch.setdefault(switch, []).append(ref(row))
            operations += [{"op": "mutate", "table": "Logical_Switch", "where": [["_uuid", "==", ref(switch)]],
                            "mutations": [["ports", "insert", ["set", rows]]]} for switch, rows in by_switch.items()]
            self.nb.transact(operations)

    def bound_rows(self, columns=("_uuid", "logical_port", "chassis", "up")):
        return self.sb.transact([{"op": "select", "table": "Port_Binding", "where": [],
                                  "columns": list(columns)}])[0]["rows"]

    def fill(self):
        self.nb.insert([("Logical_Switch", row, {"name": f"net{index}"}) for index, row in enumerate(self.networks)])
        hosts = min(500, self.ports // 2)
        chassis = []
        for index in range(hosts):
            encap, row = str(uuid.uuid4()), str(uuid.uuid4())
            self.sb.transact([
                {"op": "insert", "table": "Encap", "uuid": encap,
                 "row": {"type": "geneve", "ip": f"172.16.{index >> 8}.{index & 255}", "chassis_name": f"far{index}"}},
                {"op": "insert", "table": "Chassis", "uuid": row,
                 "row": {"name": f"far{index}", "hostname": f"far{index}", "encaps": ref(encap)}}])
            chassis.append(row)
        far = min(10000, 10 * self.ports)
        self.add_ports(range(self.ports), "port")
        self.add_ports(range(100000, 100000 + far), "far")
        self.made = self.ports
        total = self.ports + far
        wait_until(lambda: len(self.bound_rows(("_uuid",))) >= total, 600, "ovn-northd has made the bindings", interval=1)
        rows = [row for row in self.bound_rows() if row["logical_port"].startswith("far")]
        for start in range(0, len(rows), agent.BATCH):
            self.sb.transact([{"op": "update", "table": "Port_Binding", "where": [["_uuid", "==", row["_uuid"]]],
                               "row": {"chassis": ref(chassis[int(row["logical_port"][3:]) % hosts]), "up": True}}
                              for row in rows[start:start + agent.BATCH]])

    def plug(self, pairs):
        Node.plug(self, pairs)

    def applied(self):
        return Node.applied(self)

    def not_up(self):
        return sum(1 for row in self.bound_rows() if row["up"] is not True)

    # --- processes

    def program(self, name, *arguments):
        # Without --unixctl, which ovn-controller 23.03 does not have: its socket is RUNDIR/NAME.PID.ctl.
        command = self.hv.wrap(name, *arguments, "--no-chdir", f"--pidfile={self.hv.rundir}/{name}.pid",
                               "--overwrite-pidfile", "-vconsole:warn", "-vsyslog:off")
        env = {**self.hv.env, "OVN_RUNDIR": self.hv.rundir}
        return Daemon(self.lab, name, command, os.path.join(self.hv.dir, name + ".log"), env).start()

    def ctl(self, *command):
        path = f"{self.hv.rundir}/ovn-controller.{self.controller.pid}.ctl"
        return self.hv.run("ovs-appctl", "-t", path, *command).stdout.strip()

    def alive(self):
        for daemon in (self.controller, self.northd):
            if not daemon.alive():
                raise DaemonEnded(f"{daemon.name} has ended: {daemon.log_text().strip()[-300:]}")
        return True

    def start_controller(self):
        self.controller = self.program("ovn-controller", self.hv.ovsdb)

    def messages(self):
        return int(self.ctl("coverage/read-counter", "rconn_sent"))

    def cpu_ms(self):
        return agent.cpu_ms_of(self.controller.pid)

    def quiet(self, seconds=0.6, deadline=300):
        return agent.quiet_cpu_ms(self.cpu_ms, seconds, deadline, "ovn-controller")

    def end(self):
        for daemon in (self.controller, self.northd):
            if daemon is not None and daemon.alive():
                daemon.kill()

    # --- cases

    def prepare(self):
        self.northd = self.program("ovn-northd", f"--ovnnb-db={self.hv.ovsdb}", f"--ovnsb-db={self.hv.ovsdb}")
        self.fill()
        self.plug([(f"tap{index}", f"port{index}") for index in range(self.ports)])
        wait_until(self.applied, 600, "ovs-vswitchd has the ports", interval=0.5)
        agent.quiet_cpu_ms(lambda: agent.cpu_ms_of(self.northd.pid), 1, 300, "ovn-northd")

    def settled(self, deadline=600):
        wait_until(lambda: self.alive() and self.not_up() == 0, deadline, "all ports are up", interval=0.5)
        wait_until(self.applied, deadline, "ovs-vswitchd has carried out the rows", interval=0.5)
        return self.quiet(2)

    def full(self):
        self.start_controller()
        cpu = self.settled()
        self.emit("full", "agent_cpu_ms", cpu)
        self.emit("full", "flow_mods", self.messages())
        self.emit("full", "rss_mb", agent.rss_mb_of(self.controller.pid))

    def idle(self):
        before = self.quiet(1.5)
        time.sleep(5)
        self.emit("idle", "agent_cpu_ms", self.cpu_ms() - before)

    def one_port(self, times=7):
        cpus, mods = [], []
        for _ in range(times):
            number = self.made
            self.made += 1
            sent, before = self.messages(), self.quiet()
            self.add_ports([number], "port")
            self.plug([(f"tap{number}", f"port{number}")])
            wait_until(lambda: any(row["logical_port"] == f"port{number}" for row in self.bound_rows())
                       and self.not_up() == 0, 120, "the port is up", interval=0.05)
            cpus.append(self.quiet(1.5) - before)
            mods.append(self.messages() - sent)
        self.emit("one-port", "agent_cpu_ms", statistics.median(cpus))
        self.emit("one-port", "flow_mods", statistics.median(mods))

    def restart(self):
        self.ctl("exit", "--restart")
        self.controller.wait(30)
        self.start_controller()
        time.sleep(1)
        cpu = self.settled()
        self.emit("restart", "agent_cpu_ms", cpu)
        self.emit("restart", "flow_mods", self.messages())
        self.emit("restart", "rss_mb", agent.rss_mb_of(self.controller.pid))


def ours(ports, bin_dir):
    """{(case, metric): (value, unit)} of one round."""
    figures = {}
    with BenchLab(0, bin_dir=bin_dir) as lab:
        node = Node(lab, ports, lambda case, metric, value, unit: figures.__setitem__((case, metric), (value, unit)))
        node.prepare()
        for case in (node.full, node.idle, node.one_port, node.restart):
            case()
    return figures


def theirs(ports):
    with OvnLab(0) as lab:
        node = OvnNode(lab, ports)
        try:
            node.prepare()
            for case in (node.full, node.idle, node.one_port, node.restart):
                case()
        finally:
            node.end()
    return node.figures


def compare(ports, rounds, bin_dir):
    mine, peers = {}, {}
    for number in range(rounds):
        print(f"{ports} ports, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for key, (value, unit) in ours(ports, bin_dir).items():
            mine.setdefault((*key, unit), []).append(value)
        for key, value in theirs(ports).items():
            peers.setdefault(key, []).append(value)
    lines = []
    for (case, metric, unit), values in mine.items():
        line = {"bench": "agent", "case": case, "metric": metric, "value": round(statistics.median(values), 3), "unit": unit}
        if (case, metric) in peers:
            theirs_ = statistics.median(peers[(case, metric)])
            small = NOTHING if unit.startswith("ms") else 0
            line |= {"peer": "ovn-controller", "peer_value": round(theirs_, 3),
                     "ratio": round(theirs_ / line["value"], 2) if line["value"] > small else None}
        line["rounds"] = len(values)
        print(json.dumps(line), flush=True)
        lines.append(line)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ports", default="100,1000", help="sizes, by commas (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the medians of so many count (default %(default)s)")
    parser.add_argument("--bin-dir", help="where ml2-agent is (default build/release/bin)")
    arguments = parser.parse_args()
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise LabError(f"{', '.join(missing)} not found: scripts/install-deps --bench installs them")
    lines = []
    for ports in [int(word) for word in arguments.ports.split(",")]:
        lines += compare(ports, arguments.rounds, arguments.bin_dir)
    print(f"\n{'case':16} {'metric':14} {'ours':>10} {'ovn-controller':>15} {'ratio':>8}", file=sys.stderr)
    for line in lines:
        if "peer" in line:
            ratio = f"{line['ratio']:.1f}x" if line["ratio"] is not None else "-"
            print(f"{line['case']:16} {line['metric']:14} {line['value']:10.1f} {line['peer_value']:15.1f} {ratio:>8}",
                  file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
