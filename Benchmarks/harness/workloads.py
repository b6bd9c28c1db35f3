"""The workloads of the contenders: pgbench's transactions, bulk in both directions, and idle sessions."""

import contextlib
import itertools
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from harness import pgbench
from harness.contenders import PLAIN, Encryption
from harness.programs import fail, memory_kib, run
from harness.wire import Session

# Settings of the server: room for all sessions, and no background work.
SETTINGS = ("max_connections=2600", "autovacuum=off", "checkpoint_timeout=1h", "jit=off")
COPY_BYTES = 400_000_000
ROW = b"x" * 999 + b"\n"
SETTLE_SECONDS = 1.0  # until memory is stable


@dataclass(frozen=True)
class Workload:
    """Something to carry; `name` is for the command line and the data, `title` for the reader.

    Transactions are pgbench's, with so many clients and these options; `script` replaces its SELECT of a row. What is
    bulk or idle is carried by a call, which returns figures by their names."""

    name: str
    title: str
    kind: str = "transactions"
    carry: Callable = None
    clients: int = 8
    options: tuple = ()
    script: str = None
    idle_sessions: int = 0
    rounds: int = 6  # in a pass; fewer for workloads that take longer than a second
    encryption: Encryption = PLAIN
    plain_name: str = ""  # that of the same without TLS

    def encrypted(self, encryption):
        """The same with TLS."""
        name, title = f"{encryption.name}-{self.name}", f"{self.title}, {encryption.title}"
        return replace(self, name=name, plain_name=self.name, title=title, encryption=encryption)

    def amount(self, contender, server, folder, seconds):
        """The number of transactions of each client that take about this number of seconds."""
        if self.carry is None:
            return pgbench.pace(contender, server, folder, seconds, self.clients, *self.all_options(folder))

    def run(self, contender, server, folder, amount):
        """Runs it with a contender that has been started, and returns figures by their names."""
        if self.carry is not None:
            return self.carry(contender, server)
        with contextlib.ExitStack() as idle:
            for _ in range(self.idle_sessions):
                idle.callback(Session(contender.port).close)
            return pgbench.run(contender, server, folder, amount, self.clients, *self.all_options(folder))

    def all_options(self, folder):
        if self.script is None:
            return [*self.options, "--select-only"]
        path = folder / "script.sql"
        path.write_text(self.script)
        return [*self.options, "--file", path]


def bulk(name, title, carry, rounds=6):
    """The work of a call through a port, which returns the number of bytes that the figures refer to."""

    def measure(contender, server):
        Session(contender.port).close()  # one-time work is not part of the figures
        cpu, start = contender.cpu_seconds(), time.monotonic()
        count = carry(server, contender.port)
        elapsed, spent = time.monotonic() - start, contender.cpu_seconds() - cpu
        return {"MB/s": count / 1e6 / elapsed, "cpu": spent * 1000 / (count / 1e8)}

    return Workload(name, title, "bulk", measure, rounds=rounds)


def copy_out(server, port):
    """COPY to psql, which discards it."""
    query = f"COPY (SELECT repeat('x', {len(ROW) - 1}) FROM generate_series(1, {COPY_BYTES // len(ROW)})) TO STDOUT"
    run(server.client("psql", port, "--no-psqlrc", "--command", query))
    return COPY_BYTES


def copy_in(server, port):
    """COPY from psql into a table that stores nothing."""
    rows = ROW * 1000
    command = server.client("psql", port, "--no-psqlrc", "--quiet", "--command", "COPY sink FROM STDIN WHERE false")
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        with contextlib.suppress(BrokenPipeError):  # psql reports the error
            process.stdin.writelines(itertools.repeat(rows, COPY_BYTES // len(rows)))
    return COPY_BYTES if process.returncode == 0 else fail("COPY FROM STDIN failed")


def discard(query, _, port):
    """The result of a query, which is discarded."""
    with contextlib.closing(Session(port)) as session:
        return session.query(query)


def idle(contender, _):
    """1,000 sessions that send one query and then are idle. Before that PgBouncer has no server connection for them."""
    ((_, kib),) = idle_growths(contender, [1000], lambda session: session.query("SELECT 1"))
    return {"memory": kib}


def idle_growths(contender, counts, begin=lambda _: None):
    """Each of the counts, which grow, and by how much memory has grown for each of so many sessions, in KiB; `begin` is
    called with each."""
    opened = 0
    with contextlib.ExitStack() as sessions:
        Session(contender.port).close()  # one-time work is not part of the figures
        time.sleep(SETTLE_SECONDS)
        before = memory_kib(contender.pid)
        for count in counts:
            for _ in range(count - opened):
                begin(sessions.enter_context(contextlib.closing(Session(contender.port))))
            opened = count
            time.sleep(SETTLE_SECONDS)
            yield count, (memory_kib(contender.pid) - before) / count


def select_row(mode, clients, rounds=6):
    """Transactions of one row each, in a mode of the protocol."""
    title = f"{mode}, {clients} client{'s' if clients > 1 else ''}"
    return Workload(f"{mode}-{clients}", title, clients=clients, options=("--protocol", mode), rounds=rounds)


def pipeline(depth):
    """Transactions of so many queries, all of which are sent before the first answer is read."""
    query = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
    script = "\\set aid random(1, 100000)\n\\startpipeline\n" + query * depth + "\\endpipeline\n"
    title = f"batch of {depth} queries, 8 clients"
    return Workload(f"pipeline-{depth}", title, options=("--protocol", "extended"), script=script)


def result(size):
    """Transactions with a result of so many bytes."""
    return Workload(f"result-{size}", f"result of {size} bytes, 8 clients", script=f"SELECT repeat('x', {size});\n")


WORKLOADS = [
    *[
        select_row(mode, clients, rounds=3 if clients == 256 else 6)  # so many sessions open slowly
        for mode in ("simple", "extended", "prepared")
        for clients in (1, 8, 64, 256)
    ],
    pipeline(500),
    Workload("connect", "connect for each, 8 clients", options=("--connect",)),
    Workload("idle-1000", "simple, 8 clients beside 1,000 idle ones", idle_sessions=1000, rounds=2),
    bulk("copy-out", "400 MB of COPY out", copy_out),
    bulk("copy-in", "400 MB of COPY in", copy_in),
    # The server repeats a long text faster than a short one.
    bulk("value", "1 GB in one value", partial(discard, "SELECT repeat(repeat('x', 1000), 1000000)"), rounds=2),
    bulk("small-rows", "10,000,000 small rows", partial(discard, "SELECT generate_series(1, 10000000)")),
]


def prepare(server):
    """Makes the tables the workloads need."""
    run(server.client("pgbench", server.port, "--initialize", "--quiet"))
    server.psql(server.port, "CREATE TABLE sink (line text)")
