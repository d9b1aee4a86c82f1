#!/usr/bin/env python3
"""Random changes on two hypervisors for as long as one likes, under traffic that none of them concerns.

tests/system/soak.py [--changes N] [--seed N]      needs root; 10,000 changes take about six minutes

Networks, ports, hosts, plugs, hands in the rows, and restarts of every process, chosen at random. Held at the end, and
at every hundredth change: each port stands as the model says, recompute finds an empty plan, and an agent that is
started anew changes nothing. Over all: no datagram between the two pairs of machines that are left alone is lost (while
an ovs-vswitchd restarts, which is the datapath here, they pause), and the memory of the agent that is never restarted
does not grow.
"""
import argparse
import collections
import json
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import lab as laboratory  # noqa: E402
from lab import LabError, wait_until  # noqa: E402
from ovsdb_client import OvsdbClient  # noqa: E402
from traffic import Datagrams  # noqa: E402

MAX_NETWORKS, MAX_PORTS, MAX_HOSTS = 12, 60, 8
CHECK_EVERY = 100


def uuid_of(result):
    return result["uuid"][1]


class Model:
    """What there shall be."""

    def __init__(self):
        self.networks = {}  # id -> (segment id, may a port of it be wired)
        self.ports = {}     # id -> {"network", "host", "up", "binding", "plugged": {host: interface}}
        self.hosts = {}     # id of the Host row -> number
        self.count = 0


class Soak:
    def __init__(self, lab, pairs, seed, say):
        """pairs: (machine on hv1, machine on hv2) that nothing is done to; both agents run."""
        self.lab, self.pairs, self.say = lab, pairs, say
        self.random = random.Random(seed)
        self.model = Model()
        self.ml2 = OvsdbClient(lab[1].ovsdb)
        self.vswitch = {hypervisor.host: OvsdbClient(hypervisor.ovsdb) for hypervisor in lab.hypervisors}
        self.done = collections.Counter()
        self.traffic, self.sent, self.missing = [], 0, []
        self.memory = []
        self.restarts = 0
        self.back_since = {}  # host -> when its ovs-vswitchd followed its database again
        self.history = []   # (time, change)

        for hypervisor in lab.hypervisors:
            hypervisor.ovs_vsctl("add-br", "br-soak", "--", "set", "Bridge", "br-soak", "datapath_type=netdev",
                                 "fail_mode=secure")

    # --- traffic

    NEW_CONFIGURATION = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}

    def start_traffic(self):
        # At 20 a second, so that the datapath may stand still for some seconds (restart_ovsdb_server()).
        self.traffic = [Datagrams(first, second, second.ip4, interval=0.05) for first, second in self.pairs]

    def stop_traffic(self):
        for datagrams in self.traffic:
            counted = datagrams.stop()
            self.sent += counted["sent"]
            if counted["missing"]:
                self.missing.append(counted)
        self.traffic = []

    def around(self):
        """The changes in the half second before each burst of losses, and its place in time."""
        bursts = []
        for at in sorted(time for counted in self.missing for time in counted["lost_at"]):
            if bursts and at - bursts[-1][-1] < 0.5:
                bursts[-1].append(at)
            else:
                bursts.append([at])
        return [f"{len(burst)} in {burst[-1] - burst[0]:.2f} s: " + ", ".join(
            f"{name} {when - burst[0]:+.2f}" for when, name in self.history if burst[0] - 0.5 < when < burst[-1])
            for burst in bursts[:10]]

    # --- changes; each returns false when there is nothing that it could change

    def create_network(self):
        if len(self.model.networks) >= MAX_NETWORKS:
            return False
        self.model.count += 1
        kind, physical, number = self.random.choice((
            ("vxlan", "", 2000 + self.model.count), ("vxlan", "", 2000 + self.model.count),
            ("vlan", laboratory.PHYSNET, 200 + self.model.count % 3000), ("local", "", 100000 + self.model.count),
            ("geneve", "", self.model.count)))  # the last is no tunnel type of these hosts: never wired
        network, segment = self.ml2.transact(
            "ML2",
            {"op": "insert", "table": "Network", "uuid-name": "n", "row": {
                "name": f"soak{self.model.count}", "admin_state_up": True, "mtu": 1450}},
            {"op": "insert", "table": "Segment", "row": {
                "network": ["named-uuid", "n"], "network_type": kind, "physical_network": physical,
                "segmentation_id": number}})
        self.model.networks[uuid_of(network)] = (uuid_of(segment), kind != "geneve")
        return True

    def delete_network(self):
        unused = sorted(set(self.model.networks) - {port["network"] for port in self.model.ports.values()})
        if not unused:
            return False
        network = self.random.choice(unused)
        segment, _ = self.model.networks.pop(network)
        self.ml2.transact("ML2", {"op": "delete", "table": "Segment", "where": [["_uuid", "==", ["uuid", segment]]]},
                          {"op": "delete", "table": "Network", "where": [["_uuid", "==", ["uuid", network]]]})
        return True

    def create_port(self):
        if len(self.model.ports) >= MAX_PORTS or not self.model.networks:
            return False
        self.model.count += 1
        network = self.random.choice(sorted(self.model.networks))
        host = self.random.choice(("hv1", "hv2"))
        number = self.model.count
        port, binding = self.ml2.transact(
            "ML2",
            {"op": "insert", "table": "Port", "uuid-name": "p", "row": {
                "network": ["uuid", network], "name": f"soak{number}", "admin_state_up": True, "status": "DOWN",
                "mac_address": f"fa:16:40:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"}},
            {"op": "insert", "table": "Binding", "row": {
                "port": ["named-uuid", "p"], "host": host, "vif_type": "ovs", "vnic_type": "normal",
                "status": "ACTIVE", "mechanism_driver": "openvswitch",
                "segment": ["uuid", self.model.networks[network][0]]}})
        self.model.ports[uuid_of(port)] = {"network": network, "host": host, "up": True, "binding": uuid_of(binding),
                                           "plugged": {}}
        if self.random.random() < 0.7:
            self.plug_into(uuid_of(port), host)
        return True

    def some_port(self, condition=lambda port: True):
        fitting = sorted(name for name, port in self.model.ports.items() if condition(port))
        return self.random.choice(fitting) if fitting else None

    def delete_port(self):
        name = self.some_port()
        if name is None:
            return False
        port = self.model.ports.pop(name)
        first = self.random.random() < 0.5
        if first:
            self.unplug_all(port)
        self.ml2.transact(
            "ML2", {"op": "delete", "table": "Binding", "where": [["_uuid", "==", ["uuid", port["binding"]]]]},
            {"op": "delete", "table": "Port", "where": [["_uuid", "==", ["uuid", name]]]})
        if not first:
            self.unplug_all(port)
        return True

    def plug_into(self, name, host):
        # Not a device: at each link that comes or goes ovs-vswitchd's userspace datapath forgets its tunnels' routes for a
        # moment and loses packets (also without any agent: 36 of 475 at 40 ports in 5 s). A patch port is no link; its
        # peer is on a bridge that drops all.
        self.model.count += 1
        interface = f"s{self.model.count}"
        operations = []
        for bridge, own, peer, ids in (("br-int", interface, "x" + interface, [["iface-id", name]]),
                                       ("br-soak", "x" + interface, interface, [])):
            tag = bridge.replace("-", "_")
            operations += [
                {"op": "insert", "table": "Interface", "uuid-name": f"i_{tag}", "row": {
                    "name": own, "type": "patch", "options": ["map", [["peer", peer]]], "external_ids": ["map", ids]}},
                {"op": "insert", "table": "Port", "uuid-name": f"p_{tag}", "row": {
                    "name": own, "interfaces": ["named-uuid", f"i_{tag}"]}},
                {"op": "mutate", "table": "Bridge", "where": [["name", "==", bridge]],
                 "mutations": [["ports", "insert", ["named-uuid", f"p_{tag}"]]]}]
        self.vswitch[host].transact("Open_vSwitch", *operations, self.NEW_CONFIGURATION)
        self.model.ports[name]["plugged"][host] = interface

    def plug(self):
        name = self.some_port(lambda port: port["host"] not in port["plugged"])
        if name is None:
            return False
        self.plug_into(name, self.model.ports[name]["host"])
        return True

    def unplug_from(self, port, host):
        interface = port["plugged"].pop(host)
        operations = []
        for bridge, own in (("br-int", interface), ("br-soak", "x" + interface)):
            row = self.vswitch[host].transact("Open_vSwitch", {
                "op": "select", "table": "Port", "where": [["name", "==", own]], "columns": ["_uuid"]})[0]["rows"][0]
            operations.append({"op": "mutate", "table": "Bridge", "where": [["name", "==", bridge]],
                               "mutations": [["ports", "delete", row["_uuid"]]]})
        self.vswitch[host].transact("Open_vSwitch", *operations, self.NEW_CONFIGURATION)

    def unplug_all(self, port):
        for host in list(port["plugged"]):
            self.unplug_from(port, host)

    def unplug(self):
        name = self.some_port(lambda port: port["plugged"])
        if name is None:
            return False
        port = self.model.ports[name]
        self.unplug_from(port, self.random.choice(sorted(port["plugged"])))
        return True

    def move_port(self):
        name = self.some_port()
        if name is None:
            return False
        port = self.model.ports[name]
        port["host"] = "hv2" if port["host"] == "hv1" else "hv1"
        self.ml2.transact("ML2", {"op": "update", "table": "Binding", "row": {"host": port["host"]},
                                  "where": [["_uuid", "==", ["uuid", port["binding"]]]]})
        return True

    def admin_state(self):
        name = self.some_port()
        if name is None:
            return False
        port = self.model.ports[name]
        port["up"] = not port["up"]
        self.ml2.transact("ML2", {"op": "update", "table": "Port", "row": {"admin_state_up": port["up"]},
                                  "where": [["_uuid", "==", ["uuid", name]]]})
        return True

    def create_host(self):
        free = sorted(set(range(MAX_HOSTS)) - set(self.model.hosts.values()))
        if not free:
            return False
        number = self.random.choice(free)
        results = self.ml2.transact(
            "ML2",
            {"op": "insert", "table": "Endpoint", "uuid-name": "e", "row": {
                "tunnel_type": "vxlan", "ip_address": f"192.168.100.{200 + number}"}},
            {"op": "insert", "table": "Host", "row": {
                "name": f"soak{number}", "admin_state_up": True, "report_interval": 30, "heartbeat": int(time.time()),
                "tunnel_types": "vxlan", "endpoints": ["named-uuid", "e"]}})
        self.model.hosts[uuid_of(results[1])] = number
        return True

    def delete_host(self):
        if not self.model.hosts:
            return False
        row = self.random.choice(sorted(self.model.hosts))
        del self.model.hosts[row]
        self.ml2.transact("ML2", {"op": "delete", "table": "Host", "where": [["_uuid", "==", ["uuid", row]]]})
        return True

    def hand(self):
        """Somebody writes over what is ours, on a port of this soak."""
        name = self.some_port(lambda port: port["plugged"])
        if name is None:
            return False
        host, interface = self.random.choice(sorted(self.model.ports[name]["plugged"].items()))
        change = self.random.choice(({"tag": self.random.randint(1, 4000)}, {"tag": ["set", []]},
                                     {"other_config": ["map", []]}, {"vlan_mode": "trunk"}))
        self.vswitch[host].transact("Open_vSwitch", {"op": "update", "table": "Port", "row": change,
                                                     "where": [["name", "==", interface]]})
        return True

    def restart_agent(self):
        agent = self.lab[1]  # that of hv2 is the one whose memory is watched
        agent.agent.kill() if self.random.random() < 0.5 else agent.agent.stop()
        agent.start_agent(wait=False)
        return True

    def restart_ovsdb_server(self):
        hypervisor = self.random.choice(self.lab.hypervisors)
        # A connection that lived shorter than the last pause doubles it, up to 8 s (OVS 3.1, reconnect_disconnected()): more
        # than the sockets hold.
        if time.monotonic() < self.back_since.get(hypervisor.host, 0) + 10:
            return False
        self.ml2.close()
        self.vswitch[hypervisor.host].close()
        hypervisor.restart_ovsdb_server(hard=self.random.random() < 0.5)
        # Until ovs-vswitchd has its database again its main thread, which is the datapath here, forwards nothing (OVS
        # 3.1, bridge_run()); what arrives waits in sockets of about 250 frames: this waits until it has carried out a change.
        self.restarts += 1
        hypervisor.ovs_vsctl("set", "Open_vSwitch", ".", f"external_ids:soak={self.restarts}", timeout=60)
        self.back_since[hypervisor.host] = time.monotonic()
        return True

    def restart_vswitchd(self):
        self.stop_traffic()
        hypervisor = self.random.choice(self.lab.hypervisors)
        hypervisor.restart_vswitchd(hard=self.random.random() < 0.5)
        self.lab.settle(60)
        for first, second in self.pairs:
            wait_until(lambda: first.ping(second.ip4, count=1).ok, 30, "the pairs reach each other again")
        self.start_traffic()
        return True

    # Of a thousand.
    WEIGHTS = {create_network: 60, delete_network: 50, create_port: 200, delete_port: 150, plug: 130, unplug: 100,
               move_port: 80, admin_state: 80, create_host: 60, delete_host: 50, hand: 30, restart_agent: 6,
               restart_ovsdb_server: 3, restart_vswitchd: 1}

    # --- the run

    def expected(self, host):
        return {name: "ACTIVE" if port["up"] and host in port["plugged"] and self.model.networks[port["network"]][1]
                else "DOWN" for name, port in self.model.ports.items() if port["host"] == host}

    def check(self):
        for hypervisor in self.lab.hypervisors:
            def stands():
                hypervisor.wait_in_sync(20)
                there = {port["id"]: port for port in hypervisor.status()["ports"]}
                wrong = {name: (status, there.get(name)) for name, status in self.expected(hypervisor.host).items()
                         if name not in there or there[name]["status"] != status}
                if wrong:
                    raise LabError(f"{hypervisor.host}: ports (expected, there): {wrong}")
                answer = hypervisor.recompute()
                if answer != "plan is empty":
                    raise LabError(f"{hypervisor.host}: recompute: {answer}")
                return True
            try:
                wait_until(stands, 90, f"{hypervisor.host}: every port stands as the model says and the plan is empty",
                           interval=0.2)
            except LabError as error:
                raise LabError(f"{error}; its plan: {hypervisor.agent_call('dump-plan', check=False)}") from error
        # Those that nobody binds any more say so nowhere; those that are there are told in the database, too.
        rows = self.ml2.transact("ML2", {"op": "select", "table": "Port", "where": [],
                                         "columns": ["_uuid", "status"]})[0]["rows"]
        self.memory.append(self.rss(self.lab[2].agent.pid))
        return len(rows)

    @staticmethod
    def rss(pid):
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as text:
            return int(re.search(r"VmRSS:\s+(\d+)", text.read()).group(1)) / 1024

    def run(self, changes, kinds=()):
        """kinds: only changes with these names."""
        begun = time.monotonic()
        self.start_traffic()
        names = [action for action in self.WEIGHTS if not kinds or action.__name__ in kinds]
        weights = [self.WEIGHTS[action] for action in names]
        try:
            made = 0
            while made < changes:
                action = self.random.choices(names, weights)[0]
                if not action(self):
                    continue
                made += 1
                self.history.append((time.monotonic(), action.__name__))
                self.done[action.__name__] += 1
                if made % CHECK_EVERY == 0 or made == changes:
                    self.check()
                    if made % (10 * CHECK_EVERY) == 0:
                        self.say(f"{made} changes in {time.monotonic() - begun:.0f} s: {len(self.model.ports)} ports, "
                                 f"RSS of the agent on hv2 {self.memory[-1]:.1f} MB")
        finally:
            self.stop_traffic()
        for hypervisor in self.lab.hypervisors:  # a state that an agent compiles from nothing is the same
            hypervisor.agent.stop()
            hypervisor.start_agent()
            counters = hypervisor.status()["counters"]
            if (counters["flow_mods"], counters["transactions"]) != (0, 0):
                raise LabError(f"{hypervisor.host}: an agent started anew found something to change: {counters}")
        self.ml2.close()
        for client in self.vswitch.values():
            client.close()
        if self.missing:
            raise LabError(f"datagrams were lost: {self.missing}; around them: {self.around()}")
        # What one agent holds depends on how much there is, which goes up and down: compare a tenth with a tenth.
        part = max(1, len(self.memory) // 10)
        early, late = max(self.memory[part:2 * part] or self.memory), max(self.memory[-part:])
        if late > early * 1.15 + 4:
            raise LabError(f"the agent's memory grows: {early:.1f} MB early, {late:.1f} MB at the end")
        return {"changes": sum(self.done.values()), "seconds": round(time.monotonic() - begun), "datagrams": self.sent,
                "lost": 0, "rss_mb_early": round(early, 1), "rss_mb_late": round(late, 1), "by_kind": dict(self.done)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--kinds", metavar="NAME,...", default="", help="only these: " + ", ".join(
        action.__name__ for action in Soak.WEIGHTS))
    options = parser.parse_args()

    def say(text):
        print(text, flush=True)
    say(f"seed {options.seed}")
    from test_soak import SoakTest  # the machines are the test's
    SoakTest.setUpClass()
    test = SoakTest("test_soak")
    try:
        test.figures = []
        with test.for_the_class():
            pairs = test.make_pairs()
        say(json.dumps(Soak(test.lab, pairs, options.seed, say).run(options.changes, [kind for kind in options.kinds.split(",") if kind])))
    except (LabError, AssertionError) as error:
        test.lab.show_logs()
        print(f"FAILED (seed {options.seed}): {error}", file=sys.stderr)
        return 1
    finally:
        SoakTest.tearDownClass()
    return 0


if __name__ == "__main__":
    sys.exit(main())
