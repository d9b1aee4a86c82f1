"""SIGHUP: what may change while the agent runs changes, the rest waits for a restart, and a bad file changes nothing."""
import signal

from case import LabError, SystemTest, wait_until


class ReloadTest(SystemTest):
    def reload(self, changes, expected):
        """Writes the ini anew, sends SIGHUP and waits for words in the log."""
        hypervisor = self.lab[1]
        hypervisor.write_ini(changes)
        hypervisor.agent.signal(signal.SIGHUP)

        def said():
            for line in hypervisor.agent.log_text().splitlines():
                if all(word in line for word in expected):
                    return line
            raise LabError(f"the log has no line with {expected}")
        self.saw(wait_until(said, 10, "the agent answers to SIGHUP").strip())

    def test_sighup(self):
        flows = self.lab[1].flow_counters("br-int")
        self.reload({"DEFAULT": {"debug": "true"}}, ["[DEFAULT] debug", "false -> true"])
        self.reload({"agent": {"vxlan_udp_port": "4790"}}, ["vxlan_udp_port", "restart"])
        self.reload({"DEFAULT": {"debug": "perhaps"}}, ["debug", "perhaps"])
        self.assertTrue(self.lab[1].agent.alive())
        self.assertEqual(set(self.lab[1].flow_counters("br-int")), set(flows), "a reload touches no flow")
