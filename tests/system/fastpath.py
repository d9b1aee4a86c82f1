"""ml2-fastpath for tests and benches: the process, and a client of its control socket written from dpdk/abi/messages.h.

Where it stands: beside lab.py, on processes.py's rules: what is started here is ended here, by pid.
Failure: FastPathError with the process's own words.
"""
import ipaddress
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.join(os.environ.get("ML2_BIN_DIR") or os.path.join(TOP, "build", "release", "bin"), "ml2-fastpath")
OPTIONS = ["--no-huge", "--mbufs", "8191", "--cores", str((os.cpu_count() or 1) - 1)]  # runs anywhere

MAGIC, VERSION, MAX_MESSAGE = 0x70326c6d, 3, 64 * 1024
HELLO, BEGIN, PUT, REMOVE, COMMIT, QUERY, READ = 1, 2, 3, 4, 5, 6, 7
WELCOME, DONE, FAILED, ROWS, RECORDS = 101, 102, 103, 104, 105
KINDS = {"port": 1, "segment": 2, "attachment": 3, "vtep": 4, "flood": 5, "allowed": 6, "fdb": 7, "neighbour": 8}
HEADER = struct.Struct("=IHHIHHII")
STATE = struct.Struct("=QQII9Q18Q")
ACCESS, TAGGED, WIRE = 0, 1, 2


class FastPathError(Exception):
    pass


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def address(text):
    """(1 when IPv6, sixteen bytes)"""
    if text is None:
        return 0, bytes(16)
    value = ipaddress.ip_address(text)
    return int(value.version == 6), value.packed.ljust(16, b"\0")


def port(id, devargs, kind=ACCESS, spoof_check=0, peer=0, mtu=1500, local=None, vlan=0, hw="00:00:00:00:00:00", queues=0,
         flush=0):
    v6, ip = address(local)
    return struct.pack("=HBBHHBBBBHH6sBB16s216s", id, kind, spoof_check, peer, mtu, int(local is not None), v6, 0, queues,
                       vlan, 0, mac(hw), flush, 0, ip, devargs.encode())


def segment(id, vni=0, drop_unknown=0, transparent=0, answer=0, flush=0, mark=0, learn_age=0):
    return struct.pack("=HBBBBHII", id, drop_unknown, transparent, answer, flush, learn_age, vni, mark)


def attachment(port_id, segment_id, vlan=0):
    return struct.pack("=HHHH", port_id, segment_id, vlan, 0)


def vtep(id, port_id, local, remote, source_mac, next_hop, udp_checksum=None, vlan=0, ttl=64, dscp=0,
         allow_fragments=0, inherit_dscp=0):
    v6, ours = address(local)
    _, theirs = address(remote)
    return struct.pack("=HHBBBBHHBB2x6s6sHH16s16s", id, port_id, v6, ttl, dscp, v6 if udp_checksum is None else udp_checksum,
                       vlan, 0, allow_fragments, inherit_dscp, mac(source_mac), mac(next_hop), 0, 0, ours, theirs)


def flood(segment_id, vtep_id):
    return struct.pack("=HH", segment_id, vtep_id)


def allowed(port_id, hw, network):
    net = ipaddress.ip_network(network)
    v6 = int(net.version == 6)
    return struct.pack("=H6sBB6x16s", port_id, mac(hw), v6, net.prefixlen, net.network_address.packed.ljust(16, b"\0"))


def fdb(hw, segment_id, port_id=0, vtep_id=0):
    return struct.pack("=6sHHHI", hw if isinstance(hw, bytes) else mac(hw), segment_id, port_id, vtep_id, 0)


def neighbour(segment_id, ip, hw, router=0):
    v6, raw = address(ip)
    return struct.pack("=HBB6s6x16s", segment_id, v6, router, mac(hw), raw)


SIZES = {"port": 256, "segment": 16, "attachment": 8, "vtep": 64, "flood": 4, "allowed": 32, "fdb": 16, "neighbour": 32}


class Client:
    """One connection to the control socket."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        try:  # room for a large batch, so that the two do not take turns for every message; needs root
            self.socket.setsockopt(socket.SOL_SOCKET, 32, 8 << 20)  # SO_SNDBUFFORCE
        except PermissionError:
            pass
        self.socket.connect(path)
        self.requests = 0

    def close(self):
        self.socket.close()

    def send(self, type, body=b"", kind=0, count=0):
        self.requests += 1
        self.socket.send(HEADER.pack(MAGIC, VERSION, type, self.requests, kind, 1, count, 0) + body)
        return self.requests

    def receive(self):
        message = self.socket.recv(MAX_MESSAGE)
        if len(message) < HEADER.size:
            raise FastPathError("the fast path closed the connection")
        _, _, type, request, _, last, _, _ = HEADER.unpack_from(message)
        body = message[HEADER.size:]
        if type == FAILED:
            raise FastPathError(body.decode())
        return type, last, body

    @staticmethod
    def state(body):
        boot, generation, refused, applied, *rest = STATE.unpack_from(body)
        sentences = body[STATE.size:].decode().splitlines()
        return {"boot": boot, "generation": generation, "refused": sentences, "applied": applied,
                "entries": {name: rest[kind] for name, kind in KINDS.items()},
                "digests": {name: tuple(rest[9 + 2 * kind:11 + 2 * kind]) for name, kind in KINDS.items()}}

    def hello(self):
        self.send(HELLO)
        return self.state(self.receive()[2])

    def records(self, type, kind, records):
        data = records if isinstance(records, (bytes, bytearray)) else b"".join(records)
        size = SIZES[kind]
        step = (MAX_MESSAGE - HEADER.size) // size * size
        for at in range(0, len(data), step):
            part = data[at:at + step]
            self.send(type, part, KINDS[kind], len(part) // size)

    def apply(self, full=True, generation=1, put=None, remove=None):
        """One batch; returns the state that Done told."""
        self.send(BEGIN, struct.pack("=QII", generation, int(full), 0))
        for kind, records in (put or {}).items():
            self.records(PUT, kind, records)
        for kind, records in (remove or {}).items():
            self.records(REMOVE, kind, records)
        self.send(COMMIT)
        return self.state(self.receive()[2])

    def read(self, kind):
        """All records of a kind, as bytes each."""
        self.send(READ, kind=KINDS[kind])
        data, last = b"", 0
        while not last:
            _, last, body = self.receive()
            data += body
        return [data[at:at + SIZES[kind]] for at in range(0, len(data), SIZES[kind])]

    def query(self, question):
        """The rows, as dictionaries."""
        self.send(QUERY, question.encode())
        text = b""
        while True:
            _, last, body = self.receive()
            text += body
            if last:
                return [json.loads(line) for line in text.decode().splitlines()]


class FastPath:
    """An ml2-fastpath process. `wrap` puts a command into a namespace, say."""

    def __init__(self, program, options=(), wrap=lambda *command: list(command), directory=None):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="ml2-fastpath-")
        self.program, self.options, self.wrap = program, list(options), wrap
        self.path = os.path.join(self.directory, "control")
        self.log = os.path.join(self.directory, "fastpath.log")
        self.process = self.client = None

    def start(self, deadline=60):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.wrap(self.program, "--socket", self.path, *self.options),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + deadline
        while True:
            if self.process.poll() is not None:
                raise FastPathError("ml2-fastpath ended:\n" + self.words())
            try:
                self.client = Client(self.path)
                return self
            except OSError:
                if time.monotonic() > until:
                    raise FastPathError("ml2-fastpath does not answer:\n" + self.words()) from None
                time.sleep(0.01)

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-3000:]

    def kill(self, number=signal.SIGTERM):
        if self.client:
            self.client.close()
            self.client = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        code, self.process = self.process.returncode if self.process else None, None
        return code

    def stop(self):
        code = self.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        return code
