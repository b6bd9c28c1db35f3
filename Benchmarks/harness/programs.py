"""Starts and stops the programs a measurement needs, each with its output in a file of the measurement's folder."""

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
PORTS = range(20000, 32000)  # below those the kernel gives to outgoing connections
DESCRIPTORS = 65536  # two for each of 10,000 sessions, and as much again for those who count carefully
COMPILED = ROOT / ".build/benchmarks"


@contextlib.contextmanager
def measurement():
    """A folder for everything a measurement writes. Signals end it in order, and its programs may open many files."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # it is meant for other databases
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="pgleash-measurement.") as folder:
        yield pathlib.Path(folder)


def raise_descriptor_limit():
    """Lets this process and those it starts open many files; only root goes beyond the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = max(hard, DESCRIPTORS)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, enough))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def fail(message):
    """Ends the script, as scripts/lib.sh does."""
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


class Program:
    """A running program."""

    def __init__(self, folder, *command, **environment):
        self.name = pathlib.Path(command[0]).name
        descriptor, path = tempfile.mkstemp(prefix=self.name, dir=folder)
        self.log = pathlib.Path(path)
        with open(descriptor, "wb") as output:
            self.process = subprocess.Popen(
                command, env=os.environ | environment, stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        self.pid = self.process.pid

    def has_ended(self):
        return self.process.poll() is not None

    def wait_for(self, pattern, seconds=30):
        """The match of the pattern in what the program says; without it the program is no use."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            has_ended = self.has_ended()  # asked first: what it said last counts
            if match := re.search(pattern, self.log.read_text()):
                return match
            if has_ended:
                break
            time.sleep(0.02)
        self.stop()
        fail(f"{self.name} did not start\n{self.log.read_text()}")

    def wait_for_port(self, port, seconds=30):
        """Whether the program lives and takes connections at the port."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.has_ended():
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                return not self.has_ended()  # else somebody else took it
            time.sleep(0.01)
        return False

    def stop(self):
        self.process.stdin.close()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class PrivatePostgres(Program):
    """A throw-away PostgreSQL with these settings beside its own, and copies of these files, by their names there;
    everybody may connect as the user postgres.

    Its psql and pgbench are those of its version, without Debian's wrappers around them."""

    def __init__(self, folder, *settings, files=()):
        options = [word for setting in settings for word in ("-c", setting)]
        options += [word for name, path in dict(files).items() for word in ("--file", f"{name}={path}")]
        super().__init__(folder, ROOT / "scripts/private-postgres", *options)
        match = self.wait_for(r"port=(\d+) socket=(\S+) pid=(\d+)")
        self.port, self.socket, self.postmaster = int(match[1]), match[2], int(match[3])
        self.bin = pathlib.Path(os.readlink(f"/proc/{self.postmaster}/exe")).parent

    def client(self, name, port, *options):
        """The words that start a client program at the port."""
        return [self.bin / name, "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", *options, "postgres"]


def free_port():
    """A port of 127.0.0.1 nobody listens at. Nothing reserves it: who uses it may have to try another."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def compile_c(source):
    """Compiles a C program of one file, unless that was done since its last change, and returns its path."""
    source = pathlib.Path(source)
    program = COMPILED / source.stem
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        COMPILED.mkdir(parents=True, exist_ok=True)
        options = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
        if subprocess.run(["cc", *options, "-o", program, source]).returncode != 0:
            fail(f"{source} does not compile")
    return program


def run(command):
    """Runs a program to its end; its output is of interest only if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        fail(f"{pathlib.Path(command[0]).name} failed\n{done.stderr}")


def version(*command):
    """The first thing a program says that looks like a version."""
    return re.search(r"\d+\.[\d.]*\w*", subprocess.check_output(command, text=True, stderr=subprocess.STDOUT))[0]
