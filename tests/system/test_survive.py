"""Two hundred ports, a packet each millisecond and a TCP stream: the agent is killed, changed and upgraded under them."""
import os
import shutil

from case import SystemTest, wait_until
from traffic import Datagrams, Stream

PORTS = 200
BRIDGES = ("br-int", "br-tun", "br-ex")


class SurviveTest(SystemTest):
    def setUp(self):
        super().setUp()
        if self.lab.vms:
            return
        with self.for_the_class():
            blue = self.network("blue", "vxlan", cidrs=("10.1.0.0/16",))
            type(self).blue = blue
            type(self).pair = [self.vm(f"a{index}", blue, self.lab[index]) for index in (1, 2)]
            type(self).many = self.many_ports(blue, self.lab[1], PORTS)
            self.assert_pings(self.pair[0], self.pair[1].ip4, count=2)
            self.lab.settle()
        self.figures.clear()

    def flows(self):
        return {(hypervisor.host, bridge): hypervisor.flow_counters(bridge)
                for hypervisor in self.lab.hypervisors for bridge in BRIDGES}

    def counted(self, action, interval):
        """Runs action() under both streams, of which none may lose anything."""
        datagrams = Datagrams(self.pair[0], self.pair[1], self.pair[1].ip4, interval=interval)
        stream = Stream(self.pair[0], self.pair[1], self.pair[1].ip4)
        try:
            action()
        finally:
            tcp, counted = stream.stop(), datagrams.stop()
        self.saw(f"datagrams: {counted}; TCP: {tcp}")
        self.assertGreater(counted["sent"], 50)
        self.assertEqual(tcp["arrived_whole"], tcp["blocks"])
        self.assertEqual(counted["received"], counted["sent"], counted)

    def under_traffic(self, action):
        """The same at a packet each millisecond; and flows that were there are neither gone nor installed anew."""
        before = self.flows()
        self.counted(action, 0.001)
        after = self.flows()
        touched = [f"{place}: {flow}" for place, flows in before.items() for flow, (age, packets) in flows.items()
                   if flow not in after[place] or after[place][flow][0] < age or after[place][flow][1] < packets]
        self.assertEqual(touched, [], "flows that were there before were touched")
        return {place: sorted(set(after[place]) - set(before[place])) for place in before}

    def restart(self, hypervisor, program=None):
        hypervisor.start_agent(program=program)
        counters = hypervisor.status()["counters"]
        self.assertIn("plan is empty", hypervisor.recompute())
        return counters

    def test_kill_9_changes_nothing(self):
        def kill():
            for hypervisor in self.lab.hypervisors:
                hypervisor.agent.kill()
            for hypervisor in self.lab.hypervisors:
                counters = self.restart(hypervisor)
                self.saw(f"{hypervisor.host}: {counters}")
                self.assertEqual((counters["flow_mods"], counters["transactions"]), (0, 0))
        new = self.under_traffic(kill)
        self.assertEqual([flows for flows in new.values() if flows], [], "flows are new")
        self.saw(f"{sum(len(flows) for flows in self.flows().values())} flows, {PORTS + 2} ports: 0 changed")

    def test_kill_9_with_changes_meanwhile(self):
        gone = list(self.many)[:3]

        def kill():
            self.lab[1].agent.kill()
            self.unplug_void(self.lab[1], gone)
            for name in gone:
                self.ml2ctl("port", "delete", self.many.pop(name))
            type(self).many.update(self.many_late())
            counters = self.restart(self.lab[1])
            wait_until(self.late_is_wired, 20, "the late port is wired")
            self.saw(f"3 ports gone, 1 new: {self.lab[1].status()['counters']} (at first {counters})")
            self.assertLess(self.lab[1].status()["counters"]["flow_mods"], 30, "only what changed")
        before = self.flows()
        self.counted(kill, 0.01)  # ports that come and go hold ovs-vswitchd up: at a packet each millisecond it loses some
        after = self.flows()
        kept = [(place, flow) for place, flows in before.items() for flow in flows if flow in after[place]]
        anew = [flow for place, flow in kept if after[place][flow][0] < before[place][flow][0]]
        self.assertEqual(anew, [], "flows were installed anew")
        touched = sum(len(set(before[place]) ^ set(after[place])) for place in before)
        self.saw(f"{len(kept)} flows kept, {touched} gone or new")
        self.assertLess(touched, 30)

    def many_late(self):
        """A port whose agent is away: asked for and plugged, not waited for."""
        port = self.ml2ctl_json("port", "create", "late", "--network", self.blue["id"], "--host", "hv1")
        self.plug_void(self.lab[1], {"late0": port["id"]})
        return {"late0": port["id"]}

    def late_is_wired(self):
        return any(port["id"] == self.many["late0"] and port["status"] == "ACTIVE"
                   for port in self.lab[1].status()["ports"])

    def test_upgrade(self):
        """ML2_OLD_BIN_DIR names the programs of an earlier build; without it, a copy of this one plays the part."""
        old_dir = os.environ.get("ML2_OLD_BIN_DIR")
        old = os.path.join(old_dir, "ml2-agent") if old_dir else os.path.join(self.lab.dir, "ml2-agent-before")
        if not old_dir:
            shutil.copy(self.lab.program("ml2-agent"), old)
        for hypervisor in self.lab.hypervisors:
            hypervisor.agent.stop()
            hypervisor.start_agent(program=old)
        self.lab.settle()

        def upgrade():
            for hypervisor in self.lab.hypervisors:
                self.assertEqual(hypervisor.agent.stop(), 0)
                counters = self.restart(hypervisor)
                self.saw(f"{hypervisor.host}: after the upgrade {counters}")
        new = self.under_traffic(upgrade)
        self.saw(f"flows that the new build added: {[flow for flows in new.values() for flow in flows]}")
        if not old_dir:
            self.assertEqual([flows for flows in new.values() if flows], [])

    def test_sigterm_ends_within_a_second(self):
        agent = self.lab[1].agent
        flows = self.flows()
        status = agent.stop(timeout=1)
        self.assertEqual(status, 0)
        self.assertEqual({place: sorted(each) for place, each in self.flows().items()},
                         {place: sorted(each) for place, each in flows.items()})
        self.lab[1].start_agent()


class SwitchRestartTest(SystemTest):
    """ovs-vswitchd is killed under a hundred ports with devices; what the agent adds to its own time is not much."""
    ports = 100

    def test_ovs_vswitchd_restarts(self):
        blue = self.network("blue", "vxlan", cidrs=("10.1.0.0/16",))
        with self.for_the_class():
            first, second = [self.vm(f"a{index}", blue, self.lab[index]) for index in (1, 2)]
            self.many_ports(blue, self.lab[1], self.ports, devices=True)
        self.assert_pings(first, second.ip4, count=2)
        hypervisor = self.lab[1]
        for what in ("ovs-vswitchd", "ovs-vswitchd and the agent", "all three"):
            datagrams = Datagrams(first, second, second.ip4, interval=0.02)
            if what != "ovs-vswitchd":
                hypervisor.agent.kill()
            if what == "all three":
                hypervisor.ovsdb_server.kill()
                os.unlink(hypervisor.db_sock)
                hypervisor.start_ovsdb_server()
            hypervisor.restart_vswitchd()
            if what != "ovs-vswitchd":
                hypervisor.start_agent(wait=False)
            self.assert_pings(first, second.ip4, count=1, warm=30)
            self.lab.settle()
            counted = datagrams.stop()
            log = hypervisor.agent.log_text()
            self.assertNotIn("connection failed", log, "attempts are not told one by one")
            if what == "ovs-vswitchd":
                self.assertEqual(log.count("br-int: the connection to ovs-vswitchd is lost"), 1)
            self.figures.pop()  # the ping
            self.saw(f"{what} killed and started, {self.ports} ports: nothing came through for "
                     f"{counted['longest_gap_ms'] / 1000:.1f} s ({counted['sent'] - counted['received']} datagrams lost)")
