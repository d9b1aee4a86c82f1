"""What scripts/bench fastpath measures beside the four works: what is lost with size, the walk alone, tables, latency, vhost-user,
changes under load, workers.

Each part yields JSON lines as dictionaries: bench, case, metric, value, unit, and where there is one peer, peer_value, ratio.
The programs that it runs are built by scripts/bench; those that it starts are ended here, by pid.
"""
import json
import os
import statistics
import struct
import subprocess
import time

from fastpath import ACCESS, BEGIN, COMMIT, DONE, FAILED, HEADER, KINDS, MAGIC, PUT, STATE, TAGGED, VERSION, FastPath
from fastpath import allowed, attachment, fdb, port, segment
from peers import GENERATOR, TOP, VLAN, VM_IP, VM_MAC, VTEPS, Ours, Peer, PeerError, TestPmd, mac_of

BIN = os.environ.get("ML2_BIN_DIR", os.path.join(TOP, "build", "release", "bin"))
MILLION = 1_000_000


def line(case, metric, value, unit, **more):
    return {"bench": "fastpath", "case": case, "metric": metric, "value": round(value, 3), "unit": unit, **more}


def program(name, options, *arguments):
    """Runs one of the compiled benches on the polled core; its lines."""
    path = os.path.join(BIN, name)
    if not os.path.exists(path):
        raise PeerError(f"{path} is not built: cmake --build --preset release --target {name}")
    done = subprocess.run(["taskset", "-c", str(options.core), path, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=900)
    if done.returncode != 0:
        raise PeerError(f"{name}: {done.stderr.strip()[-1000:]}")
    return [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]


def tables(options, _directory):
    yield from program("fastpath_tables_bench", options, str(options.rounds))


def walk(options, _directory):
    """The walk alone, on frames that the first cache holds: what is lost from size to size is the tables' doing."""
    one = {}
    for row in program("fastpath_walk_bench", options, "", options.isa or "", str(2 * options.rounds + 1)):
        work, size = row["case"].split("/")
        one.setdefault(work, row["value"])
        yield line(f"walk-{row['case']}", "ns_per_frame", row["value"], "ns", isa=row["isa"],
                   beyond_1=round(row["value"] - one[work], 2))


def inside(options, directory):
    yield from program("fastpath_inside_bench", options, str(options.core), directory, str(options.rounds))


def message(type, body=b"", kind=0, count=0):
    return HEADER.pack(MAGIC, VERSION, type, 1, kind, 1, count, 0) + body


def packet(messages):
    """Several messages in one packet: all but the last say where the next begins."""
    return b"".join(one[:HEADER.size - 4] + struct.pack("=I", len(one)) + one[HEADER.size:] for one in messages[:-1]) + messages[-1]


def lost_with_size(work, options, directory):
    """How much of the figure at 1 MAC is gone at more: all sizes in turn, in one run, as the clock of a shared machine changes by
    half from one minute to the next. Io at the largest must lose nothing: it is the proof that the load is the same at all sizes."""
    from fastpath_bench import SIZES, Case, measure
    cases = {size: Case(work, size, directory) for size in SIZES}
    sizes = [size for size in SIZES if size != "1"]
    running, rounds = {}, {}
    try:
        for size, case in cases.items():
            case.write()
            kinds = {"ml2-fastpath": lambda *a: Ours(*a, isa=options.isa)}
            if size in ("1", sizes[-1]):
                kinds["testpmd-io"] = TestPmd
            for name, make in kinds.items():
                running[name, size] = make(case, options.core, options.control_core, directory)
                running[name, size].pause()
        for _ in range(2 * options.rounds + 1):
            for key, peer in running.items():
                rounds.setdefault(key, []).append(measure(peer, options.seconds / 2)[0])
    finally:
        for peer in running.values():
            peer.end()
        for case in cases.values():
            if os.path.exists(case.path):
                os.unlink(case.path)

    def lost(name, size):
        return [round(100 * (1 - more / one), 1) for more, one in zip(rounds[name, size], rounds[name, "1"])]
    for size in sizes:
        values = lost("ml2-fastpath", size)
        yield line(f"{work}/{size}", "lost_from_1", statistics.median(values), "%", values=values)
    values = lost("testpmd-io", sizes[-1])
    yield line(f"{work}/{sizes[-1]}", "io_lost_from_1", statistics.median(values), "%", values=values)


def loss(options, directory):
    from fastpath_bench import WORKS
    for work in WORKS:
        yield from lost_with_size(work, options, directory)


def thread_cpu(process, thread):
    with open(f"/proc/{process.pid}/task/{thread}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0]) / 1e9


def memory_mb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(text.split()[1]) for text in status if text.startswith("RssAnon")) * 1024 / 1e6


def dropped(client):
    return sum(row["packets"] for row in client.query("drops"))


def updates(options, directory):
    """A million entries loaded, then changed, over the socket, while the worker forwards all that it can."""
    from fastpath_bench import Case
    case = Case("encap", "1", directory)
    case.write()
    ours = Ours(case, options.core, options.control_core, directory, isa=options.isa)
    try:
        client, process = ours.client, ours.process
        empty, before, sent = memory_mb(process), dropped(client), ours.sent()
        records = [fdb(mac_of(i), 1, vtep_id=1 + i % VTEPS) for i in range(1, MILLION + 1)]
        begun, cpu = time.monotonic(), thread_cpu(process, process.pid)
        done = client.apply(full=False, generation=2, put={"fdb": b"".join(records)})
        wall, cpu = time.monotonic() - begun, thread_cpu(process, process.pid) - cpu
        if done["refused"] or done["applied"] != MILLION:
            raise PeerError(f"the load was refused: {done['refused'][:3]}")
        yield line("load/1M", "seconds_over_the_socket", wall, "s", cpu_seconds=round(cpu, 3))
        yield line("load/1M", "process_megabytes", memory_mb(process) - empty, "MB")

        # Single changes, a batch each (Begin, Put, Commit), several in a packet and some packets sent ahead; every station goes
        # to another VTEP.
        changes, together = 512_000, 64
        change = lambda i: (message(BEGIN, struct.pack("=QII", 3 + i, 0, 0)),
                            message(PUT, fdb(mac_of(1 + i), 1, vtep_id=1 + (i + 2) % VTEPS), KINDS["fdb"], 1), message(COMMIT))
        packets = [packet([one for i in range(at, at + together) for one in change(i)]) for at in range(0, changes, together)]
        begun, cpu = time.monotonic(), thread_cpu(process, process.pid)
        done = asked = 0
        while done < changes:
            while asked < len(packets) and asked - done // together < 8:
                client.socket.send(packets[asked])
                asked += 1
            done += count_done(client.socket.recv(65536))
        wall, cpu = time.monotonic() - begun, thread_cpu(process, process.pid) - cpu
        yield line("updates/1M", "batches_of_one_per_cpu_second", changes / cpu, "1/s", per_second=round(changes / wall))

        # The same in batches of a thousand, as an agent sends what it learned in a tick.
        blocks = [b"".join(fdb(mac_of(1 + i), 1, vtep_id=1 + (i + 3) % VTEPS) for i in range(at, at + 1000))
                  for at in range(0, MILLION, 1000)]
        begun, cpu = time.monotonic(), thread_cpu(process, process.pid)
        for number, block in enumerate(blocks):
            done = client.apply(full=False, generation=1_000_000 + number, put={"fdb": block})
            if done["applied"] != 1000:
                raise PeerError(f"{done['applied']} of 1000 changes were applied")
        wall, cpu = time.monotonic() - begun, thread_cpu(process, process.pid) - cpu
        yield line("updates/1M", "in_batches_of_1000_per_cpu_second", MILLION / cpu, "1/s", per_second=round(MILLION / wall))
        forwarded, lost = ours.sent() - sent, dropped(client) - before
        yield line("updates/1M", "packets_lost", lost, "packets", forwarded=forwarded)
    finally:
        ours.end()
        os.unlink(case.path)


def count_done(answers):
    """How many batches a packet of answers says are applied; each has to be."""
    at = count = 0
    while True:
        *_, type, _request, _kind, _last, _count, following = HEADER.unpack_from(answers, at)
        applied = STATE.unpack_from(answers, at + HEADER.size)[3] if type == DONE else 0
        if applied != 1:
            raise PeerError(f"an update was refused: {answers[at + HEADER.size:]!r}" if type == FAILED
                            else "a change was not applied, or another answer than Done came")
        count += 1
        if not following:
            return count
        at += following


class Workers(Peer):
    """ml2-fastpath with one worker per processor of `cores`, and a source and a sink for each."""

    def __init__(self, case, cores, options):
        self.name = f"{len(cores)} workers"
        self.fast_path = FastPath(os.path.join(BIN, "ml2-fastpath"),
                                  ["--cores", ",".join(map(str, cores)), "--control-core", str(options.control_core),
                                   "--mbufs", str(case.mbufs * len(cores)), "--driver", GENERATOR,
                                   *(["--isa", options.isa] if options.isa else [])])
        self.fast_path.start()
        self.process, self.client, self.count = self.fast_path.process, self.fast_path.client, len(cores)
        put = {"port": [], "segment": [], "attachment": [], "allowed": [], "fdb": bytearray()}
        numbers = range(1, self.count + 1)
        # Sources come first: queues are dealt out in the order of ports.
        for i in numbers:
            put["port"].append(port(i, case.source(i), kind=ACCESS, spoof_check=1))
            put["allowed"].append(allowed(i, VM_MAC, VM_IP + "/32"))
            put["segment"].append(segment(i, 1000 + i, answer=1))
            put["attachment"] += [attachment(i, i), attachment(100 + i, i, VLAN)]
            put["fdb"] += b"".join(fdb(mac_of(k), i, port_id=100 + i) for k in range(case.macs))
        put["port"] += [port(100 + i, case.sink(100 + i), kind=TAGGED) for i in numbers]
        done = self.client.apply(put=put)
        if done["refused"]:
            raise PeerError("refused: " + "; ".join(done["refused"][:5]))
        self.threads = [worker["thread"] for worker in self.client.query("show")[0]["workers"]]

    def snapshot(self):
        sent = {row["port"]: row["tx_packets"] for row in self.client.query("ports")}
        return [(sent[101 + i], thread_cpu(self.process, thread)) for i, thread in enumerate(self.threads)]

    def measure(self, seconds):
        """The sum over the workers of Mpps per CPU second of its own."""
        self.resume()
        time.sleep(0.3)
        before = self.snapshot()
        time.sleep(seconds)
        after = self.snapshot()
        self.pause()
        return sum((b[0] - a[0]) / (b[1] - a[1]) / 1e6 for a, b in zip(before, after))

    def end(self):
        if self.process.poll() is None:
            self.resume()
        self.fast_path.stop()


def workers(options, directory):
    """Two workers against one, each with its own source: by the CPU time of each, for the two share this machine."""
    from fastpath_bench import Case
    case = Case("vlan-push", "10k", directory)
    case.write()
    running = []
    try:
        for cores in ([options.core], [options.core, options.control_core]):
            running.append(Workers(case, cores, options))
            running[-1].pause()
        figures = [[], []]
        for _ in range(max(options.rounds, 3)):
            for peer, values in zip(running, figures):
                values.append(peer.measure(options.seconds))
        one, two = map(statistics.median, figures)
        yield line("workers/2", "mpps_per_cpu", two, "Mpps/CPU-s", peer="one worker", peer_value=round(one, 3),
                   ratio=round(two / one, 3))
    finally:
        for peer in running:
            peer.end()
        os.unlink(case.path)


PARTS = {"loss": loss, "walk": walk, "tables": tables, "inside": inside, "updates": updates, "workers": workers}
