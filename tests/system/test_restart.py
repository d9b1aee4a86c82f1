"""Daemons die and come back: what was right is left alone, what changed meanwhile is done."""
import signal
import time

import lab as laboratory
from case import LabError, SystemTest, wait_until

# 5 ms apart, for 6 seconds: the agent is killed and comes back in the middle.
PINGS = 1200
INTERVAL = 0.005


class RestartTest(SystemTest):
    ini = {"ovs": {"of_inactivity_probe": "2"}}

    def setUp(self):
        super().setUp()
        self.vxlan = self.network("blue", "vxlan")
        self.vlan = self.network("red", "vlan", segment=150, physical_network=laboratory.PHYSNET,
                                 cidrs=("10.2.0.0/24", "fd02::/64"))
        self.machines = {}
        for name, network in (("a", self.vxlan), ("r", self.vlan)):
            for index in (1, 2):
                self.machines[f"{name}{index}"] = self.vm(f"{name}{index}", network, self.lab[index])
        for name in ("a", "r"):
            self.assert_pings(self.machines[f"{name}1"], self.machines[f"{name}2"].ip4, count=3)
        self.figures.clear()

    def pings_while(self, action, count=PINGS, interval=INTERVAL):
        """Pings in both networks while action() runs; returns their results when the last ping is done."""
        pings = {name: laboratory.BackgroundPing(self.machines[f"{name}1"], self.machines[f"{name}2"].ip4, count,
                                                 interval) for name in ("a", "r")}
        time.sleep(0.5)  # some of them before
        try:
            action()
            self.assertTrue(all(ping.running() for ping in pings.values()),
                            "the pings ended before the action did: they prove nothing")
        finally:
            results = {name: ping.result() for name, ping in pings.items()}
        return results

    def counters(self):
        return {(hypervisor.host, bridge): hypervisor.flow_counters(bridge)
                for hypervisor in self.lab.hypervisors for bridge in ("br-int", "br-tun", "br-ex")}

    def assert_counters_kept(self, before, after):
        """Every flow that was there is there, was not installed anew, and counts on."""
        flows = 0
        for bridge, old in before.items():
            new = after[bridge]
            self.assertEqual(sorted(set(old) - set(new)), [], f"{bridge}: these flows are gone")
            self.assertEqual(sorted(set(new) - set(old)), [], f"{bridge}: these flows are new")
            for flow, (duration, packets) in old.items():
                self.assertGreaterEqual(new[flow][0], duration, f"{bridge}: installed anew: {flow}")
                self.assertGreaterEqual(new[flow][1], packets, f"{bridge}: n_packets fell: {flow}")
            flows += len(old)
        self.saw(f"{flows} flows on {len(before)} bridges: none installed anew, n_packets and duration kept")

    def lossless(self, action, count=PINGS):
        before = self.counters()
        results = self.pings_while(action, count)
        for name, result in results.items():
            self.saw(f"network {name}: {result.summary}")
        for result in results.values():
            self.assertEqual(result.lost, 0, result.output)
        self.assert_counters_kept(before, self.counters())

    def test_kill_9_of_the_agent(self):
        def kill_and_restart():
            for hypervisor in self.lab.hypervisors:
                hypervisor.agent.kill()
            time.sleep(0.5)  # a while without any agent
            for hypervisor in self.lab.hypervisors:
                hypervisor.start_agent(wait=False)
            for hypervisor in self.lab.hypervisors:
                begun = time.monotonic()
                hypervisor.wait_in_sync()
                status = hypervisor.status()
                self.saw(f"{hypervisor.host}: in sync {time.monotonic() - begun:.1f} s after that, counters "
                         f"{status.get('counters')}")
                self.assertIn("plan is empty", hypervisor.recompute())
        self.lossless(kill_and_restart)

    def test_kill_9_of_the_agent_many_times(self):
        def again_and_again():
            for pause in (0.0, 0.05, 0.1, 0.2, 0.4):  # in the middle of whatever it does at start
                self.lab[1].agent.kill()
                self.lab[1].start_agent(wait=False)
                time.sleep(pause)
            self.lab[1].wait_in_sync()
        self.lossless(again_and_again)

    def test_stop_and_start(self):
        def stop_and_start():
            status = self.lab[1].agent.stop()
            self.assertEqual(status, 0, "SIGTERM ends the agent with 0")
            time.sleep(0.3)
            self.lab[1].start_agent()
        self.lossless(stop_and_start)

    def test_changes_made_while_the_agent_is_away(self):
        self.lab[1].agent.stop()
        gone = self.machines["r1"]
        self.unplug(gone.port, self.lab[1])
        self.ml2ctl("port", "delete", gone.port["id"])
        port = self.port("late", self.vxlan, self.lab[1])
        late = self.plug("late", port, self.lab[1])
        # Somebody's hand in the flows: one of ours is deleted.
        self.lab[1].run("ovs-ofctl", "del-flows", "br-tun", "table=22")
        self.lab[1].start_agent()
        self.wait_active(port)
        self.assert_pings(late, self.machines["a2"].ip4)
        self.assert_pings(self.machines["a1"], self.machines["a2"].ip4)
        self.assert_pings(late, self.machines["a2"].ip6)

    def test_a_flow_deleted_by_hand_comes_back(self):
        first, second = self.machines["a1"], self.machines["a2"]
        for bridge in ("br-int", "br-tun"):
            before = len(self.lab[1].flows(bridge))
            self.lab[1].run("ovs-ofctl", "del-flows", bridge)
            wait_until(lambda: len(self.lab[1].flow_counters(bridge)) >= 3, 10, f"{bridge} has flows again")
            self.lab[1].wait_in_sync()
            self.saw(f"{bridge}: {before} flows before, {len(self.lab[1].flows(bridge))} after deleting them all")
        self.assert_pings(first, second.ip4)
        self.assert_pings(self.machines["r1"], self.machines["r2"].ip4)

    def test_ovs_vswitchd_restart(self):
        for hard in (False, True):
            begun = time.monotonic()
            self.lab[1].restart_vswitchd(hard=hard)
            for name in ("a", "r"):
                self.assert_pings(self.machines[f"{name}1"], self.machines[f"{name}2"].ip4, warm=30)
            self.saw(f"ovs-vswitchd {'killed' if hard else 'stopped'} and started: works again "
                     f"{time.monotonic() - begun:.1f} s after that began")
        self.lab[1].wait_in_sync()
        for name in ("a", "r"):
            self.assert_pings(self.machines[f"{name}2"], self.machines[f"{name}1"].ip6)

    def test_a_hung_ovs_vswitchd_is_said(self):
        """It keeps its sockets open and answers nothing: said everywhere after 2 s of quiet and 5 of patience; nothing is torn down."""
        hypervisor = self.lab[1]
        counters = self.counters()
        before = hypervisor.status()
        hypervisor.vswitchd.signal(signal.SIGSTOP)
        begun = time.monotonic()

        def said(problems):
            return [text for text in problems if "ovs-vswitchd has not answered since" in text]
        try:
            wait_until(lambda: len(said(hypervisor.status()["problems"])) == 3, 9, "status says it of each bridge")
            self.saw(f"after {time.monotonic() - begun:.1f} s: {said(hypervisor.status()['problems'])[0]}")
            wait_until(lambda: said(self.host_row(hypervisor)["problems"]), 5, "the host's row says it")
            explained = hypervisor.ml2ctl("explain", "a1").stdout
            for text in ("NO  bridge br-int: ovs-vswitchd has not answered for", "the counters of br-int are missing"):
                self.assertIn(text, explained)
        finally:
            hypervisor.vswitchd.signal(signal.SIGCONT)
        wait_until(lambda: not hypervisor.status()["problems"], 10, "the problem passes by itself")
        wait_until(lambda: not self.host_row(hypervisor)["problems"], 10, "and in the host's row")
        after = hypervisor.status()
        self.assertEqual({name: bridge["connections"] for name, bridge in after["bridges"].items()},
                         {name: bridge["connections"] for name, bridge in before["bridges"].items()})
        self.assertEqual(after["counters"]["flow_mods"], before["counters"]["flow_mods"])
        self.assert_counters_kept(counters, self.counters())
        self.assert_pings(self.machines["a1"], self.machines["a2"].ip4)

    def host_row(self, hypervisor):
        return next(row for row in self.ml2ctl_json("host", "list") if row["name"] == hypervisor.host)

    def test_ovsdb_server_restart(self):
        for hypervisor, hard in ((self.lab[2], False), (self.lab[1], True)):  # the first has the ML2 database too
            def restart():
                hypervisor.restart_ovsdb_server(hard=hard)
                wait_until(lambda: hypervisor.status()["ovsdb"]["connected"], 15, "the agent is connected again")
            self.lossless(restart, count=2 * PINGS)
            self.lab.settle()
        late = self.vm("late", self.vxlan, self.lab[1])
        self.assert_pings(late, self.machines["a2"].ip4)


class SlowStartTest(SystemTest):
    """What the agent needs comes after the agent."""
    start_agents = False

    def test_no_ovsdb_at_start(self):
        hypervisor = self.lab[1]
        hypervisor.ovsdb_server.stop()
        hypervisor.write_ini()
        hypervisor.start_agent(wait=False)
        status = wait_until(hypervisor.status, 10, "the agent answers")
        self.assertFalse(status["in_sync"])

        def says_so():
            status = hypervisor.status()
            if not any("vsdb" in text.lower() or "open_vswitch" in text.lower() for text in status["waiting_for"]):
                raise LabError(f"waiting_for: {status['waiting_for']}")
            return status["waiting_for"]
        self.saw(f"status: {wait_until(says_so, 10, 'status names OVSDB')}")
        log = hypervisor.agent.log_text()
        self.assertIn(hypervisor.db_sock, log, "the log says which OVSDB does not answer")
        hypervisor.start_ovsdb_server()
        begun = time.monotonic()
        hypervisor.wait_in_sync(30)
        self.saw(f"in sync {time.monotonic() - begun:.1f} s after ovsdb-server came")
        self.assertIn("br-int", hypervisor.bridges())

    def test_no_ovs_vswitchd_at_start(self):
        hypervisor = self.lab[2]
        hypervisor.vswitchd.stop()
        hypervisor.write_ini()
        hypervisor.start_agent(wait=False)
        wait_until(hypervisor.status, 10, "the agent answers")
        time.sleep(1)
        self.assertTrue(hypervisor.agent.alive())
        hypervisor.start_vswitchd()
        hypervisor.address_underlay()
        hypervisor.wait_in_sync(30)
