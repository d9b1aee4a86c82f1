"""What the tests of ml2-fastpath alone (without an agent) have in common: namespaces, the process in one of them, traffic.

Where it stands: on fastpath.py and netns.py. Failure: the test fails with the words of whoever failed.
"""
import json
import os
import subprocess
import unittest

from fastpath import OPTIONS, PROGRAM, FastPath
from netns import Namespace
from processes import wait_until


def iperf(source, target, address, size="8M", reverse=False, timeout=60):
    """TCP between two namespaces by iperf3 (reverse: from `target` to `source`); answers the bytes that arrived.

    The receiver counts until the sender says that it is done: some of the last 256 KB may be missing."""
    server, there = target.wrap("iperf3", "-s", "-1", "-B", address), None

    def listens():
        nonlocal there
        if there is None or there.poll() is not None:  # it ends where the address is not there yet
            there = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return target.run("ss", "-Hltn", "sport", "=", ":5201").stdout
    try:
        wait_until(listens, 30, "iperf3 listens")
        done = source.run("iperf3", "-c", address, "-n", size, "-w", "256K", "-J", *(["-R"] if reverse else []), check=False, timeout=timeout)
        if done.returncode != 0:
            raise AssertionError(f"iperf3 to {address}{' and back' if reverse else ''}: {done.stdout[-500:]}")
        return json.loads(done.stdout)["end"]["sum_received"]["bytes"]
    finally:
        if there is not None:
            there.terminate()
            there.wait()


@unittest.skipUnless(os.path.exists(PROGRAM), "ml2-fastpath is not built here")
class FastPathCase(unittest.TestCase):
    """ml2-fastpath in the namespace "fp", on ordinary pages, and the namespaces that `names` says."""

    token = None
    names = ()
    options = OPTIONS

    @classmethod
    def setUpClass(cls):
        cls.token = os.urandom(2).hex()
        cls.spaces = {}
        cls.addClassCleanup(lambda: [space.remove() for space in cls.spaces.values()])
        for name in ("fp", *cls.names):
            cls.spaces[name] = Namespace(cls, name)
        cls.fast_path = FastPath(PROGRAM, cls.options, wrap=cls.spaces["fp"].wrap)
        cls.addClassCleanup(cls.fast_path.stop)
        cls.fast_path.start()

    @classmethod
    def put(cls, **records):
        """A whole generation, of which nothing is refused."""
        done = cls.fast_path.client.apply(put=records)
        assert not done["refused"], done["refused"]
        return done

    @classmethod
    def give_addresses(cls, space, device, *addresses):
        for address in addresses:
            cls.spaces[space].run("ip", "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def reaches(self, source, address, seconds=15):
        wait_until(lambda: self.spaces[source].ping(address, count=1).received == 1, seconds, f"{source} reaches {address}")

    def ping(self, source, address, **more):
        self.reaches(source, address)
        ping = self.spaces[source].ping(address, count=5, **more)
        self.assertEqual(ping.received, 5, ping.output)

    def tcp(self, source, target, address, megabytes=8):
        """Both ways, `megabytes` each."""
        self.reaches(source, address)
        for reverse in (False, True):
            moved = iperf(self.spaces[source], self.spaces[target], address, f"{megabytes}M", reverse)
            self.assertGreaterEqual(moved, megabytes * 800_000)
