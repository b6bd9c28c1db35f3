"""What pgleash takes of a machine. Each measure yields figures; more sessions or transactions than PostgreSQL has time
for go to the stand-in."""

import argparse
import collections
import contextlib
import itertools
import os
import pathlib
import re
import resource
import select
import shutil
import subprocess
import threading
import time
import urllib.request
from concurrent import futures

from harness import pgbench
from harness.contenders import HAPROXY, NULL_RELAY, Pgleash, stand_in
from harness.programs import PGLEASH, PrivatePostgres, Program, fail, free_port, measurement, memory_kib, wait_until
from harness.results import BRACKETS, RESULTS, bold, cell, note, short, table, verdict, write_csv
from harness.wire import Session, message
from harness.workloads import SETTLE_SECONDS, idle_growths

ACTIVE_SESSIONS = 8
STALLED_SESSIONS = 64
STALL_SECONDS = 5  # without progress for this time, a session has stalled
KEPT_KIB = 128  # in each direction, for a peer that does not read: the size of one receive
ALLOCATOR_SHARE = 1.04  # 33 pages for an array of 32 with its header, and the allocator's own data
# A stalled session requests 1 GB, and continues to send requests of 1 MiB.
RESULT = message(b"Q", b"SELECT repeat('x', 1000) FROM generate_series(1, 1000000)\0")
REQUEST = memoryview(message(b"Q", b"SELECT 1 -- " + b"x" * (1 << 20) + b"\0"))

HEAD = f"""# What pgleash takes of a machine

{{}}

Medians, and in brackets {BRACKETS}, where there were several
rounds. `make limits` writes this file. How it is measured, and how to read it: [README](../README.md).

"""
# A measured value, once or in several rounds; a goal is a relation and a limit for the median.
Figure = collections.namedtuple("Figure", "title unit values goal", defaults=[None])


def main(description):
    """The command line of `limits`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="of ratios (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement in a round (%(default)s)")
    only = f"of {', '.join(MEASURES)}"
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES, metavar="NAME", help=only)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the files' folder")
    parser.add_argument("--check", action="store_true", help="end with status 1 when a goal is not held")
    run, figures, rows = parser.parse_args(), [], []  # the arguments, and the other common values of the measures
    with measurement() as run.folder, PrivatePostgres(run.folder, "max_connections=200") as run.postgres:
        with stand_in(threads=1).start(0, run.folder) as run.stand_in:
            where = note(run.postgres, [Pgleash(), HAPROXY])
            for figure in itertools.chain.from_iterable(MEASURES[name](run) for name in run.only):
                title, unit, measured, _, judged = cells(figure)
                print(" ".join([f"{title}: {measured}", unit, judged]).rstrip(), flush=True)
                rows.append(cells(figure))
                figures += [[title, unit, number, f"{value:.6g}"] for number, value in enumerate(figure.values, 1)]
    run.output.mkdir(parents=True, exist_ok=True)
    write_csv(run.output / "limits.csv", where, ["figure", "unit", "round", "value"], figures)
    lines = table(["figure", "unit", "measured", "goal", ""], rows, ["---", "---", "---:", "---:", "---"])
    (run.output / "limits.md").write_text(HEAD.format(where) + "\n".join([*lines, ""]))
    print(f"{run.output}/limits.md has the table, limits.csv the data")
    broken = [title for title, *_, judged in rows if "not held" in judged]
    if run.check and broken:
        fail("not held: " + "; ".join(broken))


def cells(figure):
    """The value of a line in the table."""
    goal = judged = ""
    if figure.goal:
        relation, limit = figure.goal
        goal = f"{relation} {short(limit)}"
        # A value that is measured once has no rounds that could differ.
        judged = bold(verdict(figure.values, relation, limit, has_rounds=len(figure.values) > 1))
    return [figure.title, figure.unit, cell(figure.values), goal, judged]


def started(run, server, **options):
    """pgleash in front of a server."""
    return Pgleash(**options).start(server.port, run.folder)


def idle_counts():
    """1,000 sessions, and 10,000 or as many as the limit of open files allows: a proxy needs two for each."""
    # Active sessions, libraries, listeners and event loops have 200.
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2
    if most < 1000:
        fail("the limit of open files does not allow 1,000 sessions; ulimit -n shows and sets it")
    return sorted({1000, min(10000, most // 100 * 100)})


def base(run):
    """Pss with one worker, before the first session."""
    # A separate file: another pgleash on this machine would share half of the memory of the program.
    pgleash = Pgleash(shutil.copy(PGLEASH, run.folder / "pgleash"))
    values = []
    for _ in range(5):
        with pgleash.start(run.stand_in.port, run.folder):
            time.sleep(SETTLE_SECONDS)
            values.append(memory_kib(pgleash.pid, "Pss") / 1024)
    yield Figure("pgleash: memory with no session and one worker", "MiB", values, ("at most", 10))


def idle(run):
    """The growth of the memory with each idle session."""
    most = idle_counts()
    # With pipes for splice, HAProxy's descriptors do not suffice for more.
    for contender, counts in ((Pgleash(), most), (NULL_RELAY, most), (HAPROXY, most[:1])):
        goal = ("at most", 1.0) if contender.name == "pgleash" else None
        with contender.start(run.stand_in.port, run.folder):
            for count, kib in idle_growths(contender, counts):
                yield Figure(f"{contender.name}: memory of an idle session, of {count:,}", "KiB", [kib], goal)


def stalled(run):
    """By how much memory grows at most while neither clients nor servers of many sessions read, and others work: some
    beside them, as many through a second pgleash, so that it shows what is the machine's part in their rates."""
    for read_ahead_mib in (64, 0):  # the default, and none
        with contextlib.ExitStack() as stack:
            settings = f"[cancel]\nread_ahead = {read_ahead_mib}MB\n"
            both = [stack.enter_context(started(run, run.postgres, settings=settings)) for _ in range(2)]
            sockets = [stack.enter_context(Session(both[0].port).socket) for _ in range(STALLED_SESSIONS)]
            begin = time.monotonic()
            options = ["--no-vacuum", "--client", str(ACTIVE_SESSIONS), *pgbench.ONE_ROW]
            options += ["--time", "600", "--progress", "1"]  # until it is stopped
            commands = [run.postgres.client("pgbench", pgleash.port, *options) for pgleash in both]
            loads = [stack.enter_context(Program(run.folder, *command)) for command in commands]
            time.sleep(5)  # others work before sessions stall
            before = memory_kib(both[0].pid)
            moment = time.monotonic() - begin
            sent, highest = stall(sockets, both[0].pid)
            for program in loads:
                if program.has_ended():
                    fail(f"pgbench failed beside stalled sessions\n{program.log.read_text()}")
        bound = (read_ahead_mib + STALLED_SESSIONS * 2 * KEPT_KIB / 1024) * ALLOCATOR_SHARE
        title = f"pgleash: memory for {STALLED_SESSIONS} stalled sessions, read_ahead = {read_ahead_mib}MB"
        yield Figure(title, "MiB", [(highest - before) / 1024], ("at most", bound))
        yield Figure("– what each of their clients could send", "MB", [sent / 1e6 / STALLED_SESSIONS])
        for program, which in zip(loads, ("others beside them", "of another pgleash")):
            rates = worst_seconds(program.log.read_text(), moment)
            for rate, when in zip(rates, ("before they stall", "while they do")):
                yield Figure(f"– {ACTIVE_SESSIONS} {which}, {when}, worst second", "transactions/s", [rate])


def stall(sockets, pid):
    """Lets clients send until there is no progress: the sent bytes, and the highest memory in samples 50 ms apart."""
    with futures.ThreadPoolExecutor(len(sockets)) as pool:
        clients = [pool.submit(send_until_stalled, socket) for socket in sockets]
        samples = []
        while futures.wait(clients, 0.05).not_done:
            samples.append(memory_kib(pid))
    return sum(client.result() for client in clients), max(samples)


def send_until_stalled(socket):
    """Requests a result, and continues to send requests until nothing is taken: the number of bytes."""
    socket.sendall(RESULT)
    socket.settimeout(STALL_SECONDS)
    sent, deadline = 0, time.monotonic() + 60
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < deadline:
            sent += socket.send(REQUEST[sent % len(REQUEST) :])
        fail("clients that read nothing could still send after 60 s")
    return sent


def worst_seconds(output, moment):
    """The lowest rate that pgbench reports before this second, and the lowest after it."""
    reports = re.findall(r"^progress: (\S+) s, (\S+) tps", output, re.MULTILINE)
    seconds = [(float(end), float(rate)) for end, rate in reports]
    before = [rate for end, rate in seconds if end <= moment - 0.5]  # pgbench's clock may start this late
    after = [rate for end, rate in seconds if end > moment]
    return min(before, default=0.0), min(after, default=0.0)


def beside_idle(run):
    """Latency and cost of active sessions beside idle ones, relative to those without them."""
    with contextlib.ExitStack() as stack:
        crowded, empty, idle_sockets = crowd(run, stack)
        poll = select.poll()
        for socket in idle_sockets:
            poll.register(socket, select.POLLIN)
        ratios = in_turns(run, crowded, empty)
        lost = len(poll.poll(0))  # they get no message
    title, unit = f"of {ACTIVE_SESSIONS} sessions beside {len(idle_sockets):,} idle ones", "× the same without them"
    yield Figure(f"pgleash: p99 latency {title}", unit, ratios["p99"], ("at most", 1.10))
    yield Figure(f"– median latency {title}", unit, ratios["p50"])
    yield Figure(f"– CPU per transaction {title}", unit, ratios["cpu"])
    yield Figure("– idle sessions that were lost meanwhile", "", [lost], ("at most", 0))


def beside_polls(run):
    """Latency of active sessions beside idle ones while the endpoints are polled, relative to those without both."""
    port, ended = free_port(), threading.Event()
    with contextlib.ExitStack() as stack:
        polled, quiet, idle_sockets = crowd(run, stack, f"[http]\nlisten = 127.0.0.1:{port}\n")
        polls = stack.enter_context(futures.ThreadPoolExecutor()).submit(poll_endpoints, port, ended)
        stack.callback(ended.set)
        ratios = in_turns(run, polled, quiet)
    beside = f"beside {len(idle_sockets):,} idle ones, with {polls.result():.0f} polls a second"
    title, unit = f"of {ACTIVE_SESSIONS} sessions {beside}", "× the same without"
    yield Figure(f"pgleash: p99 latency {title}", unit, ratios["p99"], ("at most", 1.05))
    yield Figure(f"– median latency {title}", unit, ratios["p50"])


def crowd(run, stack, settings=""):
    """Two processes of pgleash, and the sockets of the idle sessions of the first, which has these settings."""
    # More than the default of 10,000, since the active ones need a place as well.
    room = "[listen]\nmax_sessions = 20000\n"
    crowded, empty = (stack.enter_context(started(run, run.stand_in, settings=room + own)) for own in (settings, ""))
    return crowded, empty, [stack.enter_context(Session(crowded.port).socket) for _ in range(idle_counts()[-1])]


def poll_endpoints(port, ended):
    """Requests both HTTP endpoints 50 times a second until the event: the number of requests per second."""
    begin, rounds, paths = time.monotonic(), 0, ("metrics", "sessions")
    while not ended.wait(max(0, begin + rounds / 50 - time.monotonic())):
        for path in paths:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
                answer.read()
        rounds += 1
    return rounds * len(paths) / (time.monotonic() - begin)


def workers(run):
    """Rate and cost of two workers, relative to one. The number of processors decides which of them has a goal."""
    processors = len(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(stand_in(threads=2).start(0, run.folder))
        one, two = (stack.enter_context(started(run, server, options=("--workers", count))) for count in ("1", "2"))
        ratios = in_turns(run, two, one, workers=2)
    # With fewer than 6 processors two threads each of pgbench, the stand-in and pgleash compete.
    rate, cost = (("at least", 1.80), None) if processors >= 6 else (None, ("at most", 1.05))
    unit = f"× one worker, on {processors} processors"
    yield Figure("pgleash: transactions/s of two workers", unit, ratios["transactions/s"], rate)
    yield Figure("pgleash: CPU per transaction of two workers", unit, ratios["cpu"], cost)


def in_turns(run, ours, base, workers=1):
    """The ratios of each figure of a process with so many workers to that of one with a single worker, measured one
    after the other; which comes first changes from round to round."""
    # More threads than processors would compete for them, and the latency would measure that.
    options = [*pgbench.ONE_ROW, "--jobs", str(workers)]
    # The same number of sessions for each worker: the cost of a wake-up is shared by the sessions that are ready.
    clients = {ours: workers * ACTIVE_SESSIONS, base: ACTIVE_SESSIONS}
    amount = pgbench.pace(base, run.postgres, run.folder, run.seconds, clients[base], *options)
    ratios = collections.defaultdict(list)
    for number in range(run.rounds):
        both = (ours, base) if number % 2 == 0 else (base, ours)
        figures = {one: pgbench.run(one, run.postgres, run.folder, amount, clients[one], *options) for one in both}
        for name, value in figures[ours].items():
            ratios[name].append(value / figures[base][name])
    return ratios


def start(run):
    """The time from the start of the process to the first session's ReadyForQuery."""
    pgleash, times = Pgleash(), []

    def answers():
        with contextlib.suppress(ConnectionRefusedError):
            Session(pgleash.port).close()
            return True

    for _ in range(20):
        command = pgleash.filled_command(run.stand_in.port, run.folder)
        begin = time.monotonic()
        with Program(run.folder, *command) as program:
            if not wait_until(answers, pause=0.0002):
                fail(f"pgleash did not start\n{program.log.read_text()}")
            times.append((time.monotonic() - begin) * 1000)
    yield Figure("pgleash: start to first session", "ms", times, ("at most", 50))


def size(run):
    """The files that `make install` installs."""
    stripped = run.folder / "stripped"
    subprocess.run(["strip", "-o", stripped, PGLEASH], check=True)
    yield Figure("pgleash: program, stripped", "bytes", [stripped.stat().st_size], ("at most", 15_000_000))


MEASURES = {
    call.__name__.replace("_", "-"): call
    for call in (base, idle, stalled, beside_idle, beside_polls, workers, start, size)
}
