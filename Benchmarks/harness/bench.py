"""What `bench` and `tls` compare, what pgleash is to reach there, and the tables that show it."""

import collections
import statistics

from harness.comparison import Comparison, Goal
from harness.contenders import (
    DIRECT,
    HAPROXY,
    NULL_RELAY,
    ON_BOTH_SIDES,
    PGBOUNCER,
    SPLICING_HAPROXY,
    STUNNEL,
    TO_SERVER,
    Pgleash,
)
from harness.results import BRACKETS, bold, cell, row, short, summary, table
from harness.workloads import WORKLOADS, Workload, idle

ONE_CLIENT = ("simple-1", "extended-1", "prepared-1")
MANY_CLIENTS = tuple(f"{mode}-{clients}" for mode in ("simple", "extended", "prepared") for clients in (8, 64, 256))
TRANSACTIONS = ("simple-8", "simple-64", "prepared-8", "prepared-64")
OUT = ("copy-out", "small-rows")

BENCH = Comparison(
    *("bench", "make bench", "What the hop costs"),
    [DIRECT, Pgleash(), NULL_RELAY, PGBOUNCER, HAPROXY, SPLICING_HAPROXY],
    WORKLOADS,
    [
        Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 1.05, NULL_RELAY.name),
        Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 0.95, PGBOUNCER.name),
        Goal("CPU per transaction", "cpu", TRANSACTIONS, "at most", 0.80, HAPROXY.name),
        Goal("latency, median", "p50", ONE_CLIENT, "at most", 1.05, NULL_RELAY.name),
        Goal("latency, 99th percentile", "p99", ONE_CLIENT, "at most", 1.05, NULL_RELAY.name),
        Goal("transactions/s", "transactions/s", MANY_CLIENTS, "at least", 1.00, PGBOUNCER.name),
        Goal("transactions/s", "transactions/s", MANY_CLIENTS, "at least", 1.00, HAPROXY.name),
        Goal("CPU per 100 MB", "cpu", (*OUT, "copy-in"), "at most", 1.05, NULL_RELAY.name),
        Goal("CPU per 100 MB", "cpu", OUT, "below", 1.00, HAPROXY.name),
        Goal("CPU per connection", "cpu", ("connect",), "at most", 1.20, NULL_RELAY.name),
    ],
)

# Goals with TLS: the cost of the better of the others at most, so of each of them.
WITH_TLS = [
    ("CPU per transaction", ("simple-8", "prepared-8", "simple-64"), (PGBOUNCER, STUNNEL)),
    ("CPU per connection", ("connect",), (STUNNEL,)),
    ("CPU per 100 MB", ("copy-out", "copy-in"), (PGBOUNCER, STUNNEL)),
]
CARRIED = [workload for workload in WORKLOADS if any(workload.name in names for _, names, _ in WITH_TLS)]
TLS = Comparison(
    *("tls", "make tls-bench", "What TLS costs"),
    [Pgleash(), PGBOUNCER, STUNNEL],
    [
        *[workload.encrypted(encryption) for encryption in (TO_SERVER, ON_BOTH_SIDES) for workload in CARRIED],
        Workload("idle", "1,000 idle sessions", "idle", idle, rounds=1).encrypted(ON_BOTH_SIDES),
    ],
    [
        *[
            Goal(title, "cpu", tuple(f"{encryption.name}-{name}" for name in names), "at most", 1.00, other.name)
            for encryption in (TO_SERVER, ON_BOTH_SIDES)
            for title, names, others in WITH_TLS
            for other in others
        ],
        Goal("memory of an idle session", "memory", ("both-idle",), "at most", 1.00, PGBOUNCER.name),
    ],
)


def document(comparison, results):
    """The tables in Markdown: whether the goals are held, ratios within rounds, then each figure of all contenders."""
    transactions, bulk, idle = map(comparison.workloads_of, ("transactions", "bulk", "idle"))
    everybody = [contender.name for contender in comparison.contenders]
    proxies = [name for name in everybody if name != DIRECT.name]
    others = [name for name in proxies if name != "pgleash"]
    peers = (PGBOUNCER.name, HAPROXY.name)

    def section(title, workloads, names, values_of, sign=""):
        rows = [[workload.title, *[cell(values_of(workload.name, name)) for name in names]] for workload in workloads]
        return ["", f"## {title}", "", *table(["", *[sign + name for name in names]], rows)] if rows else []

    def ratios(title, workloads, figure, ours, others):
        return section(title, workloads, others, lambda name, other: results.ratio(name, ours, other, figure), "÷ ")

    def figures(title, workloads, figure, names):
        return section(title, workloads, names, lambda workload, name: results.spread(workload, name, figure))

    judged = comparison.judge(results)
    goals = [[*words, bold(verdict)] for *words, verdict in judged]
    gain = "the null relay relative to PgBouncer and HAProxy, which is what is left to gain"
    tables = [
        *["", "## Goals", "", f"{summary([row[-1] for row in judged])}.", ""],
        *table(["figure", "workload", "goal", "measured", ""], goals, ["---"] * 5),
        *ratios("CPU time of the proxy: pgleash relative to the others", transactions + bulk, "cpu", "pgleash", others),
        row(
            ["least and most of the transactions' medians", *[extremes(results, transactions, name) for name in others]]
        ),
    ]
    if NULL_RELAY.name in proxies:
        tables += ratios(f"CPU time of the proxy: {gain}", transactions + bulk, "cpu", NULL_RELAY.name, peers)
        tables += ratios(f"Transactions per second: {gain}", transactions, "transactions/s", NULL_RELAY.name, peers)
    tables += figures("CPU time of the proxy per transaction, µs", transactions, "cpu", proxies)
    tables += figures("CPU time of the proxy per 100 MB, ms", bulk, "cpu", proxies)
    tables += figures("Memory of an idle session, KiB", idle, "memory", proxies)
    tables += figures("Transactions per second", transactions, "transactions/s", everybody)
    tables += figures("Megabytes per second", bulk, "MB/s", everybody)
    for name, figure in (("median", "p50"), ("99th percentile", "p99"), ("99.9th percentile", "p99.9")):
        tables += figures(f"Latency, {name}, µs", transactions, figure, everybody)
    head = [f"# {comparison.title}", "", results.note, "", f"{rounds(results)} `{comparison.target}` writes this"]
    return [*head, "file; the [README](../README.md) says how it measures and how to read it.", *tables]


def rounds(results):
    """The description of the figures."""
    counts = collections.Counter(workload for _, workload in {key[:2] for key in results.values}).values()
    least, most = min(counts), max(counts)
    if most == 1:
        return "What a single round gave."
    count = most if least == most else f"{least} to {most}"
    return f"Medians of {count} rounds, and in brackets {BRACKETS}. Ratios are taken within a round."


def extremes(results, workloads, other):
    """The smallest and the largest median of a ratio of CPU time over these workloads."""
    ratios = [results.ratio(workload.name, "pgleash", other, "cpu") for workload in workloads]
    medians = [statistics.median(ratio) for ratio in ratios if ratio]
    return f"{short(min(medians))}–{short(max(medians))}" if medians else cell([])
