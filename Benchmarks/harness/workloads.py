"""What the contenders have to carry: pgbench's transactions, and bulk in both directions."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace

from harness import pgbench
from harness.encryption import PLAIN, Encryption
from harness.programs import fail, run
from harness.wire import Session

# Of the server: room for all sessions, and nothing that it does at times of its own choice.
SETTINGS = ("max_connections=2600", "autovacuum=off", "checkpoint_timeout=1h", "jit=off")
MODES = ("simple", "extended", "prepared")
ROUNDS = 6  # in a pass, of what takes no longer than a second
CLIENTS = {1: ROUNDS, 8: ROUNDS, 64: ROUNDS, 256: ROUNDS // 2}  # with their rounds: so many sessions open slowly
BATCH = 500  # queries
IDLE_SESSIONS = 1000
COPY_BYTES = 400_000_000
VALUE_BYTES = 1_000_000_000
SMALL_ROWS = 10_000_000
ROW = b"x" * 999 + b"\n"
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Workload:
    """Something to carry; `name` is for the command line and the data, `title` for the reader."""

    name: str
    title: str
    _: KW_ONLY
    encryption: Encryption = PLAIN
    rounds: int = 1  # in a pass; more where nothing is left of one

    def encrypted(self, encryption):
        """The same with TLS."""
        name, title = f"{encryption.name}-{self.name}", f"{self.title}, {encryption.title}"
        return replace(self, name=name, title=title, encryption=encryption)

    @property
    def names(self):
        """What it can be chosen by: its name, and that of the same without TLS."""
        return [self.name, self.name.removeprefix(f"{self.encryption.name}-")]

    def is_fair_to(self, contender):
        return True

    def amount(self, contender, server, folder, seconds):
        """How much to carry at a time so that it takes about so many seconds; None for what is always the same."""
        return None

    def run(self, contender, server, folder, amount):
        """Has it carried by a contender that has been started, and returns figures by their names."""
        raise NotImplementedError


@dataclass(frozen=True)
class Transactions(Workload):
    """pgbench with so many clients and these options; `script` replaces its SELECT of a row."""

    clients: int
    options: tuple
    script: str = None
    idle_sessions: int = 0
    is_connecting: bool = False
    _: KW_ONLY
    rounds: int = ROUNDS

    def is_fair_to(self, contender):
        is_reusing = self.is_connecting and contender.reuses_server_connections
        return not (is_reusing or contender.is_for_bulk_only)

    def amount(self, contender, server, folder, seconds):
        return pgbench.pace(contender, server, folder, seconds, self.clients, *self.all_options(folder))

    def run(self, contender, server, folder, amount):
        with contextlib.ExitStack() as idle:
            for _ in range(self.idle_sessions):
                idle.enter_context(Session(contender.port))
            return pgbench.run(contender, server, folder, amount, self.clients, *self.all_options(folder))

    def all_options(self, folder):
        if self.script is None:
            return [*self.options, "--select-only"]
        path = folder / "script.sql"
        path.write_text(self.script)
        return [*self.options, "--file", path]


@dataclass(frozen=True)
class Bulk(Workload):
    """A call that carries many bytes through a port and returns how many; they are what the figures refer to."""

    carry: Callable
    _: KW_ONLY
    rounds: int = ROUNDS

    def run(self, contender, server, folder, amount):
        Session(contender.port).close()  # what is done once is not part of the figures
        before = contender.cpu_seconds()
        start = time.monotonic()
        count = self.carry(server, contender.port)
        elapsed = time.monotonic() - start
        spent = contender.cpu_seconds() - before
        return {"MB/s": count / 1e6 / elapsed, "cpu": spent * 1000 / (count / 1e8)}


def copy_out(server, port):
    """COPY to psql, which throws it away."""
    query = f"COPY (SELECT repeat('x', {len(ROW) - 1}) FROM generate_series(1, {COPY_BYTES // len(ROW)})) TO STDOUT"
    run(server.client("psql", port, "--no-psqlrc", "--command", query))
    return COPY_BYTES


def copy_in(server, port):
    """COPY from psql into a table that takes none of it."""
    rows = ROW * ROWS_AT_ONCE
    command = server.client("psql", port, "--no-psqlrc", "--quiet", "--command", "COPY sink FROM STDIN WHERE false")
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        with contextlib.suppress(BrokenPipeError):  # psql says what is wrong
            for _ in range(COPY_BYTES // len(rows)):
                process.stdin.write(rows)
            process.stdin.close()
        if process.wait() != 0:
            fail("COPY FROM STDIN failed")
    return COPY_BYTES


def discard(query):
    """What runs the query and throws its result away."""

    def carry(_, port):
        with Session(port) as session:
            return session.query(query)

    return carry


def select_row(mode, clients, rounds=ROUNDS):
    name, title = f"{mode}-{clients}", f"{mode}, {of(clients)}"
    return Transactions(name, title, clients, ("--protocol", mode), rounds=rounds)


def of(clients):
    return "1 client" if clients == 1 else f"{clients} clients"


def pipeline(depth, clients):
    """Transactions of so many queries, all of which are sent before the first answer is read."""
    query = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
    script = "\\set aid random(1, 100000)\n\\startpipeline\n" + query * depth + "\\endpipeline\n"
    title = f"batch of {depth} queries, {of(clients)}"
    return Transactions(f"pipeline-{depth}", title, clients, ("--protocol", "extended"), script)


def result(size, clients):
    """Transactions with a result of so many bytes."""
    script = f"SELECT repeat('x', {size});\n"
    return Transactions(f"result-{size}", f"result of {size} bytes, {of(clients)}", clients, (), script)


WORKLOADS = [
    *[select_row(mode, clients, rounds) for mode in MODES for clients, rounds in CLIENTS.items()],
    pipeline(BATCH, clients=8),
    Transactions("connect", "connect for each, 8 clients", 8, ("--connect",), is_connecting=True),
    Transactions(
        "idle-1000",
        f"simple, 8 clients beside {IDLE_SESSIONS:,} idle ones",
        8,
        (),
        idle_sessions=IDLE_SESSIONS,
        rounds=2,
    ),
    Bulk("copy-out", f"{COPY_BYTES // 10**6} MB of COPY out", copy_out),
    Bulk("copy-in", f"{COPY_BYTES // 10**6} MB of COPY in", copy_in),
    # The server repeats a long text faster than a short one.
    Bulk("value", "1 GB in one value", discard(f"SELECT repeat(repeat('x', 1000), {VALUE_BYTES // 1000})"), rounds=2),
    Bulk("small-rows", f"{SMALL_ROWS:,} small rows", discard(f"SELECT generate_series(1, {SMALL_ROWS})")),
]


def prepare(server):
    """Makes the tables the workloads need."""
    run(server.client("pgbench", server.port, "--initialize", "--quiet"))
    run(server.client("psql", server.port, "--no-psqlrc", "--command", "CREATE TABLE sink (line text)"))
