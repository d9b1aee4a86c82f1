"""Traffic that is counted packet by packet, and a TCP stream, beside what a test does.

Loss is judged by sequence numbers after the last stragglers, not by time: a machine under load is slow, which is no loss.
"""
import json
import signal
import subprocess
import sys
import textwrap

from processes import LabError

SENDER = textwrap.dedent("""\
    import json, select, signal, socket, sys, time
    target, port, interval = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    stop = False
    def ended(number, frame):
        global stop
        stop = True
    signal.signal(signal.SIGTERM, ended)
    sock = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.connect((target, port))
    sock.setblocking(False)
    sent, times, seen, gap, last = 0, [], set(), 0.0, time.monotonic()
    def read():
        global last, gap
        while True:
            try:
                data = sock.recv(64)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            now = time.monotonic()
            seen.add(int(data))
            gap, last = max(gap, now - last), now
    print("ready", flush=True)
    next_one = time.monotonic()
    while not stop:
        try:
            sock.send(b"%d" % sent)
        except (BlockingIOError, ConnectionRefusedError):
            pass
        sent += 1
        times.append(time.monotonic())
        next_one = max(next_one + interval, time.monotonic() - 1)
        while not stop and (wait := next_one - time.monotonic()) > 0:
            select.select([sock], [], [], wait)
            read()
        read()
    last = time.monotonic()
    while len(seen) < sent and time.monotonic() < last + 3:  # none for 3 s: there is none to come
        select.select([sock], [], [], 0.1)
        read()
    missing = sorted(set(range(sent)) - seen)
    print(json.dumps({"sent": sent, "received": len(seen), "missing": missing[:20], "lost_at": [round(times[at], 3) for at in missing], "longest_gap_ms": round(gap * 1000)}))
    """)
ECHO = textwrap.dedent("""\
    import socket, sys
    sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind((sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    while True:
        data, peer = sock.recvfrom(64)
        sock.sendto(data, peer)
    """)
# One segment each interval, so that no queue runs over: what is sent again was lost.
STREAM = textwrap.dedent("""\
    import json, select, signal, socket, struct, sys, time
    stop = False
    def ended(number, frame):
        global stop
        stop = True
    signal.signal(signal.SIGTERM, ended)
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("ready", flush=True)
    sent = 0
    while not stop:
        connection.sendall(struct.pack("!Q", sent) * 125)
        sent += 1
        time.sleep(float(sys.argv[3]))
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(20)
    echoed = b""
    while data := connection.recv(64):
        echoed += data
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    print(json.dumps({"blocks": sent, "arrived_whole": int(echoed or b"-1"), "retransmitted": struct.unpack_from("I", info, 100)[0]}))
    """)
SINK = textwrap.dedent("""\
    import socket, struct, sys
    listener = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((sys.argv[1], int(sys.argv[2])))
    listener.listen(1)
    print("ready", flush=True)
    connection, _ = listener.accept()
    whole, rest = 0, b""
    while data := connection.recv(1 << 16):
        rest += data
        while len(rest) >= 1000:
            block, rest = rest[:1000], rest[1000:]
            whole += block == struct.pack("!Q", whole) * 125
    connection.sendall(b"%d" % whole)
    """)


class Pair:
    """Two Python programs, one in each machine; stop() ends the sender and returns what it counted."""

    def __init__(self, source, target, address, far, near, port, interval):
        self.processes = []
        for machine, program, arguments in ((target, far, (address, str(port))),
                                            (source, near, (address, str(port), str(interval)))):
            process = subprocess.Popen(machine.wrap(sys.executable, "-c", program, *arguments), text=True,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
            self.processes.append(process)
            if process.stdout.readline().strip() != "ready":
                raise LabError(f"traffic from {source.name} to {address} does not begin")

    def stop(self, timeout=60):
        far, near = self.processes
        near.send_signal(signal.SIGTERM)
        try:
            answer = near.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired as error:
            raise LabError(f"traffic does not end within {timeout} s") from error
        finally:
            for process in (near, far):
                if process.poll() is None:
                    process.kill()
                process.stdout.close()
                process.wait()
        return json.loads(answer)


class Datagrams(Pair):
    """Datagrams that are echoed, one each interval (seconds)."""

    def __init__(self, source, target, address, interval=0.005, port=7007):
        super().__init__(source, target, address, ECHO, SENDER, port, interval)


class Stream(Pair):
    """A TCP connection with a thousand bytes each interval."""

    def __init__(self, source, target, address, interval=0.002, port=5002):
        super().__init__(source, target, address, SINK, STREAM, port, interval)
