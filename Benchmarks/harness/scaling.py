"""What idle sessions cost the active ones, and what a second worker brings. Each is a ratio of two processes that are
measured one after the other; which comes first changes from round to round."""

import contextlib
import os

from harness import pgbench
from harness.figures import Figure
from harness.memory import idle_counts
from harness.stand_in import StandIn
from harness.wire import Session

ACTIVE_SESSIONS = 8
ENOUGH_PROCESSORS = 6  # for two threads each of pgbench, the stand-in and pgleash


def measure_beside_idle(make_pgleash, server, folder, rounds, seconds):
    """The 99th percentile of active sessions' latency beside idle ones, relative to that without them."""
    count = idle_counts()[-1]
    # More than the default of 10,000, since the active ones need a place as well.
    crowded, empty = (make_pgleash(settings="[listen]\nmax_sessions = 20000\n") for _ in range(2))
    with crowded.start(server.port, folder), empty.start(server.port, folder), contextlib.ExitStack() as stack:
        idle = [Session(crowded.port) for _ in range(count)]
        for session in idle:
            stack.enter_context(session.socket)
        options = ACTIVE_SESSIONS, *one_row(folder, threads=1)
        amount = pgbench.pace(empty, server, folder, seconds, *options)
        pairs = compare(
            rounds,
            lambda: pgbench.run(crowded, server, folder, amount, *options),
            lambda: pgbench.run(empty, server, folder, amount, *options),
        )
        lost = sum(session.has_ended() for session in idle)
    title, unit = f"of {ACTIVE_SESSIONS} sessions beside {count:,} idle ones", "× the same without them"
    return [
        Figure(f"pgleash: p99 latency {title}", unit, ratios(pairs, "p99"), at_most=1.10),
        Figure(f"– median latency {title}", unit, ratios(pairs, "p50")),
        Figure(f"– CPU per transaction {title}", unit, ratios(pairs, "cpu")),
        Figure("– idle sessions that were lost meanwhile", "", (lost,), at_most=0),
    ]


def measure_workers(make_pgleash, postgres, folder, rounds, seconds):
    """Rate and cost of two workers, relative to one. Which of them has a goal depends on the machine."""
    processors = len(os.sched_getaffinity(0))
    is_free = processors >= ENOUGH_PROCESSORS
    one, two = (make_pgleash(options=("--workers", workers)) for workers in ("1", "2"))
    with StandIn(folder, postgres, threads=2) as server, one.start(server.port, folder), two.start(server.port, folder):
        options = one_row(folder, threads=2)
        amount = pgbench.pace(one, server, folder, seconds, ACTIVE_SESSIONS, *options)
        # As many sessions for each worker: what it costs to wake up is shared by those that are ready.
        pairs = compare(
            rounds,
            lambda: pgbench.run(two, server, folder, amount, 2 * ACTIVE_SESSIONS, *options),
            lambda: pgbench.run(one, server, folder, amount, ACTIVE_SESSIONS, *options),
        )
    rate, cost = ratios(pairs, "transactions/s"), ratios(pairs, "cpu")
    unit = f"× one worker, on {processors} processors"
    return [
        Figure("pgleash: transactions/s of two workers", unit, rate, at_least=1.80 if is_free else None),
        Figure("pgleash: CPU per transaction of two workers", unit, cost, at_most=None if is_free else 1.05),
    ]


def compare(rounds, first, second):
    """What both give in each round."""
    pairs = []
    for number in range(rounds):
        if number % 2 == 0:
            pairs.append((first(), second()))
        else:
            pairs.append((second(), first())[::-1])
    return pairs


def ratios(pairs, figure):
    return tuple(first[figure] / second[figure] for first, second in pairs)


def one_row(folder, threads):
    """pgbench's options for transactions of one row each. More threads than processors would fight for them, and
    latency tell of that fight."""
    script = folder / "one.sql"
    script.write_text("SELECT 1;\n")
    return "--file", script, "--jobs", str(threads)
