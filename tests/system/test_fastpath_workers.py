"""Two workers of ml2-fastpath on one vhost-user port with two queues: both serve it, and nothing is lost or comes twice.

Skipped where ml2-fastpath was not built, and on one processor.
"""
import os
import tempfile
import unittest

from fastpath import OPTIONS, attachment, fdb, port, segment
from fastpath_case import FastPathCase
from virtio import GUEST, Guest

HW = {1: "fa:16:3e:00:00:01", 2: "fa:16:3e:00:00:02"}


@unittest.skipUnless(os.path.exists(GUEST), "virtio_guest is not built here")
@unittest.skipIf((os.cpu_count() or 1) < 2, "one processor")
class FastPathWorkers(FastPathCase):
    names = ("vm1", "vm2")
    options = [*OPTIONS[:-1], "0,1"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory(prefix="ml2-workers-")
        cls.addClassCleanup(directory.cleanup)
        sockets = {number: os.path.join(directory.name, f"vhu{number}") for number in HW}
        cls.put(port=[port(number, f"net_vhost{number},iface={sockets[number]},client=1,tso=1,queues=2", queues=2) for number in HW],
                segment=[segment(5)], attachment=[attachment(number, 5) for number in HW],
                fdb=[fdb(HW[number], 5, number) for number in HW])
        for number in HW:
            guest = Guest(cls.spaces[f"vm{number}"], sockets[number], HW[number], [f"10.0.0.{number}/24", f"2001:db8:1::{number}/64"],
                          queues=2, server=True)
            cls.addClassCleanup(guest.stop)
            guest.start()

    def received(self):
        """{worker: packets that it has received}"""
        return {row["worker"]: row["rx_packets"] for row in self.fast_path.client.query("stats")}

    def test_both_workers_serve_one_port(self):
        self.reaches("vm1", "10.0.0.2")
        self.assertEqual([worker["queues"] for worker in self.fast_path.client.query("show")[0]["workers"]], [2, 2])
        before = self.received()
        ping = self.spaces["vm1"].ping("10.0.0.2", count=200, interval=0.005)  # the guests send on each queue in turn
        self.assertEqual(ping.received, 200, ping.output)
        self.assertNotIn("DUP", ping.output)
        after = self.received()
        print(f"received by each worker: {[after[worker] - before[worker] for worker in after]}")
        self.assertTrue(all(after[worker] - before[worker] >= 150 for worker in after), (before, after))
        for address in ("10.0.0.2", "2001:db8:1::2"):
            self.tcp("vm1", "vm2", address, megabytes=4)
        self.assertEqual([row for row in self.fast_path.client.query("drops") if "Offload" in row["reason"]], [])


if __name__ == "__main__":
    unittest.main()
