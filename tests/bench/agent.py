"""The agent's cost at a size: CPU, memory and flow mods of a start, of one more port, of a restart.

What it is: a real ovsdb-server (Open_vSwitch and ML2), a real ovs-vswitchd with dummy devices (--enable-dummy=override: a
thousand machines' ports without a thousand devices), the real agent. CPU is the agent's own, by the scheduler's clock
(/proc/PID/task/*/schedstat), from before a change until everything about it is done: rows written, bundles confirmed,
statuses reported. For N ports: N/5 networks, N/2 other hosts (at most 500), 10 N ports there (at most 10,000).
Prints one JSON object a line: bench, case, metric, value, unit.

    full/N      the agent starts on a node whose N ports are plugged and whose switches are empty
    idle/N      nothing happens for five seconds
    heartbeat/N another host says that it is alive, as each does every report_interval: what that costs here
    one-port/N  one more port: its rows and its plug; the median of several; with --instructions also how many instructions
                the agent takes for it, in user space (valgrind --tool=callgrind): what caches and clocks do not touch
    restart/N   the agent is stopped and started; nothing has changed
    vswitchd-restart/N  ovs-vswitchd is killed and started: until all flows are back
    far-port/N  one more port on another host, in a network that has 2,000 there and some here: what it costs here

Failure: LabError, with the ends of the logs. What it does not do: no traffic.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import sys
import time
import uuid

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(SOURCE, "tests", "system"))

from lab import Daemon, Hypervisor, Lab, LabError, run, wait_until  # noqa: E402

BATCH = 400          # rows a transaction when filling a database
LOCAL_HOST = "hv1"


def ref(row):
    return ["uuid", row]


def emit(case, metric, value, unit):
    print(json.dumps({"bench": "agent", "case": case, "metric": metric, "value": round(value, 3), "unit": unit}),
          flush=True)


class Ovsdb:
    """A connection to an ovsdb-server: transact() with hundreds of rows, which no command line would take."""

    def __init__(self, path, database):
        self.database, self.text, self.decoder = database, "", json.JSONDecoder()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(path)

    def transact(self, operations):
        self.socket.sendall(json.dumps({"method": "transact", "params": [self.database, *operations], "id": 1}).encode())
        while True:
            while self.text.strip():
                try:
                    message, end = self.decoder.raw_decode(self.text.lstrip())
                except ValueError:
                    break
                self.text = self.text.lstrip()[end:]
                if message.get("method") == "echo":
                    self.socket.sendall(json.dumps({"result": message["params"], "error": None,
                                                    "id": message["id"]}).encode())
                    continue
                for result in message["result"] or [message]:
                    if result and result.get("error"):
                        raise LabError(f"{self.database}: {result}")
                return message["result"]
            data = self.socket.recv(1 << 20)
            if not data:
                raise LabError(f"{self.database}: ovsdb-server closed the connection")
            self.text += data.decode()

    def insert(self, rows):
        """rows: (table, uuid, columns)."""
        for start in range(0, len(rows), BATCH):
            self.transact([{"op": "insert", "table": table, "uuid": row, "row": columns}
                           for table, row, columns in rows[start:start + BATCH]])

    def close(self):
        self.socket.close()


def cpu_ms_of(pid):
    """CPU time of a process and all of its threads, by the scheduler's clock."""
    total, directory = 0, f"/proc/{pid}/task"
    for task in os.listdir(directory):
        with open(f"{directory}/{task}/schedstat", encoding="ascii") as text:
            total += int(text.read().split()[0])
    return total / 1e6


def rss_mb_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as text:
        fields = dict(line.split(":", 1) for line in text)
    return int(fields["VmRSS"].split()[0]) / 1024


def quiet_cpu_ms(cpu_ms, seconds, deadline, who):
    """Waits until a process does nothing for a while; its CPU time then. cpu_ms: asks for it."""
    end, last, since = time.monotonic() + deadline, cpu_ms(), time.monotonic()
    while time.monotonic() - since < seconds:
        if time.monotonic() > end:
            raise LabError(f"{who} does not come to rest")
        time.sleep(0.05)
        now = cpu_ms()
        if now - last > 0.3:
            last, since = now, time.monotonic()
    return cpu_ms()


class BenchLab(Lab):
    """One node, and nothing around it."""

    def _build(self):
        node = Hypervisor(self, 1)
        self.hypervisors.append(node)
        node.run("ip", "address", "add", f"{node.local_ip}/32", "dev", "lo")
        node.databases.append(os.path.join(node.dir, "ml2.db"))
        run(["ovsdb-tool", "create", node.databases[1], os.path.join(SOURCE, "ovsdb", "ml2.ovsschema")])
        node.create_databases()
        node.start_ovsdb_server()
        self.ml2_db = node.ovsdb
        node.ovs_vsctl("--no-wait", "init")
        self.start_vswitchd(node)

    def start_vswitchd(self, node):
        command = node.wrap("ovs-vswitchd", node.ovsdb, "--enable-dummy=override", "--disable-system",
                            f"--unixctl={node.rundir}/ovs-vswitchd.ctl", f"--pidfile={node.rundir}/ovs-vswitchd.pid",
                            "--overwrite-pidfile", "--no-chdir", "-vconsole:warn", "-vsyslog:off")
        node.vswitchd = Daemon(self, "ovs-vswitchd", command, os.path.join(node.dir, "ovs-vswitchd.log"),
                               node.env).start()


def run_under_callgrind(hypervisor, out):
    """Its next agents run there and write into the file `out`. Returns the command as it was, to set back."""
    plain = hypervisor.agent_command
    hypervisor.agent_command = lambda *extra, ini=None: ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                                                         *plain(*extra, ini=ini)]
    return plain


class Node:
    """emit: takes each figure."""

    interface_type = "dummy"

    def __init__(self, lab, ports, emit=emit):
        self.lab, self.ports, self.hv, self.emit = lab, ports, lab[1], emit
        self.ovs = Ovsdb(self.hv.db_sock, "Open_vSwitch")
        self.ml2 = Ovsdb(self.hv.db_sock, "ML2")
        self.networks = [(str(uuid.uuid4()), str(uuid.uuid4()), str(uuid.uuid4())) for _ in range(max(1, ports // 5))]
        self.made = 0

    # --- rows

    def port_rows(self, number, host, network):
        """Port, address and binding number `number`."""
        port, (net, segment, subnet) = str(uuid.uuid4()), self.networks[network]
        low = f"{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        return port, [
            ("Port", port, {"network": ref(net), "name": f"port{number}", "mac_address": f"fa:16:3e:{low}",
                            "device_owner": "compute:nova", "admin_state_up": True,
                            "port_security_enabled": True, "status": "DOWN" if host == LOCAL_HOST else "ACTIVE"}),
            ("Fixed_IP", str(uuid.uuid4()), {"port": ref(port), "subnet": ref(subnet),
                                             "ip_address": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}),
            ("Binding", str(uuid.uuid4()), {"port": ref(port), "host": host, "vif_type": "ovs",
                                            "status": "ACTIVE", "mechanism_driver": "openvswitch",
                                            "vnic_type": "normal", "segment": ref(segment)})]

    def fill_ml2(self):
        rows = []
        for index, (net, segment, subnet) in enumerate(self.networks):
            rows += [("Network", net, {"name": f"net{index}", "mtu": 1450, "admin_state_up": True}),
                     ("Segment", segment, {"network": ref(net), "network_type": "vxlan", "segmentation_id": index + 1}),
                     ("Subnet", subnet, {"network": ref(net), "cidr": "10.0.0.0/8", "ip_version": 4})]
        self.ml2.insert(rows)
        hosts = min(500, self.ports // 2)
        for index in range(hosts):
            endpoint = str(uuid.uuid4())
            self.ml2.transact([
                {"op": "insert", "table": "Endpoint", "uuid": endpoint,
                 "row": {"tunnel_type": "vxlan", "ip_address": f"172.16.{index >> 8}.{index & 255}"}},
                {"op": "insert", "table": "Host",
                 "row": {"name": f"far{index}", "endpoints": ref(endpoint), "tunnel_types": "vxlan",
                         "report_interval": 30, "heartbeat": int(time.time())}}])
        rows = []
        self.local = []
        for index in range(self.ports):
            port, more = self.port_rows(index, LOCAL_HOST, index % len(self.networks))
            self.local.append(port)
            rows += more
        for index in range(min(10000, 10 * self.ports)):
            rows += self.port_rows(100000 + index, f"far{index % hosts}", index % len(self.networks))[1]
        self.ml2.insert(rows)
        self.made = self.ports

    def plug(self, pairs):
        """Interfaces on br-int, as nova adds them."""
        for start in range(0, len(pairs), BATCH):
            operations, ports = [], []
            for name, port in pairs[start:start + BATCH]:
                row, interface = "p" + uuid.uuid4().hex, "i" + uuid.uuid4().hex
                operations += [
                    {"op": "insert", "table": "Interface", "uuid-name": interface,
                     "row": {"name": name, "type": self.interface_type, "external_ids": ["map", [["iface-id", port]]]}},
                    {"op": "insert", "table": "Port", "uuid-name": row,
                     "row": {"name": name, "interfaces": ["named-uuid", interface]}}]
                ports.append(["named-uuid", row])
            operations += [
                {"op": "mutate", "table": "Bridge", "where": [["name", "==", "br-int"]],
                 "mutations": [["ports", "insert", ["set", ports]]]},
                {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}]
            self.ovs.transact(operations)

    def applied(self):
        row = self.ovs.transact([{"op": "select", "table": "Open_vSwitch", "where": [],
                                  "columns": ["cur_cfg", "next_cfg"]}])[0]["rows"][0]
        return row["cur_cfg"] >= row["next_cfg"]

    def not_active(self):
        """Ports of this host that are not ACTIVE yet."""
        rows = self.ml2.transact([{"op": "select", "table": "Port", "where": [["status", "!=", "ACTIVE"]],
                                   "columns": ["_uuid"]}])[0]["rows"]
        return len(rows)

    # --- the agent

    def cpu_ms(self):
        return cpu_ms_of(self.hv.agent.pid)

    def quiet(self, seconds=0.6, deadline=120):
        return quiet_cpu_ms(self.cpu_ms, seconds, deadline, "the agent")

    def memory_mb(self):
        return rss_mb_of(self.hv.agent.pid)

    def flow_mods(self):
        return self.hv.status()["counters"]["flow_mods"]

    def compile_diff_ms(self, times=3):
        """CPU time of compile and diff from nothing, the codec included, as `recompute` does and logs it."""
        for _ in range(times):
            answer = self.hv.recompute()
            if answer != "plan is empty":
                raise LabError(f"recompute: {answer}")
        found = re.findall(r"compile and diff from nothing took ([0-9.]+) ms", self.hv.agent.log_text())
        return statistics.median(float(value) for value in found[-times:])

    def start_agent(self):
        self.hv.start_agent(wait=False)

    def converge(self, deadline):
        wait_until(lambda: self.not_active() == 0, deadline, "all ports are ACTIVE", interval=0.5)
        wait_until(self.applied, deadline, "ovs-vswitchd has carried out the rows", interval=0.5)
        cpu = self.quiet()
        status = self.hv.status()
        if not (status["in_sync"] and status["plan_empty"]):
            raise LabError(f"the agent has more to do: {status['problems']}")
        return cpu

    # --- cases

    def prepare(self):
        """br-int with the ports that nova plugged, and flows of nobody."""
        hv = self.hv
        hv.write_ini({"ovs": {"bridge_mappings": None}, "ml2_type_flat": {"flat_networks": None},
                      "ml2_type_vlan": {"network_vlan_ranges": None},
                      "agent": {"report_interval": "600", "l2_population": "true", "arp_responder": "true"}})
        hv.start_agent()
        hv.agent.stop()
        self.fill_ml2()
        self.plug([(f"tap{index}", port) for index, port in enumerate(self.local)])
        wait_until(self.applied, 600, "ovs-vswitchd has the ports", interval=0.5)

    def full(self):
        case = f"full/{self.ports}"
        begin = time.monotonic()
        self.start_agent()
        cpu = self.converge(600)
        self.emit(case, "wall_s", time.monotonic() - begin, "s")
        self.emit(case, "agent_cpu_ms", cpu, "ms")
        self.emit(case, "flow_mods", self.flow_mods(), "flow mods")
        self.emit(case, "rss_mb", self.memory_mb(), "MB")
        self.emit(case, "compile_diff_ms", self.compile_diff_ms(), "ms")

    def idle(self):
        before = self.quiet(1.5)
        time.sleep(5)
        self.emit(f"idle/{self.ports}", "agent_cpu_ms", self.cpu_ms() - before, "ms in 5 s")

    def heartbeats(self, times=100):
        hosts = self.ml2.transact([{"op": "select", "table": "Host", "where": [["name", "!=", LOCAL_HOST]],
                                    "columns": ["_uuid"]}])
        others = [row["_uuid"] for row in hosts[0]["rows"]]
        before = self.quiet()
        for beat in range(times):
            self.ml2.transact([{"op": "update", "table": "Host", "where": [["_uuid", "==", others[beat % len(others)]]],
                                "row": {"heartbeat": int(time.time()) + 1 + beat // len(others)}}])
            time.sleep(0.03)
        self.emit(f"heartbeat/{self.ports}", "agent_cpu_ms", (self.quiet() - before) / times, "ms")

    def add_port(self, wait=120):
        number = self.made
        self.made += 1
        port, rows = self.port_rows(number, LOCAL_HOST, number % len(self.networks))
        self.ml2.insert(rows)
        self.plug([(f"tap{number}", port)])
        wait_until(lambda: self.not_active() == 0, wait, "the port is ACTIVE", interval=0.02)

    def one_port(self, times=7):
        # Nobody asks the agent anything between two ports: an answer over all ports leaves its caches and heap otherwise
        # than it found them.
        case, cpus, walls, mods = f"one-port/{self.ports}", [], [], self.flow_mods()
        for _ in range(times):
            before, begin = self.quiet(), time.monotonic()
            self.add_port()
            walls.append((time.monotonic() - begin) * 1000)
            cpus.append(self.quiet() - before)
        self.emit(case, "agent_cpu_ms", statistics.median(cpus), "ms")
        self.emit(case, "wall_ms", statistics.median(walls), "ms")
        self.emit(case, "flow_mods", (self.flow_mods() - mods) / times, "flow mods")

    def far_port(self, crowd=2000, times=10):
        hosts = min(500, self.ports // 2)
        rows = []
        for index in range(crowd):
            rows += self.port_rows(200000 + index, f"far{index % hosts}", 0)[1]
        self.ml2.insert(rows)
        self.quiet(2)
        case, cpus, mods = f"far-port/{self.ports}", [], self.flow_mods()
        for index in range(times):
            before = self.quiet()
            self.ml2.insert(self.port_rows(200000 + crowd + index, f"far{index % hosts}", 0)[1])
            cpus.append(self.quiet() - before)
        self.emit(case, "agent_cpu_ms", statistics.median(cpus), "ms")
        self.emit(case, "flow_mods", (self.flow_mods() - mods) / times, "flow mods")

    def one_port_instructions(self, times=7):
        self.hv.agent.stop()
        out = os.path.join(self.hv.dir, "callgrind")
        plain = run_under_callgrind(self.hv, out)
        self.start_agent()
        self.hv.agent_command = plain
        wait_until(lambda: "|in sync" in self.hv.agent.log_text(), 600, "the agent has read everything")
        self.quiet(3, deadline=600)
        control = ["callgrind_control", str(self.hv.agent.pid)]
        run([*control, "--zero"])
        counts = []
        for number in range(1, times + 1):
            self.add_port(wait=600)
            self.quiet(2)
            run([*control, "--dump"])
            counts.append(wait_until(lambda file=f"{out}.{number}": self.totals(file), 60, "callgrind has written"))
        self.emit(f"one-port/{self.ports}", "agent_instructions", statistics.median(counts) / 1e6, "million")
        self.hv.agent.stop()
        self.start_agent()
        self.quiet(1.5)

    @staticmethod
    def totals(path):
        if not os.path.exists(path):
            return None
        with open(path, encoding="ascii") as text:
            found = re.findall(r"^(?:totals|summary): ([0-9]+)", text.read(), re.MULTILINE)
        return int(found[-1]) if found else None

    def restart(self):
        case = f"restart/{self.ports}"
        self.hv.agent.stop()
        self.start_agent()
        wait_until(lambda: "|in sync" in self.hv.agent.log_text(), 120, "the agent has read everything")
        cpu = self.quiet(1.5)
        status = self.hv.status()
        if not (status["in_sync"] and status["plan_empty"]):
            raise LabError(f"the agent has more to do: {status}")
        self.emit(case, "agent_cpu_ms", cpu, "ms")
        self.emit(case, "flow_mods", status["counters"]["flow_mods"], "flow mods")
        self.emit(case, "rss_mb", self.memory_mb(), "MB")

    def flow_count(self):
        done = self.hv.run("ovs-ofctl", "-O", "OpenFlow14", "dump-aggregate", "br-int", check=False)
        words = dict(word.split("=") for word in done.stdout.split() if "=" in word)
        return int(words.get("flow_count", 0))

    def vswitchd_restart(self, with_agent):
        case = f"vswitchd-restart/{self.ports}" if not with_agent else f"both-restart/{self.ports}"
        flows = self.flow_count()
        before = 0 if with_agent else self.cpu_ms()
        begin = time.monotonic()
        self.hv.vswitchd.signal(signal.SIGKILL)
        if with_agent:
            self.hv.agent.signal(signal.SIGKILL)
            self.hv.agent.wait(5)
        self.hv.vswitchd.wait(5)
        self.lab.start_vswitchd(self.hv)
        if with_agent:
            self.start_agent()
        wait_until(lambda: self.flow_count() >= flows, 120, "the flows are back", interval=0.02)
        self.emit(case, "flows_back_ms", (time.monotonic() - begin) * 1000, "ms")
        self.emit(case, "agent_cpu_ms", self.quiet() - before, "ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ports", default="100,1000", help="sizes, by commas (default %(default)s)")
    parser.add_argument("--bin-dir", help="where ml2-agent is (default build/release/bin)")
    parser.add_argument("--instructions", action="store_true",
                        help="count also the instructions of one more port, under valgrind")
    parser.add_argument("--profile", metavar="FILE", help="run the agent under valgrind --tool=callgrind, into FILE.PID")
    parser.add_argument("--keep-logs", metavar="DIR", help="copy the logs there")
    arguments = parser.parse_args()
    if (arguments.instructions or arguments.profile) and shutil.which("valgrind") is None:
        raise LabError("valgrind not found: scripts/install-deps --bench installs it")
    for ports in [int(word) for word in arguments.ports.split(",")]:
        with BenchLab(0, bin_dir=arguments.bin_dir) as lab:
            node = Node(lab, ports)
            if arguments.profile:
                run_under_callgrind(lab[1], f"{arguments.profile}.%p")
            node.prepare()
            node.full()
            node.idle()
            node.heartbeats()
            node.one_port()
            if arguments.instructions:
                node.one_port_instructions()
            node.restart()
            node.vswitchd_restart(with_agent=False)
            node.vswitchd_restart(with_agent=True)
            node.far_port()
            if arguments.keep_logs:
                run(["cp", "-r", lab[1].dir, os.path.join(arguments.keep_logs, str(ports))])


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
