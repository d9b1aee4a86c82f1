"""Virtual machines behind vhost-user sockets, without QEMU: the kernel of a namespace (tests/dpdk/virtio_guest.cc).

Where it stands: on netns.py, for the fast path's tests. Failure: AssertionError with the program's own words.
"""
import os
import signal
import socket
import struct
import subprocess

from fastpath import PROGRAM
from processes import wait_until

GUEST = os.path.join(os.path.dirname(PROGRAM), "virtio_guest")


def offered_features(there):
    """What a machine is offered (VHOST_USER_GET_FEATURES of the vhost-user protocol): a set of bits of virtio 1.1."""
    with there:
        there.settimeout(10)
        there.sendall(struct.pack("=III", 1, 1, 0))
        answer = there.recv(20, socket.MSG_WAITALL)
    features = struct.unpack("=IIIQ", answer)[3]
    return {bit for bit in range(64) if features >> bit & 1}


class Guest:
    """`space`: a Namespace; its eth0 is the machine's. `server`: the machine makes the socket, as QEMU does where
    vif_details say vhostuser_mode=server. `offloads`: it leaves checksums and long TCP to us, and takes them so."""

    def __init__(self, space, socket, hw, addresses, offloads=1, queues=1, server=False, mtu=1450):
        self.space, self.socket, self.hw, self.addresses, self.mtu = space, socket, hw, list(addresses), mtu
        self.arguments = [str(queues), str(offloads), "server" if server else "client", hw]
        self.log = socket + ".log"
        self.process = None

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.space.wrap(GUEST, self.socket, "eth0", *self.arguments),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError("virtio_guest ended: " + self.words()[-2000:])
            return self.space.run("ip", "link", "show", "eth0", check=False).returncode == 0
        wait_until(ready, 30, "the guest has its interface")
        wait_until(lambda: "ready" in self.words(), 30, "the guest has its device")
        self.space.run("ip", "link", "set", "eth0", "address", self.hw, "mtu", str(self.mtu), "up")
        for address in self.addresses:
            self.space.run("ip", "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        return self

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
