"""Who has which address: l2_population, the ARP and ND responders, anti-spoofing, failover of virtual addresses."""
import re
import sys
import textwrap

import lab as laboratory
from case import SystemTest, wait_until

# Sends one frame: ARP or an unsolicited neighbour advertisement for `address`, or a UDP broadcast, from any MAC.
SEND = textwrap.dedent("""\
    import socket, struct, sys
    kind, source, address, device = sys.argv[1:5]
    mac = bytes.fromhex(source.replace(":", ""))
    def checksum(data):
        data += b"\\0" * (len(data) % 2)
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        return ~total & 0xffff
    everybody = b"\\xff" * 6
    if kind in ("arp", "reply"):  # gratuitous: who has my own address
        ip = socket.inet_aton(address)
        operation = 1 if kind == "arp" else 2
        frame = everybody + mac + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, operation) + mac + ip + everybody + ip
    elif kind == "na":
        ip, all_nodes = socket.inet_pton(socket.AF_INET6, address), socket.inet_pton(socket.AF_INET6, "ff02::1")
        body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + ip + struct.pack("!BB", 2, 1) + mac
        pseudo = ip + all_nodes + struct.pack("!II", len(body), 58)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
        frame = (bytes.fromhex("333300000001") + mac + b"\\x86\\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
                 + ip + all_nodes + body)
    else:  # plain: an Ethernet frame of an experimental type (IEEE 802 local experimental ethertype 1)
        frame = everybody + mac + b"\\x88\\xb5" + b"hello".ljust(46, b"\\0")
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((device, 0))
    raw.send(frame)
    """)


class AddressesTest(SystemTest):
    """Three hypervisors, a machine of one network on each; the network is only looked at by most tests."""
    hypervisors = 3
    ini = {"agent": {"l2_population": "true", "arp_responder": "true", "drop_unknown_unicast": "true"}}

    def send(self, machine, kind, address="", mac=None):
        source = mac or machine.port["mac_address"]
        machine.run(sys.executable, "-c", SEND, kind, source, address or "-", machine.device)

    def machines(self, count=3):
        network = self.network("blue", "vxlan")
        return network, [self.vm(f"m{index}", network, self.lab[index]) for index in range(1, count + 1)]

    def tun_flows(self, hypervisor, table):
        """Flows of a table of br-tun without their counters; learned ones left out."""
        flows = [re.sub(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^, ]+,? ?", "", line)
                 for line in hypervisor.flows("br-tun") if f" table={table}," in line]
        return [flow for flow in flows if "hard_timeout=" not in flow.partition("actions=")[0]]

    def wait_flows(self, hypervisor, table, holds, what):
        return wait_until(lambda: holds(self.tun_flows(hypervisor, table)), 15, f"{hypervisor.host}: {what}")

    def counted(self, hypervisor, table):
        """Packets that anti-spoofing dropped, all ports together."""
        return sum(packets for flow, (_, packets) in hypervisor.flow_counters("br-int").items()
                   if f"table={table}," in flow and "priority=1,in_port" in flow)

    def tunnels(self, hypervisor):
        return sorted(re.findall(r"vxlan-[0-9a-f]{8}", hypervisor.ovs_vsctl("list-ports", "br-tun").stdout))

    # --- l2_population and the responders

    def test_entries_only_where_needed(self):
        one, two, three = self.lab.hypervisors
        network, (first, second) = self.machines(2)
        mac = second.port["mac_address"]
        self.wait_flows(one, 20, lambda flows: any(f"dl_dst={mac} " in flow for flow in flows), "an entry for m2")
        self.assertEqual(len(self.tunnels(one)), 1, "a tunnel to the host with a port of the network, no other")
        self.assertEqual(self.tunnels(three), [], "no network there, no tunnels")
        self.assertTrue(all("dl_dst" in flow and "dl_vlan" in flow or "priority=0" in flow
                            for flow in self.tun_flows(one, 20)))
        flood = [flow for flow in self.tun_flows(one, 22) if "dl_vlan" in flow]
        self.assertEqual(len(flood), 1)
        self.assertEqual(flood[0].count("output:"), 1, flood[0])

        # Requests are answered here: the other machine sees the ping and none of the questions.
        for machine in (first, second):
            machine.run("ip", "neigh", "flush", "all")
        captures = [laboratory.Capture(second, second.device, what) for what in
                    ("arp[6:2] == 1", f"icmp6 and ip6[40] == 135 and ether src {first.port['mac_address']}")]
        self.assert_pings(first, second.ip4, count=2)
        self.assert_pings(first, second.ip6, count=2)
        seen = [capture.lines() for capture in captures]
        self.saw(f"ARP requests and neighbour solicitations that reached m2: {len(seen[0])} and {len(seen[1])}")
        self.assertEqual([line for line in seen[0] if f"tell {first.ip4}" in line], [])
        # Duplicate address detection, from ::, is flooded on purpose.
        self.assertEqual([line for line in seen[1] if "ff02::1:ff" in line and "IP6 :: >" not in line], [])
        for address in (second.ip4, second.ip6):
            self.assertIn(mac, first.run("ip", "neigh", "show", address).stdout)
        answered = [packets for flow, (_, packets) in one.flow_counters("br-tun").items()
                    if "table=21," in flow and (f"arp_tpa={second.ip4} " in flow or f"nd_target={second.ip6} " in flow)]
        self.assertEqual(len(answered), 2)
        self.assertTrue(all(answered), "the responder's flows count what they answered")

        # A third machine joins and leaves: entries, flood list and tunnels follow.
        third = self.vm("m3", network, three)
        self.wait_flows(one, 22, lambda flows: any(flow.count("output:") == 2 for flow in flows), "floods to two")
        self.assert_pings(third, first.ip6, count=2)
        unknown = laboratory.Capture(second, second.device, "ether dst 02:00:00:00:00:77")
        first.run("ip", "neigh", "replace", "10.1.0.77", "lladdr", "02:00:00:00:00:77", "dev", first.device)
        self.assert_no_ping(first, "10.1.0.77")
        self.assertEqual(unknown.lines(), [], "unknown unicast is dropped")
        self.ml2ctl("port", "set", third.port["id"], "--disable")
        self.wait_flows(one, 22, lambda flows: not any(flow.count("output:") == 2 for flow in flows),
                        "a port that is down takes its entries away")
        wait_until(lambda: len(self.tunnels(one)) == 1, 10, "the tunnel that nobody needs is gone")
        self.assert_pings(first, second.ip4, count=2)

    def test_a_port_that_moves(self):
        one, two, three = self.lab.hypervisors
        network, (first, second) = self.machines(2)
        self.assert_pings(first, second.ip4, count=2)
        mac = second.port["mac_address"]
        before = [flow for flow in self.tun_flows(one, 20) if f"dl_dst={mac} " in flow]
        # As a migration does it: the machine on the new host, the binding, the announcement.
        self.unplug(second.port, two)
        self.ml2ctl("port", "set", second.port["id"], "--host", three.host)
        again = self.plug("m3", second.port, three)
        self.wait_active(second.port)
        self.wait_flows(one, 20, lambda flows: any(f"dl_dst={mac} " in flow and flow not in before for flow in flows),
                        "the entry is that of the other host")
        self.assert_pings(first, again.ip4, count=3)
        self.assert_pings(first, again.ip6, count=3)

    # --- anti-spoofing

    def seen(self, sender, receiver, what, *frames):
        """What of these frames (kind, address, MAC) the receiver sees."""
        capture = laboratory.Capture(receiver, receiver.device, what)
        for frame in frames:
            self.send(sender, *frame)
        # The ping goes through the same queues behind them.
        wait_until(lambda: sender.ping(receiver.ip4, count=1).ok, 10, f"{sender.name} reaches {receiver.name}")
        return [line for line in capture.lines() if not line.startswith("\t")]  # a line per frame

    def test_spoofed_addresses(self):
        one = self.lab[1]
        _, (first, second) = self.machines(2)
        self.assert_pings(first, second.ip4, count=2)
        mac, port, other_mac = first.port["mac_address"], first.port["id"], "fa:16:3e:de:ad:01"
        foreign = "arp host 10.1.0.200 or arp host 10.1.0.209"
        na = "icmp6 and ip6[40] == 136 and ip6[48:4] == 0xfd010000 and ip6[60:4] == 0x200"
        any_of = f"ether src {other_mac} or {foreign} or ({na})"

        def checked(is_checked):
            wait_until(lambda: is_checked == any(f"dl_src={mac} " in flow for flow in one.flow_counters("br-int")), 10,
                       f"what m1 sends is {'' if is_checked else 'not '}checked")
        before = [self.counted(one, table) for table in (24, 25)]
        lines = self.seen(first, second, any_of, ("arp", "10.1.0.200"), ("reply", "10.1.0.209"), ("na", "fd01::200"),
                          ("arp", first.ip4, other_mac), ("na", first.ip6, other_mac), ("plain", "", other_mac))
        self.assertEqual(lines, [], "spoofed ARP, advertisements and MACs do not pass")
        wait_until(lambda: all(self.counted(one, table) >= count + 3 for table, count in zip((24, 25), before)), 10,
                   "three are counted in each table")
        self.saw(f"dropped and counted: {self.counted(one, 24)} in table 24, {self.counted(one, 25)} in table 25")
        warnings = self.ml2ctl_json("explain", port)["warnings"]
        self.assertEqual(sum("anti-spoofing has dropped" in warning for warning in warnings), 2, warnings)
        self.saw(f"explain: {warnings}")
        self.assertEqual(len(self.seen(first, second, f"arp host {first.ip4} and arp[6:2] == 2 and ether src {mac} "
                                       "and ether broadcast", ("reply", first.ip4))), 1, "its own address passes")

        # Allowed pairs: a prefix with the port's MAC, an address with another MAC. A ping beside them loses nothing.
        pinging = laboratory.BackgroundPing(first, second.ip4, count=300, interval=0.02)
        self.ml2ctl("port", "set", port, "--allowed-address", "ip-address=10.1.0.192/28", "--allowed-address",
                    f"ip-address=fd01::200,mac-address={other_mac}")
        wait_until(lambda: any("dl_src=" + other_mac in flow for flow in one.flow_counters("br-int")), 10,
                   "the pairs' flows are in")
        lines = self.seen(first, second, any_of, ("arp", "10.1.0.200"), ("na", "fd01::200", other_mac),
                          ("plain", "", other_mac), ("arp", "10.1.0.209"))
        self.assertEqual(len(lines), 3, lines)
        self.assertEqual([line for line in lines if "10.1.0.209" in line], [])
        # Security off: everything passes; on again: checked again. The network's own servers are trusted.
        self.ml2ctl("port", "set", port, "--no-allowed-address", "--disable-port-security")
        checked(False)
        self.assertEqual(len(self.seen(first, second, any_of, ("arp", "10.1.0.209"), ("plain", "", other_mac))), 2)
        self.ml2ctl("port", "set", port, "--enable-port-security")
        checked(True)
        self.assertEqual(self.seen(first, second, any_of, ("arp", "10.1.0.209"), ("plain", "", other_mac)), [])
        result = pinging.result()
        self.saw(f"ping while the pairs and port security changed: {result.summary}")
        self.assertEqual(result.lost, 0, result.output)
        self.ml2ctl("port", "set", port, "--device-owner", "network:dhcp")
        checked(False)
        self.assertEqual(len(self.seen(first, second, any_of, ("arp", "10.1.0.209"))), 1)

    # --- failover, with one agent dead

    def test_failover_of_virtual_addresses(self):
        one, two, three = self.lab.hypervisors
        network, (first, second, client) = self.machines(3)
        vip4, vip6, vmac = "10.1.0.100", "fd01::100", "00:00:5e:00:01:0a"
        for machine in (first, second):
            self.ml2ctl("port", "set", machine.port["id"], *(
                argument for address in (vip4, vip6) for pair in (f"ip-address={address}",
                                                                  f"ip-address={address},mac-address={vmac}")
                for argument in ("--allowed-address", pair)))
        for hypervisor in (one, two):
            wait_until(lambda: any(f"dl_src={vmac}" in flow for flow in hypervisor.flow_counters("br-int")), 10,
                       f"{hypervisor.host}: the virtual MAC is allowed")
        self.wait_flows(three, 10, lambda flows: any(vmac in flow for flow in flows), "knows that the MAC moves")
        # The agent of the host that fails over to is dead; what it wrote stays.
        two.agent.kill()
        self.assertFalse(any("arp_tpa=" + vip4 in flow for flow in self.tun_flows(three, 21)))

        # A virtual address that moves between the machines' own MACs.
        self.hold(first, vip4, vip6)
        self.assert_pings(client, vip4, count=2)
        self.assert_pings(client, vip6, count=2)
        self.release(first, vip4, vip6)
        self.hold(second, vip4, vip6)
        for address, mac in ((vip4, second.port["mac_address"]), (vip6, second.port["mac_address"])):
            self.assertIn(mac, client.run("ip", "neigh", "show", address).stdout)
        self.release(second, vip4, vip6)

        # One virtual MAC that moves: the machines' own MACs stay where they are.
        for index, (holder, other) in enumerate(((first, second), (second, first))):
            holder.run("ip", "link", "add", "link", holder.device, "vrrp", "address", vmac, "type", "macvlan")
            holder.run("ip", "link", "set", "vrrp", "mtu", str(holder.mtu), "up")
            for address in (f"{vip4}/24", f"{vip6}/64"):
                holder.run("ip", "address", "add", address, "dev", "vrrp", *(["nodad"] if ":" in address else []))
            if index == 0:
                self.send(holder, "arp", vip4, vmac)
                self.assert_pings(client, vip4, count=2)
                self.assert_pings(client, vip6, count=2)
            else:
                # By GARP alone the frames turn to the new holder, then back and forth by NA.
                self.announce(three, holder, "arp", vip4, vmac)
                self.assert_pings(client, vip4, count=2)
                self.assert_pings(client, vip6, count=2)
                self.announce(three, other, "na", vip6, vmac)
                self.announce(three, holder, "na", vip6, vmac)
                self.assert_pings(client, vip6, count=2)
            if index == 0:
                holder.run("ip", "link", "del", "vrrp")
        self.saw("virtual addresses failed over by GARP and by NA while the agent of one host was dead")
        # The dead agent's ports keep their entries; others come and go.
        self.assert_pings(client, second.ip4, count=2)
        late = self.vm("late", network, one)
        self.assert_pings(client, late.ip4, count=2)
        two.start_agent()
        self.assert_pings(second, late.ip4, count=2)

    def hold(self, machine, *addresses):
        for address in addresses:
            machine.run("ip", "address", "add", f"{address}/{64 if ':' in address else 24}", "dev", machine.device,
                        *(["nodad"] if ":" in address else []))
            self.send(machine, "na" if ":" in address else "arp", address)
        source = self.lab.vms["m3"]
        for address in addresses:
            wait_until(lambda: source.ping(address, count=1).ok, 10, f"{address} answers from {machine.name}")

    def release(self, machine, *addresses):
        for address in addresses:
            machine.run("ip", "address", "del", f"{address}/{64 if ':' in address else 24}", "dev", machine.device)

    def announce(self, hypervisor, holder, kind, address, mac):
        """The holder says that it has the address until the learned entry of `mac` leads to its host.

        Once is not always enough, and keepalived says it five times: up to half a second after its last frame Open
        vSwitch may count frames of the holder before, and learns from counting, too.
        """
        port = "vxlan-{:02x}{:02x}{:02x}{:02x}".format(*map(int, holder.hypervisor.local_ip.split(".")))
        ofport = hypervisor.ovs_vsctl("get", "Interface", port, "ofport").stdout.strip()

        def heard():
            self.send(holder, kind, address, mac)
            return any("priority=3," in flow and f"dl_dst={mac} " in flow and flow.endswith(f"output:{ofport}")
                       for flow in hypervisor.flows("br-tun"))
        wait_until(heard, 5, f"{mac} is heard from {holder.name}")
