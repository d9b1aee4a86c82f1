"""What people do by hand: what is ours comes back, what is theirs stays. And a command line that changes nothing, or
takes all of ours away."""
import os
import re
import shutil
import socket
import time

import lab as laboratory
from case import SystemTest, wait_until


class HandsTest(SystemTest):
    machines = None

    def setUp(self):
        super().setUp()
        if self.machines is None:
            with self.for_the_class():
                type(self).machines = self.make_machines()
        for hypervisor in self.lab.hypervisors:
            if not hypervisor.agent.alive():  # a test before this one has failed
                hypervisor.start_agent()
        for name in ("a", "r"):
            self.assert_pings(self.machines[f"{name}1"], self.machines[f"{name}2"].ip4, count=2)
        self.figures.clear()

    def make_machines(self):
        blue = self.network("blue", "vxlan")
        red = self.network("red", "vlan", segment=150, physical_network=laboratory.PHYSNET, cidrs=("10.2.0.0/24",))
        return {f"{name}{index}": self.vm(f"{name}{index}", network, self.lab[index])
                for name, network in (("a", blue), ("r", red)) for index in (1, 2)}

    def vsctl(self, *arguments):
        return self.lab[1].ovs_vsctl("--no-wait", *arguments).stdout.strip()

    def assert_put_back(self, what, hand, is_right):
        """A hand changes something; it is put back, counted and logged once."""
        agent = self.lab[1]
        self.assertTrue(is_right(), f"{what}: before")
        counted = self.repairs()
        lines = self.repair_lines()
        begun = time.monotonic()
        hand()
        wait_until(lambda: self.repairs() > counted and is_right(), 10, f"{what} is put back",
                   interval=0.02)
        took = time.monotonic() - begun
        agent.wait_in_sync()
        self.saw(f"{what}: put back {took * 1000:.0f} ms after the hand began; counted "
                 f"{self.repairs() - counted}; logged {self.repair_lines() - lines}")
        self.assertGreaterEqual(self.repair_lines() - lines, 1, "it is logged")
        self.assertLessEqual(self.repair_lines() - lines, 3, "once for each place that was changed")

    def repairs(self):
        return self.lab[1].status().get("repairs", self.repair_lines())

    def repair_lines(self):
        return sum("repaired" in line for line in self.lab[1].agent.log_text().splitlines())

    def test_what_is_ours_is_put_back(self):
        agent = self.lab[1]
        tag = self.vsctl("get", "Port", self.device("a1"), "tag")
        flows = set(agent.flow_counters("br-tun"))
        self.assert_put_back(
            "a flow", lambda: agent.run("ovs-ofctl", "-O", "OpenFlow14", "--strict", "del-flows", "br-tun",
                                        "table=0,priority=0"),
            lambda: set(agent.flow_counters("br-tun")) == flows)
        self.assert_put_back("the patch port", lambda: self.vsctl("del-port", "br-int", "patch-tun"),
                             lambda: self.vsctl("--columns=options", "--bare", "find", "Interface", "name=patch-tun")
                             == "peer=patch-int")
        self.assert_put_back("a tag", lambda: self.vsctl("set", "Port", self.device("a1"), "tag=77"),
                             lambda: self.vsctl("get", "Port", self.device("a1"), "tag") == tag)
        # A controller row that comes or goes makes ovs-vswitchd flush the bridge, as a restart of it does: flows of ours
        # come back like after that, not as a hand's work.
        flows = set(agent.flow_counters("br-int"))
        for what, command in (("set", ("set-controller", "br-int", "tcp:127.0.0.1:16633")),
                              ("deleted", ("del-controller", "br-int"))):
            mods = agent.status()["counters"]["flow_mods"]
            begun = time.monotonic()
            agent.ovs_vsctl(*command)
            wait_until(lambda: agent.status()["counters"]["flow_mods"] > mods
                       and set(agent.flow_counters("br-int")) == flows, 10, "flows come back", interval=0.02)
            self.saw(f"controller {what}: {len(flows)} flows are back {(time.monotonic() - begun) * 1000:.0f} ms after the "
                     "hand began")
        for name in ("a", "r"):
            self.assert_pings(self.machines[f"{name}1"], self.machines[f"{name}2"].ip4, count=2)

    def device(self, machine):
        port = self.machines[machine].port["id"]
        return self.vsctl("--columns=name", "--bare", "find", "Interface", f"external_ids:iface-id={port}")

    def test_what_is_not_ours_stays(self):
        agent = self.lab[1]
        before = agent.status()["counters"]
        agent.ovs_vsctl("add-br", "br-mine", "--", "set", "Bridge", "br-mine", "datapath_type=netdev")
        self.addCleanup(agent.ovs_vsctl, "--if-exists", "del-br", "br-mine")
        agent.ovs_vsctl("add-port", "br-int", "mine0", "--", "set", "Interface", "mine0", "type=internal")
        self.addCleanup(agent.ovs_vsctl, "--if-exists", "del-port", "br-int", "mine0")
        agent.run("ovs-ofctl", "add-flow", "br-mine", "table=3,priority=7,ip,actions=drop")
        agent.run("ovs-ofctl", "add-flow", "br-ex", "cookie=0x77,table=3,priority=7,ip,actions=drop")
        self.addCleanup(agent.run, "ovs-ofctl", "del-flows", "br-ex", "cookie=0x77/-1", check=False)
        strangers = self.strangers()
        self.assertEqual(len(strangers), 4, strangers)
        agent.agent.kill()  # nor by an agent that knows nothing
        agent.start_agent()
        self.assertIn("plan is empty", agent.recompute())
        self.assertEqual(self.strangers(), strangers)
        self.saw(f"left alone, also by an agent that was started anew: {strangers}")
        after = agent.status()["counters"]
        self.assertEqual((after["flow_mods"], after["transactions"]), (0, 0), f"before: {before}")

    def strangers(self):
        agent = self.lab[1]
        found = [self.vsctl("--columns=name", "--bare", "find", "Bridge", "name=br-mine"),
                 self.vsctl("--columns=name,tag", "--bare", "find", "Port", "name=mine0").replace("\n", " ").strip()]
        for bridge in ("br-mine", "br-ex"):
            found += [f"{bridge}: {flow}" for flow in agent.flow_counters(bridge) if "table=3" in flow]
        return found

    def test_a_dry_run_changes_nothing(self):
        agent = self.lab[1]
        # Beside a running agent, and when there is nothing to do.
        done = agent.run(*agent.agent_command("--dry-run"))
        self.assertEqual(done.stdout, "plan is empty\n")
        agent.agent.stop()
        agent.run("ovs-ofctl", "-O", "OpenFlow14", "--strict", "del-flows", "br-tun", "table=0,priority=0")
        self.vsctl("set", "Port", self.device("a1"), "vlan_mode=trunk")
        flows = set(agent.flow_counters("br-tun"))
        done = agent.run(*agent.agent_command("--dry-run"))
        self.saw("--dry-run: " + done.stdout.strip().replace("\n", "\n          "))
        self.assertIn("br-tun: add input priority=0 actions=drop", done.stdout)
        self.assertIn("ovsdb: update Port", done.stdout)
        self.assertEqual(set(agent.flow_counters("br-tun")), flows)
        self.assertEqual(self.vsctl("get", "Port", self.device("a1"), "vlan_mode"), "trunk")
        agent.start_agent()
        self.assert_pings(self.machines["a1"], self.machines["a2"].ip4, count=2)

    def test_cleanup(self):
        agent = self.lab[1]
        done = agent.run(*agent.agent_command("--cleanup"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another ml2-agent is running", done.stderr)
        begun = time.monotonic()
        self.assertEqual(agent.agent.stop(), 0)
        self.saw(f"SIGTERM: ended after {(time.monotonic() - begun) * 1000:.0f} ms")
        agent.run("ovs-ofctl", "add-flow", "br-ex", "cookie=0x77,table=3,priority=7,ip,actions=drop")
        self.addCleanup(agent.run, "ovs-ofctl", "del-flows", "br-ex", "cookie=0x77/-1", check=False)
        ours = self.everything_of_ours()
        would = agent.run(*agent.agent_command("--cleanup", "--dry-run"))
        self.assertEqual(self.everything_of_ours(), ours, "--dry-run changed something")
        self.assertIn("would remove host hv1", would.stdout)
        self.assertEqual(self.ml2ctl_json("port", "show", self.machines["a1"].port["id"], on=self.lab[2])["status"], "ACTIVE")
        done = agent.run(*agent.agent_command("--cleanup"))
        self.saw("--cleanup: " + done.stdout.strip().replace("\n", "\n          "))
        self.assertEqual(would.stdout.replace("would remove", "removed").count("removed"),
                         done.stdout.count("removed"))
        self.assertEqual(self.everything_of_ours(), [])
        row = self.ml2ctl_json("port", "show", self.machines["a1"].port["id"], on=self.lab[2])
        self.assertEqual((row["status"], row["status_reason"]), ("DOWN", "cleaned up on hv1"))
        hosts = self.ml2ctl_json("host", "list", on=self.lab[2])
        self.assertEqual([host["name"] for host in hosts], ["hv2"], "its row has gone")
        self.assertEqual(sorted(agent.bridges()), ["br-ex", "br-int", "br-phy"], "br-int has the machines' ports")
        self.assertTrue(any("cookie=0x77" in flow for flow in agent.flows("br-ex")), "a stranger's flow stays")
        self.assertTrue(any("actions=NORMAL" in flow for flow in agent.flows("br-ex")), "br-ex goes on as a switch")
        self.assertEqual(self.vsctl("get", "Port", self.device("a1"), "tag"), "[]")
        # A change of fail_mode would take the stranger's flow away.
        self.assertIn("fail_mode=secure of bridge br-ex", done.stdout)
        agent.run("ovs-ofctl", "del-flows", "br-ex", "cookie=0x77/-1")
        done = agent.run(*agent.agent_command("--cleanup"))
        self.assertEqual(done.stdout.count("removed"), 1, done.stdout)
        self.assert_as_it_was("--cleanup")
        done = agent.run(*agent.agent_command("--cleanup"))
        self.assertNotIn("removed", done.stdout)
        # And back; and away again, as a bridge that is mapped no more.
        agent.start_agent()
        self.assertIn("ml2-was-fail-mode", self.vsctl("get", "Bridge", "br-ex", "external_ids"))
        agent.agent.stop()
        agent.write_ini({"ovs": {"bridge_mappings": None}})
        agent.start_agent()
        self.assert_as_it_was("mapped no more")
        agent.agent.stop()
        agent.write_ini()
        agent.start_agent()
        for name in ("a", "r"):
            self.assert_pings(self.machines[f"{name}1"], self.machines[f"{name}2"].ip4, count=2)

    def assert_as_it_was(self, what):
        """br-ex is a plain switch again, also after a restart of ovs-vswitchd."""
        agent = self.lab[1]
        row = self.vsctl("--columns=fail_mode,other_config,external_ids", "--bare", "list", "Bridge", "br-ex")
        self.assertEqual(row, "", what)
        fabric = self.lab.fabric
        fabric.run("ip", "address", "replace", "192.0.2.1/24", "dev", "prov")
        for moment in ("at once", "after a restart of ovs-vswitchd"):
            agent.run("ip", "address", "replace", "192.0.2.2/24", "dev", "br-ex")
            agent.run("ip", "link", "set", "br-ex", "up")
            done = agent.run("ping", "-c", "2", "-i", "0.1", "-W", "2", "192.0.2.1", check=False)
            self.assertEqual(done.returncode, 0, f"{what}, {moment}: {agent.flows('br-ex')}")
            if moment == "at once":
                agent.restart_vswitchd()
        self.saw(f"{what}: br-ex forwards after a restart of ovs-vswitchd: {agent.flows('br-ex')}")
        fabric.run("ip", "address", "delete", "192.0.2.1/24", "dev", "prov")

    def everything_of_ours(self):
        agent = self.lab[1]
        found = [re.sub(r"(duration|n_packets|n_bytes)=[^,]+, ", "", flow) for bridge in agent.bridges()
                 for flow in agent.flows(bridge) if "cookie=0x6d6c" in flow]
        found += self.vsctl("--columns=name", "--bare", "find", "Port", "external_ids:ml2-owner=ml2-agent").split()
        found += self.vsctl("--columns=name", "--bare", "find", "Port", "other_config:net_uuid!=none").split()
        return found

    def test_without_root(self):
        hypervisor = self.lab[1]
        os.chmod(self.lab.dir, 0o755)  # so that only Open vSwitch's own sockets say no
        program = os.path.join(self.lab.dir, "ml2-agent")
        shutil.copy(self.lab.program("ml2-agent"), program)
        done = hypervisor.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program,
                              *hypervisor.agent_command()[1:-2], "--ctl", "/nowhere/x.ctl", check=False)
        self.assertEqual(done.returncode, 1)
        self.saw(done.stderr.strip().replace(hypervisor.dir, "...").replace("\n", "\n          "))
        self.assertIn("CAP_DAC_OVERRIDE", done.stderr)
        self.assertIn(hypervisor.db_sock, done.stderr)
        # Root without its capabilities owns the sockets: enough.
        hypervisor.agent.stop()
        command = hypervisor.agent_command()
        done = hypervisor.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", *command, "--dry-run")
        self.assertEqual(done.stdout, "plan is empty\n")
        hypervisor.start_agent()

    def test_the_service_manager_is_told(self):
        hypervisor = self.lab[2]
        hypervisor.agent.stop()
        path = os.path.join(hypervisor.dir, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(10)
            hypervisor.start_agent(wait=False, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
            heard = []
            while heard.count("WATCHDOG=1") < 3 or not any("ports wired" in word for word in heard):
                heard.append(listener.recv(4096).decode())
            hypervisor.agent.stop()
            while heard[-1] != "STOPPING=1":
                heard.append(listener.recv(4096).decode())
        self.saw(f"told: {heard[:6]} ... {heard[-1]}")
        self.assertEqual(heard[0], "READY=1")
        hypervisor.start_agent()
