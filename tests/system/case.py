"""What the system tests have in common: a laboratory per test class, and words for networks, ports and machines.

Every test ends with recompute on each running agent, which must answer that its plan is empty, and then takes away
what it made. saw() records a figure that is printed with the result.
"""
import contextlib
import json
import subprocess
import sys
import textwrap
import unittest

import lab as laboratory
from lab import Lab, LabError, wait_until  # noqa: F401 (the tests import them from here)


class SystemTest(unittest.TestCase):
    """A test on a lab of two hypervisors that the tests of the class share."""

    hypervisors = 2
    underlay_mtu = laboratory.UNDERLAY_MTU
    ini = None               # changes to the agents' ini, {section: {option: value}}
    start_agents = True
    ml2_db_on = "hv1"        # where the ML2 database is served (lab.py)
    lab = None
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(cls.hypervisors, ml2_db_on=cls.ml2_db_on, underlay_mtu=cls.underlay_mtu).start()
        try:
            if cls.start_agents:
                cls.lab.start_agents(cls.ini)
        except BaseException:
            cls.lab.show_logs()
            cls.lab.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.lab.stop()

    def setUp(self):
        self.figures = []

    def tearDown(self):
        try:
            self.assert_plans_empty()
        except (AssertionError, LabError):
            self.lab.show_logs()
            raise
        if self.failed_already():
            self.lab.show_logs()

    @contextlib.contextmanager
    def for_the_class(self):
        """What is made within goes with the lab, not with the test."""
        self.addCleanup = lambda *arguments, **options: None
        try:
            yield
        finally:
            del self.addCleanup

    def failed_already(self):
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors)

    def saw(self, text):
        self.figures.append(str(text))

    def assert_plans_empty(self):
        """The end of every system test: read all again, compute from nothing, find nothing to change."""
        for hypervisor in self.lab.hypervisors:
            if hypervisor.agent is None or not hypervisor.agent.alive():
                continue
            hypervisor.wait_in_sync(30)
            answer = hypervisor.recompute()
            self.assertEqual("plan is empty", answer, f"{hypervisor.host}: recompute found something to change")

    # --- the ML2 database, through ml2ctl

    def ml2ctl(self, *arguments, on=None, check=True):
        return (on or self.lab[1]).ml2ctl(*arguments, check=check)

    def ml2ctl_json(self, *arguments, on=None):
        return (on or self.lab[1]).ml2ctl(*arguments, json_output=True)

    def network(self, name, network_type, segment=None, physical_network=None, cidrs=("10.1.0.0/24", "fd01::/64"),
                mtu=None):
        """A network with its subnets; it goes when the test ends."""
        arguments = ["network", "create", name, "--provider-network-type", network_type]
        if physical_network:
            arguments += ["--provider-physical-network", physical_network]
        if segment is not None:
            arguments += ["--provider-segment", str(segment)]
        if mtu is not None:
            arguments += ["--mtu", str(mtu)]
        network = self.ml2ctl_json(*arguments)
        self.addCleanup(self.ml2ctl, "network", "delete", network["id"], check=False)
        for cidr in cidrs:
            subnet = self.ml2ctl_json("subnet", "create", f"{name}-{'v6' if ':' in cidr else 'v4'}", "--network",
                                      network["id"], "--subnet-range", cidr)
            self.addCleanup(self.ml2ctl, "subnet", "delete", subnet["id"], check=False)
        return network

    def port(self, name, network, hypervisor, ips=None, mac=None):
        arguments = ["port", "create", name, "--network", network["id"], "--host", hypervisor.host]
        for ip in ips or ():
            arguments += ["--fixed-ip", f"ip-address={ip}"]
        if mac:
            arguments += ["--mac-address", mac]
        port = self.ml2ctl_json(*arguments)
        self.addCleanup(self.ml2ctl, "port", "delete", port["id"], check=False)
        return port

    def show_port(self, port):
        return self.ml2ctl_json("port", "show", port["id"])

    def vm(self, name, network, hypervisor, ips=None, mac=None, wait=True):
        """A port on this hypervisor and a machine that is plugged into it."""
        port = self.port(name, network, hypervisor, ips, mac)
        machine = self.plug(name, port, hypervisor)
        if wait:
            self.wait_active(port)
        return machine

    def plug(self, name, port, hypervisor):
        machine = self.lab.vm(name, hypervisor)
        self.addCleanup(self.lab.remove_vm, name)
        hypervisor.ml2ctl("vif", "plug", port["id"], "--netns", machine.netns)
        self.addCleanup(self.unplug, port, hypervisor)
        machine.port = port
        machine.mtu = self.ml2ctl_json("network", "show", port["network_id"])["mtu"]
        machine.ips = [fixed["ip_address"] for fixed in port["fixed_ips"]]
        machine.ip4 = next((ip for ip in machine.ips if ":" not in ip), None)
        machine.ip6 = next((ip for ip in machine.ips if ":" in ip), None)
        return machine

    def unplug(self, port, hypervisor):
        hypervisor.ml2ctl("vif", "unplug", port["id"], check=False)

    def wait_status(self, port, status, deadline=20):
        def reached():
            row = self.show_port(port)
            if row["status"] != status:
                raise LabError(f"port {row['name']} is {row['status']}: {row.get('status_reason', '')}")
            return row
        return wait_until(reached, deadline, f"port {port['name']} becomes {status}")

    def wait_active(self, port, deadline=20):
        return self.wait_status(port, "ACTIVE", deadline)

    def many_ports(self, network, hypervisor, count, first=0, devices=False):
        """Ports that nobody uses, all at once: {interface name: port id}. They go with the lab.

        Without devices their interfaces are patch ports to a bridge that drops all: at each link that comes or goes
        ovs-vswitchd's userspace datapath forgets its tunnels' routes for a moment and loses packets, agent or not.
        """
        segment = self.transact(self.lab.ml2_db, "ML2", {
            "op": "select", "table": "Segment", "where": [["network", "==", ["uuid", network["id"]]]],
            "columns": ["_uuid"]})[0]["rows"][0]["_uuid"]
        operations = []
        for index in range(first, first + count):
            operations.append({"op": "insert", "table": "Port", "uuid-name": f"p{index}", "row": {
                "network": ["uuid", network["id"]], "name": f"many{index}", "admin_state_up": True, "status": "DOWN",
                "mac_address": f"fa:16:3f:{index >> 16:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"}})
            operations.append({"op": "insert", "table": "Binding", "row": {
                "port": ["named-uuid", f"p{index}"], "host": hypervisor.host, "vif_type": "ovs", "vnic_type": "normal",
                "status": "ACTIVE", "mechanism_driver": "openvswitch", "segment": segment}})
        results = self.transact(self.lab.ml2_db, "ML2", *operations)
        ports = {f"many{first + index}": result["uuid"][1] for index, result in enumerate(results[0:2 * count:2])}
        (self.plug_devices if devices else self.plug_void)(hypervisor, ports)

        def wired():
            states = {port["id"]: port["status"] for port in hypervisor.status()["ports"]}
            waiting = [port for port in ports.values() if states.get(port) != "ACTIVE"]
            if waiting:
                raise LabError(f"{len(waiting)} of {count} ports are not wired")
            return True
        wait_until(wired, 60, f"{count} ports are wired", interval=0.3)
        return ports

    @staticmethod
    def plug_devices(hypervisor, ports):
        """Each with a veth pair whose other end nobody has."""
        hypervisor.run("ip", "-batch", "-", stdin="".join(
            f"link add {name} up type veth peer name p{name}\n" for name in ports))
        command = []
        for name, port in ports.items():
            command += ["--", "add-port", "br-int", name, "--", "set", "Interface", name, f"external_ids:iface-id={port}"]
        hypervisor.ovs_vsctl("--no-wait", *command[1:], timeout=60)

    @staticmethod
    def plug_void(hypervisor, ports):
        command = ["--may-exist", "add-br", "br-void", "--", "set", "Bridge", "br-void", "datapath_type=netdev",
                   "fail_mode=secure"]
        for name, port in ports.items():
            command += ["--", "add-port", "br-int", name, "--", "set", "Interface", name, "type=patch",
                        f"options:peer=x{name}", f"external_ids:iface-id={port}", "--", "add-port", "br-void", "x" + name,
                        "--", "set", "Interface", "x" + name, "type=patch", f"options:peer={name}"]
        hypervisor.ovs_vsctl("--no-wait", *command, timeout=60)

    @staticmethod
    def unplug_void(hypervisor, names):
        command = []
        for name in names:
            command += ["--", "del-port", "br-int", name, "--", "del-port", "br-void", "x" + name]
        hypervisor.ovs_vsctl("--no-wait", *command[1:], timeout=60)

    # --- traffic

    def assert_pings(self, source, address, count=5, size=None, warm=10):
        """The path works within `warm` seconds, and from then on loses nothing."""
        wait_until(lambda: source.ping(address, count=1, size=size).ok, warm,
                   f"{source.name} reaches {address}" + (f" with {size} bytes" if size else ""))
        result = source.patient_ping(address, count, size=size)
        self.saw(f"{source.name} -> {address}" + (f" ({size} bytes)" if size else "") + f": {result.summary}")
        self.assertEqual(result.lost, 0, result.output)
        return result

    def assert_no_ping(self, source, address):
        result = source.ping(address, count=3, interval=0.2, options=("-W", "1"))
        self.saw(f"{source.name} -> {address} (must not pass): {result.summary}")
        self.assertEqual(result.received, 0, result.output)

    def assert_full_mtu(self, source, target, mtu):
        """A packet of the whole MTU passes unfragmented, one byte more does not leave the machine."""
        overhead = 48 if ":" in target else 28  # IP and ICMP headers
        self.assert_pings(source, target, count=3, size=mtu - overhead)
        result = source.ping(target, count=1, size=mtu - overhead + 1)
        self.assertEqual(result.received, 0, result.output)

    def assert_tcp(self, source, target, address, megabytes=16):
        """A TCP transfer arrives whole (SHA-256) with segments of the full MTU; records its rate."""
        server = subprocess.Popen(
            target.wrap(sys.executable, "-c", textwrap.dedent("""\
                import hashlib, json, socket, sys
                family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
                listener = socket.socket(family)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((sys.argv[1], 5001))
                listener.listen(1)
                listener.settimeout(60)
                print("ready", flush=True)
                connection, _ = listener.accept()
                connection.settimeout(60)
                digest, total = hashlib.sha256(), 0
                while data := connection.recv(1 << 16):
                    digest.update(data)
                    total += len(data)
                print(json.dumps({"sha256": digest.hexdigest(), "bytes": total}), flush=True)
                """), address),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(server.stdout.readline().strip(), "ready")
            client = json.loads(source.run(sys.executable, "-c", textwrap.dedent("""\
                import hashlib, json, random, socket, sys, time
                family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
                connection = socket.socket(family)
                connection.settimeout(60)
                connection.connect((sys.argv[1], 5001))
                block = random.Random(7).randbytes(1 << 20)
                digest, start = hashlib.sha256(), time.monotonic()
                for _ in range(int(sys.argv[2])):
                    connection.sendall(block)
                    digest.update(block)
                segment = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
                print(json.dumps({"sha256": digest.hexdigest(), "segment": segment,
                                  "seconds": time.monotonic() - start}))
                """), address, str(megabytes), timeout=120).stdout)
            received = json.loads(server.communicate(timeout=60)[0])
        finally:
            if server.poll() is None:
                server.kill()
            server.stdout.close()
            server.wait()
        self.assertEqual(received["bytes"], megabytes << 20)
        self.assertEqual(received["sha256"], client["sha256"], "the bytes that arrived are not those that were sent")
        headers = (60 if ":" in address else 40) + 12  # IP, TCP, timestamps
        self.assertEqual(client["segment"], target.mtu - headers, "TCP's segment size is not the full MTU's")
        self.saw(f"TCP {source.name} -> {address}: {megabytes} MiB whole, segments of {client['segment']} bytes "
                 f"(MTU {target.mtu}), {megabytes * 8.388608 / client['seconds']:.0f} Mbit/s")

    # --- OVSDB, as a stranger would write to it

    def transact(self, remote, database, *operations):
        """ovsdb-client transact; returns the results."""
        answer = self.lab[1].run("ovsdb-client", "transact", remote,
                                 json.dumps([database, *operations])).stdout
        results = json.loads(answer)
        for result in results:
            if result and "error" in result:
                raise LabError(f"ovsdb-client transact: {result}")
        return results


__all__ = ["SystemTest", "Lab", "LabError", "wait_until", "laboratory"]
