#!/usr/bin/env python3
"""The two values of [agent] tunnel_mode against each other: many peers at once, then one more.

Needs root and the programs in build/release/bin (or ML2_BIN_DIR). One hypervisor of the laboratory with real Open
vSwitch; the peers are rows of the ML2 database. Prints one JSON object a line; the value is flow-based's, the peer
is port-per-peer, and ratio is peer_value / value: above 1, flow-based is better.

    scripts/bench tunnels [--peers 500]
"""
import argparse
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
sys.dont_write_bytecode = True

from lab import Lab, LabError, wait_until  # noqa: E402

# One JSON-RPC request (RFC 7047 section 4.1.3) from stdin to host and port, its answer to stdout: it is larger than an
# argument of a command may be.
CALL = """
import json, socket, sys
server = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
server.sendall(sys.stdin.buffer.read())
text = ""
while True:
    data = server.recv(1 << 16)
    text += data.decode()
    try:
        json.loads(text)
        break
    except ValueError:
        if not data:
            sys.exit("the connection ended: " + text[-200:])
print(text)
"""


def cpu_ms(pid):
    """CPU time of all threads of a process so far, in milliseconds (first number of schedstat: nanoseconds)."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as text:
            total += int(text.read().split()[0])
    return total / 1e6


def pid_of(path):
    with open(path, encoding="ascii") as text:
        return int(text.read())


def add_hosts(lab, first, last):
    """Rows of hosts with one VXLAN endpoint each, in one transaction."""
    operations = []
    for number in range(first, last):
        name = f"e{number}"
        operations.append({"op": "insert", "table": "Endpoint", "uuid-name": name, "row": {
            "tunnel_type": "vxlan", "ip_address": f"192.168.{101 + number // 250}.{1 + number % 250}"}})
        operations.append({"op": "insert", "table": "Host", "row": {
            "name": f"peer{number}", "agent_type": "bench", "tunnel_types": "vxlan", "report_interval": 30,
            "endpoints": ["named-uuid", name]}})
    _, host, tcp_port = lab.ml2_db.split(":")
    request = json.dumps({"method": "transact", "params": ["ML2", *operations], "id": 0})
    answer = json.loads(lab.fabric.run("python3", "-c", CALL, host, tcp_port, stdin=request).stdout)
    for result in answer["result"] or [answer]:
        if result and result.get("error"):
            raise LabError(f"transact: {result}")


def measure(mode, peers):
    with Lab(1, ml2_db_on="own") as lab:
        one = lab[1]
        lab.start_agents({"agent": {"tunnel_mode": mode}})
        network = one.ml2ctl("network", "create", "blue", "--provider-network-type", "vxlan", json_output=True)
        port = one.ml2ctl("port", "create", "p1", "--network", network["id"], "--host", one.host, json_output=True)
        machine = lab.vm("p1", one)
        one.ml2ctl("vif", "plug", port["id"], "--netns", machine.netns)
        wait_until(lambda: one.ml2ctl("port", "show", port["id"], json_output=True)["status"] == "ACTIVE", 20,
                   "the port is ACTIVE")
        one.wait_in_sync()
        base = one.status()["bridges"]["br-tun"]["flows"]
        # The network's flood flow comes with the first peer.
        vswitchd, agent = pid_of(f"{one.rundir}/ovs-vswitchd.pid"), one.agent.process.pid

        def grow(first, last):
            cpu, agent_cpu, begun = cpu_ms(vswitchd), cpu_ms(agent), time.monotonic()
            add_hosts(lab, first, last)

            def applied():
                status = one.status()
                flows = status["bridges"]["br-tun"]["flows"]
                if not (status["plan_empty"] and status["converged"] and flows >= base + last + 1):
                    raise LabError(f"{flows} flows of {base + last + 1}")
                return True
            wait_until(applied, 300, f"{last} peers are in the flows", interval=0.02)
            took = (time.monotonic() - begun) * 1000
            time.sleep(1)  # what ovs-vswitchd does after it has the flows
            return {"applied_ms": took, "vswitchd_cpu_ms": cpu_ms(vswitchd) - cpu,
                    "agent_cpu_ms": cpu_ms(agent) - agent_cpu}
        found = {f"{peers}-peers": grow(0, peers), f"one-more/{peers}": grow(peers, peers + 1)}
        copies = sum(flow.count("output:") for flow in one.flows("br-tun") if " table=22," in flow)
        if copies != peers + 1:
            raise LabError(f"{mode}: the flood flows have {copies} copies of {peers + 1}")
        if "plan is empty" not in one.recompute():
            raise LabError(f"{mode}: recompute found something to change")
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=int, default=500, help="remote VTEPs (default 500)")
    peers = parser.parse_args().peers
    if not 1 <= peers <= 30000:
        parser.error("--peers: 1 to 30000")
    flow_based, per_peer = measure("flow-based", peers), measure("port-per-peer", peers)
    for case, metrics in flow_based.items():
        for metric, value in metrics.items():
            peer_value = per_peer[case][metric]
            print(json.dumps({"bench": "tunnel_modes", "case": case, "metric": metric, "value": round(value, 1),
                              "unit": "ms", "peer": "port-per-peer", "peer_value": round(peer_value, 1),
                              "ratio": round(peer_value / value, 2) if value else None}), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"tunnel_modes.py: {error}", file=sys.stderr)
        sys.exit(1)
