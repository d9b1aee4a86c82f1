"""The ML2 database as a cluster of three and a relay, and a clock that steps: what is away costs nothing, and comes back."""
import os
import time

from case import LabError, SystemTest, wait_until
from traffic import Datagrams

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class SourcesTest(SystemTest):
    ml2_db_on = "cluster"
    start_agents = False

    def setUp(self):
        super().setUp()
        if self.lab.vms:
            return
        for hypervisor, remote in zip(self.lab.hypervisors, (self.lab.ml2_db, self.lab.ml2_db_relay_remote)):
            hypervisor.write_ini({"ml2_db": {"connection": remote}})  # the second through the relay
            hypervisor.start_agent(wait=False)
        self.lab.settle()
        with self.for_the_class():
            type(self).blue = self.network("blue", "vxlan")
            type(self).pair = [self.vm(f"a{index}", self.blue, self.lab[index]) for index in (1, 2)]
            for hypervisor in self.lab.hypervisors:
                self.plug_void(hypervisor, {})  # its bridge
            self.assert_pings(self.pair[0], self.pair[1].ip4, count=2)
            self.lab.settle()
        self.figures.clear()

    def lossless(self, action):
        flows = {hypervisor.host: hypervisor.flow_counters("br-tun") for hypervisor in self.lab.hypervisors}
        datagrams = Datagrams(self.pair[0], self.pair[1], self.pair[1].ip4)
        try:
            action()
        finally:
            counted = datagrams.stop()
        self.saw(f"datagrams meanwhile: {counted}")
        self.assertEqual(counted["received"], counted["sent"], counted)
        for hypervisor in self.lab.hypervisors:
            now = hypervisor.flow_counters("br-tun")
            for flow, (age, _) in flows[hypervisor.host].items():
                self.assertIn(flow, now, f"{hypervisor.host}: gone")
                self.assertGreaterEqual(now[flow][0], age, f"{hypervisor.host}: installed anew: {flow}")

    def wire_new(self, name):
        """A port on each host. No devices (plug_void()): their links would cost the pair packets, agent or not."""
        begun = time.monotonic()
        for index, hypervisor in enumerate(self.lab.hypervisors, 1):
            port = self.port(f"{name}{index}", self.blue, hypervisor)
            self.plug_void(hypervisor, {f"{name}{index}": port["id"]})
            self.addCleanup(self.unplug_void, hypervisor, [f"{name}{index}"])
            self.wait_active(port)
        self.saw(f"two ports asked for and wired in {time.monotonic() - begun:.1f} s")

    def test_the_leader_is_killed(self):
        def kill():
            leader = self.lab.cluster_leader()
            leader.kill()
            self.saw(f"SIGKILL to {leader.name}, the leader")
            self.wire_new("k")
            leader.start()
        self.lossless(kill)

    def test_the_relay_goes_and_comes(self):
        def restart():
            self.lab.ml2_db_relay.kill()
            wait_until(lambda: not self.lab[2].status()["intent"]["connected"], 20, "status says so")
            self.saw(f"hv2: {self.lab[2].status()['intent']['error']}")
            self.assertTrue(self.lab[2].status()["in_sync"])
            self.lab.ml2_db_relay.start()
            self.wire_new("r")
        self.lossless(restart)

    def test_everything_is_away(self):
        """No server at all: the last state stands, also for an agent that is started meanwhile."""
        def away():
            for server in self.lab.ml2_db_cluster:
                server.kill()
            self.assert_said(self.lab[1])
            self.lab[1].agent.kill()
            self.lab[1].start_agent(wait=False)
            wait_until(lambda: self.lab[1].status()["waiting_for"], 20, "the new agent says what it waits for")
            self.saw(f"hv1: {self.lab[1].status()['waiting_for']}")
            self.assertFalse(self.lab[1].status()["in_sync"])
            for server in self.lab.ml2_db_cluster:
                server.start()
            self.lab.settle(60)
            counters = self.lab[1].status()["counters"]
            self.assertEqual((counters["flow_mods"], counters["transactions"]), (0, 0))
            wait_until(lambda: not self.lab[1].status()["problems"], 10, "no problem is left")
            self.assertIn("ML2 database: connected after", self.lab[1].agent_call("events"))
            self.wire_new("w")
        self.lossless(away)

    def assert_said(self, hypervisor):
        """That the ML2 database is away, wherever an operator looks."""
        problem = wait_until(lambda: next((text for text in hypervisor.status()["problems"] if "ML2 database at" in text), None),
                             10, "status says it")
        self.saw(f"{hypervisor.host}: {problem}")
        self.assertIn("not connected since", problem)
        self.assertIn("connection ML2 database: the connection is lost", hypervisor.agent_call("events"))
        explained = hypervisor.agent_call("explain", "a1")
        self.assertIn("NO  ML2 database connected: ", explained)
        self.assertIn("problem of this host: ML2 database at", explained)

    def test_the_clock_steps(self):
        hypervisor = self.lab[1]
        if not os.path.exists(FAKETIME):
            self.fail(f"{FAKETIME} is missing: run scripts/install-deps")
        clock = os.path.join(self.lab.dir, "clock")
        self.step(clock, 0)

        def beat_of(seconds):
            def beats():
                row = next(row for row in self.ml2ctl_json("host", "list") if row["name"] == hypervisor.host)
                away = row["heartbeat_timestamp"] - (time.time() + seconds)
                if abs(away) > 30:
                    raise LabError(f"the heartbeat is {away:.0f} s from the agent's clock")
                return True
            return beats

        def steps():
            hypervisor.agent.stop()
            hypervisor.start_agent(env={"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
                                        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"})
            for seconds in (-86400, 864000, 0):
                self.step(clock, seconds)
                wait_until(beat_of(seconds), 20, f"the heartbeat goes on when the clock steps to {seconds:+} s")
                self.assertTrue(hypervisor.status()["converged"])
            self.wire_new("c")
            hypervisor.agent.stop()
            hypervisor.start_agent()
        self.lossless(steps)

    @staticmethod
    def step(path, seconds):
        with open(path + ".new", "w", encoding="ascii") as text:
            text.write(f"{seconds:+}s\n")
        os.replace(path + ".new", path)
