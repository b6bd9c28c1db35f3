"""Starts and stops the programs of a measurement, and reports their memory."""

import contextlib
import os
import pathlib
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PGLEASH = ROOT / ".build/release/pgleash"
PORTS = range(20000, 32000)  # below those the kernel gives to outgoing connections
DESCRIPTORS = 65536  # two for each of 10,000 sessions, and the same number for programs that count with a reserve


@contextlib.contextmanager
def measurement():
    """A folder for all files of a measurement. Signals end it in order, and its programs may open many files."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # a variable for other databases
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (hard, max(hard, DESCRIPTORS)):
        with contextlib.suppress(ValueError, PermissionError):  # only root may exceed the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory(prefix="pgleash-measurement.") as folder:
        yield pathlib.Path(folder)


def fail(message):
    """Ends the script, as scripts/lib.sh does."""
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


class Program(contextlib.AbstractContextManager):
    """A running program with its output in a file of the folder; the end of a `with` block stops it."""

    def __init__(self, folder, *command, **environment):
        self.name = pathlib.Path(command[0]).name
        with tempfile.NamedTemporaryFile(prefix=self.name, dir=folder, delete=False) as output:
            streams = {"stdin": subprocess.PIPE, "stdout": output, "stderr": output}
            self.process = subprocess.Popen(command, env=os.environ | environment, **streams)
        self.log = pathlib.Path(output.name)
        self.pid = self.process.pid

    def has_ended(self):
        return self.process.poll() is not None

    def wait_for(self, pattern):
        """The match of the pattern in the output of the program; without it the program cannot be used."""
        wait_until(lambda: re.search(pattern, self.log.read_text()) or self.has_ended())
        if match := re.search(pattern, self.log.read_text()):  # the last output counts
            return match
        self.stop()
        fail(f"{self.name} did not start\n{self.log.read_text()}")

    def wait_for_port(self, port):
        """Whether the program lives and accepts connections at the port; otherwise another program has taken it."""
        return wait_until(lambda: self.has_ended() or is_taken(port)) and not self.has_ended()

    def finish(self):
        """Waits for its end, which must be a success, and returns its output."""
        status, output = self.process.wait(), self.log.read_text()
        return output if status == 0 else fail(f"{self.name} failed\n{output}")

    def stop(self, *_):
        self.process.stdin.close()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    __exit__ = stop


class PrivatePostgres(Program):
    """A throw-away PostgreSQL with these settings beside its own, and copies of these files, by their names there;
    everybody may connect as the user postgres."""

    def __init__(self, folder, *settings, files=()):
        options = [word for setting in settings for word in ("-c", setting)]
        options += [word for name, path in dict(files).items() for word in ("--file", f"{name}={path}")]
        super().__init__(folder, ROOT / "scripts/private-postgres", *options)
        match = self.wait_for(r"port=(\d+) socket=\S+ pid=(\d+)")
        self.port = int(match[1])
        self.bin = pathlib.Path(os.readlink(f"/proc/{match[2]}/exe")).parent

    def client(self, name, port, *options):
        """The command that starts psql or pgbench at the port: those of its version, without Debian's wrappers."""
        return [self.bin / name, "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", *options, "postgres"]

    def psql(self, port, query):
        """The result of a query at the port, with | between the columns."""
        return subprocess.check_output(self.client("psql", port, "-XAtqc", query), text=True).strip()


def wait_until(condition, pause=0.01):
    """The value of the condition as soon as it counts as true, or after 30 s."""
    deadline = time.monotonic() + 30
    while not (given := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
    return given


def is_taken(port):
    """Whether a program listens at a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    """A port without a listener. It is not reserved: the caller may have to try another one."""
    while is_taken(port := random.choice(PORTS)):
        pass
    return port


def compile_c(name):
    """Compiles a C program of one file, unless that was done since its last change, and returns its path."""
    source, program = ROOT / f"Benchmarks/{name}.c", ROOT / f".build/benchmarks/{name}"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        run(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program, source])
    return program


def run(command):
    """Runs a program to its end; its output is shown only if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        fail(f"{pathlib.Path(command[0]).name} failed\n{done.stderr.decode()}")


def memory_kib(pid, name="Pss_Anon"):
    """Memory of a process in KiB: Pss divides what is shared by the number of those who share it; Pss_Anon, heaps and
    stacks, comes from no file, and so does not change whenever another program with a shared library comes or goes."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{name}: +(\d+) kB$", rollup, re.MULTILINE)[1])


def version(*command):
    """The first text in the output of a program that looks like a version."""
    return re.search(r"\d+\.[\d.]*\w*", subprocess.check_output(command, text=True, stderr=subprocess.STDOUT))[0]
