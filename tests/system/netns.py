"""Network namespaces, and what the tests do in them: ping, capture, be a virtual machine.

Where it stands: on processes.py; lab.py builds hypervisors from it. Failure: LabError.
"""
import os
import re
import signal
import subprocess
import time

from processes import LabError, end_processes, pids_in_namespace, run

PREFIX = "ml2"                    # namespaces: ml2-<four hex digits>-<name>


def namespaces():
    try:
        return sorted(os.listdir("/run/netns"))
    except OSError:
        return []


class Namespace:
    """A network namespace of the lab."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.netns = f"{PREFIX}-{lab.token}-{name}"
        run(["ip", "netns", "add", self.netns])
        self.run("ip", "link", "set", "lo", "up")

    def wrap(self, *command):
        return ["ip", "netns", "exec", self.netns, *command]

    def run(self, *command, check=True, timeout=60, env=None, stdin=None):
        return run(self.wrap(*command), check=check, timeout=timeout, env=env, stdin=stdin)

    def write_sysctl(self, key, value):
        """key is below net/, such as ipv6/conf/eth0/disable_ipv6."""
        # Through a child in the namespace: /proc/sys/net shows the reader's own namespace.
        self.run("sh", "-c", f"echo {value} > /proc/sys/net/{key}", check=False)

    def ping(self, address, count=3, interval=0.2, size=None, deadline=None, options=()):
        command = ["ping", "-n", "-c", str(count), "-i", str(interval), "-W", "2"]
        if size is not None:
            command += ["-M", "do", "-s", str(size)]
        command += [*options, address]
        done = self.run(*command, check=False, timeout=deadline or count * max(interval, 0.2) + 30)
        return Ping(done.stdout + done.stderr)

    def patient_ping(self, address, count, size=None, patience=8):
        """One after the other, each with `patience` seconds: what is late on a busy machine is not lost.

        ping -c COUNT, once it has had an answer, gives the last one only as long as its interval (-W is for when there is
        none at all; iputils, __schedule_exit()): ovs-vswitchd, whose main thread forwards here, may get no processor for
        that long."""
        answers = []
        for number in range(count):
            time.sleep(0.2 if number else 0)
            answers.append(self.ping(address, count=1, size=size, options=("-W", str(patience))))
        received = sum(answer.received for answer in answers)
        return Ping("\n".join([f"{count} packets transmitted, {received} received", *(one.output for one in answers)]))

    def remove(self):
        end_processes(pids_in_namespace(self.netns))
        run(["ip", "netns", "delete", self.netns], check=False)


class Ping:
    """What ping said."""

    def __init__(self, output):
        self.output = output
        found = re.search(r"(\d+) packets transmitted, (\d+) received", output)
        self.sent, self.received = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
        line = re.search(r"^.*packets transmitted.*$", output, re.M)
        self.summary = line.group(0) if line else output.strip()[-200:]

    @property
    def lost(self):
        return self.sent - self.received

    @property
    def ok(self):
        return self.sent > 0 and self.lost == 0

    def __repr__(self):
        return self.summary


class BackgroundPing:
    """A ping beside what the test does: count requests, one each interval (seconds); result() waits for its end."""

    def __init__(self, namespace, address, count, interval=0.005):
        self.limit = count * max(interval, 0.01) * 4 + 30
        self.process = subprocess.Popen(
            namespace.wrap("ping", "-n", "-q", "-c", str(count), "-i", str(interval), "-W", "2", address),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True)

    def running(self):
        return self.process.poll() is None

    def result(self):
        try:
            output, _ = self.process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise LabError(f"ping does not end within {self.limit:g} s") from error
        return Ping(output)


class Capture:
    """tcpdump on one device of a namespace, from the moment that it listens until lines() is asked."""

    def __init__(self, namespace, device, what):
        self.process = subprocess.Popen(namespace.wrap("tcpdump", "-lnn", "--immediate-mode", "-i", device, what),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True)
        for line in self.process.stderr:
            if line.startswith("listening on"):
                return
        raise LabError(f"tcpdump on {device} of {namespace.name} does not listen")

    def lines(self):
        """Ends it; returns the packets, one line each."""
        self.process.send_signal(signal.SIGINT)
        # It ends its output with an empty line.
        return [line for line in self.process.communicate(timeout=10)[0].splitlines() if line]


class VirtualMachine(Namespace):
    """A namespace that plays a virtual machine; eth0 is plugged in by `ml2ctl vif plug`."""

    def __init__(self, lab, name, hypervisor):
        super().__init__(lab, name)
        self.hypervisor, self.port, self.device = hypervisor, None, "eth0"
