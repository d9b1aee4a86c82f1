"""Commands, waiting and daemons: what the laboratory does to processes.

Processes are told apart by pid and start time, so that a pid that was given out again is never taken for ours.
Failure: LabError, with the command and what it printed. What it does not do: nothing of networks.
"""
import os
import signal
import subprocess
import time

# ovs-vswitchd, ip and ethtool are in directories that an ordinary user's PATH may lack.
for _directory in ("/usr/sbin", "/sbin"):
    if _directory not in os.environ.get("PATH", "").split(":"):
        os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":" + _directory


class LabError(Exception):
    """The laboratory could not do what was asked; the text says what and why."""


class DaemonEnded(LabError):
    """A daemon that was to run has ended: waiting longer is no use."""


def run(command, check=True, timeout=60, env=None, stdin=None):
    """Runs a command to its end; returns subprocess.CompletedProcess with text output."""
    full_env = dict(os.environ, **env) if env else None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=full_env,
                              input=stdin if stdin is not None else "", errors="replace")
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(command)}: no answer within {timeout} s") from error
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed: run scripts/install-deps") from error
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(command)}: exit status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done


def wait_until(condition, deadline=10.0, what=None, interval=0.05):
    """Calls condition() until it is true or the deadline (seconds from now) is over; returns its value.

    A LabError or AssertionError that it raises counts as "not yet" and is shown when time runs out.
    """
    end = time.monotonic() + deadline
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = f"last answer: {value!r}"
        except DaemonEnded:
            raise
        except (LabError, AssertionError) as error:
            last = str(error)
        if time.monotonic() >= end:
            raise LabError(f"{what or getattr(condition, '__doc__', None) or 'condition'}: "
                           f"not so within {deadline:g} s; {last}")
        time.sleep(interval)


def start_time_of(pid):
    """The process's start in clock ticks after boot (field 22 of /proc/PID/stat), or None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in ("Z", "X"):
        return None
    return int(fields[19])


def pids_in_namespace(namespace):
    """Every process whose network namespace is the named one."""
    try:
        wanted = os.stat(f"/run/netns/{namespace}")
    except OSError:
        return []
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            there = os.stat(f"/proc/{entry}/ns/net")
        except OSError:
            continue
        if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.append(int(entry))
    return found


def end_processes(pids, grace=2.0):
    """SIGTERM, and SIGKILL to those that are still there after the grace."""
    marks = {pid: start_time_of(pid) for pid in pids}
    marks = {pid: mark for pid, mark in marks.items() if mark is not None and pid != os.getpid()}
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for pid, mark in marks.items():
            if start_time_of(pid) == mark:
                try:
                    os.kill(pid, signal_number)
                except ProcessLookupError:
                    pass
        end = time.monotonic() + grace
        while time.monotonic() < end:
            if all(start_time_of(pid) != mark for pid, mark in marks.items()):
                return
            time.sleep(0.02)


class Daemon:
    """One process of ours in a namespace; its output goes to a log file of its own."""

    def __init__(self, lab, name, command, log, env=None):
        self.lab, self.name, self.command, self.log, self.env = lab, name, command, log, env
        self.process = None

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def start(self):
        if self.alive():
            raise LabError(f"{self.name} runs already (pid {self.pid})")
        with open(self.log, "ab") as log:
            log.write(f"--- {time.strftime('%H:%M:%S')} start: {' '.join(self.command)}\n".encode())
            log.flush()
            try:
                self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                start_new_session=True, env=dict(os.environ, **(self.env or {})))
            except OSError as error:
                raise LabError(f"{self.name}: {self.command[0]}: {error.strerror}") from error
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        if self.alive():
            self.process.send_signal(number)

    def wait(self, timeout=10):
        """Waits for its end; returns the exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name} (pid {self.pid}) does not end within {timeout} s") from error

    def stop(self, timeout=10):
        """SIGTERM, as a service manager does; returns the exit status."""
        if self.process is None:
            return None
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except LabError:
            self.kill()
            raise

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(10)

    def log_text(self, last_start_only=True):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as text:
                content = text.read()
        except OSError:
            return ""
        return content.rpartition("\n--- ")[2] if last_start_only else content
