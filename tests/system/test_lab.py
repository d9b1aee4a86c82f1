"""The laboratory itself: what a killed run leaves is removed, and only that."""
import os
import signal
import subprocess
import sys
import unittest

import lab as laboratory
from lab import Lab, wait_until

CHILD = """
import signal, sys, time
# As with a terminal, also when the tests themselves run in the background, where SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from lab import Lab
lab = Lab(1).start()
print(lab.token, flush=True)
time.sleep(600)
"""


class LabTest(unittest.TestCase):
    def setUp(self):
        self.figures = []

    def start_child(self):
        child = subprocess.Popen([sys.executable, "-c", CHILD, os.path.dirname(os.path.abspath(__file__))],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 text=True)
        tokens = []
        self.addCleanup(lambda: [laboratory.remove_lab(token) for token in tokens])  # last, when the child is dead
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        token = child.stdout.readline().strip()
        self.assertRegex(token, "^[0-9a-f]{4}$")
        tokens.append(token)
        return child, token

    def left_of(self, token):
        names = [name for name in laboratory.namespaces() if name.startswith(f"ml2-{token}-")]
        return names, [pid for name in names for pid in laboratory.pids_in_namespace(name)]

    def test_a_killed_run_is_cleaned_up_and_a_running_one_is_not(self):
        killed, killed_token = self.start_child()
        alive, alive_token = self.start_child()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        names, pids = self.left_of(killed_token)
        self.assertEqual(len(names), 2)
        self.assertEqual(len(pids), 2, "ovsdb-server and ovs-vswitchd outlive the killed run")
        with Lab(1) as second:
            self.assertEqual(self.left_of(killed_token), ([], []))
            self.assertFalse(os.path.exists(os.path.join(laboratory.state_root(), "ml2-lab-" + killed_token)))
            self.assertEqual(len(self.left_of(alive_token)[0]), 2, "the lab of a live owner stays")
            self.assertEqual(second[1].ovs_vsctl("list-br").stdout.split(), ["br-ex", "br-phy"])
            token = second.token
        self.assertEqual(self.left_of(token), ([], []))
        self.figures.append(f"removed {len(names)} namespaces and {len(pids)} processes of the killed run")

    def test_a_terminated_run_cleans_up_itself(self):
        child, token = self.start_child()
        child.send_signal(signal.SIGINT)
        child.wait(20)
        wait_until(lambda: self.left_of(token) == ([], []), 10, "nothing is left")
        self.assertFalse(os.path.exists(os.path.join(laboratory.state_root(), "ml2-lab-" + token)))
