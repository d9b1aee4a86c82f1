"""ml2-fastpath as a service: its options from an ini, what it tells the service manager, how it ends.

Skipped where ml2-fastpath was not built.
"""
import os
import signal
import socket
import subprocess
import tempfile
import unittest

from fastpath import OPTIONS, PROGRAM, Client
from processes import run


@unittest.skipUnless(os.path.exists(PROGRAM), "ml2-fastpath is not built here")
class FastPathService(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ml2-service-")
        self.addCleanup(directory.cleanup)
        self.ini = os.path.join(directory.name, "agent.ini")
        self.socket = os.path.join(directory.name, "control")
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.ear.close)
        self.ear.settimeout(30)
        self.ear.bind(os.path.join(directory.name, "notify"))

    def write(self, *lines):
        with open(self.ini, "w", encoding="utf-8") as ini:
            ini.write("\n".join(lines) + "\n")

    def test_it_is_ready_when_it_answers(self):
        # What is wrong in another section is the agent's concern: the fast path comes up.
        self.write("[ovs]", "local_ip = nonsense", "[fastpath]", f"socket = {self.socket}", f"cores = {OPTIONS[-1]}", "mbufs = 4095",
                   "no_huge = true")
        process = subprocess.Popen([PROGRAM, "--config-file", self.ini, "--mbufs", "2047"], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": self.ear.getsockname()})
        try:
            said = self.ear.recv(4096).decode()
            self.assertTrue(said.startswith("READY=1\nSTATUS=ready on " + self.socket), said)
            client = Client(self.socket)
            self.addCleanup(client.close)
            row = client.query("show")[0]
            self.assertEqual([worker["core"] for worker in row["workers"]], [int(OPTIONS[-1])])
            self.assertLessEqual(row["free_buffers"], 2047, "the command line counts more than the file")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(self.ear.recv(4096), b"STOPPING=1")
            self.assertEqual(process.wait(20), 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def test_mistakes_end_it_with_their_place(self):
        for line, words in (("cores = 1,x", "'x' is no processor"), ("mbufs = 1", "from 1023"), ("pci = eth0", "entry 'eth0' is none"),
                            ("isa = mmx", "isa"), ("no_huge = perhaps", "no_huge")):
            self.write("[fastpath]", line)
            done = run([PROGRAM, "--config-file", self.ini], check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"{self.ini}:2: [fastpath]", done.stderr)
            self.assertIn(words, done.stderr)
        done = run([PROGRAM, "--config-file", self.ini + ".gone"], check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("agent.ini.gone", done.stderr)


if __name__ == "__main__":
    unittest.main()
