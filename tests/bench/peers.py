"""The three programs that the fast path's bench compares: ml2-fastpath, OVS with DPDK, and testpmd's io mode as the limit.

Each is started for one case, loads the same generator (fastpath_generator.cc) and gets the same polling core, and sends
into net_null. A Peer says how many packets have left and how much CPU time its polling thread has used; while one is
measured, the others are stopped (SIGSTOP).
Failure: PeerError, with the program's own words. What is started here is ended here, by pid.
"""
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
import fastpath  # noqa: E402
from fastpath import attachment, allowed, fdb, flood, port, segment, vtep  # noqa: E402

OVS_DPDK = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
VM_MAC, VM_IP, GATEWAY_MAC = "fa:16:3e:00:00:01", "10.0.0.1", "02:00:00:00:00:02"
LOCAL_MAC, LOCAL_IP, VLAN, VNI, VTEPS = "02:00:00:00:00:01", "192.0.2.1", 100, 1000, 64


BIN = os.environ.get("ML2_BIN_DIR", f"{TOP}/build/release/bin")
GENERATOR = os.path.join(BIN, "fastpath_generator.so")


class PeerError(Exception):
    pass


def vtep_ip(index):
    return f"192.0.2.{2 + index % VTEPS}"


def mac_of(index):
    return b"\xfa\x16\x3f" + index.to_bytes(3, "big")


def mac_text(index):
    return ":".join(f"{byte:02x}" for byte in mac_of(index))


def run(*command, check=True, timeout=600, stdin=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=stdin or "")
    if check and done.returncode != 0:
        raise PeerError(f"{' '.join(command)[:200]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Peer:
    """A running program."""
    process = None

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/task/{self.thread()}/schedstat", encoding="ascii") as stat:
            return int(stat.read().split()[0]) / 1e9

    def named_thread(self, pattern):
        for comm in glob.glob(f"/proc/{self.process.pid}/task/*/comm"):
            with open(comm, encoding="ascii") as text:
                if re.match(pattern, text.read()):
                    return int(comm.split("/")[4])
        raise PeerError(f"no thread like {pattern}")

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self):
        if self.process and self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class TestPmd(Peer):
    name = "testpmd-io"

    def __init__(self, case, core, control_core, _directory):
        command = ["stdbuf", "-oL", "dpdk-testpmd", "--in-memory", "--no-pci", "--no-telemetry", "-d", GENERATOR,
                   f"--lcores=0@{control_core},1@{core}",
                   f"--vdev={case.source()}", f"--vdev={case.sink()}", "--",
                   "--interactive", "--forward-mode=io", "--nb-cores=1", f"--total-num-mbufs={case.mbufs}", "--burst=32",
                   "--no-mlockall"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, bufsize=1)
        self.ask("start", "packet forwarding")
        self.tid = self.named_thread("(rte|lcore)-worker")

    def thread(self):
        return self.tid

    def ask(self, question, until):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        seen = ""
        while True:
            line = self.process.stdout.readline()
            seen += line
            if not line:
                raise PeerError("testpmd ended:\n" + seen[-2000:])
            if re.search(until, line):
                return line

    def sent(self):
        return int(re.search(r"TX-packets: *(\d+)", self.ask("show port stats 1", "TX-packets")).group(1))


class Ours(Peer):
    name = "ml2-fastpath"

    def __init__(self, case, core, control_core, directory, program=None, isa=None):
        program = program or os.path.join(BIN, "ml2-fastpath")
        options = ["--cores", str(core), "--control-core", str(control_core), "--mbufs", str(case.mbufs), "--driver", GENERATOR]
        self.fast_path = fastpath.FastPath(program, options + (["--isa", isa] if isa else []))
        self.fast_path.start()
        self.process = self.fast_path.process
        self.client = self.fast_path.client
        source, sink = case.source(), case.sink()
        uplink = dict(kind=fastpath.TAGGED, mtu=1600, hw=LOCAL_MAC, local=LOCAL_IP)
        # Everything that a machine's port has in use: anti-spoofing, ARP answered, counters (always on).
        vm = dict(kind=fastpath.ACCESS, spoof_check=1)
        rules = [allowed(1, VM_MAC, VM_IP + "/32"), allowed(1, VM_MAC, "2001:db8::1/128")]
        put = {"segment": [segment(1, VNI, answer=1)], "fdb": bytearray()}
        vteps = [vtep(1 + i, 0, LOCAL_IP, vtep_ip(i), LOCAL_MAC, GATEWAY_MAC) for i in range(VTEPS)]
        destination = dict(port_id=2)
        if case.work == "vlan-push":
            put |= {"port": [port(1, source, **vm), port(2, sink, kind=fastpath.TAGGED)],
                    "attachment": [attachment(1, 1), attachment(2, 1, VLAN)], "allowed": rules}
        elif case.work == "vlan-pop":
            put |= {"port": [port(1, source, kind=fastpath.TAGGED), port(2, sink, **{**vm, "spoof_check": 1})],
                    "attachment": [attachment(1, 1, VLAN), attachment(2, 1)],
                    "allowed": [allowed(2, VM_MAC, VM_IP + "/32")]}
        elif case.work == "encap":
            put |= {"port": [port(1, source, **vm), port(2, sink, **uplink)], "attachment": [attachment(1, 1)],
                    "allowed": rules, "vtep": [self.on_port(v, 2) for v in vteps],
                    "flood": [flood(1, 1 + i) for i in range(VTEPS)]}
            destination = None
        else:
            put |= {"port": [port(1, source, **uplink), port(2, sink, **vm)], "attachment": [attachment(2, 1)],
                    "allowed": [allowed(2, VM_MAC, VM_IP + "/32")], "vtep": [self.on_port(v, 1) for v in vteps]}
        for i in range(case.macs):
            put["fdb"] += fdb(mac_of(i), 1, **(destination or {"vtep_id": 1 + i % VTEPS}))
        # The kinds' order does not matter: all is applied at Commit.
        begun = time.monotonic()
        done = self.client.apply(put=put)
        self.load_seconds = time.monotonic() - begun
        if done["refused"]:
            raise PeerError("refused: " + "; ".join(done["refused"][:5]))
        self.tid = self.client.query("show")[0]["workers"][0]["thread"]

    @staticmethod
    def on_port(record, port_id):
        return record[:2] + port_id.to_bytes(2, "little") + record[4:]

    def thread(self):
        return self.tid

    def sent(self):
        return next(row["tx_packets"] for row in self.client.query("ports") if row["port"] == 2)

    def end(self):
        if self.process.poll() is None:
            self.resume()
        self.fast_path.stop()


class OvsDpdk(Peer):
    """OVS as Debian has it. rules: "mac" (one OpenFlow rule per destination, as ML2/OVS does) or "wildcard" (one rule)."""

    def __init__(self, case, core, control_core, directory, rules="mac"):
        self.name = "ovs-dpdk" if rules == "mac" else "ovs-dpdk-wildcard"
        self.directory = tempfile.mkdtemp(prefix="ovs-", dir=directory)
        self.env = dict(os.environ, OVS_RUNDIR=self.directory, OVS_DBDIR=self.directory, OVS_SYSCONFDIR=self.directory,
                        OVS_LOGDIR=self.directory)
        self.netns = "ml2-bench-" + os.path.basename(self.directory)[-8:]
        self.database = None
        run("ip", "netns", "add", self.netns)
        try:
            self.start(case, core, control_core, rules)
        except Exception:
            self.end()
            raise

    def tool(self, *command, **options):
        done = subprocess.run(["ip", "netns", "exec", self.netns, *command], capture_output=True, text=True, env=self.env,
                              timeout=600, input=options.get("stdin", ""))
        if done.returncode != 0:
            raise PeerError(f"{' '.join(command)[:200]}: {done.stderr.strip()} {self.words()}")
        return done.stdout

    def words(self):
        try:
            with open(f"{self.directory}/vswitchd.log", encoding="utf-8", errors="replace") as log:
                return "".join(line for line in log if "ERR" in line or "WARN" in line)[-1500:]
        except OSError:
            return ""

    def start(self, case, core, control_core, rules):
        here = self.directory
        run("ovsdb-tool", "create", f"{here}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        wrap = ["ip", "netns", "exec", self.netns]
        socket = f"unix:{here}/db.sock"
        quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env)
        self.database = subprocess.Popen([*wrap, "ovsdb-server", f"{here}/conf.db", f"--remote=p{socket}", "-vconsole:off",
                                          f"--unixctl={here}/db.ctl"], **quiet)
        self.wait(lambda: os.path.exists(f"{here}/db.sock"), 20)
        self.vsctl = lambda *words: self.tool("ovs-vsctl", f"--db={socket}", "--timeout=120", *words)
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                   'other_config:dpdk-extra="--in-memory --no-pci --no-telemetry -d ' + GENERATOR + '"',
                   f"other_config:dpdk-lcore-mask={1 << control_core:#x}", f"other_config:pmd-cpu-mask={1 << core:#x}",
                   "other_config:dpdk-socket-mem=128", "other_config:max-idle=3600000",
                   "other_config:flow-limit=2000000", "other_config:max-revalidator=10000")
        self.process = subprocess.Popen([*wrap, OVS_DPDK, socket, f"--unixctl={here}/vswitchd.ctl", "--no-chdir",
                                         f"--log-file={here}/vswitchd.log", "-vconsole:off"], **quiet)
        self.appctl = lambda *words: self.tool("ovs-appctl", "-t", f"{here}/vswitchd.ctl", *words)
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure")
        flows = []
        if case.work in ("encap", "decap"):
            self.vsctl("add-br", "phy", "--", "set", "bridge", "phy", "datapath_type=netdev", "fail_mode=standalone",
                       f"other_config:hwaddr={LOCAL_MAC}", "--", "add-port", "br0", "vx", "--", "set", "Interface", "vx",
                       "type=vxlan", "options:remote_ip=flow", f"options:local_ip={LOCAL_IP}", "options:key=flow",
                       "ofport_request=3")
            self.tool("ip", "addr", "add", LOCAL_IP + "/24", "dev", "phy")
            self.tool("ip", "link", "set", "phy", "up")
            self.wait(lambda: LOCAL_IP in self.appctl("ovs/route/show"), 20)
            for i in range(VTEPS):
                self.appctl("tnl/arp/set", "phy", vtep_ip(i), GATEWAY_MAC)
        out = {"vlan-push": f"mod_vlan_vid:{VLAN},output:2", "vlan-pop": "strip_vlan,output:2", "decap": "output:2",
               "encap": None}[case.work]
        match = {"decap": f"in_port=3,tun_id={VNI},", "vlan-pop": f"in_port=1,dl_vlan={VLAN},"}.get(case.work, "in_port=1,")
        for i in range(case.macs if rules == "mac" else 1):
            actions = out or f"set_field:{VNI}->tun_id,set_field:{vtep_ip(i)}->tun_dst,output:3"
            flows.append(f"priority=10,{match}" + (f"dl_dst={mac_text(i)}," if rules == "mac" else "") + f"actions={actions}")
        self.tool("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", f"unix:{here}/br0.mgmt", "-",
                  stdin="\n".join(flows) + "\n")
        self.appctl("upcall/set-flow-limit", "2000000")
        # The load comes last, when all else is there.
        self.out_bridge = "phy" if case.work == "encap" else "br0"
        for bridge, name, device, number in ((self.out_bridge, "p2", case.sink(), 2),
                                             ("phy" if case.work == "decap" else "br0", "p1", case.source(), 1)):
            self.vsctl("add-port", bridge, name, "--", "set", "Interface", name, "type=dpdk",
                       f"options:dpdk-devargs={device}", f"ofport_request={number}")
        self.tid = None
        self.wait(lambda: self.sent() > 0, 30)
        # The datapath has a flow for each destination once the count stands still.
        self.flows, until = -1, time.monotonic() + 90
        while time.monotonic() < until:
            now = int(re.search(r"current (\d+)", self.appctl("upcall/show")).group(1))
            if now == self.flows and (rules != "mac" or now >= case.macs):
                break
            self.flows = now
            time.sleep(1)

    def wait(self, condition, seconds):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until or (self.process and self.process.poll() is not None):
                raise PeerError("OVS with DPDK does not come up: " + self.words())
            time.sleep(0.1)

    def thread(self):
        if self.tid is None:
            self.tid = self.named_thread("pmd-")
        return self.tid

    def sent(self):
        shown = self.tool("ovs-ofctl", "-O", "OpenFlow14", "dump-ports", f"unix:{self.directory}/{self.out_bridge}.mgmt", "2")
        return int(re.search(r"tx pkts=(\d+)", shown).group(1))

    def end(self):
        super().end()
        if self.database and self.database.poll() is None:
            self.database.terminate()
            self.database.wait(20)
        run("ip", "netns", "delete", self.netns, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
