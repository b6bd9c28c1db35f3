"""The work of the soak, step by step, and what is looked at between the steps."""

import os
import re
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

from harness.accounting import anonymous_kib, descriptors
from harness.programs import fail
from harness.wire import TERMINATE, Session

MODES = ("simple", "extended", "prepared")
CLIENTS = 8  # of the transactions
CONNECTING_CLIENTS = 4
DROPS_AT_ONCE = 25
QUIET_TIMEOUT = 30.0
PAUSE = 0.02

# The first result is more than the server keeps to itself: a client that has some of it is in the middle of the rest.
QUERIES = (
    "SELECT repeat('x', 10000); SELECT pg_sleep(600)",
    "SELECT repeat('x', 10000); SELECT count(*) FROM generate_series(1, 1000000000)",
    "BEGIN; SELECT repeat('x', 10000); SELECT pg_sleep(600)",
)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time


def close(client):
    client.close()


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    client.close()


def terminate(client):
    client.sendall(TERMINATE)
    client.close()


def half_close(client):
    """Ends its half of the stream, and reads on until pgleash ends the other."""
    client.shutdown(socket.SHUT_WR)
    with client:
        while client.recv(65536):
            pass


WAYS_TO_GO = (close, reset, terminate, half_close)


class Work:
    """What goes through pgleash at `port` in each step."""

    def __init__(self, server, port, folder):
        self.server, self.port = server, port
        self.script = folder / "one.sql"
        self.script.write_text("SELECT 1;\n")
        self.steps = self.transactions = self.connects = self.drops = 0

    def step(self, transactions, connects, drops):
        """Does so much of each, side by side, and counts what was really done."""
        mode = MODES[self.steps % len(MODES)]
        self.steps += 1
        programs = [
            self.start_pgbench(CLIENTS, transactions, "--protocol", mode),
            self.start_pgbench(CONNECTING_CLIENTS, connects, "--connect"),
        ]
        try:
            for first in range(0, drops, DROPS_AT_ONCE):
                self.drop(min(DROPS_AT_ONCE, drops - first))
            done = [finish(program) for program in programs]
        finally:
            for program in programs:
                program.kill()
        self.transactions += done[0]
        self.connects += done[1]

    def start_pgbench(self, clients, transactions, *options):
        each = -(-transactions // clients)
        command = self.server.client(
            *["pgbench", self.port, "--no-vacuum", "--client", str(clients), "--transactions", str(each)],
            *["--file", self.script, *options],
        )
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def drop(self, count):
        """Clients that ask for something long, and leave in the middle of it, all at once."""
        sessions = [Session(self.port) for _ in range(count)]
        for number, session in enumerate(sessions, self.drops):
            session.send_query(QUERIES[number % len(QUERIES)])
        for session in sessions:
            # All that has come: a socket that is closed with bytes unread is reset.
            session.socket.recv_into(session.buffer)
        for number, session in enumerate(sessions, self.drops):
            WAYS_TO_GO[number % len(WAYS_TO_GO)](session.socket)
        self.drops += count


def finish(pgbench):
    """How many transactions it has made."""
    output = pgbench.communicate()[0]
    match = re.search(r"^number of transactions actually processed: (\d+)", output, re.MULTILINE)
    if pgbench.returncode != 0 or match is None:
        fail(f"pgbench failed\n{output}")
    return int(match[1])


def total(metrics, name):
    """A metric, over all its labels."""
    return sum(value for (other, _), value in metrics.items() if other == name)


@dataclass(frozen=True)
class State:
    """pgleash and the server at a moment when nothing is under way."""

    memory_kib: int
    descriptors: int
    metrics: dict


class Observer:
    """Looks at pgleash and at the server's backends."""

    def __init__(self, pgleash, server, report):
        self.pgleash, self.server, self.report = pgleash, server, report

    def wait_until_quiet(self):
        """The state when all sessions have ended, which must be soon after the last client has left."""
        deadline = time.monotonic() + QUIET_TIMEOUT
        while True:
            metrics, backends = self.metrics(), self.backends()
            sessions, orphans = total(metrics, "sessions_active"), total(metrics, "orphans_active")
            if sessions == orphans == backends == 0:
                return State(anonymous_kib(self.pgleash.pid), descriptors(self.pgleash.pid), metrics)
            if time.monotonic() > deadline:
                fail(
                    f"{QUIET_TIMEOUT:.0f} s after the last client there are {sessions} sessions and {orphans} orphans "
                    f"in pgleash, and {backends} backends on the server"
                )
            time.sleep(PAUSE)

    def metrics(self):
        """pgleash's counters and gauges by name and label."""
        self.report.unlink(missing_ok=True)
        os.kill(self.pgleash.pid, signal.SIGUSR1)
        deadline = time.monotonic() + QUIET_TIMEOUT
        while not self.report.exists():
            if time.monotonic() > deadline:
                fail("pgleash does not answer SIGUSR1")
            time.sleep(PAUSE)
        pattern = r"^pgleash_(\w+)(?:\{\w+=\"(\w+)\"\})? (\d+)$"
        return {
            (name, label): int(value)
            for name, label, value in re.findall(pattern, self.report.read_text(), re.MULTILINE)
        }

    def backends(self):
        query = "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
        command = self.server.client("psql", self.server.port, "-Xqtc", query)
        return int(subprocess.check_output(command, text=True))
