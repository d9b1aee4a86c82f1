"""Every network type over both IP versions in both tunnel modes between three hypervisors; from one mode to the other."""
import concurrent.futures
import re
import signal
import subprocess
import time

import lab as laboratory
from case import LabError, SystemTest, wait_until

TYPES = ("gre", "vxlan", "geneve")
MTU = 9000
# A broadcast frame in VXLAN (RFC 7348 section 5): flags, VNI (3 bytes), then Ethernet with an experimental type.
FORGE = """
import socket, sys
source, target, vni = sys.argv[1], sys.argv[2], int(sys.argv[3])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.bind((source, 0))
frame = b"\\xff" * 6 + bytes.fromhex("02000000beef") + bytes.fromhex("88b5") + b"forged" * 10
for _ in range(5):
    out.sendto(b"\\x08\\0\\0\\0" + vni.to_bytes(3, "big") + b"\\0" + frame, (target, 4789))
"""


class TunnelMatrixTest(SystemTest):
    hypervisors = 3
    underlay_mtu = MTU + 100
    start_agents = False

    def options(self, hypervisor, version, mode):
        return {"DEFAULT": {"global_physnet_mtu": str(self.underlay_mtu)},
                "ml2": {"overlay_ip_version": version},
                "ml2_type_gre": {"tunnel_id_ranges": "1:1000"}, "ml2_type_geneve": {"vni_ranges": "1:1000"},
                "ovs": {"local_ip": hypervisor.local_ip6 if version == 6 else hypervisor.local_ip},
                "agent": {"tunnel_types": ",".join(TYPES), "tunnel_mode": mode, "tunnel_csum": "true",
                          "dscp_inherit": "true", "vxlan_udp_port": self.udp_port(hypervisor, version)}}

    @staticmethod
    def udp_port(hypervisor, version):
        """Over IPv4 hypervisor 1 has another port than the rest: with it, all use the lower one."""
        return 8472 if version == 4 and hypervisor.index > 1 else 4789

    def run_agents(self, version, mode):
        """Every agent anew, with this configuration; one after the other, as an operator would."""
        for hypervisor in self.lab.hypervisors:
            if hypervisor.agent is not None:
                hypervisor.agent.stop()
            hypervisor.write_ini(self.options(hypervisor, version, mode))
            hypervisor.start_agent(wait=False)
        for hypervisor in self.lab.hypervisors:
            hypervisor.wait_in_sync()

    def tunnel_ports(self, hypervisor):
        names = hypervisor.ovs_vsctl("list-ports", "br-tun").stdout.split()
        return sorted(name for name in names if name.startswith(TYPES))

    def wait_tunnel_ports(self, version, mode):
        """Until each has one port per peer and type, or one per type and UDP port; returns those of hypervisor 3."""
        def as_many():
            for hypervisor in self.lab.hypervisors:
                names = self.tunnel_ports(hypervisor)
                count = len(TYPES) * (len(self.lab.hypervisors) - 1)
                if mode == "flow-based":
                    count = len(TYPES) + (self.udp_port(hypervisor, version) != 4789)
                if len(names) != count:
                    raise LabError(f"{hypervisor.host}: {names}")
            return names
        return wait_until(as_many, 20, "the tunnel ports are there, and no others")

    def assert_answers(self, source, address, others):
        """Each of the others answers a broadcast or multicast ping. (So does the hypervisor's end of the veth pair.)"""
        found = set()
        own = {machine.name: set(re.findall(r"inet6? ([0-9a-f.:]+)/", machine.run("ip", "-o", "address", "show", "eth0").stdout))
               for machine in others}

        def all_answered():
            # Not by count: it would end with the first answers, before those of a slow machine.
            done = source.run("ping", "-n", "-b", "-I", "eth0", "-w", "1", "-i", "0.3", address, check=False)
            found.update(answer.rstrip(":") for answer in re.findall(r"bytes from ([0-9a-f.:]+)", done.stdout))
            silent = [name for name, addresses in own.items() if not found & addresses]
            if silent:
                raise LabError(f"no answer to {address} from {silent}: {done.stdout}")
            return True
        wait_until(all_answered, 15, f"all answer to {address}")

    def check_type(self, machines):
        """Three machines of one network: ARP and ND anew, broadcast, multicast, small and large packets."""
        for machine in machines:
            machine.run("ip", "neigh", "flush", "all")
        for source, target in zip(machines, machines[1:] + machines[:1]):
            for address in (target.ip4, target.ip6):
                wait_until(lambda: source.ping(address, count=1).ok, 20, f"{source.name} reaches {address}")
        for address in (re.sub(r"\d+$", "255", machines[0].ip4), "224.0.0.1", "ff02::1"):
            self.assert_answers(machines[0], address, machines[1:])
        for size in (1450, MTU):
            for address, headers in ((machines[1].ip4, 28), (machines[2].ip6, 48)):
                result = machines[0].ping(address, count=2, size=size - headers)
                self.assertEqual(result.lost, 0, f"{machines[0].name} -> {address}, {size} bytes: {result.output}")

    def make_networks(self):
        """One of each type with three machines, one on each hypervisor; of a local network all on the first."""
        networks = {}
        for name in (*TYPES, "vlan", "flat", "local"):
            physical_network = laboratory.PHYSNET if name in ("vlan", "flat") else None
            network = self.network(name, name, mtu=MTU, physical_network=physical_network,
                                   segment=142 if name == "vlan" else None)
            hosts = [self.lab[1]] * 3 if name == "local" else self.lab.hypervisors
            networks[name] = [self.vm(f"{name}{index}", network, host, wait=False) for index, host in enumerate(hosts, 1)]
        for machines in networks.values():
            for machine in machines:
                machine.write_sysctl("ipv4/icmp_echo_ignore_broadcasts", 0)
                self.wait_active(machine.port)
        return networks

    def check_all(self, networks):
        with concurrent.futures.ThreadPoolExecutor(len(networks)) as pool:
            list(pool.map(self.check_type, networks.values()))

    def failed_upcalls(self):
        """Frames that ovs-vswitchd dropped as it could not translate them, such as those for a tunnel port that is in
        tunnel.c's map, and not known to the translation yet."""
        return sum(int(hypervisor.run("ovs-appctl", "-t", f"{hypervisor.rundir}/ovs-vswitchd.ctl", "coverage/read-counter",
                                      "datapath_drop_upcall_error").stdout) for hypervisor in self.lab.hypervisors)

    def lossless(self, networks, action):
        """Pings between hypervisors in each network, all the time that the action takes: none is lost."""
        dropped = self.failed_upcalls()
        pings = {name: subprocess.Popen(machines[0].wrap("ping", "-n", "-i", "0.01", machines[1].ip4),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
                 for name, machines in networks.items()}
        try:
            time.sleep(0.2)
            action()
            time.sleep(0.5)
        finally:
            for ping in pings.values():
                ping.send_signal(signal.SIGINT)
            outputs = {name: ping.communicate(timeout=10)[0] for name, ping in pings.items()}
        dropped = self.failed_upcalls() - dropped
        for name, output in outputs.items():
            answered = [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", output)]
            # What was under way at the end does not count.
            lost = sorted(set(range(1, max(answered, default=0) + 1)) - set(answered))
            self.saw(f"{name}: {len(answered)} pings answered meanwhile, lost: {lost or 'none'} (failed upcalls: {dropped})")
            self.assertGreater(len(answered), 20, output[-500:])
            self.assertEqual(lost, [])

    def check_outer_header(self, source, target):
        """dscp_inherit, dont_fragment and tunnel_csum, as tcpdump sees them where the underlay is."""
        ping = subprocess.Popen(source.wrap("ping", "-q", "-n", "-i", "0.05", "-Q", "0xb8", target.ip4),
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            seen = self.lab.fabric.run("tcpdump", "-lnnv", "-c", "2", "-i", "under-hv1",
                                       f"udp port 4789 and src {self.lab[1].local_ip} and ip[1] & 0xfc == 0xb8",
                                       timeout=20).stdout
        finally:
            ping.kill()
            ping.wait()
        self.assertRegex(seen, r"tos 0xb8.*flags \[DF\]")
        self.assertNotIn("no cksum", seen)

    def check_strangers(self, machine):
        """A frame in a well-formed tunnel packet is taken from a known VTEP only."""
        vni = self.ml2ctl_json("network", "show", machine.port["network_id"])["provider:segmentation_id"]
        target, known = self.lab[1], self.lab[2]
        self.lab.fabric.run("ip", "address", "add", "192.168.100.99/24", "dev", "under")
        try:
            capture = laboratory.Capture(machine, machine.device, "ether proto 0x88b5")
            self.lab.fabric.run("python3", "-c", FORGE, "192.168.100.99", target.local_ip, str(vni))
            machine.ping(machine.ip4, count=5)  # a second, in which they would have come
            seen = capture.lines()
            self.assertEqual(seen, [], "frames of a stranger")

            def taken():
                capture = laboratory.Capture(machine, machine.device, "ether proto 0x88b5")
                known.run("python3", "-c", FORGE, known.local_ip, target.local_ip, str(vni))
                machine.ping(machine.ip4, count=5)
                frames = [line for line in capture.lines() if not line.startswith("\t")]  # without the dump of their bytes
                if len(frames) != 5:
                    raise LabError(f"of 5 frames of a known VTEP came {frames}")
                return True
            wait_until(taken, 20, "the same frames of a known VTEP are taken")
        finally:
            self.lab.fabric.run("ip", "address", "del", "192.168.100.99/24", "dev", "under")
        self.saw("5 frames of a stranger's address: none taken; the same of a known VTEP: taken")

    def test_all_types_over_both_ip_versions_in_both_modes(self):
        self.run_agents(4, "port-per-peer")
        networks = self.make_networks()
        self.wait_tunnel_ports(4, "port-per-peer")
        self.check_all(networks)
        self.check_outer_header(*networks["vxlan"][:2])
        self.assert_plans_empty()

        def change(version, mode):
            self.run_agents(version, mode)
            self.saw(f"IPv{version}, {mode}: ports of hv3: {' '.join(self.wait_tunnel_ports(version, mode))}")
        self.lossless(networks, lambda: change(4, "flow-based"))
        self.check_all(networks)
        self.check_outer_header(*networks["vxlan"][:2])
        self.check_strangers(networks["vxlan"][0])
        self.assert_plans_empty()

        change(6, "flow-based")
        self.check_all(networks)
        self.assert_plans_empty()

        self.lossless(networks, lambda: change(6, "port-per-peer"))
        self.check_all(networks)
