"""ml2-fastpath and Open vSwitch: its VXLAN (userspace datapath) as the peer on the wire, and `ofproto/trace` beside
`ml2ctl fastpath trace` for the same model. And what a client or the fast path itself that is killed costs.

Skipped where ml2-fastpath was not built. Uses ordinary pages, and one Open vSwitch in a namespace of its own.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from fastpath import TAGGED, Client, allowed, attachment, fdb, flood, port, segment, vtep
from fastpath_case import FastPathCase
from processes import run, wait_until
from test_fastpath import NEXT_HOP, OURS, REMOTE, TRUNK, VM

VM2 = "fa:16:3e:00:00:02"
BROADCAST = "ff:ff:ff:ff:ff:ff"


class Ovs:
    """ovsdb-server and ovs-vswitchd in a namespace; what is started here is ended here."""

    def __init__(self, space):
        self.space, self.directory, self.daemons = space, tempfile.mkdtemp(prefix="ml2-ovs-"), []
        here = self.directory
        self.environment = dict(os.environ, OVS_RUNDIR=here, OVS_LOGDIR=here, OVS_DBDIR=here, OVS_SYSCONFDIR=here)
        run(["ovsdb-tool", "create", f"{here}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema"])
        self.daemon("ovsdb-server", f"{here}/conf.db", f"--remote=punix:{here}/db.sock", f"--unixctl={here}/db.ctl", "-vconsole:off")
        wait_until(lambda: os.path.exists(f"{here}/db.sock"), 10, "ovsdb-server listens")
        self.vsctl("--no-wait", "init")
        self.daemon("ovs-vswitchd", f"unix:{here}/db.sock", f"--unixctl={here}/vswitchd.ctl", "-vconsole:off")
        wait_until(lambda: os.path.exists(f"{here}/vswitchd.ctl"), 20, "ovs-vswitchd answers")

    def daemon(self, *command):
        self.daemons.append(subprocess.Popen(self.space.wrap(*command), env=self.environment, stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def vsctl(self, *words):
        return self.space.run("ovs-vsctl", f"--db=unix:{self.directory}/db.sock", "--timeout=20", *words, env=self.environment)

    def appctl(self, *words):
        return self.space.run("ovs-appctl", "-t", f"{self.directory}/vswitchd.ctl", *words, env=self.environment).stdout

    def flows(self, bridge, *flows):
        self.space.run("ovs-ofctl", "-O", "OpenFlow14", "add-flows", f"unix:{self.directory}/{bridge}.mgmt", "-", stdin="\n".join(flows) + "\n",
                       env=self.environment)

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)


class FastPathOvs(FastPathCase):
    """vm1 - fast path - (VXLAN) - Open vSwitch - vm2."""

    names = ("vm1", "ovs", "vm2")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ovs = Ovs(cls.spaces["ovs"])
        cls.addClassCleanup(cls.ovs.stop)
        cls.plug()

    @classmethod
    def generation(cls):
        return {"port": [port(1, "net_tap1,iface=vm1", spoof_check=1), port(3, "net_null3,no-rx=1", kind=TAGGED),
                         port(9, "net_tap9,iface=up0", kind=TAGGED, local="192.0.2.1", hw=OURS)],
                "segment": [segment(5, 1000, answer=1), segment(6, 2000)],
                "attachment": [attachment(1, 5), attachment(3, 5, 100), attachment(3, 6, 200)],
                "vtep": [vtep(7, 9, "192.0.2.1", "192.0.2.2", OURS, NEXT_HOP)], "flood": [flood(5, 7)],
                "allowed": [allowed(1, VM, "10.0.0.1/32"), allowed(1, VM, "2001:db8:1::1/128")],
                "fdb": [fdb(VM, 5, 1), fdb(TRUNK, 5, 3), fdb(REMOTE, 5, 0, 7), fdb(REMOTE, 6, 3)]}

    @classmethod
    def plug(cls):
        done = cls.fast_path.client.apply(put=cls.generation())
        assert not done["refused"], done["refused"]
        move = lambda device, space: cls.spaces["fp"].run("ip", "link", "set", device, "netns", cls.spaces[space].netns)
        move("vm1", "vm1")
        move("up0", "ovs")
        vm1, ovs, vm2 = cls.spaces["vm1"], cls.spaces["ovs"], cls.spaces["vm2"]
        vm1.run("ip", "link", "set", "vm1", "address", VM, "mtu", "1430", "up")
        for address in ("10.0.0.1/24", "2001:db8:1::1/64"):
            vm1.run("ip", "addr", "add", address, "dev", "vm1", *(["nodad"] if ":" in address else []))
        ovs.run("ip", "link", "set", "up0", "up")
        cls.ovs.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", "fail_mode=standalone",
                      f'other_config:hwaddr="{NEXT_HOP}"', "--", "add-port", "br-phy", "up0",
                      "--", "add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail_mode=secure",
                      "--", "add-port", "br-int", "vm2", "--", "set", "Interface", "vm2", "type=internal", "ofport_request=2",
                      "--", "add-port", "br-int", "vx", "--", "set", "Interface", "vx", "type=vxlan", "ofport_request=3",
                      "options:remote_ip=192.0.2.1", "options:local_ip=192.0.2.2", "options:key=1000")
        ovs.run("ip", "addr", "add", "192.0.2.2/24", "dev", "br-phy")
        ovs.run("ip", "link", "set", "br-phy", "up")
        wait_until(lambda: "192.0.2.0/24" in cls.ovs.appctl("ovs/route/show"), 10, "OVS has its route")
        cls.ovs.appctl("tnl/neigh/set", "br-phy", "192.0.2.1", OURS)
        cls.ovs.flows("br-int", "in_port=2,actions=output:3", "in_port=3,actions=output:2")
        ovs.run("ip", "link", "set", "vm2", "netns", vm2.netns)
        vm2.run("ip", "link", "set", "vm2", "address", REMOTE, "mtu", "1430", "up")
        for address in ("10.0.0.3/24", "2001:db8:1::3/64"):
            vm2.run("ip", "addr", "add", address, "dev", "vm2", *(["nodad"] if ":" in address else []))

    def test_vxlan_of_open_vswitch(self):
        self.ping("vm1", "10.0.0.3")
        self.ping("vm2", "10.0.0.1", size=1402)
        self.ping("vm1", "2001:db8:1::3", size=1382)
        for address in ("10.0.0.3", "2001:db8:1::3"):
            self.tcp("vm1", "vm2", address)
        row = next(row for row in self.fast_path.client.query("vteps") if row["remote"] == "192.0.2.2")
        self.assertGreaterEqual(row["in_packets"], 10, row)
        self.assertEqual([row for row in self.fast_path.client.query("drops") if row["reason"].startswith(("Outer", "Vxlan", "Unknown"))], [])

    def decisions(self, in_port, frame):
        """What the fast path would do, as (port, VLAN or None, VNI or None) for each copy."""
        out = set()
        for row in self.fast_path.client.query(f"trace {in_port} {frame.hex()}"):
            if row["step"] != "send":
                continue
            sent = bytes.fromhex(row["frame"])
            vlan = int.from_bytes(sent[14:16], "big") & 0xfff if sent[12:14] == b"\x81\x00" else None
            vni = int.from_bytes(sent[46:49], "big") if row["port"] == 9 else None
            if row["port"] == 9:
                self.assertEqual((sent[26:30], sent[30:34]), (bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])))
            out.add((row["port"], vlan, vni))
        return out

    def test_trace_agrees_with_ofproto_trace(self):
        """The same node as flows per destination, as ML2 writes them, on a bridge with the same ports."""
        self.ovs.vsctl("add-br", "model", "--", "set", "bridge", "model", "datapath_type=netdev", "fail_mode=secure",
                       *sum((["--", "add-port", "model", name, "--", "set", "Interface", name, "type=internal", f"ofport_request={n}"]
                             for name, n in (("m1", 1), ("m3", 3))), []),
                       "--", "add-port", "model", "mx", "--", "set", "Interface", "mx", "type=vxlan", "ofport_request=9",
                       "options:remote_ip=flow", "options:local_ip=192.0.2.2", "options:key=flow", "options:dst_port=4790")
        self.addCleanup(self.ovs.vsctl, "del-br", "model")
        tunnel = "load:1000->NXM_NX_TUN_ID[],load:0xc0000201->NXM_NX_TUN_IPV4_DST[],output:9"
        trunk = "push_vlan:0x8100,set_field:4196->vlan_vid,output:3"
        self.ovs.flows(
            "model",
            # Ingress: anti-spoofing of port 1; VLAN 100 and VNI 1000 are segment 5, VLAN 200 is segment 6.
            *(f"table=0,priority=9,in_port=1,dl_src={VM},{match}actions=load:5->NXM_NX_REG1[],resubmit(,1)"
              for match in ("ip,nw_src=10.0.0.1,", "arp,arp_spa=10.0.0.1,arp_sha=" + VM + ",")),
            "table=0,priority=9,in_port=3,dl_vlan=100,actions=strip_vlan,load:5->NXM_NX_REG1[],resubmit(,1)",
            "table=0,priority=9,in_port=3,dl_vlan=200,actions=strip_vlan,load:6->NXM_NX_REG1[],resubmit(,1)",
            "table=0,priority=9,in_port=9,tun_id=1000,actions=load:5->NXM_NX_REG1[],resubmit(,2)",
            f"table=1,priority=9,reg1=5,dl_dst={VM},actions=output:1", f"table=1,priority=9,reg1=5,dl_dst={TRUNK},actions={trunk}",
            f"table=1,priority=9,reg1=5,dl_dst={REMOTE},actions={tunnel}",
            f"table=1,priority=1,reg1=5,actions=output:1,{trunk},strip_vlan,{tunnel}",
            f"table=2,priority=9,reg1=5,dl_dst={VM},actions=output:1", f"table=2,priority=9,reg1=5,dl_dst={TRUNK},actions={trunk}",
            f"table=2,priority=9,reg1=5,dl_dst={REMOTE},actions=drop", f"table=2,priority=1,reg1=5,actions=output:1,{trunk}",
            "table=1,priority=0,actions=drop", "table=2,priority=0,actions=drop")
        names = {"1": 1, "3": 3}

        def of_ofproto(flow):
            """(port, VLAN, VNI) from the OpenFlow outputs that the trace lists; a port's own frame does not come back to it."""
            text = self.ovs.appctl("ofproto/trace", "model", flow)
            out, vlan = set(), None
            for word in text.splitlines():
                word = word.strip()
                if found := re.match(r"set_field:(\d+)->vlan_vid", word):
                    vlan = int(found.group(1)) & 0xfff
                elif word in ("pop_vlan", "strip_vlan"):
                    vlan = None
                elif (found := re.match(r"output:(\d+)", word)) and found.group(1) in names:
                    out.add((names[found.group(1)], vlan, None))
                elif word == "output:9":
                    out.add((9, None, 1000))
            return {one for one in out if f"in_port={one[0]}," not in flow + ","}

        ip = lambda source: b"\x08\x00" + bytes.fromhex("4500001c00000000401100000a000001")[:12] + bytes(map(int, source.split("."))) + \
            bytes([10, 0, 0, 9]) + bytes(26)
        hw = lambda text: bytes.fromhex(text.replace(":", ""))
        outer = lambda vni, inner: (hw(OURS) + hw(NEXT_HOP) + b"\x08\x00" + header(len(inner)) + (50000).to_bytes(2, "big") +
                                    (4789).to_bytes(2, "big") + (16 + len(inner)).to_bytes(2, "big") + b"\0\0" +
                                    b"\x08\0\0\0" + (vni << 8).to_bytes(4, "big") + inner)

        def header(inner):
            head = bytes.fromhex("4500") + (36 + inner).to_bytes(2, "big") + bytes.fromhex("0000000040110000c0000202c0000201")
            total = sum(int.from_bytes(head[i:i + 2], "big") for i in range(0, 20, 2))
            total = (total & 0xffff) + (total >> 16)
            return head[:10] + (~total & 0xffff).to_bytes(2, "big") + head[12:]

        seen = []

        def compare(in_port, frame, flow):
            ours = self.decisions(in_port, frame)
            self.assertEqual(ours, of_ofproto(flow), flow)
            seen.append(frozenset(ours))

        for to in (VM, TRUNK, REMOTE, BROADCAST):
            for source, address in ((VM, "10.0.0.1"), (VM, "10.0.0.7"), (VM2, "10.0.0.1")):
                flow = f"in_port=1,ip,dl_src={source},dl_dst={to},nw_src={address},nw_dst=10.0.0.9,nw_proto=17"
                compare(1, hw(to) + hw(source) + ip(address), flow)
            for vlan in (100, 200, 300):
                flow = f"in_port=3,dl_vlan={vlan},dl_vlan_pcp=0,dl_src={VM2},dl_dst={to},dl_type=0x0800"
                frame = hw(to) + hw(VM2) + b"\x81\x00" + vlan.to_bytes(2, "big") + ip("10.0.0.2")
                compare(3, frame, flow)
            for vni in (1000, 1001):
                flow = f"in_port=9,tun_id={vni},tun_src=192.0.2.2,tun_dst=192.0.2.1,dl_src={REMOTE},dl_dst={to},dl_type=0x0800"
                compare(9, outer(vni, hw(to) + hw(REMOTE) + ip("10.0.0.3")), flow)
        # To each place alone, to several, and nowhere: the traces have had something to agree on.
        for one in ({(1, None, None)}, {(3, 100, None)}, {(9, None, 1000)}, {(1, None, None), (3, 100, None)}, set()):
            self.assertIn(frozenset(one), seen)
        print(f"  saw {len(seen)} frames decided alike by both, {sum(map(bool, seen))} of them delivered", file=sys.stderr)

    def test_a_killed_client_costs_nothing(self):
        """The client is killed under load and started again: no packet is lost, and nothing has to be sent."""
        self.ping("vm1", "10.0.0.3")
        script = ("import sys, time\nsys.path.insert(0, sys.argv[2])\nfrom fastpath import Client\n"
                  "print(Client(sys.argv[1]).hello()['generation'], flush=True)\ntime.sleep(60)\n")
        other = subprocess.Popen([sys.executable, "-c", script, self.fast_path.path, os.path.dirname(os.path.abspath(__file__))],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.assertGreater(int(other.stdout.readline()), 0)
        before = self.fast_path.client.hello()
        load = subprocess.Popen(self.spaces["vm1"].wrap("ping", "-n", "-q", "-c", "400", "-i", "0.005", "10.0.0.3"),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        other.send_signal(signal.SIGKILL)
        self.fast_path.client.close()
        self.fast_path.client = FastPathOvs.fast_path.client = Client(self.fast_path.path)
        again = self.fast_path.client.hello()
        self.assertEqual((again["boot"], again["digests"]), (before["boot"], before["digests"]), "so nothing is sent")
        self.assertEqual(self.fast_path.client.apply(put=self.generation())["applied"], 0, "and if it were, nothing would change")
        output = load.communicate(timeout=60)[0]
        self.assertRegex(output, r"400 packets transmitted, 400 received, 0% packet loss", output)

    def test_z_the_fast_path_is_killed(self):
        """SIGKILL, a new start, and the client fills it again: how long until it forwards."""
        before = self.fast_path.client.hello()
        self.fast_path.kill(signal.SIGKILL)
        begun = time.monotonic()
        self.fast_path.start()
        fresh = self.fast_path.client.hello()
        self.assertNotEqual(fresh["boot"], before["boot"])
        self.assertTrue(all(count == 0 for count in fresh["entries"].values()), fresh["entries"])
        ready = time.monotonic()
        self.assertEqual(self.fast_path.client.apply(put=self.generation())["refused"], [])
        filled = time.monotonic()
        self.assertEqual(self.fast_path.client.hello()["digests"], before["digests"])
        frame = bytes.fromhex((REMOTE + VM).replace(":", "")) + b"\x08\x00\x45" + bytes(11) + bytes([10, 0, 0, 1]) + bytes(30)
        self.assertEqual(self.decisions(1, frame), {(9, None, 1000)})
        print(f"  saw up {ready - begun:.2f} s after its start, filled {filled - ready:.3f} s later", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
